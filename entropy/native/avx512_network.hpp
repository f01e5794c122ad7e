// A context network on AVX-512: four symbols at a time, whose units are in lanes; pairs of inputs times pairs of weights.
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
    __m512i sums[symbols_at_once];
    for (std::size_t s = 0; s < symbols_at_once; ++s) sums[s] = _mm512_loadu_si512(bias[s] + unit);
    const std::int16_t* at = weights + 2 * unit;
    for (std::size_t i = 0; i < size; i += 2, at += 2 * width) {
        const __m512i pairs = _mm512_loadu_si512(at);
        for (std::size_t s = 0; s < symbols_at_once; ++s) {
            std::int32_t pair;
            std::memcpy(&pair, from[s] + i, sizeof pair);
            sums[s] = _mm512_add_epi32(sums[s], _mm512_madd_epi16(_mm512_set1_epi32(pair), pairs));
        }
    }
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(shift));
    for (std::size_t s = 0; s < symbols_at_once; ++s) {
        const __m512i shifted = _mm512_max_epi32(_mm512_sra_epi32(sums[s], count), _mm512_setzero_si512());
        const __m256i clipped = _mm512_cvtepi32_epi16(_mm512_min_epi32(shifted, _mm512_set1_epi32(255)));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(hidden[s] + unit), clipped);
    }
}

#include "network_lanes.inc"

}  // namespace

}  // namespace laconic
