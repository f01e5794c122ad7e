// Integer rules that turn what is already decoded into predictions and table indices (SPEC.md, "Contexts").
// Planes are row-major, h rows of w. Neighbours outside the plane do not exist: nothing reaches into another tile.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic {

struct Grid {
    std::size_t height;
    std::size_t width;
    std::size_t size() const noexcept { return height * width; }
};

// Median edge detector (LOCO-I, Weinberger et al. 2000, eq. 1) from left, up and up-left. Wraps modulo 2^32, so that
// prediction and its inverse are total functions.
inline std::uint32_t predict(const std::uint32_t* plane, std::size_t y, std::size_t x, std::size_t width) noexcept {
    const std::uint32_t* at = plane + y * width + x;
    if (y == 0) return x == 0 ? 0 : at[-1];
    const std::uint32_t up = *(at - width);
    if (x == 0) return up;
    const auto a = static_cast<std::int32_t>(at[-1]);
    const auto b = static_cast<std::int32_t>(up);
    const auto c = static_cast<std::int32_t>(*(at - width - 1));
    if (c >= std::max(a, b)) return static_cast<std::uint32_t>(std::min(a, b));
    if (c <= std::min(a, b)) return static_cast<std::uint32_t>(std::max(a, b));
    return at[-1] + up - static_cast<std::uint32_t>(c);
}

inline void prediction_residuals(const std::uint32_t* plane, std::uint32_t* residuals, Grid grid) noexcept {
    for (std::size_t y = 0; y < grid.height; ++y)
        for (std::size_t x = 0; x < grid.width; ++x)
            residuals[y * grid.width + x] = plane[y * grid.width + x] - predict(plane, y, x, grid.width);
}

// In place: residuals become values.
inline void undo_prediction(std::uint32_t* plane, Grid grid) noexcept {
    for (std::size_t y = 0; y < grid.height; ++y)
        for (std::size_t x = 0; x < grid.width; ++x) plane[y * grid.width + x] += predict(plane, y, x, grid.width);
}

inline constexpr std::uint32_t max_magnitude = 15;
inline constexpr std::uint32_t num_buckets = 32;

// Half octaves of the activity: 0 below 8, then 1 for 8..11, 2 for 12..15, 3 for 16..23, ... up to 31.
inline std::uint8_t bucket_of(std::uint32_t activity) noexcept {
    if (activity < 8) return 0;
    const auto top = static_cast<std::uint32_t>(std::bit_width(activity)) - 1;
    const std::uint32_t half_octave = 2 * top + ((activity >> (top - 1)) & 1U);
    return static_cast<std::uint8_t>(std::min(half_octave - 5, num_buckets - 1));
}

// Buckets of the activity that earlier channels show: own-weighted magnitudes at the place itself plus ring-weighted
// ones at its eight neighbours. `coded` is (channels, h, w).
inline void activity_buckets(const std::int32_t* coded, std::span<const std::uint8_t> own,
                             std::span<const std::uint8_t> ring, Grid grid, std::uint8_t* buckets) {
    std::vector<std::uint32_t> centre(grid.size()), around(grid.size());
    for (std::size_t c = 0; c < own.size(); ++c) {
        if (own[c] == 0 && ring[c] == 0) continue;
        const std::int32_t* plane = coded + c * grid.size();
        const std::uint32_t own_weight = own[c], ring_weight = ring[c];
        for (std::size_t i = 0; i < grid.size(); ++i) {
            const auto value = static_cast<std::uint32_t>(plane[i]);
            const std::uint32_t magnitude = std::min(plane[i] < 0 ? 0U - value : value, max_magnitude);
            centre[i] += own_weight * magnitude;
            around[i] += ring_weight * magnitude;
        }
    }
    // Row sums of three, then column sums of three, less the centre.
    std::vector<std::uint32_t> rows(grid.size());
    for (std::size_t y = 0; y < grid.height; ++y) {
        const std::uint32_t* line = &around[y * grid.width];
        std::uint32_t* out = &rows[y * grid.width];
        for (std::size_t x = 0; x < grid.width; ++x)
            out[x] = line[x] + (x > 0 ? line[x - 1] : 0) + (x + 1 < grid.width ? line[x + 1] : 0);
    }
    for (std::size_t y = 0; y < grid.height; ++y)
        for (std::size_t x = 0; x < grid.width; ++x) {
            const std::size_t i = y * grid.width + x;
            const std::uint32_t sum = rows[i] + (y > 0 ? rows[i - grid.width] : 0) +
                                      (y + 1 < grid.height ? rows[i + grid.width] : 0) - around[i];
            buckets[i] = bucket_of(centre[i] + sum);
        }
}

// indices[c][i] = table of channel c at place i, looked up by the bucket of the place. `lookup` is (channels, 32).
inline void index_plane(std::span<const std::uint8_t> buckets, const std::uint8_t* lookup, std::size_t channels,
                        std::uint8_t* indices) noexcept {
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t i = 0; i < buckets.size(); ++i)
            indices[c * buckets.size() + i] = lookup[c * num_buckets + (buckets[i] & (num_buckets - 1))];
}

}  // namespace laconic
