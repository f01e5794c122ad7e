// The table of AVX-512 kernels, with those of blocks: conversions, contexts, and the choice of symbols.
#include "avx512.hpp"

#include <immintrin.h>

#include <cstring>

#include "avx512_network.hpp"

namespace laconic {

namespace {

// Costs as three tables of bytes, looked up for 64 entries at a time and added up by the sums of eight differences to 0.
template <unsigned parts>
[[gnu::always_inline]] inline std::uint64_t sum_costs_of(const std::uint8_t* entries, std::size_t count, const std::uint32_t* costs) {
    __m512i table[3][parts];
    for (unsigned byte = 0; byte < 3; ++byte)
        for (unsigned part = 0; part < parts; ++part) {
            alignas(64) std::uint8_t bytes[64];
            for (unsigned i = 0; i < 64; i += 16)
                _mm_store_si128(reinterpret_cast<__m128i*>(bytes + i),
                                _mm512_cvtepi32_epi8(_mm512_srli_epi32(_mm512_loadu_si512(costs + 64 * part + i), 8 * byte)));
            table[byte][part] = _mm512_load_si512(bytes);
        }
    __m512i sums[3] = {};
    for (std::size_t at = 0; at < count; at += 64) {
        const __mmask64 used = count - at < 64 ? (1ULL << (count - at)) - 1 : ~0ULL;
        const __m512i entry = _mm512_maskz_loadu_epi8(used, entries + at);
        for (unsigned byte = 0; byte < 3; ++byte) {
            __m512i found;
            if constexpr (parts == 1) found = _mm512_maskz_permutexvar_epi8(used, entry, table[byte][0]);
            if constexpr (parts == 2) found = _mm512_maskz_permutex2var_epi8(used, table[byte][0], entry, table[byte][1]);
            if constexpr (parts == 4)
                found = _mm512_maskz_mov_epi8(
                    used, _mm512_mask_blend_epi8(_mm512_movepi8_mask(entry), _mm512_permutex2var_epi8(table[byte][0], entry, table[byte][1]),
                                                 _mm512_permutex2var_epi8(table[byte][2], entry, table[byte][3])));
            sums[byte] = _mm512_add_epi64(sums[byte], _mm512_sad_epu8(found, _mm512_setzero_si512()));
        }
    }
    std::uint64_t total = 0;
    for (unsigned byte = 0; byte < 3; ++byte) total += static_cast<std::uint64_t>(_mm512_reduce_add_epi64(sums[byte])) << (8 * byte);
    return total;
}

std::uint64_t sum_costs(const std::uint8_t* entries, std::size_t count, const std::uint32_t* costs, std::size_t size) {
    if (size <= 64) return sum_costs_of<1>(entries, count, costs);
    if (size <= 128) return sum_costs_of<2>(entries, count, costs);
    return sum_costs_of<4>(entries, count, costs);
}

#include "convert.inc"

[[gnu::always_inline]] inline void spread(const std::uint16_t* from, const std::uint8_t* index, std::uint16_t* to) noexcept {
    const __m512i low = _mm512_load_si512(from), high = _mm512_load_si512(from + 32);
    for (std::size_t half = 0; half < front_lanes; half += 32) {
        const __m512i places = _mm512_cvtepu8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(index + half)));
        _mm512_store_si512(to + half, _mm512_permutex2var_epi16(low, places, high));
    }
}

[[gnu::always_inline]] inline void look_up(const std::uint8_t* map, const std::uint16_t* places, std::uint8_t* to) noexcept {
    const __m512i low_places = _mm512_load_si512(places), high_places = _mm512_load_si512(places + 32);
    const __m512i bytes = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(low_places)), _mm512_cvtepi16_epi8(high_places), 1);
    const auto at = [&](std::size_t lean) {
        return _mm512_permutex2var_epi8(_mm512_load_si512(map + lean * map_stride), bytes, _mm512_load_si512(map + lean * map_stride + 64));
    };
    // Bits 7 and 8 of a place are the lean.
    const auto mask_of = [&](int bit) {
        const __m512i tested = _mm512_set1_epi16(static_cast<short>(1 << bit));
        return static_cast<std::uint64_t>(_mm512_test_epi16_mask(low_places, tested)) |
               (static_cast<std::uint64_t>(_mm512_test_epi16_mask(high_places, tested)) << 32);
    };
    const __mmask64 odd = mask_of(7);
    const __m512i even_pair = _mm512_mask_blend_epi8(odd, at(0), at(1)), odd_pair = _mm512_mask_blend_epi8(odd, at(2), at(3));
    _mm512_store_si512(to, _mm512_mask_blend_epi8(mask_of(8), even_pair, odd_pair));
}

