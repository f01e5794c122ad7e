// AVX-512 kernels (BW, VBMI, VBMI2, GFNI, VPCLMULQDQ: Ice Lake, Zen 4 and later). See kernels.hpp for the contract.
//
// States are kept as separate high and low halves, 32 lanes to a register: the slot is the low half and the shifted
// state the high half, so neither masks nor shifts are needed. A register ("group") holds 32 lanes of one stream, or the
// 16 lanes of two, or the 8 lanes of four.
//
// Everything here but the tables of kernels has internal linkage, so that no inline function compiled for this
// instruction set can replace its portable twin.
#include <immintrin.h>

#include <cstring>

#include "kernels.hpp"
#include "sse42_crc32c.hpp"

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

using Vector = __m512i;
using Mask = __mmask32;

// Groups whose phases are interleaved, by measurement: decoding is one long chain of dependent steps and gains from as many
// as there are, encoding keeps so much at hand that more than two run out of registers.
inline constexpr unsigned decoded_together = 8;
inline constexpr unsigned encoded_together = 2;

template <unsigned lanes, unsigned streams>
struct Shape {
    static constexpr unsigned groups = (lanes * streams + 31) / 32;
    static constexpr unsigned groups_per_stream = lanes == 64 ? 2 : 1;
    static constexpr unsigned streams_per_group = lanes < 32 ? 32 / lanes : 1;
    static_assert(lanes > 8 || streams % streams_per_group == 0);
    // Lanes of a group that are in use; a lone stream of 16 lanes leaves half of its register idle.
    static constexpr Mask used = lanes * streams < 32 ? (1U << (lanes * streams)) - 1 : ~0U;
    static constexpr unsigned stream_of(unsigned group) { return group * streams_per_group / groups_per_stream; }
    static constexpr bool has_second(unsigned group) { return streams_per_group == 2 && 2 * group + 1 < streams; }
};

[[gnu::always_inline]] inline Vector word_order() {
    return _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7,
                            6, 5, 4, 3, 2, 1, 0);
}

// For `permutexvar_epi8`: bytes 0, 2, 4, ... then 1, 3, 5, ...
[[gnu::always_inline]] inline Vector evens_then_odds() {
    alignas(64) static constexpr std::uint8_t order[64] = {
        0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62,
        1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_load_si512(order);
}

[[gnu::always_inline]] inline unsigned count(Mask mask) { return static_cast<unsigned>(_mm_popcnt_u32(mask)); }

// The words of 32 states (u32) from two registers: low halves, or high halves.
[[gnu::always_inline]] inline Vector low_halves(Vector a, Vector b) {
    return _mm512_permutex2var_epi16(a, _mm512_slli_epi16(word_order(), 1), b);
}

[[gnu::always_inline]] inline Vector high_halves(Vector a, Vector b) {
    return _mm512_permutex2var_epi16(a, _mm512_add_epi16(_mm512_slli_epi16(word_order(), 1), _mm512_set1_epi16(1)), b);
}

// States of all groups, lane order ascending.
template <unsigned lanes, unsigned streams, class Stream>
[[gnu::always_inline]] inline void load_states(Stream* const* all, Vector* low, Vector* high) {
    using S = Shape<lanes, streams>;
#pragma GCC unroll 8
    for (unsigned g = 0; g < S::groups; ++g) {
        const std::uint32_t* first = all[S::stream_of(g)]->states + (S::groups_per_stream == 2 ? 32 * (g % 2) : 0);
        Vector a = _mm512_load_si512(first);
        Vector b = _mm512_set1_epi32(1 << 16);
        if constexpr (lanes >= 32) b = _mm512_load_si512(first + 16);
        if constexpr (lanes == 16)
            if (S::has_second(g)) b = _mm512_load_si512(all[2 * g + 1]->states);
        if constexpr (lanes == 8) {
            const auto pair = [&](unsigned s) {
                return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(all[s]->states))),
                                          _mm256_load_si256(reinterpret_cast<const __m256i*>(all[s + 1]->states)), 1);
            };
            a = pair(4 * g);
            b = pair(4 * g + 2);
        }
        low[g] = low_halves(a, b);
        high[g] = high_halves(a, b);
    }
}

template <unsigned lanes, unsigned streams, class Stream>
[[gnu::always_inline]] inline void store_states(Stream* const* all, const Vector* low, const Vector* high) {
    using S = Shape<lanes, streams>;
    const Vector order = word_order();
    const Vector interleave = _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi16(order, 1),
                                                      _mm512_add_epi16(_mm512_srli_epi16(order, 1), _mm512_set1_epi16(32)));
    const Vector second = _mm512_add_epi16(interleave, _mm512_set1_epi16(16));
#pragma GCC unroll 8
    for (unsigned g = 0; g < S::groups; ++g) {
        std::uint32_t* first = all[S::stream_of(g)]->states + (S::groups_per_stream == 2 ? 32 * (g % 2) : 0);
        const Vector a = _mm512_permutex2var_epi16(low[g], interleave, high[g]);
        const Vector b = _mm512_permutex2var_epi16(low[g], second, high[g]);
        if constexpr (lanes == 8) {
            const auto store = [&](unsigned s, __m256i half) { _mm256_store_si256(reinterpret_cast<__m256i*>(all[s]->states), half); };
            store(4 * g, _mm512_castsi512_si256(a));
            store(4 * g + 1, _mm512_extracti64x4_epi64(a, 1));
            store(4 * g + 2, _mm512_castsi512_si256(b));
            store(4 * g + 3, _mm512_extracti64x4_epi64(b, 1));
        } else {
            _mm512_store_si512(first, a);
        }
        if constexpr (lanes >= 32) _mm512_store_si512(first + 16, b);
        if constexpr (lanes == 16)
            if (S::has_second(g)) _mm512_store_si512(all[2 * g + 1]->states, b);
    }
}

// Looks up words of a table of 2^bits places; `tests[l]` holds bit l of the indices, for l from 5 on.
template <unsigned bits>
[[gnu::always_inline]] inline Vector look_up(Vector indices, const Mask* tests, const std::uint16_t* table) {
    if constexpr (bits <= 5) {
        return _mm512_permutexvar_epi16(indices, _mm512_load_si512(table));
    } else if constexpr (bits == 6) {
        return _mm512_mask_permutexvar_epi16(_mm512_permutexvar_epi16(indices, _mm512_load_si512(table)), tests[5], indices,
                                             _mm512_load_si512(table + 32));
    } else {
        const Vector low = look_up<bits - 1>(indices, tests, table);
        return _mm512_mask_blend_epi16(tests[bits - 1], low, look_up<bits - 1>(indices, tests, table + (1 << (bits - 1))));
    }
}

[[gnu::always_inline]] inline bool all_within(const std::uint8_t* const* at, const std::uint8_t* const* limits,
                                              unsigned streams) {
    bool within = true;
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) within &= at[s] <= limits[s];
    return within;
}

template <unsigned streams, class Stream>
[[gnu::always_inline]] inline void fetch_ahead(Stream* const* all, std::size_t round) {
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) {
        const Ahead& ahead = all[s]->ahead;
        const char* line = ahead.first + static_cast<std::ptrdiff_t>(round) * ahead.step;
        _mm_prefetch(line, _MM_HINT_T0);
        for (unsigned more = 1; more < ahead.num_lines; ++more) _mm_prefetch(line + 64 * more, _MM_HINT_T0);
    }
}

// Step 2 and 3 of decoding for all groups: from slots, frequencies and starts to the next states.
template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline void advance(unsigned first, unsigned end, Vector* low, Vector* high, const Vector* frequency,
                                           const Vector* start, const std::uint8_t** at) {
    using S = Shape<lanes, streams>;
    Vector offset[S::groups];
    Mask refill[S::groups];
#pragma GCC unroll 8
    for (unsigned g = first; g < end; ++g) {
        offset[g] = _mm512_sub_epi16(low[g], start[g]);
        low[g] = _mm512_mullo_epi16(frequency[g], high[g]);
        high[g] = _mm512_mulhi_epu16(frequency[g], high[g]);
    }
#pragma GCC unroll 8
    for (unsigned g = first; g < end; ++g) {
        low[g] = _mm512_add_epi16(low[g], offset[g]);
        const Mask carry = _mm512_cmplt_epu16_mask(low[g], offset[g]);
        high[g] = _mm512_mask_sub_epi16(high[g], carry, high[g], _mm512_set1_epi16(-1));
        refill[g] = _mm512_testn_epi16_mask(high[g], high[g]) & S::used;
    }
#pragma GCC unroll 8
    for (unsigned g = first; g < end; ++g) {
        high[g] = _mm512_mask_mov_epi16(high[g], refill[g], low[g]);
        if constexpr (lanes == 16) {
            const auto first = static_cast<__mmask16>(refill[g]);
            const __m256i words = _mm256_maskz_expand_epi16(first, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at[2 * g])));
            Vector both = _mm512_castsi256_si512(words);
            at[2 * g] += 2 * count(first);
            if (S::has_second(g)) {
                const auto second = static_cast<__mmask16>(refill[g] >> 16);
                both = _mm512_inserti64x4(both,
                                          _mm256_maskz_expand_epi16(second, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at[2 * g + 1]))),
                                          1);
                at[2 * g + 1] += 2 * count(second);
            }
            low[g] = _mm512_mask_mov_epi16(low[g], refill[g], both);
        } else if constexpr (lanes == 8) {
            __m128i words[4];
#pragma GCC unroll 4
            for (unsigned k = 0; k < 4; ++k) {
                const auto mask = static_cast<__mmask8>(refill[g] >> (8 * k));
                words[k] = _mm_maskz_expand_epi16(mask, _mm_loadu_si128(reinterpret_cast<const __m128i*>(at[4 * g + k])));
                at[4 * g + k] += 2 * count(mask);
            }
            const __m256i first_half = _mm256_inserti128_si256(_mm256_castsi128_si256(words[0]), words[1], 1);
            const __m256i second_half = _mm256_inserti128_si256(_mm256_castsi128_si256(words[2]), words[3], 1);
            low[g] = _mm512_mask_mov_epi16(low[g], refill[g], _mm512_inserti64x4(_mm512_castsi256_si512(first_half), second_half, 1));
        } else {
            const std::uint8_t*& words = at[S::stream_of(g)];
            low[g] = _mm512_mask_expand_epi16(low[g], refill[g], _mm512_loadu_si512(words));
            words += 2 * count(refill[g]);
        }
    }
}

