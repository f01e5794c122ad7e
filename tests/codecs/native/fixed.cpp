// Tests of the fixed-point transform without Python, under the address and undefined-behaviour sanitizers: every set of kernels
// gives what the portable one gives, and parts are those of the whole.
//
// Arrays are allocated at their exact size, so that one element too many is an error of the address sanitizer.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "../../../codecs/native/fixed_dispatch.hpp"
#include "fixed_scene.hpp"
#include "instruction_sets.hpp"

using namespace laconic;
using test::FixedScene;

namespace {

constexpr unsigned num_scenes = 80;

void check(bool condition, const std::string& what) {
    if (condition) return;
    std::fprintf(stderr, "failed with the kernels %s: %s\n", std::string(fixed_kernels().name).c_str(), what.c_str());
    std::abort();
}

// Some rows of the latent, in tiles.
void test_rows(const FixedScene& scene, std::mt19937_64& random) {
    const std::size_t first = random() % scene.rows(), last = first + 1 + random() % (scene.rows() - first), columns = scene.columns();
    const std::size_t side = std::size_t{8} << random() % 6;
    const auto whole = scene.analyzed<float>(fixed_kernels(), 0, scene.rows(), FixedScene::untiled).front();
    const auto tiles = scene.analyzed<float>(fixed_kernels(), first, last, side);
    std::size_t number = 0;
    for (std::size_t y = first; y < last; y += side)
        for (std::size_t x = 0; x < columns; x += side, ++number) {
            const std::size_t height = std::min(side, last - y), width = std::min(side, columns - x);
            for (std::size_t i = 0; i < scene.map.num_channels * height; ++i)
                check(std::memcmp(&tiles[number][i * width], &whole[(i / height * scene.rows() + y + i % height) * columns + x],
                                  width * sizeof(float)) == 0,
                      "a tile of the latent differs from the whole");
        }
    check(number == tiles.size(), "tiles are as many as there should be");
}

// The samples of some places, from these and their margins, into a rectangle of a larger picture.
void test_rectangle(const FixedScene& scene, std::mt19937_64& random) {
    const std::size_t factor = scene.map.factor(), rows = scene.rows(), columns = scene.columns(), planes = scene.map.planes;
    const auto values = scene.analyzed<std::int16_t>(fixed_kernels(), 0, rows, FixedScene::untiled).front();
    const auto whole = scene.synthesized(fixed_kernels(), values, scene.map.num_channels, 0);
    const std::size_t y = random() % (rows * factor), x = random() % (columns * factor);
    const std::size_t height = 1 + random() % (rows * factor - y), width = 1 + random() % (columns * factor - x);
    const std::size_t top = y / factor - std::min(y / factor, margin), left = x / factor - std::min(x / factor, margin);
    const std::size_t bottom = std::min(rows, (y + height - 1) / factor + 1 + margin), right = std::min(columns, (x + width - 1) / factor + 1 + margin);
    std::vector<std::int16_t> cut;
    for (std::size_t c = 0; c < scene.map.num_channels; ++c)
        for (std::size_t row = top; row < bottom; ++row)
            for (std::size_t column = left; column < right; ++column) cut.push_back(values[(c * rows + row) * columns + column]);
    const std::size_t cut_rows = bottom - top, cut_columns = right - left;
    LatentPart part{cut.data(),  false,          scene.map.num_channels, cut_rows,           cut_columns, cut_rows * cut_columns,
                    cut_columns, scene.row_bits, scene.scales.data(),    scene.shrink.data()};
    const std::size_t pitch = round_up(cut_columns), whole_pitch = round_up(columns);
    std::vector<std::int16_t> weights(scene.weights.empty() ? 0 : cut_rows * pitch);
    for (std::size_t i = 0; i < weights.size(); ++i)
        if (i % pitch < cut_columns) weights[i] = scene.weights[(top + i / pitch) * whole_pitch + left + i % pitch];
    scene.weigh(part, weights);
    std::vector<std::uint8_t> out(height * width * planes);
    synthesize_fixed(fixed_kernels(), scene.map, part, 0,
                     {out.data(), width * planes, planes, x - left * factor, y - top * factor, width, height});
    for (std::size_t i = 0; i < height; ++i)
        check(std::memcmp(&out[i * width * planes], &whole[((y + i) * columns * factor + x) * planes], width * planes) == 0,
              "a rectangle differs from that of the whole");
}

template <class T>
std::vector<T> drawn(std::size_t count, std::mt19937_64& random) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(random() >> (random() % 3 * 8));
    return values;
}