#include "contexts.inc"
#include "optimizer.inc"

// The six successors side by side, in lanes 0 to 7 with the one magnitude and in 8 to 15 with the other, in the order of
// `successor_weights`. Who is none has weight 0 and so costs the same with both.
[[gnu::always_inline]] inline std::int32_t difference_of_successors(const Sweep& sweep, std::size_t place, std::int32_t magnitude, std::int32_t other) noexcept {
    const std::size_t row = place + sweep.stride;
    const __m512i weights = _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(sweep.successor_weights)));
    std::uint32_t at_right, below;
    std::memcpy(&at_right, sweep.symbols + place + 1, sizeof at_right);
    std::memcpy(&below, sweep.symbols + row - 1, sizeof below);
    const auto second_below = static_cast<std::uint8_t>(sweep.symbols[row + sweep.stride]);
    const std::uint64_t bytes = at_right | (std::uint64_t{(below & 0xFFFFFFU) | (std::uint32_t{second_below} << 24)} << 32);
    __m128i symbols = _mm_abs_epi8(_mm_set1_epi64x(static_cast<long long>(bytes)));
    symbols = _mm_min_epu8(symbols, _mm_set1_epi8(static_cast<char>(num_cost_magnitudes - 1)));
    __m128i levels = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(sweep.levels + place + 1)),
                                        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(sweep.levels + row - 1)));
    levels = _mm_insert_epi16(levels, sweep.levels[row + sweep.stride], 7);
    const std::int32_t before = size_of_symbol(sweep.symbols[place]);
    const __m512i more = _mm512_inserti64x4(_mm512_set1_epi32(magnitude - before), _mm256_set1_epi32(other - before), 1);
    // Weights have 16 bits, and what the upper halves of negative numbers add is 0.
    const __m512i sums = _mm512_add_epi32(_mm512_cvtepu16_epi32(_mm256_broadcastsi128_si256(levels)), _mm512_madd_epi16(weights, more));
    const __m512i limited = _mm512_min_epu32(sums, _mm512_set1_epi32(65535));
    // The exponent of a float and its first three bits are the level, as in `front_levels`.
    const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepi32_ps(limited)), 20);
    const __m512i level = _mm512_max_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x41800000 >> 20)), _mm512_setzero_si512());
    static_assert(num_cost_magnitudes == 16);
    const __m512i index = _mm512_add_epi32(_mm512_slli_epi32(level, 4), _mm512_cvtepu8_epi32(symbols));
    const __m512i costs = _mm512_i32gather_epi32(index, sweep.costs->without_lean, 4);
    const __m256i differences = _mm256_sub_epi32(_mm512_castsi512_si256(costs), _mm512_extracti64x4_epi64(costs, 1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(differences), _mm256_extracti128_si256(differences, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1)));
}

