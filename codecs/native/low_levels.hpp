// Further levels of the 9/7 transform for a picture's lowest channels, in place (SPEC.md, section 9.6): places with even row and
// even column hold the low values, odd row and even column the vertically high ones, even row and odd column the horizontally
// high ones, both odd both; the next level does the same on the low places.
//
// The steps are those of wavelet.hpp, on lines of any length: n values are ceil(n / 2) even and floor(n / 2) odd ones, extended by
// whole-sample symmetry; a single value stays as it is. What is `reach` places off has no influence, so a part of a plane whose
// corner is on the grid of the coarsest level is transformed as the whole is, but for a border of that width.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "simd.hpp"
#include "wavelet.hpp"

namespace laconic {

inline constexpr std::size_t max_low_levels = 2;
inline constexpr std::size_t low_margin = 12;  // places: 4 of the finer level and twice 4 of the coarser one
inline constexpr float low_values_in_unit = 2048.0F;
inline constexpr float largest_low_value = 32767.0F;

inline std::size_t num_even(std::size_t n) noexcept { return (n + 1) / 2; }
inline std::size_t num_odd(std::size_t n) noexcept { return n / 2; }

// odd[i] += factor * (even[i] + even[i + 1]) of a line of n values
inline void lift_odd_of(float* odd, const float* even, float factor, std::size_t n) noexcept {
    const std::size_t inner = num_even(n) - 1, count = num_odd(n);
    for (std::size_t i = 0; i < inner; ++i) odd[i] += factor * (even[i] + even[i + 1]);
    if (count > inner) odd[inner] += factor * (even[inner] + even[inner]);
}

// even[i] += factor * (odd[i] + odd[i - 1])
inline void lift_even_of(float* even, const float* odd, float factor, std::size_t n) noexcept {
    const std::size_t count = num_odd(n);
    even[0] += factor * (odd[0] + odd[0]);
    for (std::size_t i = 1; i < count; ++i) even[i] += factor * (odd[i] + odd[i - 1]);
    if (num_even(n) > count) even[count] += factor * (odd[count - 1] + odd[count - 1]);
}

// A row of n > 1 values; `work` has room for n.
LACONIC_CLONES inline void analyze_low_row(float* row, float* work, std::size_t n) noexcept {
    float *even = work, *odd = work + num_even(n);
    for (std::size_t i = 0; i < num_odd(n); ++i) {
        even[i] = row[2 * i];
        odd[i] = row[2 * i + 1];
    }
    if (n % 2 == 1) even[n / 2] = row[n - 1];
    lift_odd_of(odd, even, Lifting::a, n);
    lift_even_of(even, odd, Lifting::b, n);
    lift_odd_of(odd, even, Lifting::c, n);
    lift_even_of(even, odd, Lifting::d, n);
    for (std::size_t i = 0; i < num_odd(n); ++i) {
        row[2 * i] = even[i] * Lifting::low_gain;
        row[2 * i + 1] = odd[i] * Lifting::high_gain;
    }
    if (n % 2 == 1) row[n - 1] = even[n / 2] * Lifting::low_gain;
}

// The inverse for all rows, some of which stand side by side as columns: a step then is one of whole registers, which along
// a row it is not.
inline void synthesize_low_rows(float* plane, std::size_t height, std::size_t width) {
    constexpr std::size_t together = 16;
    std::vector<float> columns(together * width);
    for (std::size_t y = 0; y < height; y += together) {
        const std::size_t count = std::min(together, height - y);
        for (std::size_t j = 0; j < count; ++j)
            for (std::size_t x = 0; x < width; ++x) columns[x * together + j] = plane[(y + j) * width + x];
        ColumnLifting(columns.data(), width, together).inverse();
        for (std::size_t j = 0; j < count; ++j)
            for (std::size_t x = 0; x < width; ++x) plane[(y + j) * width + x] = columns[x * together + j];
    }
}

// Every second value of every second row <-> a plane of their own.
inline void gather_low(const float* plane, float* low, std::size_t height, std::size_t width) noexcept {
    for (std::size_t y = 0; y < height; y += 2)
        for (std::size_t x = 0; x < width; x += 2) *low++ = plane[y * width + x];
}

inline void scatter_low(const float* low, float* plane, std::size_t height, std::size_t width) noexcept {
    for (std::size_t y = 0; y < height; y += 2)
        for (std::size_t x = 0; x < width; x += 2) plane[y * width + x] = *low++;
}

// row[x] *= even or odd
LACONIC_CLONES inline void scale_low_row(float* row, float even, float odd, std::size_t n) noexcept {
    for (std::size_t i = 0; i < num_odd(n); ++i) {
        row[2 * i] *= even;
        row[2 * i + 1] *= odd;
    }
    if (n % 2 == 1) row[n - 1] *= even;
}

// One plane, in place. `gains`, 1 + 3 levels of them, are those of the classes: low, then from the coarsest level on vertically
// high, horizontally high, both.
inline void analyze_low(float* plane, std::size_t height, std::size_t width, std::size_t levels, const float* gains) {
    if (levels == 0) {
        scale(plane, gains[0], height * width);
        return;
    }
    std::vector<float> work(width);
    if (width > 1)
        for (std::size_t y = 0; y < height; ++y) analyze_low_row(plane + y * width, work.data(), width);
    if (height > 1) ColumnLifting(plane, height, width).forward();
    const float* high = gains + 1 + 3 * (levels - 1);
    for (std::size_t y = 0; y < height; ++y)
        scale_low_row(plane + y * width, y % 2 == 0 ? 1.0F : high[0], y % 2 == 0 ? high[1] : high[2], width);
    std::vector<float> low(num_even(height) * num_even(width));
    gather_low(plane, low.data(), height, width);
    analyze_low(low.data(), num_even(height), num_even(width), levels - 1, gains);
    scatter_low(low.data(), plane, height, width);
}

// The inverse, gains left out, of some planes whose rows take turns, (height, planes, width): the longer a row is, the fewer
// of its values do not fill a register.
inline void synthesize_low(float* rows, std::size_t height, std::size_t planes, std::size_t width, std::size_t levels) {
    if (levels == 0) return;
    const std::size_t low_height = num_even(height), low_width = num_even(width);
    std::vector<float> low(low_height * planes * low_width);
    for (std::size_t y = 0; y < low_height; ++y)
        for (std::size_t p = 0; p < planes; ++p) gather_low(rows + (2 * y * planes + p) * width, low.data() + (y * planes + p) * low_width, 1, width);
    synthesize_low(low.data(), low_height, planes, low_width, levels - 1);
    for (std::size_t y = 0; y < low_height; ++y)
        for (std::size_t p = 0; p < planes; ++p) scatter_low(low.data() + (y * planes + p) * low_width, rows + (2 * y * planes + p) * width, 1, width);
    if (height > 1) ColumnLifting(rows, height, planes * width).inverse();
    if (width > 1) synthesize_low_rows(rows, height * planes, width);
}

// What integers of one row stand for: in each column of the four arrays, what is taken off magnitudes 1, 2 and more, and the factor.
struct LowRowRule {
    std::vector<float> one, two, more, inverse;
};

template <class T>
inline void dequantize_low_values(const T* in, float* out, float step, const LowRowRule& rule, std::size_t n) noexcept {
    const float *one = rule.one.data(), *two = rule.two.data(), *more = rule.more.data(), *inverse = rule.inverse.data();
    for (std::size_t x = 0; x < n; ++x) {
        const float value = static_cast<float>(in[x]);
        const float magnitude = std::fabs(value);
        const float first = one[x], second = two[x], third = more[x];
        float less = magnitude < 0.5F ? 0.0F : first;
        less = magnitude > 1.5F ? second : less;
        less = magnitude > 2.5F ? third : less;
        out[x] = std::copysign(1.0F, value) * ((magnitude - less) * step * inverse[x]);
    }
}

LACONIC_CLONES inline void dequantize_low_row(const std::int16_t* in, float* out, float step, const LowRowRule& rule, std::size_t n) noexcept {
    dequantize_low_values(in, out, step, rule, n);
}
LACONIC_CLONES inline void dequantize_low_row(const std::int32_t* in, float* out, float step, const LowRowRule& rule, std::size_t n) noexcept {
    dequantize_low_values(in, out, step, rule, n);
}

// floor(in factor + 1/2), limited. In two steps, so that compilers make no branches of the limits.
LACONIC_CLONES inline void round_low_values(const float* in, std::int16_t* out, float factor, std::size_t n) noexcept {
    constexpr std::size_t block = 64;
    float kept[block];
    for (std::size_t begin = 0; begin < n; begin += block) {
        const std::size_t count = std::min(block, n - begin);
        for (std::size_t i = 0; i < count; ++i) {
            const float exact = in[begin + i] * factor + 0.5F;
            const float above = exact > -largest_low_value ? exact : -largest_low_value;
            kept[i] = above < largest_low_value ? above : largest_low_value;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const auto towards_zero = static_cast<std::int32_t>(kept[i]);
            out[begin + i] = static_cast<std::int16_t>(towards_zero - static_cast<std::int32_t>(static_cast<float>(towards_zero) > kept[i]));
        }
    }
}

// How integers of the lowest channels are undone: `inverse` (classes), `shrink` (classes, planes, 3).
struct LowRule {
    std::size_t levels, planes;
    float step;
    const float* inverse;
    const float* shrink;