// Kernels by themselves, on any numbers, which pictures do not reach: up to 16 and 32 bits.
void test_kernels(std::mt19937_64& random) {
    const FixedKernels& set = fixed_kernels();
    const std::size_t n = 1 + random() % 150, pitch = n + random() % 40;
    const auto samples = drawn<std::uint8_t>(3 * n, random);
    const auto rows = drawn<std::int16_t>(3 * pitch, random);
    const auto sums = drawn<std::int32_t>(8 * pitch, random);
    const auto bits = static_cast<unsigned>(random() % 16);
    const auto same = [&](auto of_set, auto of_portable, const char* what) { check(of_set == of_portable, std::string("a kernel differs: ") + what); };
    const auto read = [&](const FixedKernels& kernels) {
        std::vector<std::int16_t> out(3 * pitch);
        kernels.rows_of_samples(samples.data(), 3, out.data(), 3, pitch, n);
        return out;
    };
    same(read(set), read(fixed_portable), "rows of samples");
    const auto written = [&](const FixedKernels& kernels) {
        std::vector<std::uint8_t> out(3 * n);
        kernels.samples_of_rows(rows.data(), 5 + bits % 2, 3, pitch, out.data(), 3, n);
        return out;
    };
    same(written(set), written(fixed_portable), "samples of rows");
    const float step = static_cast<float>(1 + random() % 1000) / 100.0F;
    const Thresholds thresholds{static_cast<float>(random() % 5) / 4.0F, static_cast<float>(random() % 3) / 2.0F};
    const auto quantized = [&](const FixedKernels& kernels) {
        std::vector<std::int16_t> out(n);
        kernels.quantize16(sums.data(), {1.0F / 65536.0F, step}, thresholds, out.data(), n);
        return out;
    };
    same(quantized(set), quantized(fixed_portable), "integers");
    for (const std::size_t count : {1U, 2U, 4U, 8U}) {
        const auto scattered = [&](const FixedKernels& kernels) {
            std::vector<std::int16_t> out(count * n);
            kernels.scatter(sums.data(), pitch, count, bits, out.data(), n);
            return out;
        };
        same(scattered(set), scattered(fixed_portable), "sums in order");
    }
    const auto weights = drawn<std::int16_t>(round_up(n), random);
    const auto numbers = drawn<std::int16_t>(round_up(n), random);
    const auto weighed = [&](const FixedKernels& kernels) {
        std::vector<std::int16_t> out = numbers;
        kernels.weigh(out.data(), weights.data(), out.size());
        return out;
    };
    same(weighed(set), weighed(fixed_portable), "weighed numbers");
    const std::size_t num_rows = 1 + random() % 50, num_pairs = 1 + random() % 24, width = round_up(n);
    const auto matrix = drawn<std::int32_t>(num_pairs * num_rows, random);
    const auto pairs = drawn<std::int32_t>(num_pairs * width, random);
    std::vector<const std::int32_t*> at;
    for (std::size_t k = 0; k < num_pairs; ++k) at.push_back(&pairs[k * width]);
    const auto product = [&](const FixedKernels& kernels) {
        std::vector<std::int32_t> out(num_rows * width);
        kernels.multiply(matrix.data(), num_rows, num_rows, at.data(), num_pairs, out.data(), width, width);
        return out;
    };
    same(product(set), product(fixed_portable), "matrix product");
}

void test_missing_rows(const FixedScene& scene) {
    std::vector<float> values(scene.map.num_channels * scene.columns());
    const LatentOut out{0, 1, FixedScene::untiled, scene.columns(), {values.data()}};
    CoefficientWriter writer{fixed_kernels(), out};
    const SampleRows none{scene.samples.data(), 0, scene.width, scene.channels, 0, scene.height};
    bool is_refused = false;
    try {
        analyze_fixed(fixed_kernels(), scene.map, none, {out, writer});
    } catch (const std::out_of_range&) {
        is_refused = true;
    }
    check(is_refused, "rows that are missing are refused");
}

}  // namespace

int main() {
    check(!use_fixed_kernels("no such"), "unknown kernels are refused");
    for (unsigned seed = 0; seed < num_scenes; ++seed) {
        std::mt19937_64 random(seed);
        const FixedScene scene(random);
        const auto expected = scene.everything(fixed_portable);
        for (const std::string_view name : instruction_sets()) {
            check(use_fixed_kernels(name), "kernels can be chosen");
            check(scene.everything(fixed_kernels()) == expected, "scene " + std::to_string(seed) + " differs from the portable kernels");
            test_rows(scene, random);
            test_rectangle(scene, random);
            test_kernels(random);
        }
        test_missing_rows(scene);
    }
    for (const std::string_view name : instruction_sets()) std::printf("kernels %s: tested\n", std::string(name).c_str());
    std::puts("all tests of the fixed-point transform passed");
}
