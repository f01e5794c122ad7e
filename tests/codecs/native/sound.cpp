// Tests of the prediction of lossless sounds without Python, under the address and undefined-behaviour sanitizers: samples come
// back, every set of kernels gives what the portable one gives, and any residuals give samples.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "../../../codecs/native/sound_prediction.hpp"
#include "instruction_sets.hpp"

using namespace laconic;

namespace {

constexpr unsigned num_scenes = 60;

void check(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "failed with the kernels %s: %s\n", std::string(fixed_kernels().name).c_str(), what);
    std::abort();
}

using Random = std::mt19937_64;
using Integers = std::vector<std::int32_t>;

// (channels, length): tones, noise, jumps between the extremes, or silence.
Integers samples_of(Random& random, const std::vector<ChannelRules>& channels, std::size_t length) {
    Integers samples;
    for (const ChannelRules& channel : channels) {
        const double peak = std::ldexp(1.0, static_cast<int>(channel.bits) - 1);
        const auto kind = random() % 4;
        for (std::size_t t = 0; t < length; ++t) {
            const double noise = static_cast<double>(random() % 65536) / 32768 - 1;
            const double value = kind == 0   ? std::sin(static_cast<double>(t) * 0.07) * 0.9 + noise * 0.05
                                 : kind == 1 ? noise
                                 : kind == 2 ? (random() % 2 == 0 ? -1.0 : 1.0)
                                             : 0.0;
            samples.push_back(static_cast<std::int32_t>(std::clamp(std::floor(value * peak), -peak, peak - 1)));
        }
    }
    return samples;
}

Integers test_scene(unsigned seed) {
    Random random(seed);
    const std::size_t length = random() % 700;
    PredictionRules rules{1 + static_cast<unsigned>(random() % max_forget), {}};
    for (auto& step : rules.steps) step = static_cast<std::uint8_t>(random());
    std::vector<ChannelRules> channels(1 + random() % 4);
    for (auto& channel : channels)
        channel = {1 + static_cast<unsigned>(random() % max_sound_bits), static_cast<int>(random() % 25) + min_filter_shift};
    const Integers samples = samples_of(random, channels, length);
    Integers residuals(samples.size());
    residuals_of_sound(rules, channels, length, samples.data(), residuals.data());
    Integers restored = residuals;
    check(sound_of_residuals(rules, channels, length, restored.data()) && restored == samples, "samples do not come back");
    for (auto& residual : restored) residual = static_cast<std::int32_t>(random());
    sound_of_residuals(rules, channels, length, restored.data());
    return residuals;
}

}  // namespace

int main() {
    std::vector<Integers> expected;
    for (const std::string_view name : instruction_sets()) {
        check(use_fixed_kernels(name), "there are no such kernels");
        for (unsigned seed = 0; seed < num_scenes; ++seed) {
            const Integers found = test_scene(seed);
            if (seed == expected.size()) expected.push_back(found);
            check(found == expected[seed], "residuals are not those of the portable kernels");
        }
        std::printf("%s\n", std::string(name).c_str());
    }
    std::printf("all tests of lossless sounds passed\n");
}
