// Decoding with AVX-512: full rounds of one to sixteen streams in lock-step, and one round of any number of lanes.
#include "avx512.hpp"
#include "avx512_lanes.hpp"
#include "avx512_search.hpp"

namespace laconic {

namespace {

// Groups whose phases are interleaved, by measurement: decoding is one long chain of dependent steps and gains from as many
// as there are.
inline constexpr unsigned decoded_together = 8;

// For `permutexvar_epi8`: bytes 0, 2, 4, ... then 1, 3, 5, ...
[[gnu::always_inline]] inline Vector evens_then_odds() {
    alignas(64) static constexpr std::uint8_t order[64] = {
        0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62,
        1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_load_si512(order);
}

[[gnu::always_inline]] inline bool all_within(const std::uint8_t* const* at, const std::uint8_t* const* limits,
                                              unsigned streams) {
    bool within = true;
#pragma GCC unroll 16
    for (unsigned s = 0; s < streams; ++s) within &= at[s] <= limits[s];
    return within;
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

}  // namespace

namespace avx512 {

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
        default: return avx2_kernels.decode_static(all, num_streams, lanes, rounds);
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
        default: return avx2_kernels.decode_indexed(all, num_streams, lanes, rounds);
    }
}

// One round of the first `count` lanes, the rest of the states untouched.
std::size_t decode_partial(DecodeStream* const* all, std::size_t num_streams, unsigned count_lanes, std::size_t rounds) {
    if (num_streams > 1) return avx2_kernels.decode_partial(all, num_streams, count_lanes, rounds);
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

// Measured on Sapphire Rapids. Decoding is one chain of dependent steps and wants eight registers of lanes at once.
unsigned decoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels) {
    if (lanes < 8 || (lanes == 8 && levels == 0)) return avx2_kernels.decoding_cost(lanes, num_streams, levels);
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

}  // namespace avx512

}  // namespace laconic
