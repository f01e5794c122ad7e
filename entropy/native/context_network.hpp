// Small networks that say how a symbol of a subband is distributed, from what is decoded around it (SPEC.md, section 4.4).
// Weights are 8 bits, activations unsigned 8, sums 32: integers only, and the same everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace laconic {

inline constexpr unsigned max_network_shift = 24;
inline constexpr std::int32_t max_network_bias = 1 << 28;
inline constexpr std::int32_t max_step_weight = 1 << 20;

// Weights as they are stored: `first` (width, inputs), `second` (width, width), `third` (outputs, width); biases of the first
// and third by kind of symbol, (kinds, width) and (kinds, outputs); `first_step` (width) and `third_step` (outputs) are
// added to these so many times as the step code is above 128. `shifts` follow each layer.
struct NetworkWeights {
    std::size_t width;
    std::size_t num_kinds;
    std::vector<std::int8_t> first, second, third;
    std::vector<std::int32_t> first_bias, second_bias, third_bias, first_step, third_step;
    std::vector<std::uint8_t> shifts;

    // Throws std::invalid_argument where the parts do not fit together or a sum could leave 32 bits.
    void check() const {
        if (width < 16 || width > max_network_width || width % 16 != 0) invalid("the width must be a multiple of 16, up to 128");
        if (first.size() != width * network_inputs || second.size() != width * width || third.size() != network_outputs * width ||
            first_bias.size() != num_kinds * width || second_bias.size() != width || third_bias.size() != num_kinds * network_outputs ||
            first_step.size() != width || third_step.size() != network_outputs || shifts.size() != 3)
            invalid("an array has the wrong shape");
        for (const auto* biases : {&first_bias, &second_bias, &third_bias})
            for (const std::int32_t bias : *biases)
                if (bias > max_network_bias || bias < -max_network_bias) invalid("biases are at most 2^28");
        for (const auto* steps : {&first_step, &third_step})
            for (const std::int32_t step : *steps)
                if (step > max_step_weight || step < -max_step_weight) invalid("weights of the step are at most 2^20");
        for (const std::uint8_t shift : shifts)
            if (shift > max_network_shift) invalid("shifts are at most 24");
    }

private:
    [[noreturn]] static void invalid(const char* what) { throw std::invalid_argument(std::string("context network: ") + what); }
};

// The weights at one step, as kernels take them.
class StepNetwork {
public:
    StepNetwork(const NetworkWeights& weights, int step_code) : width_{weights.width}, third_shift_{weights.shifts[2]} {
        const std::int32_t above = step_code - 128;
        first_ = paired(weights.first, width_, network_inputs);
        second_ = paired(weights.second, width_, width_);
        third_.assign(4 * width_, 0);
        for (std::size_t i = 0; i < network_outputs * width_; ++i) third_[i] = weights.third[i];
        first_bias_ = weights.first_bias;
        for (std::size_t i = 0; i < first_bias_.size(); ++i) first_bias_[i] += above * weights.first_step[i % width_];
        first_bias_at_zero_ = first_bias_;
        for (std::size_t i = 0; i < first_bias_.size(); ++i)
            for (std::size_t input = first_sign_input; input < network_inputs; ++input)
                first_bias_at_zero_[i] += zero_sign_input * weights.first[i % width_ * network_inputs + input];
        second_bias_ = weights.second_bias;
        third_bias_.assign(4 * weights.num_kinds, 0);
        for (std::size_t kind = 0; kind < weights.num_kinds; ++kind)
            for (std::size_t k = 0; k < network_outputs; ++k)
                third_bias_[4 * kind + k] = weights.third_bias[network_outputs * kind + k] + above * weights.third_step[k] + (1 << third_shift_ >> 1);
        shifts_ = {weights.shifts[0], weights.shifts[1]};
    }

    NetworkView view() const noexcept {
        return {width_, first_.data(), first_bias_.data(), first_bias_at_zero_.data(), second_.data(), second_bias_.data(), third_.data(), third_bias_.data(),
                {shifts_[0], shifts_[1], third_shift_}};
    }

private:
    // (units, inputs) -> (pairs of inputs, units, 2).
    static std::vector<std::int16_t> paired(const std::vector<std::int8_t>& weights, std::size_t units, std::size_t inputs) {
        std::vector<std::int16_t> pairs(units * inputs);
        for (std::size_t u = 0; u < units; ++u)
            for (std::size_t i = 0; i < inputs; ++i) pairs[(i / 2 * units + u) * 2 + i % 2] = weights[u * inputs + i];
        return pairs;
    }

    std::size_t width_;
    unsigned third_shift_;
    std::vector<std::int16_t> first_, second_, third_;
    std::vector<std::int32_t> first_bias_, first_bias_at_zero_, second_bias_, third_bias_;
    std::array<unsigned, 2> shifts_{};
};

}  // namespace laconic