// Rows and columns of 16 registers of 16 places change places.
[[gnu::always_inline]] inline void transpose(__m512i* lines) noexcept {
    __m512i pairs[16];
#pragma GCC unroll 8
    for (unsigned k = 0; k < 16; k += 2) {
        pairs[k] = _mm512_unpacklo_epi32(lines[k], lines[k + 1]);
        pairs[k + 1] = _mm512_unpackhi_epi32(lines[k], lines[k + 1]);
    }
    __m512i fours[16];
#pragma GCC unroll 4
    for (unsigned k = 0; k < 16; k += 4) {
        fours[k] = _mm512_unpacklo_epi64(pairs[k], pairs[k + 2]);
        fours[k + 1] = _mm512_unpackhi_epi64(pairs[k], pairs[k + 2]);
        fours[k + 2] = _mm512_unpacklo_epi64(pairs[k + 1], pairs[k + 3]);
        fours[k + 3] = _mm512_unpackhi_epi64(pairs[k + 1], pairs[k + 3]);
    }
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; ++k) {
        const __m512i a = _mm512_shuffle_i32x4(fours[k], fours[k + 4], 0x88), b = _mm512_shuffle_i32x4(fours[k], fours[k + 4], 0xDD);
        const __m512i c = _mm512_shuffle_i32x4(fours[k + 8], fours[k + 12], 0x88), d = _mm512_shuffle_i32x4(fours[k + 8], fours[k + 12], 0xDD);
        lines[k] = _mm512_shuffle_i32x4(a, c, 0x88);
        lines[k + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
        lines[k + 8] = _mm512_shuffle_i32x4(a, c, 0xDD);
        lines[k + 12] = _mm512_shuffle_i32x4(b, d, 0xDD);
    }
}

// Up to 16 rows at a time, lane j for row j, which goes j places behind the first: in step t it is at place t - j.
void undo_band(std::int32_t* first, std::size_t num_rows, std::size_t width) noexcept {
    const std::int32_t* const above = first - width;
    __m512i before = _mm512_setzero_si512(), up_left = before;
    const auto w = static_cast<std::ptrdiff_t>(width), num_steps = w + static_cast<std::ptrdiff_t>(num_rows) - 1;
    for (std::ptrdiff_t begin = 0; begin < num_steps; begin += 16) {
        __m512i lines[16];
        __mmask16 used[16];
        // Where lane j stands in step `begin`: what lies outside its row is masked.
        const auto place = [&](unsigned j) { return first + (static_cast<std::ptrdiff_t>(j) * w + begin - static_cast<std::ptrdiff_t>(j)); };
#pragma GCC unroll 16
        for (unsigned j = 0; j < 16; ++j) {
            const std::ptrdiff_t x = begin - static_cast<std::ptrdiff_t>(j), left = w - x;
            const unsigned not_ended = left >= 16 ? 0xFFFFU : left <= 0 ? 0U : (1U << left) - 1;
            used[j] = static_cast<__mmask16>(j >= num_rows ? 0U : x >= 0 ? not_ended : not_ended & (0xFFFFU << -x));
            lines[j] = _mm512_maskz_loadu_epi32(used[j], place(j));
        }
        transpose(lines);
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; ++i) {
            const std::ptrdiff_t t = begin + i;
            const __m512i up = _mm512_alignr_epi32(before, _mm512_set1_epi32(above[t < w ? t : w - 1]), 15);
            const __m512i left = begin == 0 ? _mm512_mask_mov_epi32(before, static_cast<__mmask16>(1U << i), up) : before;
            const __m512i low = _mm512_min_epi32(left, up), high = _mm512_max_epi32(left, up);
            __m512i prediction = _mm512_sub_epi32(_mm512_add_epi32(left, up), up_left);
            prediction = _mm512_mask_mov_epi32(prediction, _mm512_cmple_epi32_mask(up_left, low), high);
            prediction = _mm512_mask_mov_epi32(prediction, _mm512_cmpge_epi32_mask(up_left, high), low);
            before = lines[i] = _mm512_add_epi32(lines[i], prediction);
            up_left = up;
        }
        transpose(lines);
#pragma GCC unroll 16
        for (unsigned j = 0; j < 16; ++j) _mm512_mask_storeu_epi32(place(j), used[j], lines[j]);
    }
}

void undo_rows(std::int32_t* rows, std::size_t count, std::size_t width) noexcept {
    for (; count >= 16; count -= 16, rows += 16 * width) undo_band(rows, 16, width);
    if (count > 0) undo_band(rows, count, width);
}

}  // namespace

extern const Kernels avx512_kernels{"avx512", avx512::decode_static, avx512::decode_indexed, avx512::decode_partial,
                                    avx512::encode_static, avx512::encode_indexed, avx512::encode_partial,
                                    avx512::decoding_cost, avx512::encoding_cost, avx512::crc32c, avx512::reverse_words,
                                    conversions, context_kernels, optimizer_kernels, network};

}  // namespace laconic
