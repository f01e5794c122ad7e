// Encoding with AVX-512: full rounds of one to eight streams in lock-step, and one round of any number of lanes. Lanes stand
// in reverse: words are written in the order of encoding, last lane first, and turned round at the end.
#include "avx512.hpp"
#include "avx512_lanes.hpp"

namespace laconic {

namespace {

// Groups whose phases are interleaved, by measurement: encoding keeps so much at hand that more than two run out of
// registers.
inline constexpr unsigned encoded_together = 2;

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

}  // namespace

namespace avx512 {

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

// Measured on Sapphire Rapids. Encoding is done with four registers of lanes.
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

}  // namespace avx512

}  // namespace laconic
