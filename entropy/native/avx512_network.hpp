// A context network on AVX-512: four symbols at a time, whose units are in lanes; pairs of inputs times pairs of weights.
#pragma once

#include <immintrin.h>

#include "kernels.hpp"

namespace laconic {

namespace {

constexpr std::size_t symbols_at_once = 4;
using HiddenUnits = std::int16_t[symbols_at_once][128];

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

[[gnu::always_inline]] inline std::int32_t sum_of_lanes(__m256i lanes) noexcept {
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b01001110));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0b10110001)));
}

void network(const NetworkView& net, const std::uint8_t* inputs, const std::uint8_t* kinds, std::size_t count, std::int32_t* outputs) noexcept {
    alignas(32) std::int16_t wide[symbols_at_once][48];
    alignas(32) HiddenUnits first, second;
    const std::int16_t* from[symbols_at_once];
    const std::int32_t* bias[symbols_at_once];
    for (std::size_t n = 0; n < count; n += symbols_at_once) {
        std::size_t kind[symbols_at_once];
        for (std::size_t s = 0; s < symbols_at_once; ++s) {
            const std::size_t symbol = n + s < count ? n + s : count - 1;  // the last one again where there are no more
            const std::uint8_t* const bytes = inputs + symbol * network_inputs;
            for (std::size_t i = 0; i < network_inputs; i += 8)
                _mm_storeu_si128(reinterpret_cast<__m128i*>(wide[s] + i), _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i))));
            kind[s] = kinds[symbol];
            from[s] = wide[s];
            bias[s] = net.first_bias + kind[s] * net.width;
        }
        for (std::size_t unit = 0; unit < net.width; unit += 16)
            sixteen_units(from, network_inputs, net.first, net.width, bias, net.shifts[0], unit, first);
        for (std::size_t s = 0; s < symbols_at_once; ++s) {
            from[s] = first[s];
            bias[s] = net.second_bias;
        }
        for (std::size_t unit = 0; unit < net.width; unit += 16)
            sixteen_units(from, net.width, net.second, net.width, bias, net.shifts[1], unit, second);
        for (std::size_t s = 0; s < symbols_at_once && n + s < count; ++s)
            for (std::size_t k = 0; k < network_outputs; ++k) {
                __m256i sum = _mm256_setzero_si256();
                for (std::size_t u = 0; u < net.width; u += 16)
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(second[s] + u)),
                                                                  _mm256_loadu_si256(reinterpret_cast<const __m256i*>(net.third + k * net.width + u))));
                outputs[4 * (n + s) + k] = (sum_of_lanes(sum) + net.third_bias[4 * kind[s] + k]) >> net.shifts[2];
            }
    }
}

}  // namespace

}  // namespace laconic