// Stores the entries (one a word in each group). `to_entries` makes 64 entries of the bytes found, `find_escapes` a mask of
// 64 lanes of these, for a pair of groups. Returns something else than 0 where there are escapes.
template <unsigned lanes, unsigned streams, class ToEntries, class FindEscapes>
[[gnu::always_inline]] inline std::uint64_t emit(unsigned first, unsigned end, DecodeStream* const* all, const Vector* found,
                                                 std::size_t round, const Vector* base, std::uint64_t* escaped,
                                                 ToEntries to_entries, FindEscapes find_escapes) {
    using S = Shape<lanes, streams>;
    const Vector order = evens_then_odds();
    std::uint64_t any = 0;
#pragma GCC unroll 4
    for (unsigned pair = first / 2; pair < (end + 1) / 2; ++pair) {
        const bool has_odd = 2 * pair + 1 < S::groups;
        const Vector even = found[2 * pair];
        const Vector odd = has_odd ? found[2 * pair + 1] : even;
        const Vector entries = _mm512_permutexvar_epi8(order, to_entries(_mm512_or_si512(even, _mm512_slli_epi16(odd, 8))));
        escaped[pair] = find_escapes(pair, entries);
        const Vector bytes = _mm512_add_epi8(entries, base[pair]);
        if (!has_odd) escaped[pair] &= S::used;
        any |= escaped[pair];
        if constexpr (lanes == 64) {
            _mm512_storeu_si512(all[pair]->entries + lanes * round, bytes);
        } else if constexpr (lanes == 32) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(all[2 * pair]->entries + lanes * round), _mm512_castsi512_si256(bytes));
            if (has_odd)
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(all[2 * pair + 1]->entries + lanes * round),
                                    _mm512_extracti64x4_epi64(bytes, 1));
        } else if constexpr (lanes == 8) {
            const auto store = [&](unsigned s, __m128i part) {
                _mm_storel_epi64(reinterpret_cast<__m128i*>(all[s]->entries + lanes * round), part);
                _mm_storel_epi64(reinterpret_cast<__m128i*>(all[s + 1]->entries + lanes * round), _mm_unpackhi_epi64(part, part));
            };
            store(8 * pair, _mm512_castsi512_si128(bytes));
            store(8 * pair + 2, _mm512_extracti32x4_epi32(bytes, 1));
            if (has_odd) store(8 * pair + 4, _mm512_extracti32x4_epi32(bytes, 2));
            if (has_odd) store(8 * pair + 6, _mm512_extracti32x4_epi32(bytes, 3));
        } else {
            const auto store = [&](unsigned s, __m128i part) {
                _mm_storeu_si128(reinterpret_cast<__m128i*>(all[s]->entries + lanes * round), part);
            };
            store(4 * pair, _mm512_castsi512_si128(bytes));
            if (4 * pair + 1 < streams) store(4 * pair + 1, _mm512_extracti32x4_epi32(bytes, 1));
            if (4 * pair + 2 < streams) store(4 * pair + 2, _mm512_extracti32x4_epi32(bytes, 2));
            if (4 * pair + 3 < streams) store(4 * pair + 3, _mm512_extracti32x4_epi32(bytes, 3));
        }
    }
    return any;
}

// Reads the escapes of a round. Returns false where a stream ends too early.
template <unsigned lanes, unsigned streams>
bool read_escapes(DecodeStream* const* all, const std::uint64_t* escaped, std::size_t round, const std::uint8_t** at) {
    bool good = true;
    for (unsigned s = 0; s < streams; ++s) {
        const std::uint64_t bits = escaped[s * lanes / 64] >> (s * lanes % 64);
        DecodeStream& stream = *all[s];
        stream.at = at[s];
        for (std::uint64_t left = lanes == 64 ? bits : bits & ((1ULL << (lanes % 64)) - 1); left != 0 && good; left &= left - 1)
            good = read_escape(stream, stream.entries + lanes * round + __builtin_ctzll(left));
        at[s] = stream.at;
    }
    return good;
}

template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline std::size_t leave(DecodeStream* const* all, const Vector* low, const Vector* high,
                                                const std::uint8_t* const* at, std::size_t rounds, bool indexed) {
    store_states<lanes, streams>(all, low, high);
    for (unsigned s = 0; s < streams; ++s) {
        all[s]->at = at[s];
        all[s]->entries += lanes * rounds;
        if (indexed) all[s]->indices += lanes * rounds;
    }
    return rounds;
}

// The matrix for `gf2p8affine` that reverses the lowest `levels` bits of a byte.
constexpr long long bit_reversal(unsigned levels) {
    std::uint64_t matrix = 0;
    // Row 7 - i (the byte i of the matrix counted from the top) makes output bit i.
    for (unsigned bit = 0; bit < levels; ++bit) matrix |= 1ULL << (8 * (7 - bit) + (levels - 1 - bit));
    return static_cast<long long>(matrix);
}

// Finds the entries of the slots, as bit-reversed indices, with their frequencies and starts.
template <unsigned levels>
[[gnu::always_inline]] inline void search(unsigned first, unsigned end, const Vector* low, const PermuteTable* const* tables,
                                          Vector* index, Vector* frequency, Vector* start) {
    Mask tests[8][8];
#pragma GCC unroll 8
    for (unsigned g = first; g < end; ++g) {
        tests[g][0] = _mm512_cmpgt_epu16_mask(low[g], _mm512_set1_epi16(static_cast<short>(tables[g]->pivots[0][0])));
        index[g] = _mm512_maskz_set1_epi16(tests[g][0], 1);
    }
#pragma GCC unroll 8
    for (unsigned level = 1; level < levels; ++level) {
#pragma GCC unroll 8
        for (unsigned g = first; g < end; ++g) {
            Vector pivot;
            if (level <= 5) pivot = look_up<5>(index[g], tests[g], tables[g]->pivots[level]);
            if (level == 6) pivot = look_up<6>(index[g], tests[g], tables[g]->pivots[level]);
            if (level == 7) pivot = look_up<7>(index[g], tests[g], tables[g]->pivots[level]);
            tests[g][level] = _mm512_cmpgt_epu16_mask(low[g], pivot);
            index[g] =
                _mm512_mask_add_epi16(index[g], tests[g][level], index[g], _mm512_set1_epi16(static_cast<short>(1 << level)));
        }
    }
#pragma GCC unroll 8
    for (unsigned g = first; g < end; ++g) {
        frequency[g] = look_up<levels>(index[g], tests[g], tables[g]->frequency);
        start[g] = look_up<levels>(index[g], tests[g], tables[g]->start);
    }
}

template <unsigned bits>
[[gnu::always_inline]] inline Vector look_up_from(Vector indices, const Mask* tests, const std::uint16_t* table) {
    if constexpr (bits <= 5) return _mm512_permutexvar_epi16(indices, _mm512_loadu_si512(table));
    return look_up<bits>(indices, tests, table);
}

