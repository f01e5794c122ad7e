// A context network on AVX2: one symbol at a time, whose units are in lanes; pairs of inputs times pairs of weights. Pairs of
// zeros are left out: most of the surroundings of a symbol are 0, and a part of the hidden units. Signs count from that of 0,
// with which the biases are made up for.
#pragma once

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstring>

#include "kernels.hpp"

namespace laconic {

namespace {

// A layer's inputs, and which pairs of them are not zeros.
struct NetworkPairs {
    alignas(32) std::int16_t values[max_network_width];
    std::uint64_t used;
};

__m256i load_lanes(const void* at) noexcept { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

// Puts 16 values, of which those from `first` on are; `first` is a multiple of 16.
[[gnu::always_inline]] inline void put_values(NetworkPairs& pairs, std::size_t first, __m256i values) noexcept {
    _mm256_store_si256(reinterpret_cast<__m256i*>(pairs.values + first), values);
    const __m256i are_zeros = _mm256_cmpeq_epi32(values, _mm256_setzero_si256());
    const auto used = static_cast<std::uint64_t>(~_mm256_movemask_ps(_mm256_castsi256_ps(are_zeros)) & 255);
    pairs.used |= used << (first / 2);
}

// 16 * blocks units from `unit` on.
template <std::size_t blocks>
[[gnu::always_inline]] inline void put_units(const NetworkPairs& from, const std::int16_t* weights, std::size_t width, const std::int32_t* bias,
                                             unsigned shift, std::size_t unit, NetworkPairs& to) noexcept {
    __m256i sums[2 * blocks];
#pragma GCC unroll 12
    for (std::size_t b = 0; b < 2 * blocks; ++b) sums[b] = load_lanes(bias + unit + 8 * b);
    for (std::uint64_t used = from.used; used != 0; used &= used - 1) {
        const auto pair = static_cast<std::size_t>(std::countr_zero(used));
        std::int32_t value;
        std::memcpy(&value, from.values + 2 * pair, sizeof value);
        const __m256i both = _mm256_set1_epi32(value);
        const std::int16_t* const at = weights + 2 * (pair * width + unit);
#pragma GCC unroll 12
        for (std::size_t b = 0; b < 2 * blocks; ++b) sums[b] = _mm256_add_epi32(sums[b], _mm256_madd_epi16(both, load_lanes(at + 16 * b)));
    }
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(shift));
    const __m256i most = _mm256_set1_epi16(255);
#pragma GCC unroll 6
    for (std::size_t b = 0; b < blocks; ++b) {
        // Beyond 16 bits packing saturates, and what is beyond 255 or below 0 ends there anyway.
        const __m256i packed = _mm256_packs_epi32(_mm256_sra_epi32(sums[2 * b], count), _mm256_sra_epi32(sums[2 * b + 1], count));
        const __m256i clipped = _mm256_min_epi16(_mm256_max_epi16(packed, _mm256_setzero_si256()), most);
        put_values(to, unit + 16 * b, _mm256_permute4x64_epi64(clipped, 0b11011000));
    }
}

// All units of a layer: up to 96 at a time, whose sums stay in registers.
[[gnu::always_inline]] inline void put_layer(const NetworkPairs& from, const std::int16_t* weights, std::size_t width, const std::int32_t* bias,
                                             unsigned shift, NetworkPairs& to) noexcept {
    to.used = 0;
    std::size_t unit = 0;
    for (; unit + 96 <= width; unit += 96) put_units<6>(from, weights, width, bias, shift, unit, to);
    for (; unit + 64 <= width; unit += 64) put_units<4>(from, weights, width, bias, shift, unit, to);
    for (; unit + 32 <= width; unit += 32) put_units<2>(from, weights, width, bias, shift, unit, to);
    if (unit < width) put_units<1>(from, weights, width, bias, shift, unit, to);
}

// The inputs of a symbol, signs less that of 0. There are 40: eight bytes more belong to no pair.
[[gnu::always_inline]] inline void put_inputs(const std::uint8_t* bytes, NetworkPairs& to) noexcept {
    static_assert(network_inputs == 40);
    alignas(32) constexpr auto zeros = [] {
        std::array<std::int16_t, 48> values{};
        for (std::size_t i = first_sign_input; i < network_inputs; ++i) values[i] = zero_sign_input;
        return values;
    }();
    to.used = 0;
    for (std::size_t i = 0; i < 48; i += 16) {
        const __m128i half = i < 32 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i)) : _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i));
        put_values(to, i, _mm256_sub_epi16(_mm256_cvtepu8_epi16(half), load_lanes(zeros.data() + i)));
    }
}

void network(const NetworkView& net, const std::uint8_t* inputs, const std::uint8_t* kinds, std::size_t count, std::int32_t* outputs) noexcept {
    NetworkPairs in, first, second;
    const __m128i last_shift = _mm_cvtsi32_si128(static_cast<int>(net.shifts[2]));
    for (std::size_t n = 0; n < count; ++n) {
        put_inputs(inputs + n * network_inputs, in);
        put_layer(in, net.first, net.width, net.first_bias_at_zero + kinds[n] * net.width, net.shifts[0], first);
        put_layer(first, net.second, net.width, net.second_bias, net.shifts[1], second);
        __m256i sums[network_outputs]{};
        for (std::size_t u = 0; u < net.width; u += 16)
            for (std::size_t k = 0; k < network_outputs; ++k)
                sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(load_lanes(second.values + u), load_lanes(net.third + k * net.width + u)));
        const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], _mm256_setzero_si256()));
        const __m128i total = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        const __m128i bias = _mm_loadu_si128(reinterpret_cast<const __m128i*>(net.third_bias + 4 * kinds[n]));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(outputs + 4 * n), _mm_sra_epi32(_mm_add_epi32(total, bias), last_shift));
    }
}

}  // namespace

}  // namespace laconic