    // Of a place, by its row and column modulo 2^levels.
    std::size_t class_of(std::size_t y, std::size_t x) const noexcept {
        for (std::size_t level = levels; level > 0; --level, y /= 2, x /= 2)
            if (y % 2 + x % 2 > 0) return 3 * (level - 1) + y % 2 + 2 * (x % 2);
        return 0;
    }

    LowRowRule of_row(std::size_t plane, std::size_t y, std::size_t width) const {
        LowRowRule out;
        for (std::vector<float>* column : {&out.one, &out.two, &out.more, &out.inverse}) column->reserve(width);
        for (std::size_t x = 0; x < width; ++x) {
            const std::size_t k = class_of(y, x);
            const float* less = shrink + 3 * (k * planes + plane);
            out.one.push_back(less[0]);
            out.two.push_back(less[1]);
            out.more.push_back(less[2]);
            out.inverse.push_back(inverse[k]);
        }
        return out;
    }
};

// The rules of rows 0 .. 2^levels - 1, after which they repeat, of planes whose rows take turns: `planes` of them from plane `first`.
inline LowRowRule low_row_rules(const LowRule& rule, std::size_t first, std::size_t planes, std::size_t width) {
    LowRowRule all;
    for (std::size_t y = 0; y < std::size_t{1} << rule.levels; ++y)
        for (std::size_t p = first; p < first + planes; ++p) {
            const LowRowRule row = rule.of_row(p, y, width);
            for (const auto part : {&LowRowRule::one, &LowRowRule::two, &LowRowRule::more, &LowRowRule::inverse})
                (all.*part).insert((all.*part).end(), (row.*part).begin(), (row.*part).end());
        }
    return all;
}

// Synthesised values of some planes, one after the other: integers (planes, height, width) -> those of all places whose row and
// column are multiples of 2^skipped, for which so many of the finest levels are not undone. `rows` are their `low_row_rules`.
template <class T>
inline void synthesize_low_planes(const T* in, std::int16_t* out, std::size_t planes, std::size_t height, std::size_t width, const LowRule& rule,
                                  const LowRowRule& rows, std::size_t skipped) {
    const std::size_t n = height * planes * width, period = rows.inverse.size();
    std::vector<T> turns(n);
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t p = 0; p < planes; ++p) std::copy_n(in + (p * height + y) * width, width, turns.data() + (y * planes + p) * width);
    std::vector<float> values(n);
    for (std::size_t at = 0; at < n; at += period) dequantize_low_row(turns.data() + at, values.data() + at, rule.step, rows, std::min(period, n - at));
    float factor = low_values_in_unit;
    for (std::size_t l = 0; l < skipped; ++l) {
        const std::size_t low_height = num_even(height), low_width = num_even(width);
        std::vector<float> low(low_height * planes * low_width);
        for (std::size_t y = 0; y < low_height; ++y)
            for (std::size_t p = 0; p < planes; ++p)
                gather_low(values.data() + (2 * y * planes + p) * width, low.data() + (y * planes + p) * low_width, 1, width);
        values.swap(low);
        // Each direction that was split has a gain of sqrt(2).
        factor *= height > 1 && width > 1 ? 0.5F : height > 1 || width > 1 ? 0.70710678F : 1.0F;
        height = low_height;
        width = low_width;
    }
    synthesize_low(values.data(), height, planes, width, rule.levels - skipped);
    std::vector<std::int16_t> rounded(height * planes * width);
    round_low_values(values.data(), rounded.data(), factor, rounded.size());
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t p = 0; p < planes; ++p) std::copy_n(rounded.data() + (y * planes + p) * width, width, out + (p * height + y) * width);
}

}  // namespace laconic