// The same for few groups, where latency counts and not the number of instructions: two levels at a time. The second
// question is asked for both answers to the first; pivots rise, so that its answer is "yes" where the higher one lies below
// the slot, or the lower one does and the middle one does not.
template <unsigned levels>
[[gnu::always_inline]] inline void search_two_levels(unsigned first, unsigned end, const Vector* low,
                                                     const PermuteTable* const* tables, Vector* index, Vector* frequency,
                                                     Vector* start) {
#pragma GCC unroll 8
    for (unsigned g = first; g < end; ++g) {
        const PermuteTable& table = *tables[g];
        Mask tests[8];
        index[g] = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (unsigned level = 0; level + 1 < levels; level += 2) {
            Vector middle, lower, upper;
            if (level == 0) {
                middle = _mm512_set1_epi16(static_cast<short>(table.pivots[0][0]));
                lower = _mm512_set1_epi16(static_cast<short>(table.pivots[1][0]));
                upper = _mm512_set1_epi16(static_cast<short>(table.pivots[1][1]));
            } else if (level == 6) {
                middle = look_up<6>(index[g], tests, table.pivots[6]);
                lower = look_up<6>(index[g], tests, table.pivots[7]);
                upper = look_up<6>(index[g], tests, table.pivots[7] + 64);
            } else {
                middle = look_up_from<5>(index[g], tests, table.pivots[level]);
                lower = look_up_from<5>(index[g], tests, table.pivots[level + 1]);
                upper = look_up_from<5>(index[g], tests, table.pivots[level + 1] + (1 << level));
            }
            tests[level] = _mm512_cmpgt_epu16_mask(low[g], middle);
            const Mask above_lower = _mm512_cmpgt_epu16_mask(low[g], lower);
            const Mask above_upper = _mm512_cmpgt_epu16_mask(low[g], upper);
            tests[level + 1] = _kor_mask32(above_upper, _kandn_mask32(tests[level], above_lower));
            index[g] = _mm512_mask_add_epi16(index[g], tests[level], index[g], _mm512_set1_epi16(static_cast<short>(1 << level)));
            index[g] = _mm512_mask_add_epi16(index[g], tests[level + 1], index[g], _mm512_set1_epi16(static_cast<short>(2 << level)));
        }
        if constexpr (levels % 2 != 0) {
            constexpr unsigned level = levels - 1;
            const Vector pivot = look_up<level <= 5 ? 5 : level>(index[g], tests, table.pivots[level]);
            tests[level] = _mm512_cmpgt_epu16_mask(low[g], pivot);
            index[g] = _mm512_mask_add_epi16(index[g], tests[level], index[g], _mm512_set1_epi16(static_cast<short>(1 << level)));
        }
        frequency[g] = look_up<levels>(index[g], tests, table.frequency);
        start[g] = look_up<levels>(index[g], tests, table.start);
    }
}

template <unsigned lanes, unsigned streams, unsigned levels>
std::size_t decode_static_of(DecodeStream* const* all, std::size_t rounds) {
    using S = Shape<lanes, streams>;
    Vector low[S::groups], high[S::groups];
    const PermuteTable* tables[S::groups];
    Vector escape[(S::groups + 1) / 2], base[(S::groups + 1) / 2];
    const std::uint8_t* at[streams];
    const std::uint8_t* limits[streams];
    load_states<lanes, streams>(all, low, high);
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) {
        at[s] = all[s]->at;
        limits[s] = all[s]->limit;
    }
#pragma GCC unroll 8
    for (unsigned g = 0; g < S::groups; ++g) tables[g] = all[S::stream_of(g)]->permute;
#pragma GCC unroll 4
    for (unsigned pair = 0; pair < (S::groups + 1) / 2; ++pair) {
        const DecodeStream& first = *all[S::stream_of(2 * pair)];
        const DecodeStream& second = 2 * pair + 1 < S::groups ? *all[S::stream_of(2 * pair + 1)] : first;
        escape[pair] = _mm512_inserti64x4(_mm512_set1_epi8(static_cast<char>(*first.escape_entries)),
                                          _mm256_set1_epi8(static_cast<char>(*second.escape_entries)), 1);
        base[pair] = _mm512_inserti64x4(_mm512_set1_epi8(static_cast<char>(first.base)),
                                        _mm256_set1_epi8(static_cast<char>(second.base)), 1);
    }
    const Vector reversal = _mm512_set1_epi64(bit_reversal(levels));
    std::size_t round = 0;
    bool good = true;
    for (; round < rounds && good && all_within(at, limits, streams); ++round) {
        fetch_ahead<streams>(all, round);
        Vector index[S::groups], frequency[S::groups], start[S::groups];
        std::uint64_t escaped[(S::groups + 1) / 2];
        std::uint64_t any = 0;
#pragma GCC unroll 8
        for (unsigned first = 0; first < S::groups; first += decoded_together) {
            const unsigned end = first + decoded_together < S::groups ? first + decoded_together : S::groups;
            if constexpr (S::groups <= 2)
                search_two_levels<levels>(first, end, low, tables, index, frequency, start);
            else
                search<levels>(first, end, low, tables, index, frequency, start);
            advance<lanes, streams>(first, end, low, high, frequency, start, at);
            any |= emit<lanes, streams>(
                first, end, all, index, round, base, escaped,
                [&](Vector bytes) { return _mm512_gf2p8affine_epi64_epi8(bytes, reversal, 0); },
                [&](unsigned pair, Vector entries) -> std::uint64_t { return _mm512_cmpeq_epi8_mask(entries, escape[pair]); });
        }
        if (any) [[unlikely]]
            good = read_escapes<lanes, streams>(all, escaped, round, at);
    }
    return leave<lanes, streams>(all, low, high, at, round, false);
}

// Even and odd words of a register of 32-bit places, as a pair of registers, and back.
[[gnu::always_inline]] inline Vector even_words(Vector words) { return _mm512_and_si512(words, _mm512_set1_epi32(0xFFFF)); }
[[gnu::always_inline]] inline Vector odd_words(Vector words) { return _mm512_srli_epi32(words, 16); }
[[gnu::always_inline]] inline Vector join_low(Vector even, Vector odd) {
    return _mm512_mask_blend_epi16(0xAAAAAAAA, even, _mm512_slli_epi32(odd, 16));
}
[[gnu::always_inline]] inline Vector join_high(Vector even, Vector odd) {
    return _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd);
}

[[gnu::always_inline]] inline Vector gather_words(const void* base, Vector places) {
    return _mm512_i32gather_epi32(places, base, 4);
}

// 32 bytes of a group, from one stream or 16 each from two, as words.
template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline Vector group_bytes(const std::uint8_t* const* from, unsigned g) {
    using S = Shape<lanes, streams>;
    if constexpr (lanes == 16) {
        const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[2 * g]));
        const __m128i second = S::has_second(g) ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[2 * g + 1])) : first;
        return _mm512_cvtepu8_epi16(_mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1));
    } else {
        const std::uint8_t* bytes = from[S::stream_of(g)] + (S::groups_per_stream == 2 ? 32 * (g % 2) : 0);
        return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
    }
}

// Finds the entries of the slots in a table each, with their frequencies and starts. `ranges` and `coarse` are those of
// table 0.
[[gnu::always_inline]] inline void find_entries(Vector low, Vector table, const std::uint32_t* ranges, const std::uint8_t* coarse,
                                                Vector& entry, Vector& frequency, Vector& start) {
    const Vector bucket = _mm512_srli_epi16(low, coarse_shift);
    const Vector even_table = even_words(table), odd_table = odd_words(table);
    const Vector byte = _mm512_set1_epi32(0xFF);
    const Vector even_guess = _mm512_and_si512(
        byte, _mm512_i32gather_epi32(_mm512_or_si512(_mm512_slli_epi32(even_table, 10), even_words(bucket)), coarse, 1));
    const Vector odd_guess = _mm512_and_si512(
        byte, _mm512_i32gather_epi32(_mm512_or_si512(_mm512_slli_epi32(odd_table, 10), odd_words(bucket)), coarse, 1));
    Vector even_place = _mm512_or_si512(_mm512_slli_epi32(even_table, 8), even_guess);
    Vector odd_place = _mm512_or_si512(_mm512_slli_epi32(odd_table, 8), odd_guess);
    Vector even = gather_words(ranges, even_place);
    Vector odd = gather_words(ranges, odd_place);
    entry = join_low(even_guess, odd_guess);
    start = join_low(even, odd);
    frequency = join_high(even, odd);
    Mask beyond = _mm512_cmpge_epu16_mask(_mm512_sub_epi16(low, start), frequency);
    while (beyond) [[unlikely]] {
        const Vector step = _mm512_maskz_set1_epi16(beyond, 1);
        even_place = _mm512_add_epi32(even_place, even_words(step));
        odd_place = _mm512_add_epi32(odd_place, odd_words(step));
        even = gather_words(ranges, even_place);
        odd = gather_words(ranges, odd_place);
        entry = _mm512_add_epi16(entry, step);
        start = join_low(even, odd);
        frequency = join_high(even, odd);
        beyond = _mm512_cmpge_epu16_mask(_mm512_sub_epi16(low, start), frequency);
    }
}

