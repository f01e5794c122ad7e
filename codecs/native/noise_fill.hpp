// Noise in place of zeros (SPEC.md, section 9.9): an integer function of the seed, the channel and the place, so that parts of a
// picture agree wherever they are cut.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "simd.hpp"

namespace laconic {

inline constexpr std::size_t num_activity_classes = 16;

inline constexpr std::uint32_t mixed(std::uint32_t key) noexcept {
    key = (key ^ (key >> 16)) * 0x7FEB352DU;
    key = (key ^ (key >> 15)) * 0x846CA68BU;
    return key ^ (key >> 16);
}

// Of a row of a channel.
inline constexpr std::uint32_t noise_key(std::uint32_t seed, std::size_t channel, std::size_t row) noexcept {
    return mixed(mixed(seed + 0x9E3779B9U * static_cast<std::uint32_t>(channel)) + static_cast<std::uint32_t>(row));
}

// Of a place of that row, in units of 2^-15.
inline constexpr std::int16_t noise_at(std::uint32_t key, std::size_t column) noexcept {
    return static_cast<std::int16_t>(mixed(key + 0x9E3779B9U * static_cast<std::uint32_t>(column)) >> 16);
}

// Puts noise where values are 0: of places from `column` on, times what the class of a place says of `largest`, / 2^15, to the
// nearest.
template <class T>
LACONIC_CLONES inline void fill_row(const T* values, const std::uint8_t* classes, const std::int16_t* largest, std::uint32_t key, std::size_t column,
                                    std::int16_t* out, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const std::int32_t noise = (noise_at(key, column + i) * std::int32_t{largest[classes[i]]} + 0x4000) >> 15;
        out[i] = values[i] == 0 ? static_cast<std::int16_t>(noise) : out[i];
    }
}

// The same in floats: `largest` in signal units.
LACONIC_CLONES inline void fill_points(const std::int32_t* values, const std::uint8_t* classes, const float* largest, std::uint32_t key,
                                       std::size_t column, float* out, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const float noise = static_cast<float>(noise_at(key, column + i)) * (1.0F / 32768) * largest[classes[i]];
        out[i] = values[i] == 0 ? noise : out[i];
    }
}

}  // namespace laconic
