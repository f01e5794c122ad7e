// How the steps of a tuned picture differ from place to place (SPEC.md, section 9.8): an integer function of what is decoded
// of the coarser level there and around, so that files say nothing of it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "simd.hpp"

namespace laconic {

inline constexpr int max_exponent = 16;  // of a place: its steps are 2^(-exponent / 16) of those of the channel

// What steps are multiplied by at exponents -16 to 16, in units of 2^-14, limited to 16 bits.
inline constexpr std::array<std::int16_t, 2 * max_exponent + 1> step_weights{
    32767, 31379, 30048, 28774, 27554, 26386, 25268, 24196, 23170, 22188, 21247, 20347, 19484, 18658, 17867, 17109, 16384,
    15689, 15024, 14387, 13777, 13193, 12634, 12098, 11585, 11094, 10624, 10173, 9742,  9329,  8933,  8555,  8192};

inline std::int16_t step_weight(int exponent) noexcept { return step_weights[static_cast<std::size_t>(exponent + max_exponent)]; }

// A file's map: of strength 1 to 15, from channels `first` to `first` + weights.size() - 1, whose squares count so much, in
// 1/64.
struct StepMapRule {
    int step_code;
    int strength;
    std::size_t first;
    const std::uint32_t* weights;
    std::size_t num_weights;
};

template <class T>
LACONIC_CLONES inline void add_squares(const T* values, std::uint32_t weight, std::uint32_t* sums, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const std::int32_t value = values[i] < -255 ? 255 : values[i] > 255 ? 255 : values[i];
        sums[i] += static_cast<std::uint32_t>(value * value) * weight;
    }
}

// Sums of three rows each, of places that have a frame of one around: sums of 3 x 3 places.
LACONIC_CLONES inline void add_neighbours(const std::uint32_t* above, const std::uint32_t* own, const std::uint32_t* below, std::uint32_t* out,
                                          std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t left = above[i] + own[i] + below[i], middle = above[i + 1] + own[i + 1] + below[i + 1];
        out[i] = left + middle + above[i + 2] + own[i + 2] + below[i + 2];
    }
}

inline std::int8_t step_exponent(std::uint32_t activity, const StepMapRule& rule) noexcept {
    constexpr std::uint32_t floor = 778;  // .15 squared steps for each of nine channels and places
    constexpr int unit = 488;             // where the exponent is 0, at step code 0
    const std::uint32_t sum = activity + floor;
    const int top = std::bit_width(sum) - 1;
    const int level = 16 * top + static_cast<int>(sum >> (top - 4)) - 16 + 2 * rule.step_code - unit;
    return static_cast<std::int8_t>(std::clamp((16 - rule.strength * level) >> 5, -max_exponent, max_exponent));
}

// How much goes on around a place, for noise (noise_fill.hpp): the bits of the sum of squares, at most 15.
inline std::uint8_t activity_class(std::uint32_t activity) noexcept {
    return static_cast<std::uint8_t>(std::min<unsigned>(std::bit_width(activity >> 6), 15));
}

// `values` (channels, height, width) -> the exponent of each place, and its class where `classes` is there; outside of the values
// everything is 0.
template <class T>
inline void step_exponents(const T* values, std::size_t height, std::size_t width, const StepMapRule& rule, std::int8_t* out,
                           std::uint8_t* classes = nullptr) {
    const std::size_t stride = width + 2;
    std::vector<std::uint32_t> squares((height + 2) * stride), around(width);
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t k = 0; k < rule.num_weights; ++k)
            add_squares(values + ((rule.first + k) * height + y) * width, rule.weights[k], squares.data() + (y + 1) * stride + 1, width);
    for (std::size_t y = 0; y < height; ++y) {
        const std::uint32_t* const above = squares.data() + y * stride;
        add_neighbours(above, above + stride, above + 2 * stride, around.data(), width);
        for (std::size_t x = 0; x < width; ++x) out[y * width + x] = step_exponent(around[x], rule);
        if (classes == nullptr) continue;
        for (std::size_t x = 0; x < width; ++x) classes[y * width + x] = activity_class(around[x]);
    }
}

// Multiplies by a factor for each place, that of its exponent: `factors` are those of -16 to 16.
LACONIC_CLONES inline void scale_places(float* values, const float* factors, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) values[i] *= factors[i];
}

LACONIC_CLONES inline void scale_all(float* values, float factor, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) values[i] *= factor;
}

inline void factors_of_places(const std::int8_t* exponents, const float* factors, float* out, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = factors[exponents[i] + max_exponent];
}

}  // namespace laconic