template <unsigned lanes, unsigned streams>
std::size_t decode_indexed_of(DecodeStream* const* all, std::size_t rounds) {
    using S = Shape<lanes, streams>;
    Vector low[S::groups], high[S::groups];
    const std::uint8_t* at[streams];
    const std::uint8_t* limits[streams];
    const std::uint8_t* indices[streams];
    load_states<lanes, streams>(all, low, high);
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) {
        at[s] = all[s]->at;
        limits[s] = all[s]->limit;
        indices[s] = all[s]->indices;
    }
    const std::uint32_t* ranges = all[0]->ranges;
    const std::uint8_t* coarse = all[0]->coarse;
    std::size_t round = 0;
    bool good = true;
    for (; round < rounds && good && all_within(at, limits, streams); ++round) {
        fetch_ahead<streams>(all, round);
        Vector entry[S::groups], frequency[S::groups], start[S::groups];
        std::uint64_t escaped[S::groups];
#pragma GCC unroll 8
        for (unsigned g = 0; g < S::groups; ++g) {
            const Vector table = group_bytes<lanes, streams>(indices, g);
            find_entries(low[g], table, ranges, coarse, entry[g], frequency[g], start[g]);
            // Only the last entry of a table ends at 2^16, and the last one is the escape.
            const Vector end = _mm512_add_epi16(start[g], frequency[g]);
            escaped[g] = _mm512_testn_epi16_mask(end, end);
        }
        advance<lanes, streams>(0, S::groups, low, high, frequency, start, at);
        std::uint64_t of_pairs[(S::groups + 1) / 2];
        const Vector no_base[(S::groups + 1) / 2] = {};
        const std::uint64_t any = emit<lanes, streams>(
            0, S::groups, all, entry, round, no_base, of_pairs, [](Vector bytes) { return bytes; },
            [&](unsigned pair, Vector) { return escaped[2 * pair] | (2 * pair + 1 < S::groups ? escaped[2 * pair + 1] << 32 : 0); });
        if (any) [[unlikely]]
            good = read_escapes<lanes, streams>(all, of_pairs, round, at);
#pragma GCC unroll 16
        for (unsigned s = 0; s < streams; ++s) indices[s] += lanes;
    }
    return leave<lanes, streams>(all, low, high, at, round, true);
}

// One round of the first `count` lanes, the rest of the states untouched.
std::size_t decode_partial(DecodeStream* const* all, std::size_t, unsigned count_lanes, std::size_t) {
    DecodeStream& stream = *all[0];
    if (stream.at > stream.limit || stream.is_truncated) return 0;
    const std::uint64_t used = count_lanes == 64 ? ~0ULL : (1ULL << count_lanes) - 1;
    const std::uint8_t* at = stream.at;
    std::uint64_t escaped = 0;
    const Vector order = word_order();
    const Vector interleave = _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi16(order, 1),
                                                      _mm512_add_epi16(_mm512_srli_epi16(order, 1), _mm512_set1_epi16(32)));
    const Vector second = _mm512_add_epi16(interleave, _mm512_set1_epi16(16));
    for (unsigned first = 0; first < count_lanes; first += 32) {
        const auto lanes = static_cast<Mask>(used >> first);
        std::uint32_t* const states = stream.states + first;
        const Vector a = _mm512_load_si512(states), b = _mm512_load_si512(states + 16);
        Vector low = low_halves(a, b), high = high_halves(a, b);
        const Vector table = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(lanes, stream.indices + first));
        Vector entry, frequency, start;
        find_entries(low, table, stream.ranges, stream.coarse, entry, frequency, start);
        const Vector end = _mm512_add_epi16(start, frequency);
        escaped |= static_cast<std::uint64_t>(_mm512_mask_testn_epi16_mask(lanes, end, end)) << first;
        const Vector offset = _mm512_sub_epi16(low, start);
        Vector next_low = _mm512_add_epi16(_mm512_mullo_epi16(frequency, high), offset);
        Vector next_high = _mm512_mulhi_epu16(frequency, high);
        const Mask carry = _mm512_cmplt_epu16_mask(next_low, offset);
        next_high = _mm512_mask_sub_epi16(next_high, carry, next_high, _mm512_set1_epi16(-1));
        const Mask refill = _mm512_mask_testn_epi16_mask(lanes, next_high, next_high);
        next_high = _mm512_mask_mov_epi16(next_high, refill, next_low);
        next_low = _mm512_mask_expand_epi16(next_low, refill, _mm512_loadu_si512(at));
        at += 2 * count(refill);
        low = _mm512_mask_mov_epi16(low, lanes, next_low);
        high = _mm512_mask_mov_epi16(high, lanes, next_high);
        _mm512_store_si512(states, _mm512_permutex2var_epi16(low, interleave, high));
        _mm512_store_si512(states + 16, _mm512_permutex2var_epi16(low, second, high));
        _mm256_mask_storeu_epi8(stream.entries + first, lanes, _mm512_cvtepi16_epi8(entry));
    }
    stream.at = at;
    for (std::uint64_t left = escaped; left != 0; left &= left - 1)
        if (!read_escape(stream, stream.entries + __builtin_ctzll(left))) break;
    stream.entries += count_lanes;
    stream.indices += count_lanes;
    return 1;
}

// For encoding, lanes stand in reverse: words are written in the order of encoding, last lane first.
template <unsigned lanes>
[[gnu::always_inline]] inline Vector reversed_byte_order(unsigned group) {
    // Even bytes name the source of each word: 63 - w or 31 - w of one stream, or 15 - w of two.
    const Vector order = word_order();
    if constexpr (lanes == 64) return _mm512_sub_epi16(_mm512_set1_epi16(group % 2 == 0 ? 63 : 31), order);
    if constexpr (lanes == 32) return _mm512_sub_epi16(_mm512_set1_epi16(31), order);
    return _mm512_xor_si512(order, _mm512_set1_epi16(15));
}

// The bytes of the round that ends at `end`: those of the one or two streams of a group.
template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline Vector bytes_of_round(const std::uint8_t* const* end, unsigned g) {
    using S = Shape<lanes, streams>;
    if constexpr (lanes == 64) return _mm512_loadu_si512(end[S::stream_of(g)] - 64);
    if constexpr (lanes == 32)
        return _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(end[g] - 32)));
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end[2 * g] - 16));
    const __m128i second = S::has_second(g) ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(end[2 * g + 1] - 16)) : first;
    return _mm512_castsi256_si512(_mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1));
}

// The same as words, with the lanes of the group in reverse.
template <unsigned lanes>
[[gnu::always_inline]] inline Vector reversed_words(Vector bytes, unsigned g) {
    return _mm512_maskz_permutexvar_epi8(0x5555555555555555ULL, reversed_byte_order<lanes>(g), bytes);
}

// Lanes of the groups in reverse, or back: the same exchange either way.
template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline void reverse_lanes(Vector* values) {
    using S = Shape<lanes, streams>;
    const Vector order = lanes == 16 ? _mm512_xor_si512(word_order(), _mm512_set1_epi16(15))
                                     : _mm512_sub_epi16(_mm512_set1_epi16(31), word_order());
#pragma GCC unroll 8
    for (unsigned g = 0; g < S::groups; ++g) values[g] = _mm512_permutexvar_epi16(order, values[g]);
    if constexpr (lanes == 64) {
#pragma GCC unroll 8
        for (unsigned g = 0; g < S::groups; g += 2) {
            const Vector first = values[g];
            values[g] = values[g + 1];
            values[g + 1] = first;
        }
    }
}

// Emits words where the states would overflow.
template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline void emit_words(unsigned g, Vector& low, Vector& high, Vector frequency, std::uint16_t** out) {
    using S = Shape<lanes, streams>;
    const Mask overflow = _mm512_cmpge_epu16_mask(high, frequency) & S::used;
    if constexpr (lanes == 16) {
        const auto first = static_cast<__mmask16>(overflow);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[2 * g]),
                            _mm256_maskz_compress_epi16(first, _mm512_castsi512_si256(low)));
        out[2 * g] += count(first);
        if (S::has_second(g)) {
            const auto second = static_cast<__mmask16>(overflow >> 16);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[2 * g + 1]),
                                _mm256_maskz_compress_epi16(second, _mm512_extracti64x4_epi64(low, 1)));
            out[2 * g + 1] += count(second);
        }
    } else {
        std::uint16_t*& words = out[S::stream_of(g)];
        _mm512_storeu_si512(words, _mm512_maskz_compress_epi16(overflow, low));
        words += count(overflow);
    }
    low = _mm512_mask_mov_epi16(low, overflow, high);
    high = _mm512_mask_mov_epi16(high, overflow, _mm512_setzero_si512());
}

