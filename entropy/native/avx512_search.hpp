// Which entries of their tables the slots of streams are in, with AVX-512: by questions to a table in registers, or by
// looking up the tables in memory. For avx512_decode.cpp.
#pragma once

#include "avx512_lanes.hpp"

namespace laconic {

namespace {

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

}  // namespace

}  // namespace laconic
