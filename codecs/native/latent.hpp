// From wavelet bands to latent integers and back: projection, quantiser, and samples to planes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd.hpp"

namespace laconic {

// Sixteen floats that the compiler maps to whatever registers the instruction set has.
using Lanes16 = float __attribute__((vector_size(64)));

// out (rows, n) = matrix (rows, columns) times in (columns, n). Every sum runs over the columns in order, so the
// result does not depend on the vector width.
LACONIC_CLONES inline void project(const float* matrix, const float* in, float* out, std::size_t rows, std::size_t columns,
                                   std::size_t n) noexcept {
    std::size_t p = 0;
    for (; p + 32 <= n; p += 32) {
        std::size_t r = 0;
        for (; r + 4 <= rows; r += 4) {
            const float* m = matrix + r * columns;
            Lanes16 a0{}, a1{}, b0{}, b1{}, c0{}, c1{}, d0{}, d1{};
            for (std::size_t k = 0; k < columns; ++k) {
                Lanes16 x0, x1;
                std::memcpy(&x0, in + k * n + p, sizeof x0);
                std::memcpy(&x1, in + k * n + p + 16, sizeof x1);
                a0 += m[k] * x0;
                a1 += m[k] * x1;
                b0 += m[columns + k] * x0;
                b1 += m[columns + k] * x1;
                c0 += m[2 * columns + k] * x0;
                c1 += m[2 * columns + k] * x1;
                d0 += m[3 * columns + k] * x0;
                d1 += m[3 * columns + k] * x1;
            }
            float* o = out + r * n + p;
            std::memcpy(o, &a0, sizeof a0);
            std::memcpy(o + 16, &a1, sizeof a1);
            std::memcpy(o + n, &b0, sizeof b0);
            std::memcpy(o + n + 16, &b1, sizeof b1);
            std::memcpy(o + 2 * n, &c0, sizeof c0);
            std::memcpy(o + 2 * n + 16, &c1, sizeof c1);
            std::memcpy(o + 3 * n, &d0, sizeof d0);
            std::memcpy(o + 3 * n + 16, &d1, sizeof d1);
        }
        for (; r < rows; ++r) {
            Lanes16 a0{}, a1{};
            for (std::size_t k = 0; k < columns; ++k) {
                Lanes16 x0, x1;
                std::memcpy(&x0, in + k * n + p, sizeof x0);
                std::memcpy(&x1, in + k * n + p + 16, sizeof x1);
                a0 += matrix[r * columns + k] * x0;
                a1 += matrix[r * columns + k] * x1;
            }
            std::memcpy(out + r * n + p, &a0, sizeof a0);
            std::memcpy(out + r * n + p + 16, &a1, sizeof a1);
        }
    }
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t i = p; i < n; ++i) {
            float sum = 0.0F;
            for (std::size_t k = 0; k < columns; ++k) sum += matrix[r * columns + k] * in[k * n + i];
            out[r * n + i] = sum;
        }
}

// One channel. |y| / step below `zero_below` gives 0, else sign(y) max(1, floor(|y| / step + rounding)).
template <class T>
LACONIC_CLONES inline void quantize(const float* in, T* out, float inverse_step, float zero_below, float rounding,
                                    std::size_t n) noexcept {
    constexpr float largest = 1073741824.0F;  // 2^30
    for (std::size_t i = 0; i < n; ++i) {
        const float magnitude = std::fabs(in[i]) * inverse_step;
        const auto rounded = static_cast<std::int32_t>(std::min(magnitude + rounding, largest));
        const std::int32_t integer = magnitude < zero_below ? 0 : std::max(rounded, 1);
        out[i] = static_cast<T>(in[i] < 0.0F ? -integer : integer);
    }
}

// One channel: sign(q) (|q| - shrink[|q|]) step; `shrink` holds the values for |q| = 1, 2 and 3 or more.
LACONIC_CLONES inline void dequantize(const std::int32_t* in, float* out, float step, const float* shrink, std::size_t n) noexcept {
    const float one = shrink[0], two = shrink[1], more = shrink[2];
    for (std::size_t i = 0; i < n; ++i) {
        // So that compilers make no branches of it, each choice is one of two values, and a sign is a factor.
        const auto q = static_cast<float>(in[i]);
        const float magnitude = std::fabs(q);
        float less = magnitude < 0.5F ? 0.0F : one;
        less = magnitude > 1.5F ? two : less;
        less = magnitude > 2.5F ? more : less;
        out[i] = std::copysign(1.0F, q) * ((magnitude - less) * step);
    }
}

// Index of a sample beyond the end under whole-sample symmetric extension (period 2 length - 2).
inline std::size_t mirrored(std::size_t i, std::size_t length) noexcept {
    if (length == 1) return 0;
    const std::size_t phase = i % (2 * length - 2);
    return phase < length ? phase : 2 * length - 2 - phase;
}

struct Extent {
    std::size_t height, width;                 // of the picture
    std::size_t padded_height, padded_width;   // of the planes
    std::size_t stride;                        // interleaved samples a pixel
};

// Interleaved samples 0..peak to one padded plane in -1/2..1/2.
template <class T>
inline void plane_of_samples(const T* samples, float* plane, const Extent& extent, float peak) noexcept {
    for (std::size_t y = 0; y < extent.padded_height; ++y) {
        const T* line = samples + mirrored(y, extent.height) * extent.width * extent.stride;
        float* out = plane + y * extent.padded_width;
        for (std::size_t x = 0; x < extent.width; ++x) out[x] = static_cast<float>(line[x * extent.stride]) / peak - 0.5F;
        for (std::size_t x = extent.width; x < extent.padded_width; ++x) out[x] = out[mirrored(x, extent.width)];
    }
}

// The inverse, rounded to the nearest and clipped to 0..peak.
template <class T>
inline void samples_of_plane(const float* plane, T* samples, const Extent& extent, float peak) noexcept {
    for (std::size_t y = 0; y < extent.height; ++y) {
        const float* in = plane + y * extent.padded_width;
        T* out = samples + y * extent.width * extent.stride;
        for (std::size_t x = 0; x < extent.width; ++x) {
            const float level = (in[x] + 0.5F) * peak + 0.5F;
            out[x * extent.stride] = static_cast<T>(std::clamp(level, 0.0F, peak));
        }
    }
}

}  // namespace laconic