// One step of encoding, x = (x / f) 2^16 + x mod f + start, for any frequencies. `symbols` gives what there is to know of the
// entries of a group.
template <unsigned lanes, unsigned streams, class Symbols>
[[gnu::always_inline]] inline void push(unsigned begin, unsigned end, Vector* low, Vector* high, const Symbols& symbols,
                                        std::uint16_t** out) {
    using S = Shape<lanes, streams>;
    const Vector minus_one = _mm512_set1_epi16(-1);
    Vector divisor[S::groups], shift[S::groups];
#pragma GCC unroll 8
    for (unsigned g = begin; g < end; ++g) {
        divisor[g] = symbols.divisor(g);
        shift[g] = symbols.shift(g);
        emit_words<lanes, streams>(g, low[g], high[g], _mm512_srlv_epi16(divisor[g], shift[g]), out);
    }
    Vector q0[S::groups], q1[S::groups];
#pragma GCC unroll 8
    for (unsigned g = begin; g < end; ++g) {
        const Vector reciprocal = symbols.reciprocal(g);
        high[g] = _mm512_shldv_epi16(high[g], low[g], shift[g]);
        low[g] = _mm512_sllv_epi16(low[g], shift[g]);
        q0[g] = _mm512_add_epi16(_mm512_mullo_epi16(reciprocal, high[g]), low[g]);
        const Mask carry = _mm512_cmplt_epu16_mask(q0[g], low[g]);
        // The quotient's estimate plus one, as the algorithm wants it.
        q1[g] = _mm512_sub_epi16(_mm512_mulhi_epu16(reciprocal, high[g]), minus_one);
        q1[g] = _mm512_add_epi16(q1[g], high[g]);
        q1[g] = _mm512_mask_sub_epi16(q1[g], carry, q1[g], minus_one);
    }
#pragma GCC unroll 8
    for (unsigned g = begin; g < end; ++g) {
        Vector rest = _mm512_sub_epi16(low[g], _mm512_mullo_epi16(q1[g], divisor[g]));
        const Mask too_high = _mm512_cmpgt_epu16_mask(rest, q0[g]);
        q1[g] = _mm512_mask_add_epi16(q1[g], too_high, q1[g], minus_one);
        rest = _mm512_mask_add_epi16(rest, too_high, rest, divisor[g]);
        const Mask too_low = _mm512_cmpge_epu16_mask(rest, divisor[g]);
        high[g] = _mm512_mask_sub_epi16(q1[g], too_low, q1[g], minus_one);
        rest = _mm512_mask_sub_epi16(rest, too_low, rest, divisor[g]);
        low[g] = _mm512_add_epi16(_mm512_srlv_epi16(rest, shift[g]), symbols.start(g));
    }
}

// The same for frequencies below 2^14. With R = (2^32 - 1) / f in words Rh and Rl and x in words h and l, the estimate
// h Rh + (h Rl >> 16) + (l Rh >> 16) leaves out four parts of less than 1 each, so it is at most 3 too low, and what remains is
// below 4 f, which fits a word.
template <unsigned lanes, unsigned streams, class Symbols>
[[gnu::always_inline]] inline void push_small(unsigned begin, unsigned end, Vector* low, Vector* high, const Symbols& symbols,
                                              std::uint16_t** out) {
    using S = Shape<lanes, streams>;
    Vector frequency[S::groups];
#pragma GCC unroll 8
    for (unsigned g = begin; g < end; ++g) {
        frequency[g] = symbols.frequency(g);
        emit_words<lanes, streams>(g, low[g], high[g], frequency[g], out);
    }
    Vector quotient[S::groups];
#pragma GCC unroll 8
    for (unsigned g = begin; g < end; ++g) {
        const Vector inverse_high = symbols.inverse_high(g);
        quotient[g] = _mm512_add_epi16(_mm512_mullo_epi16(high[g], inverse_high),
                                       _mm512_mulhi_epu16(high[g], symbols.inverse_low(g)));
        quotient[g] = _mm512_add_epi16(quotient[g], _mm512_mulhi_epu16(low[g], inverse_high));
    }
#pragma GCC unroll 8
    for (unsigned g = begin; g < end; ++g) {
        Vector rest = _mm512_sub_epi16(low[g], _mm512_mullo_epi16(quotient[g], frequency[g]));
        const Vector twice = _mm512_add_epi16(frequency[g], frequency[g]);
        const Mask by_two = _mm512_cmpge_epu16_mask(rest, twice);
        rest = _mm512_mask_sub_epi16(rest, by_two, rest, twice);
        quotient[g] = _mm512_mask_add_epi16(quotient[g], by_two, quotient[g], _mm512_set1_epi16(2));
        const Mask by_one = _mm512_cmpge_epu16_mask(rest, frequency[g]);
        rest = _mm512_mask_sub_epi16(rest, by_one, rest, frequency[g]);
        high[g] = _mm512_mask_add_epi16(quotient[g], by_one, quotient[g], _mm512_set1_epi16(1));
        low[g] = _mm512_add_epi16(rest, symbols.start(g));
    }
}

// Writes the escapes of the round that ends at `end`; bit 0 of `escaped` belongs to the last lane.
inline void push_escapes(EncodeStream& stream, std::uint64_t escaped, const std::uint8_t* end, std::uint16_t*& out) {
    stream.out = out;
    for (; escaped != 0; escaped &= escaped - 1) write_escape(stream, end - 1 - __builtin_ctzll(escaped));
    out = stream.out;
}

template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline void enter(EncodeStream* const* all, Vector* low, Vector* high, std::uint16_t** out,
                                         const std::uint8_t** entries) {
    load_states<lanes, streams>(all, low, high);
    reverse_lanes<lanes, streams>(low);
    reverse_lanes<lanes, streams>(high);
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) {
        out[s] = all[s]->out;
        entries[s] = all[s]->entries;
    }
}

template <unsigned lanes, unsigned streams>
[[gnu::always_inline]] inline void leave(EncodeStream* const* all, Vector* low, Vector* high, std::uint16_t* const* out,
                                         const std::uint8_t* const* entries) {
    reverse_lanes<lanes, streams>(low);
    reverse_lanes<lanes, streams>(high);
    store_states<lanes, streams>(all, low, high);
    for (unsigned s = 0; s < streams; ++s) {
        all[s]->out = out[s];
        all[s]->entries = entries[s];
    }
}

// Entries of a round, looked up in tables by permutes, where they are needed.
template <unsigned lanes, unsigned streams, unsigned levels>
struct StaticSymbols {
    using S = Shape<lanes, streams>;
    EncodeStream* const* all;
    Vector entry[S::groups];
    Mask tests[S::groups][8];

    [[gnu::always_inline]] void set(unsigned g, Vector entries) {
        entry[g] = entries;
        if (levels > 5) tests[g][5] = _mm512_test_epi16_mask(entries, _mm512_set1_epi16(32));
        if (levels > 6) tests[g][6] = _mm512_test_epi16_mask(entries, _mm512_set1_epi16(64));
        if (levels > 7) tests[g][7] = _mm512_test_epi16_mask(entries, _mm512_set1_epi16(128));
    }
    [[gnu::always_inline]] const DivisionTable& table(unsigned g) const { return *all[S::stream_of(g)]->division; }
    [[gnu::always_inline]] Vector divisor(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).divisor); }
    [[gnu::always_inline]] Vector reciprocal(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).reciprocal); }
    [[gnu::always_inline]] Vector shift(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).shift); }
    [[gnu::always_inline]] Vector start(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).start); }
    [[gnu::always_inline]] Vector frequency(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).frequency); }
    [[gnu::always_inline]] Vector inverse_high(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).inverse_high); }
    [[gnu::always_inline]] Vector inverse_low(unsigned g) const { return look_up<levels>(entry[g], tests[g], table(g).inverse_low); }
};

// The same, gathered beforehand.
template <unsigned groups>
struct GatheredSymbols {
    Vector divisors[groups], reciprocals[groups], shifts[groups], starts[groups];

    // Returns which are escapes. `ranges` and `divisions` are those of table 0.
    [[gnu::always_inline]] Mask gather(unsigned g, Vector entry, Vector table, const std::uint32_t* ranges, const std::uint32_t* divisions) {
        const Vector places = _mm512_or_si512(entry, _mm512_slli_epi16(table, 8));
        const Vector even_places = even_words(places), odd_places = odd_words(places);
        const Vector even = gather_words(ranges, even_places), odd = gather_words(ranges, odd_places);
        const Vector even_division = gather_words(divisions, even_places);
        const Vector odd_division = gather_words(divisions, odd_places);
        starts[g] = join_low(even, odd);
        divisors[g] = join_low(even_division, odd_division);
        reciprocals[g] = join_high(even_division, odd_division);
        // Frequencies stand in the upper halves, so that leading zeros are those of 16 bits.
        shifts[g] = join_low(_mm512_lzcnt_epi32(even), _mm512_lzcnt_epi32(odd));
        // Only the last entry of a table ends at 2^16, and the last one is the escape.
        const Vector end = _mm512_add_epi16(starts[g], join_high(even, odd));
        return _mm512_testn_epi16_mask(end, end);
    }

    [[gnu::always_inline]] Vector divisor(unsigned g) const { return divisors[g]; }
    [[gnu::always_inline]] Vector reciprocal(unsigned g) const { return reciprocals[g]; }
    [[gnu::always_inline]] Vector shift(unsigned g) const { return shifts[g]; }
    [[gnu::always_inline]] Vector start(unsigned g) const { return starts[g]; }
};

