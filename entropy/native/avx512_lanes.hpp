// Lanes of streams in registers of AVX-512, for the files that encode and decode with them.
//
// States are kept as separate high and low halves, 32 lanes to a register: the slot is the low half and the shifted
// state the high half, so neither masks nor shifts are needed. A register ("group") holds 32 lanes of one stream, or the
// 16 lanes of two, or the 8 lanes of four.
#pragma once

#include <immintrin.h>

#include "kernels.hpp"

namespace laconic {

namespace {

using Vector = __m512i;
using Mask = __mmask32;

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

// What a `switch` over the shapes of calls compares.
constexpr unsigned shape(unsigned lanes, std::size_t streams) { return 256 * lanes + static_cast<unsigned>(streams); }

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

}  // namespace

}  // namespace laconic
