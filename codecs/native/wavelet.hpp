// One level of the CDF 9/7 transform by lifting, with whole-sample symmetric extension; even lengths only.
//
//   odd  += a (even + next even)      mirrored at the end:   next of the last even is itself
//   even += b (odd + previous odd)    mirrored at the start: previous of the first odd is itself
//   odd  += c (even + next even);  even += d (odd + previous odd);  low = even * scale, high = odd / -scale
//
// Constants: Daubechies and Sweldens, "Factoring wavelet transforms into lifting steps" (1998), section 7.7, scaled so
// that the low-pass sums to sqrt(2) (as PyWavelets' bior4.4, whose signs are followed).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "simd.hpp"

namespace laconic {

struct Lifting {
    static constexpr float a = -1.586134342059924F;
    static constexpr float b = -0.052980118572961F;
    static constexpr float c = 0.882911075530934F;
    static constexpr float d = 0.443506852043971F;
    static constexpr float low_gain = 1.149604398860241F;     // sqrt(2) / 1.230174104914001
    static constexpr float high_gain = -0.869864451624781F;   // -1.230174104914001 / sqrt(2)
    static constexpr float low_inverse = 0.869864451624781F;
    static constexpr float high_inverse = -1.149604398860241F;
};

// target[i] += factor * (left[i] + right[i])
inline void add_scaled(float* target, const float* left, const float* right, float factor, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) target[i] += factor * (left[i] + right[i]);
}

inline void scale(float* target, float factor, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) target[i] *= factor;
}

// odd[i] += factor * (even[i] + even[i + 1])
inline void lift_odd(float* odd, const float* even, float factor, std::size_t half) noexcept {
    for (std::size_t i = 0; i + 1 < half; ++i) odd[i] += factor * (even[i] + even[i + 1]);
    odd[half - 1] += factor * (even[half - 1] + even[half - 1]);
}

// even[i] += factor * (odd[i] + odd[i - 1])
inline void lift_even(float* even, const float* odd, float factor, std::size_t half) noexcept {
    even[0] += factor * (odd[0] + odd[0]);
    for (std::size_t i = 1; i < half; ++i) even[i] += factor * (odd[i] + odd[i - 1]);
}

// n samples -> n / 2 low, n / 2 high.
LACONIC_CLONES inline void split_line(const float* line, float* low, float* high, std::size_t half) noexcept {
    for (std::size_t i = 0; i < half; ++i) {
        low[i] = line[2 * i];
        high[i] = line[2 * i + 1];
    }
    lift_odd(high, low, Lifting::a, half);
    lift_even(low, high, Lifting::b, half);
    lift_odd(high, low, Lifting::c, half);
    lift_even(low, high, Lifting::d, half);
    scale(low, Lifting::low_gain, half);
    scale(high, Lifting::high_gain, half);
}

// The inverse; `low` and `high` are used as scratch.
LACONIC_CLONES inline void merge_line(float* low, float* high, float* line, std::size_t half) noexcept {
    scale(low, Lifting::low_inverse, half);
    scale(high, Lifting::high_inverse, half);
    lift_even(low, high, -Lifting::d, half);
    lift_odd(high, low, -Lifting::c, half);
    lift_even(low, high, -Lifting::b, half);
    lift_odd(high, low, -Lifting::a, half);
    for (std::size_t i = 0; i < half; ++i) {
        line[2 * i] = low[i];
        line[2 * i + 1] = high[i];
    }
}

// Lifting down the columns of two or more rows of `width` samples, a whole row at a time; their number may be odd.
class ColumnLifting {
public:
    ColumnLifting(float* plane, std::size_t height, std::size_t width) : plane_{plane}, height_{height}, width_{width} {}

    LACONIC_CLONES void forward() noexcept {
        odd(Lifting::a);
        even(Lifting::b);
        odd(Lifting::c);
        even(Lifting::d);
        gains(Lifting::low_gain, Lifting::high_gain);
    }

    LACONIC_CLONES void inverse() noexcept {
        gains(Lifting::low_inverse, Lifting::high_inverse);
        even(-Lifting::d);
        odd(-Lifting::c);
        even(-Lifting::b);
        odd(-Lifting::a);
    }

private:
    float* row(std::size_t y) const noexcept { return plane_ + y * width_; }

    void odd(float factor) noexcept {
        for (std::size_t y = 1; y < height_; y += 2) add_scaled(row(y), row(y - 1), row(y + 1 < height_ ? y + 1 : y - 1), factor, width_);
    }

    void even(float factor) noexcept {
        for (std::size_t y = 0; y < height_; y += 2)
            add_scaled(row(y), row(y + 1 < height_ ? y + 1 : y - 1), row(y > 0 ? y - 1 : 1), factor, width_);
    }

    void gains(float low, float high) noexcept {
        for (std::size_t y = 0; y < height_; ++y) scale(row(y), y % 2 == 0 ? low : high, width_);
    }

    float* plane_;
    std::size_t height_;
    std::size_t width_;
};

// (height, width) -> 4 bands of (height / 2, width / 2): low, vertical high, horizontal high, both high.
inline void split_plane(const float* plane, float* bands, std::size_t height, std::size_t width) {
    const std::size_t half_width = width / 2, half_height = height / 2, band = half_height * half_width;
    std::vector<float> work(height * width);
    for (std::size_t y = 0; y < height; ++y) {
        float* line = &work[y * width];
        split_line(plane + y * width, line, line + half_width, half_width);
    }
    ColumnLifting(work.data(), height, width).forward();
    for (std::size_t y = 0; y < height; ++y) {
        const float* line = &work[y * width];
        float* out = bands + (y & 1U) * band + (y / 2) * half_width;
        std::copy(line, line + half_width, out);
        std::copy(line + half_width, line + width, out + 2 * band);
    }
}

inline void merge_plane(const float* bands, float* plane, std::size_t height, std::size_t width) {
    const std::size_t half_width = width / 2, half_height = height / 2, band = half_height * half_width;
    std::vector<float> work(height * width);
    for (std::size_t y = 0; y < height; ++y) {
        float* line = &work[y * width];
        const float* in = bands + (y & 1U) * band + (y / 2) * half_width;
        std::copy(in, in + half_width, line);
        std::copy(in + 2 * band, in + 2 * band + half_width, line + half_width);
    }
    ColumnLifting(work.data(), height, width).inverse();
    for (std::size_t y = 0; y < height; ++y) {
        float* line = &work[y * width];
        merge_line(line, line + half_width, plane + y * width, half_width);
    }
}

}  // namespace laconic
