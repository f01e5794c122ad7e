// A context network on AVX2: four symbols at a time, whose units are in lanes; pairs of inputs times pairs of weights.
#pragma once

#include <immintrin.h>

#include "kernels.hpp"

namespace laconic {

namespace {

constexpr std::size_t symbols_at_once = 4;
using HiddenUnits = std::int16_t[symbols_at_once][max_network_width];

// Sixteen units of four symbols from `size` values each, a multiple of two.
[[gnu::always_inline]] inline void sixteen_units(const std::int16_t* const* from, std::size_t size, const std::int16_t* weights, std::size_t width,
                                                 const std::int32_t* const* bias, unsigned shift, std::size_t unit, HiddenUnits& hidden) noexcept {
    __m256i sums[symbols_at_once][2];
    for (std::size_t s = 0; s < symbols_at_once; ++s)
        for (std::size_t half = 0; half < 2; ++half)
            sums[s][half] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias[s] + unit + 8 * half));
    const std::int16_t* at = weights + 2 * unit;
    for (std::size_t i = 0; i < size; i += 2, at += 2 * width) {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 16));
        for (std::size_t s = 0; s < symbols_at_once; ++s) {
            std::int32_t pair;
            std::memcpy(&pair, from[s] + i, sizeof pair);
            const __m256i both = _mm256_set1_epi32(pair);
            sums[s][0] = _mm256_add_epi32(sums[s][0], _mm256_madd_epi16(both, low));
            sums[s][1] = _mm256_add_epi32(sums[s][1], _mm256_madd_epi16(both, high));
        }
    }
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(shift));
    const __m256i most = _mm256_set1_epi16(255);
    for (std::size_t s = 0; s < symbols_at_once; ++s) {
        // Beyond 16 bits packing saturates, and what is beyond 255 or below 0 ends there anyway.
        const __m256i packed = _mm256_packs_epi32(_mm256_sra_epi32(sums[s][0], count), _mm256_sra_epi32(sums[s][1], count));
        const __m256i clipped = _mm256_min_epi16(_mm256_max_epi16(packed, _mm256_setzero_si256()), most);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(hidden[s] + unit), _mm256_permute4x64_epi64(clipped, 0b11011000));
    }
}

#include "network_lanes.inc"

}  // namespace

}  // namespace laconic