// The lowest `lanes` bits, last first.
template <unsigned lanes>
std::uint64_t reversed(std::uint64_t bits) {
    std::uint64_t result = 0;
    for (unsigned lane = 0; lane < lanes; ++lane) result |= ((bits >> lane) & 1U) << (lanes - 1 - lane);
    return result;
}

template <unsigned lanes, unsigned streams, unsigned levels, bool is_small>
void encode_static_of(EncodeStream* const* all, std::size_t rounds) {
    using S = Shape<lanes, streams>;
    constexpr std::uint64_t bytes_used = lanes == 64 ? ~0ULL : S::used;
    Vector low[S::groups], high[S::groups];
    std::uint16_t* out[streams];
    const std::uint8_t* entries[streams];
    enter<lanes, streams>(all, low, high, out, entries);
    for (std::size_t round = 0; round < rounds; ++round) {
        fetch_ahead<streams>(all, round);
        StaticSymbols<lanes, streams, levels> symbols{all, {}, {}};
#pragma GCC unroll 8
        for (unsigned first = 0; first < S::groups; first += encoded_together) {
            const unsigned end = first + encoded_together < S::groups ? first + encoded_together : S::groups;
            for (unsigned g = first; g < end; g += S::groups_per_stream) {
                const Vector last = _mm512_set1_epi8(static_cast<char>(*all[S::stream_of(g)]->escape_entries));
                const Vector base = _mm512_set1_epi8(static_cast<char>(all[S::stream_of(g)]->base));
                const Vector entry = _mm512_min_epu8(_mm512_sub_epi8(bytes_of_round<lanes, streams>(entries, g), base), last);
                const std::uint64_t escaped = _mm512_cmpeq_epi8_mask(entry, last) & bytes_used;
                if (escaped) [[unlikely]] {
                    push_escapes(*all[S::stream_of(g)], reversed<lanes>(escaped), entries[S::stream_of(g)], out[S::stream_of(g)]);
                    if (S::has_second(g))
                        push_escapes(*all[2 * g + 1], reversed<lanes>(escaped >> 16), entries[2 * g + 1], out[2 * g + 1]);
                }
                symbols.set(g, reversed_words<lanes>(entry, g));
                if (S::groups_per_stream == 2) symbols.set(g + 1, reversed_words<lanes>(entry, g + 1));
            }
            if constexpr (is_small)
                push_small<lanes, streams>(first, end, low, high, symbols, out);
            else
                push<lanes, streams>(first, end, low, high, symbols, out);
        }
#pragma GCC unroll 16
        for (unsigned s = 0; s < streams; ++s) entries[s] -= lanes;
    }
    leave<lanes, streams>(all, low, high, out, entries);
}

template <unsigned lanes, unsigned streams>
void encode_indexed_of(EncodeStream* const* all, std::size_t rounds) {
    using S = Shape<lanes, streams>;
    Vector low[S::groups], high[S::groups];
    std::uint16_t* out[streams];
    const std::uint8_t* entries[streams];
    const std::uint8_t* indices[streams];
    enter<lanes, streams>(all, low, high, out, entries);
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) indices[s] = all[s]->indices;
    const std::uint32_t* ranges = all[0]->ranges;
    const std::uint32_t* divisors = all[0]->divisors;
    for (std::size_t round = 0; round < rounds; ++round) {
        fetch_ahead<streams>(all, round);
        GatheredSymbols<S::groups> symbols;
        Mask escaped[S::groups];
#pragma GCC unroll 8
        for (unsigned g = 0; g < S::groups; ++g) {
            const Vector entry = reversed_words<lanes>(bytes_of_round<lanes, streams>(entries, g), g);
            const Vector table = reversed_words<lanes>(bytes_of_round<lanes, streams>(indices, g), g);
            escaped[g] = symbols.gather(g, entry, table, ranges, divisors) & S::used;
        }
        std::uint64_t any = 0;
#pragma GCC unroll 8
        for (unsigned g = 0; g < S::groups; ++g) any |= escaped[g];
        if (any) [[unlikely]] {
            for (unsigned s = 0; s < streams; ++s) {
                // Bits stand in the order of the groups, last lane first.
                std::uint64_t bits = 0;
                if constexpr (lanes == 64) bits = escaped[2 * s] | (std::uint64_t{escaped[2 * s + 1]} << 32);
                if constexpr (lanes == 32) bits = escaped[s];
                if constexpr (lanes == 16) bits = (escaped[s / 2] >> (16 * (s % 2))) & 0xFFFFU;
                push_escapes(*all[s], bits, entries[s], out[s]);
            }
        }
        push<lanes, streams>(0, S::groups, low, high, symbols, out);
#pragma GCC unroll 16
        for (unsigned s = 0; s < streams; ++s) {
            entries[s] -= lanes;
            indices[s] -= lanes;
        }
    }
    leave<lanes, streams>(all, low, high, out, entries);
    for (unsigned s = 0; s < streams; ++s) all[s]->indices = indices[s];
}

// One round of the first `count_lanes` lanes, the rest of the states untouched. Lanes not in use are 0, which no symbol
// makes overflow.
void encode_partial(EncodeStream* const* all, std::size_t, unsigned count_lanes, std::size_t) {
    EncodeStream& stream = *all[0];
    const std::uint64_t used = count_lanes == 64 ? ~0ULL : (1ULL << count_lanes) - 1;
    // As lanes stand in reverse, those in use are the last ones.
    const std::uint64_t used_reversed = used << (64 - count_lanes);
    const Mask used_of[2] = {static_cast<Mask>(used_reversed), static_cast<Mask>(used_reversed >> 32)};
    const unsigned begin = count_lanes > 32 ? 0 : 1;
    Vector low[2], high[2], next_low[2], next_high[2];
    std::uint16_t* out;
    const std::uint8_t* end;
    enter<64, 1>(all, low, high, &out, &end);
    end -= count_lanes;
    stream.indices -= count_lanes;
    const Vector entries = _mm512_maskz_loadu_epi8(used, end), tables = _mm512_maskz_loadu_epi8(used, stream.indices);
    GatheredSymbols<2> symbols;
    Mask escaped[2] = {};
    for (unsigned g = begin; g < 2; ++g) {
        next_low[g] = _mm512_maskz_mov_epi16(used_of[g], low[g]);
        next_high[g] = _mm512_maskz_mov_epi16(used_of[g], high[g]);
        escaped[g] = used_of[g] & symbols.gather(g, reversed_words<64>(entries, g), reversed_words<64>(tables, g), stream.ranges, stream.divisors);
    }
    push_escapes(stream, escaped[0] | (std::uint64_t{escaped[1]} << 32), end + 64, out);
    if (begin == 0) push<64, 1>(0, 1, next_low, next_high, symbols, &out);
    push<64, 1>(1, 2, next_low, next_high, symbols, &out);
    for (unsigned g = begin; g < 2; ++g) {
        low[g] = _mm512_mask_mov_epi16(low[g], used_of[g], next_low[g]);
        high[g] = _mm512_mask_mov_epi16(high[g], used_of[g], next_high[g]);
    }
    leave<64, 1>(all, low, high, &out, &end);
}

// A lone stream of 16 lanes, where nothing but latency counts: half registers, compared into vectors instead of masks, which
// take longer to make and to use, and two levels at a time, as in `search_two_levels`.
template <unsigned levels>
class LoneSearch {
    using Half = __m256i;
    static constexpr unsigned parts = 1U << (levels - 4);  // registers of a table of 2^levels places

public:
    explicit LoneSearch(const PermuteTable& table) {
        for (unsigned pair = 0; pair < levels / 2; ++pair) {
            middle_[pair] = biased(table.pivots[2 * pair]);
            lower_[pair] = biased(table.pivots[2 * pair + 1]);
            upper_[pair] = biased(table.pivots[2 * pair + 1] + (1 << (2 * pair)));
        }
        last_ = biased(table.pivots[levels - 1]);
        for (unsigned part = 0; part < parts; ++part) {
            frequency_[part] = load(table.frequency + 16 * part);
            start_[part] = load(table.start + 16 * part);
        }
    }

    // The bit-reversed index of each slot, its frequency and its start.
    [[gnu::always_inline]] Half find(Half low, Half& frequency, Half& start) const {
        const Half slot = _mm256_xor_si256(low, _mm256_set1_epi16(bias));
        Half index = _mm256_setzero_si256();
        Half tests[levels];
#pragma GCC unroll 4
        for (unsigned pair = 0; pair < levels / 2; ++pair) {
            const Half middle = _mm256_cmpgt_epi16(slot, _mm256_permutexvar_epi16(index, middle_[pair]));
            const Half lower = _mm256_cmpgt_epi16(slot, _mm256_permutexvar_epi16(index, lower_[pair]));
            const Half upper = _mm256_cmpgt_epi16(slot, _mm256_permutexvar_epi16(index, upper_[pair]));
            tests[2 * pair] = middle;
            tests[2 * pair + 1] = _mm256_ternarylogic_epi32(middle, lower, upper, 0xAE);  // upper or (lower and not middle)
            index = with_bit(index, tests[2 * pair], 2 * pair);
            index = with_bit(index, tests[2 * pair + 1], 2 * pair + 1);
        }
        if constexpr (levels % 2 != 0) {
            tests[levels - 1] = _mm256_cmpgt_epi16(slot, _mm256_permutexvar_epi16(index, last_));
            index = with_bit(index, tests[levels - 1], levels - 1);
        }
        frequency = look_up_parts<levels>(frequency_, index, tests);
        start = look_up_parts<levels>(start_, index, tests);
        return index;
    }

private:
    static constexpr short bias = -32768;

    static Half load(const std::uint16_t* from) { return _mm256_loadu_si256(reinterpret_cast<const Half*>(from)); }
    static Half biased(const std::uint16_t* from) { return _mm256_xor_si256(load(from), _mm256_set1_epi16(bias)); }

    [[gnu::always_inline]] static Half with_bit(Half index, Half test, unsigned bit) {
        return _mm256_ternarylogic_epi32(index, test, _mm256_set1_epi16(static_cast<short>(1 << bit)), 0xF8);  // a or (b and c)
    }

    template <unsigned bits>
    [[gnu::always_inline]] static Half look_up_parts(const Half* table, Half index, const Half* tests) {
        if constexpr (bits == 4) {
            return _mm256_permutexvar_epi16(index, table[0]);
        } else {
            const Half clear = look_up_parts<bits - 1>(table, index, tests);
            const Half set = look_up_parts<bits - 1>(table + (1U << (bits - 5)), index, tests);
            return _mm256_ternarylogic_epi32(tests[bits - 1], set, clear, 0xCA);  // a ? b : c
        }
    }

    Half middle_[levels / 2], lower_[levels / 2], upper_[levels / 2], last_;
    Half frequency_[parts], start_[parts];
};

template <unsigned levels>
std::size_t decode_lone(DecodeStream& stream, std::size_t rounds) {
    const LoneSearch<levels> search(*stream.permute);
    const __m128i escape = _mm_set1_epi8(static_cast<char>(*stream.escape_entries));
    const __m128i base = _mm_set1_epi8(static_cast<char>(stream.base));
    const __m128i reversal = _mm_set1_epi64x(bit_reversal(levels));
    const __m256i zero = _mm256_setzero_si256();
    const Vector states = _mm512_load_si512(stream.states);
    __m256i low = _mm512_cvtepi32_epi16(states);
    __m256i high = _mm512_cvtepi32_epi16(_mm512_srli_epi32(states, 16));
    const std::uint8_t* at = stream.at;
    const std::uint8_t* const limit = stream.limit;
    std::uint8_t* entries = stream.entries;
    std::size_t round = 0;
    bool good = true;
    for (; round < rounds && good && at <= limit; ++round, entries += 16) {
        __m256i frequency, start;
        const __m256i index = search.find(low, frequency, start);
        const __m256i offset = _mm256_sub_epi16(low, start);
        const __m256i sum = _mm256_add_epi16(_mm256_mullo_epi16(frequency, high), offset);
        // A carry came out where the sum is below what was added; the saturated difference is 0 where none did.
        const __m256i no_carry = _mm256_cmpeq_epi16(_mm256_subs_epu16(offset, sum), zero);
        high = _mm256_add_epi16(_mm256_add_epi16(_mm256_mulhi_epu16(frequency, high), _mm256_set1_epi16(1)), no_carry);
        const __m256i refill = _mm256_cmpeq_epi16(high, zero);
        const __mmask16 mask = _mm256_movepi16_mask(refill);
        const __m256i words = _mm256_maskz_expand_epi16(mask, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
        at += 2 * count(mask);
        high = _mm256_ternarylogic_epi32(high, sum, refill, 0xF8);  // a or (b and c): it was 0 where a word comes in
        low = _mm256_ternarylogic_epi32(words, sum, refill, 0xF4);  // a or (b and not c)
        const __m128i found = _mm_gf2p8affine_epi64_epi8(_mm256_cvtepi16_epi8(index), reversal, 0);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(entries), _mm_add_epi8(found, base));
        std::uint32_t escaped = _mm_cmpeq_epi8_mask(found, escape);
        if (escaped != 0) [[unlikely]] {
            stream.at = at;
            for (; escaped != 0 && good; escaped &= escaped - 1) good = read_escape(stream, entries + __builtin_ctz(escaped));
            at = stream.at;
        }
    }
    _mm512_store_si512(stream.states, _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                                      _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
    stream.at = at;
    stream.entries = entries;
    return round;
}

// A lone stream of 16 lanes with a table each: states in one register, so that each look-up is one gather.
std::size_t decode_lone_indexed(DecodeStream& stream, std::size_t rounds) {
    const Vector low_half = _mm512_set1_epi32(0xFFFF), sum = _mm512_set1_epi32(static_cast<int>(probability_sum));
    Vector state = _mm512_load_si512(stream.states);
    const std::uint8_t* at = stream.at;
    std::size_t round = 0;
    bool good = !stream.is_truncated;
    for (; round < rounds && good && at <= stream.limit; ++round) {
        std::uint8_t* const entries = stream.entries + 16 * round;
        const Vector table = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stream.indices + 16 * round)));
        const Vector slot = _mm512_and_si512(state, low_half);
        const Vector bucket = _mm512_or_si512(_mm512_slli_epi32(table, probability_bits - coarse_shift), _mm512_srli_epi32(slot, coarse_shift));
        const Vector guess = _mm512_and_si512(_mm512_i32gather_epi32(bucket, stream.coarse, 1), _mm512_set1_epi32(0xFF));
        Vector place = _mm512_or_si512(_mm512_slli_epi32(table, 8), guess);
        Vector range = gather_words(stream.ranges, place);
        Vector offset = _mm512_sub_epi32(slot, _mm512_and_si512(range, low_half));
        Vector frequency = _mm512_srli_epi32(range, 16);
        __mmask16 beyond = _mm512_cmpge_epu32_mask(offset, frequency);
        while (beyond) [[unlikely]] {
            place = _mm512_mask_add_epi32(place, beyond, place, _mm512_set1_epi32(1));
            range = _mm512_mask_i32gather_epi32(range, beyond, place, stream.ranges, 4);
            offset = _mm512_sub_epi32(slot, _mm512_and_si512(range, low_half));
            frequency = _mm512_srli_epi32(range, 16);
            beyond = _mm512_cmpge_epu32_mask(offset, frequency);
        }
        state = _mm512_add_epi32(_mm512_mullo_epi32(frequency, _mm512_srli_epi32(state, 16)), offset);
        const __mmask16 refill = _mm512_cmplt_epu32_mask(state, sum);
        const Vector words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
        state = _mm512_mask_or_epi32(state, refill, _mm512_slli_epi32(state, 16), _mm512_maskz_expand_epi32(refill, words));
        at += 2 * count(refill);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(entries), _mm512_cvtepi32_epi8(place));
        // Only the last entry of a table ends at 2^16, and the last one is the escape.
        const Vector end = _mm512_add_epi32(_mm512_and_si512(range, low_half), frequency);
        std::uint32_t escaped = _mm512_cmpeq_epi32_mask(end, sum);
        if (escaped != 0) [[unlikely]] {
            stream.at = at;
            for (; escaped != 0 && good; escaped &= escaped - 1) good = read_escape(stream, entries + __builtin_ctz(escaped));
            at = stream.at;
        }
    }
    _mm512_store_si512(stream.states, state);
    stream.at = at;
    stream.entries += 16 * round;
    stream.indices += 16 * round;
    return round;
}

template <unsigned lanes, unsigned streams>
std::size_t decode_static_by_levels(DecodeStream* const* all, std::size_t rounds) {
    switch (all[0]->permute->levels) {
        case 4: return decode_static_of<lanes, streams, 4>(all, rounds);
        case 5: return decode_static_of<lanes, streams, 5>(all, rounds);
        case 6: return decode_static_of<lanes, streams, 6>(all, rounds);
        case 7: return decode_static_of<lanes, streams, 7>(all, rounds);
        default: return decode_static_of<lanes, streams, 8>(all, rounds);
    }
}

template <unsigned lanes, unsigned streams, bool is_small>
void encode_static_by_levels(EncodeStream* const* all, std::size_t rounds) {
    unsigned levels = 4;
    for (unsigned s = 0; s < streams; ++s) levels = all[s]->levels > levels ? all[s]->levels : levels;
    switch (levels) {
        case 4: return encode_static_of<lanes, streams, 4, is_small>(all, rounds);
        case 5: return encode_static_of<lanes, streams, 5, is_small>(all, rounds);
        case 6: return encode_static_of<lanes, streams, 6, is_small>(all, rounds);
        case 7: return encode_static_of<lanes, streams, 7, is_small>(all, rounds);
        default: return encode_static_of<lanes, streams, 8, is_small>(all, rounds);
    }
}

template <unsigned lanes, unsigned streams>
void encode_static_by_tables(EncodeStream* const* all, std::size_t rounds) {
    bool are_small = true;
    for (unsigned s = 0; s < streams; ++s) are_small &= all[s]->division->is_small;
    if (are_small) return encode_static_by_levels<lanes, streams, true>(all, rounds);
    return encode_static_by_levels<lanes, streams, false>(all, rounds);
}

constexpr unsigned shape(unsigned lanes, std::size_t streams) { return 256 * lanes + static_cast<unsigned>(streams); }

std::size_t decode_static(DecodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    switch (shape(lanes, num_streams)) {
        case shape(64, 4): return decode_static_by_levels<64, 4>(all, rounds);
        case shape(64, 2): return decode_static_by_levels<64, 2>(all, rounds);
        case shape(64, 1): return decode_static_by_levels<64, 1>(all, rounds);
        case shape(32, 8): return decode_static_by_levels<32, 8>(all, rounds);
        case shape(32, 4): return decode_static_by_levels<32, 4>(all, rounds);
        case shape(32, 2): return decode_static_by_levels<32, 2>(all, rounds);
        case shape(32, 1): return decode_static_by_levels<32, 1>(all, rounds);
        case shape(16, 16): return decode_static_by_levels<16, 16>(all, rounds);
        case shape(16, 4): return decode_static_by_levels<16, 4>(all, rounds);
        case shape(16, 1):
            if (all[0]->permute->levels == 4) return decode_lone<4>(*all[0], rounds);
            if (all[0]->permute->levels == 5) return decode_lone<5>(*all[0], rounds);
            if (all[0]->permute->levels == 6) return decode_lone<6>(*all[0], rounds);
            return decode_static_by_levels<16, 1>(all, rounds);
        case shape(8, 16): return decode_static_by_levels<8, 16>(all, rounds);
        case shape(8, 4): return decode_static_by_levels<8, 4>(all, rounds);
        default: return portable_kernels.decode_static(all, num_streams, lanes, rounds);
    }
}

std::size_t decode_indexed(DecodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    switch (shape(lanes, num_streams)) {
        case shape(64, 4): return decode_indexed_of<64, 4>(all, rounds);
        case shape(64, 2): return decode_indexed_of<64, 2>(all, rounds);
        case shape(64, 1): return decode_indexed_of<64, 1>(all, rounds);
        case shape(32, 8): return decode_indexed_of<32, 8>(all, rounds);
        case shape(32, 4): return decode_indexed_of<32, 4>(all, rounds);
        case shape(32, 2): return decode_indexed_of<32, 2>(all, rounds);
        case shape(32, 1): return decode_indexed_of<32, 1>(all, rounds);
        case shape(16, 16): return decode_indexed_of<16, 16>(all, rounds);
        case shape(16, 4): return decode_indexed_of<16, 4>(all, rounds);
        case shape(16, 1): return decode_lone_indexed(*all[0], rounds);
        default: return portable_kernels.decode_indexed(all, num_streams, lanes, rounds);
    }
}

void encode_static(EncodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    switch (shape(lanes, num_streams)) {
        case shape(64, 2): return encode_static_by_tables<64, 2>(all, rounds);
        case shape(64, 1): return encode_static_by_tables<64, 1>(all, rounds);
        case shape(32, 4): return encode_static_by_tables<32, 4>(all, rounds);
        case shape(32, 2): return encode_static_by_tables<32, 2>(all, rounds);
        case shape(32, 1): return encode_static_by_tables<32, 1>(all, rounds);
        case shape(16, 8): return encode_static_by_tables<16, 8>(all, rounds);
        case shape(16, 4): return encode_static_by_tables<16, 4>(all, rounds);
        case shape(16, 1): return encode_static_by_tables<16, 1>(all, rounds);
        default: return portable_kernels.encode_static(all, num_streams, lanes, rounds);
    }
}

void encode_indexed(EncodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    switch (shape(lanes, num_streams)) {
        case shape(64, 2): return encode_indexed_of<64, 2>(all, rounds);
        case shape(64, 1): return encode_indexed_of<64, 1>(all, rounds);
        case shape(32, 4): return encode_indexed_of<32, 4>(all, rounds);
        case shape(32, 2): return encode_indexed_of<32, 2>(all, rounds);
        case shape(32, 1): return encode_indexed_of<32, 1>(all, rounds);
        case shape(16, 8): return encode_indexed_of<16, 8>(all, rounds);
        case shape(16, 4): return encode_indexed_of<16, 4>(all, rounds);
        case shape(16, 1): return encode_indexed_of<16, 1>(all, rounds);
        default: return portable_kernels.encode_indexed(all, num_streams, lanes, rounds);
    }
}

// Measured on Sapphire Rapids. Decoding is one chain of dependent steps and wants eight registers of lanes at once,
// encoding is done with four.
unsigned decoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels) {
    if (lanes < 8 || (lanes == 8 && levels == 0)) return portable_kernels.decoding_cost(lanes, num_streams, levels);
    constexpr unsigned of_levels[] = {18, 18, 18, 18, 11, 12, 14, 19, 29};
    const unsigned of_all = lanes * static_cast<unsigned>(num_streams) * of_levels[levels];
    switch (shape(lanes, num_streams)) {
        case shape(64, 4): case shape(32, 8): case shape(16, 16): return 20 * of_all;
        case shape(64, 2): case shape(32, 4): return 23 * of_all;
        case shape(64, 1): case shape(32, 2): case shape(16, 4): return 36 * of_all;
        case shape(32, 1): case shape(16, 1): return 65 * of_all;
        case shape(8, 16): return 30 * of_all;
        case shape(8, 4): return 60 * of_all;
        case shape(8, 1): return 80 * of_all;
        default: return 0;
    }
}

unsigned encoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels) {
    if (lanes < 16) return portable_kernels.encoding_cost(lanes, num_streams, levels);
    constexpr unsigned of_levels[] = {18, 18, 18, 18, 13, 13, 15, 22, 40};
    const unsigned of_all = lanes * static_cast<unsigned>(num_streams) * of_levels[levels];
    switch (shape(lanes, num_streams)) {
        case shape(64, 2): case shape(32, 4): case shape(16, 8): return 20 * of_all;
        case shape(64, 1): case shape(32, 2): case shape(16, 4): return 21 * of_all;
        case shape(32, 1): case shape(16, 1): return 35 * of_all;
        default: return 0;
    }
}

void reverse_words(const std::uint16_t* words, std::size_t count, std::uint8_t* bytes) {
    const Vector order = _mm512_sub_epi16(_mm512_set1_epi16(31), word_order());
    constexpr std::size_t ahead = 2048;  // bytes; both sides are often not in the cache
    for (; count >= 32; count -= 32, bytes += 64) {
        _mm_prefetch(words + count - (count > ahead / 2 ? ahead / 2 : 0), _MM_HINT_T0);
        _mm_prefetch(bytes + ahead, _MM_HINT_T0);
        _mm512_storeu_si512(bytes, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(words + count - 32)));
    }
    portable_kernels.reverse_words(words, count, bytes);
}

// CRC-32C by carry-less multiplication, 256 bytes a step (Gopal et al., "Fast CRC computation for generic polynomials using
// PCLMULQDQ"): each 128 bits A stand for A x^2048 once the next 256 bytes follow. Of A, the first 64 bits are multiplied by
// x^(2048 + 32) and the others by x^(2048 - 32); the shift by one makes up for that of a product of reflected numbers.
std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t count, std::uint32_t seed) {
    constexpr std::size_t step = 256;
    if (count < 4 * step) return sse42::crc32c(bytes, count, seed);
    constexpr auto first = static_cast<long long>(std::uint64_t{sse42::power_of_x(8 * step + 32)} << 1);
    constexpr auto second = static_cast<long long>(std::uint64_t{sse42::power_of_x(8 * step - 32)} << 1);
    const Vector factors = _mm512_set4_epi64(second, first, second, first);
    Vector sums[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) sums[i] = _mm512_loadu_si512(bytes + 64 * i);
    sums[0] = _mm512_xor_si512(sums[0], _mm512_maskz_set1_epi32(1, static_cast<int>(~seed)));
    for (bytes += step, count -= step; count >= step; bytes += step, count -= step) {
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i)
            sums[i] = _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(sums[i], factors, 0x00),
                                                _mm512_clmulepi64_epi128(sums[i], factors, 0x11),
                                                _mm512_loadu_si512(bytes + 64 * i), 0x96);
    }
    alignas(64) std::uint8_t rest[step];
    for (unsigned i = 0; i < 4; ++i) _mm512_store_si512(rest + 64 * i, sums[i]);
    // The CRC instruction starts from 0 here, and ends with the inversion that our functions begin and end with.
    return sse42::crc32c(bytes, count, sse42::crc32c(rest, step, ~0U));
}

}  // namespace

extern const Kernels avx512_kernels{"avx512", decode_static,  decode_indexed, decode_partial, encode_static,
                                    encode_indexed, encode_partial, decoding_cost, encoding_cost, crc32c, reverse_words, conversions, context_kernels, optimizer_kernels};

}  // namespace laconic
