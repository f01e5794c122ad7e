// AVX2 kernels. See kernels.hpp for the contract.
//
// Static decoding searches tables of at most 128 entries with byte shuffles, 16 lanes to a register, the low and high
// halves of the states apart. Everything else gathers, 8 lanes to a register. States stay in memory between rounds: 16 registers
// are too few for them.
//
// Everything here but the table of kernels has internal linkage, so that no inline function compiled for this instruction
// set can replace its portable twin.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "avx2_network.hpp"
#include "kernels.hpp"
#include "sse42_crc32c.hpp"

namespace laconic {

namespace {

// Costs as three tables of bytes, looked up for 32 entries at a time and added up by the sums of eight differences to 0.
template <unsigned parts>
[[gnu::always_inline]] inline std::uint64_t sum_costs_of(const std::uint8_t* entries, std::size_t count, const std::uint32_t* costs) {
    __m256i table[3][parts];
    for (unsigned byte = 0; byte < 3; ++byte)
        for (unsigned part = 0; part < parts; ++part) {
            alignas(16) std::uint8_t bytes[16];
            for (unsigned i = 0; i < 16; ++i) bytes[i] = static_cast<std::uint8_t>(costs[16 * part + i] >> (8 * byte));
            table[byte][part] = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
        }
    __m256i sums[3] = {};
    std::size_t at = 0;
    for (; at + 32 <= count; at += 32) {
        const __m256i entry = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(entries + at));
        const __m256i second = _mm256_cmpgt_epi8(entry, _mm256_set1_epi8(15));
        for (unsigned byte = 0; byte < 3; ++byte) {
            __m256i found = _mm256_shuffle_epi8(table[byte][0], entry);
            if constexpr (parts == 2) found = _mm256_blendv_epi8(found, _mm256_shuffle_epi8(table[byte][1], entry), second);
            sums[byte] = _mm256_add_epi64(sums[byte], _mm256_sad_epu8(found, _mm256_setzero_si256()));
        }
    }
    std::uint64_t total = 0;
    for (unsigned byte = 0; byte < 3; ++byte) {
        alignas(32) std::uint64_t lanes[4];
        _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums[byte]);
        total += (lanes[0] + lanes[1] + lanes[2] + lanes[3]) << (8 * byte);
    }
    for (; at < count; ++at) total += costs[entries[at]];
    return total;
}

namespace plain {
#include "sum_costs.inc"
}

std::uint64_t sum_costs(const std::uint8_t* entries, std::size_t count, const std::uint32_t* costs, std::size_t size) {
    if (size <= 16) return sum_costs_of<1>(entries, count, costs);
    if (size <= 32) return sum_costs_of<2>(entries, count, costs);
    return plain::sum_costs(entries, count, costs, size);
}

#include "convert.inc"

// By shuffles where only the first 16 values are asked for: passes of four channels and more have no more rows.
[[gnu::always_inline]] inline void spread(const std::uint16_t* from, const std::uint8_t* index, std::uint16_t* to) noexcept {
    const auto bytes = [&](std::size_t at) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(index + at)); };
    if (!_mm256_testz_si256(_mm256_or_si256(bytes(0), bytes(32)), _mm256_set1_epi8(static_cast<char>(0xF0)))) {
        for (std::size_t i = 0; i < front_lanes; ++i) to[i] = from[index[i]];
        return;
    }
    const auto eight = [&](std::size_t at) { return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(from + at))); };
    const __m256i first = eight(0), second = eight(8);
    for (std::size_t i = 0; i < front_lanes; i += 16) {
        const __m256i place = _mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(index + i)));
        const __m256i both_bytes = _mm256_add_epi16(_mm256_mullo_epi16(place, _mm256_set1_epi16(0x0202)), _mm256_set1_epi16(0x0100));
        const __m256i found = _mm256_blendv_epi8(_mm256_shuffle_epi8(first, both_bytes), _mm256_shuffle_epi8(second, both_bytes),
                                                 _mm256_cmpgt_epi16(place, _mm256_set1_epi16(7)));
        _mm256_store_si256(reinterpret_cast<__m256i*>(to + i), found);
    }
}

// Eight at a time, as single bytes would come back from memory late for who reads several of them.
[[gnu::always_inline]] inline void look_up(const std::uint8_t* map, const std::uint16_t* places, std::uint8_t* to) noexcept {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < front_lanes; i += 8) {
        std::uint64_t found = 0;
#pragma GCC unroll 8
        for (unsigned j = 0; j < 8; ++j) found |= std::uint64_t{map[places[i + j]]} << (8 * j);
        std::memcpy(to + i, &found, 8);
    }
}

#include "contexts.inc"
#include "optimizer.inc"

[[gnu::always_inline]] inline std::int32_t difference_of_successors(const Sweep& sweep, std::size_t place, std::int32_t magnitude, std::int32_t other) noexcept {
    return difference_of_successors_plainly(sweep, place, magnitude, other);
}

void undo_rows(std::int32_t* rows, std::size_t count, std::size_t width) noexcept { undo_rows_plainly(rows, count, width); }

using Vector = __m256i;

inline constexpr std::size_t max_groups = 16;  // registers of one call: streams times lanes / 16

// Byte shuffles for 8 words and each mask of them: `expand` deals consecutive words to the places in the mask, `compress`
// moves the words there to the front.
struct Shuffles {
    alignas(64) std::uint8_t expand[256][16];
    alignas(64) std::uint8_t compress[256][16];
    constexpr Shuffles() : expand{}, compress{} {
        for (unsigned mask = 0; mask < 256; ++mask) {
            unsigned used = 0;
            for (unsigned place = 0; place < 8; ++place)
                for (unsigned byte = 0; byte < 2; ++byte) {
                    expand[mask][2 * place + byte] = 0x80;
                    compress[mask][2 * place + byte] = 0x80;
                }
            for (unsigned place = 0; place < 8; ++place) {
                if (!((mask >> place) & 1U)) continue;
                for (unsigned byte = 0; byte < 2; ++byte) {
                    expand[mask][2 * place + byte] = static_cast<std::uint8_t>(2 * used + byte);
                    compress[mask][2 * used + byte] = static_cast<std::uint8_t>(2 * place + byte);
                }
                ++used;
            }
        }
    }
};

constinit const Shuffles shuffles{};

[[gnu::always_inline]] inline unsigned count(unsigned mask) { return static_cast<unsigned>(_mm_popcnt_u32(mask)); }
[[gnu::always_inline]] inline __m128i load_half(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
[[gnu::always_inline]] inline Vector load(const void* from) { return _mm256_loadu_si256(static_cast<const Vector*>(from)); }
[[gnu::always_inline]] inline void store(void* to, Vector value) { _mm256_storeu_si256(static_cast<Vector*>(to), value); }

// The words of 16 states: low halves, or high halves.
[[gnu::always_inline]] inline Vector pack(Vector a, Vector b) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xD8);
}

// A table of 2^bits places, eight words to a register, repeated in both of its halves. The part for a set bit of the index
// is kept as its difference (exclusive or) from the part for a clear one, so that choosing takes two instructions.
template <unsigned bits>
struct Words {
    static constexpr unsigned registers = bits <= 3 ? 1 : 1U << (bits - 3);
    Vector parts[registers];

    [[gnu::always_inline]] Words(const std::uint16_t* table, std::int16_t bias) {
        for (unsigned r = 0; r < registers; ++r)
            parts[r] = _mm256_xor_si256(_mm256_broadcastsi128_si256(load_half(table + 8 * r)), _mm256_set1_epi16(bias));
        for (unsigned half = 1; half < registers; half *= 2)
            for (unsigned r = 0; r < registers; ++r)
                if (r & half) parts[r] = _mm256_xor_si256(parts[r], parts[r - half]);
    }

    // `control` selects bytes by the lowest three bits of an index; `tests[l]` is all ones where bit l is set.
    template <unsigned depth = bits>
    [[gnu::always_inline]] Vector at(Vector control, const Vector* tests, unsigned first = 0) const {
        if constexpr (depth <= 3) {
            return _mm256_shuffle_epi8(parts[first], control);
        } else {
            return _mm256_xor_si256(
                at<depth - 1>(control, tests, first),
                _mm256_and_si256(tests[depth - 1], at<depth - 1>(control, tests, first + (1U << (depth - 4)))));
        }
    }
};

// Up to so many levels frequencies and starts are looked up by shuffles as well; of larger tables they are gathered.
inline constexpr unsigned max_shuffled_levels = 5;

// Tables of one stream, ready for the search. Pivots are biased, so that signed comparison orders them.
template <unsigned levels>
struct Search {
    static constexpr std::int16_t bias = -32768;
    static constexpr unsigned shuffled = levels <= max_shuffled_levels ? levels : 0;
    Words<0> pivots0;
    Words<1> pivots1;
    Words<2> pivots2;
    Words<3> pivots3;
    Words<4> pivots4;
    Words<5> pivots5;
    Words<6> pivots6;
    Words<shuffled> frequency;
    Words<shuffled> start;

    explicit Search(const PermuteTable& table)
        : pivots0(table.pivots[0], bias), pivots1(table.pivots[1], bias), pivots2(table.pivots[2], bias),
          pivots3(table.pivots[3], bias), pivots4(table.pivots[4], bias), pivots5(table.pivots[5], bias),
          pivots6(table.pivots[6], bias), frequency(table.frequency, 0), start(table.start, 0) {}
};

// One step of the search: which pivots lie below the slots, and the index with that bit.
template <unsigned level>
[[gnu::always_inline]] inline void ask(Vector slot, Vector pivot, Vector& control, Vector* tests) {
    tests[level] = _mm256_cmpgt_epi16(slot, pivot);
    control = _mm256_add_epi16(control, _mm256_and_si256(tests[level], _mm256_set1_epi16(static_cast<short>(0x0202 << level))));
}

// Entries of bit-reversed indices, a byte each.
template <unsigned levels>
[[gnu::always_inline]] inline Vector reverse_indices(Vector bytes) {
    alignas(16) static constexpr struct Table {
        std::uint8_t low[16], high[16];
        constexpr Table() : low{}, high{} {
            for (unsigned nibble = 0; nibble < 16; ++nibble)
                for (unsigned bit = 0; bit < 4; ++bit) {
                    if (!((nibble >> bit) & 1U)) continue;
                    if (bit < levels) low[nibble] = static_cast<std::uint8_t>(low[nibble] | (1U << (levels - 1 - bit)));
                    if (bit + 4 < levels) high[nibble] = static_cast<std::uint8_t>(high[nibble] | (1U << (levels - 5 - bit)));
                }
        }
    } table{};
    const Vector nibble = _mm256_set1_epi8(15);
    const Vector low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_half(table.low)), _mm256_and_si256(bytes, nibble));
    if constexpr (levels <= 4) return low;
    const Vector high = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_half(table.high)),
                                            _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    return _mm256_or_si256(low, high);
}

[[gnu::always_inline]] inline Vector gather(const std::uint32_t* base, Vector places) {
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(base), places, 4);
}

// What is known of 16 slots; frequency and start only where they are looked up by shuffles.
struct Found {
    Vector index, frequency, start;
};

template <unsigned levels>
[[gnu::always_inline]] inline Found find(Vector low, const Search<levels>& search) {
    const Vector slot = _mm256_xor_si256(low, _mm256_set1_epi16(Search<levels>::bias));
    Vector control = _mm256_set1_epi16(0x0100);
    Vector tests[8];
    ask<0>(slot, search.pivots0.at(control, tests), control, tests);
    ask<1>(slot, search.pivots1.at(control, tests), control, tests);
    ask<2>(slot, search.pivots2.at(control, tests), control, tests);
    ask<3>(slot, search.pivots3.at(control, tests), control, tests);
    if constexpr (levels > 4) ask<4>(slot, search.pivots4.at(control, tests), control, tests);
    if constexpr (levels > 5) ask<5>(slot, search.pivots5.at(control, tests), control, tests);
    if constexpr (levels > 6) ask<6>(slot, search.pivots6.at(control, tests), control, tests);
    const Vector index = _mm256_srli_epi16(_mm256_and_si256(control, _mm256_set1_epi16(0xFF)), 1);
    if constexpr (levels > max_shuffled_levels) return {index, index, index};
    return {index, search.frequency.at(control, tests), search.start.at(control, tests)};
}

// Frequencies and starts of 16 entries.
[[gnu::always_inline]] inline void gather_ranges(Found& found, const std::uint32_t* ranges, __m128i entries) {
    const Vector half = _mm256_set1_epi32(0xFFFF);
    const Vector a = gather(ranges, _mm256_cvtepu8_epi32(entries));
    const Vector b = gather(ranges, _mm256_cvtepu8_epi32(_mm_srli_si128(entries, 8)));
    found.frequency = pack(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16));
    found.start = pack(_mm256_and_si256(a, half), _mm256_and_si256(b, half));
}

// Step 2 and 3 of decoding for 16 lanes.
[[gnu::always_inline]] inline void advance(Vector& low, Vector& high, Vector frequency, Vector start, const std::uint8_t*& at) {
    const Vector zero = _mm256_setzero_si256();
    const Vector offset = _mm256_sub_epi16(low, start);
    const Vector sum = _mm256_add_epi16(_mm256_mullo_epi16(frequency, high), offset);
    // A carry came out where the sum is below what was added; the saturated difference is 0 where none did.
    const Vector no_carry = _mm256_cmpeq_epi16(_mm256_subs_epu16(offset, sum), zero);
    high = _mm256_add_epi16(_mm256_mulhi_epu16(frequency, high), _mm256_add_epi16(no_carry, _mm256_set1_epi16(1)));
    const Vector refill = _mm256_cmpeq_epi16(high, zero);
    const auto mask = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_packs_epi16(refill, zero)));
    const unsigned first = mask & 0xFFU, second = mask >> 16;
    const std::uint8_t* middle = at + 2 * count(first);
    const Vector words = _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(at)), load_half(middle), 1);
    const Vector order = _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(shuffles.expand[first])),
                                                 load_half(shuffles.expand[second]), 1);
    at = middle + 2 * count(second);
    // Where a word comes in, the high half was 0; elsewhere the shuffle leaves 0.
    high = _mm256_or_si256(high, _mm256_and_si256(sum, refill));
    low = _mm256_or_si256(_mm256_andnot_si256(refill, sum), _mm256_shuffle_epi8(words, order));
}

// Reads the escapes of a round; bit `lane` of `escaped` is set for each. Returns false where the stream cannot go on.
bool read_escapes(DecodeStream& stream, std::uint64_t escaped, std::uint8_t* entries) {
    for (; escaped != 0; escaped &= escaped - 1)
        if (!read_escape(stream, entries + __builtin_ctzll(escaped))) return false;
    return true;
}

// One stream of 16, 32 or 64 lanes.
template <class Stream>
[[gnu::always_inline]] inline void fetch_ahead(const Stream& stream, std::size_t round) {
    const char* line = stream.ahead.first + static_cast<std::ptrdiff_t>(round) * stream.ahead.step;
    for (unsigned i = 0; i < stream.ahead.num_lines; ++i) _mm_prefetch(line + 64 * i, _MM_HINT_T0);
}

template <unsigned levels, unsigned groups>
std::size_t decode_stream(DecodeStream& stream, std::size_t rounds) {
    const Search<levels> search(*stream.permute);
    const Vector escape = _mm256_set1_epi8(static_cast<char>(*stream.escape_entries));
    const Vector base = _mm256_set1_epi8(static_cast<char>(stream.base));
    Vector low[groups], high[groups];
    for (unsigned g = 0; g < groups; ++g) {
        const Vector a = load(stream.states + 16 * g), b = load(stream.states + 16 * g + 8);
        const Vector half = _mm256_set1_epi32(0xFFFF);
        low[g] = pack(_mm256_and_si256(a, half), _mm256_and_si256(b, half));
        high[g] = pack(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16));
    }
    std::size_t round = 0;
    bool good = true;
    for (; round < rounds && good && stream.at <= stream.limit; ++round) {
        fetch_ahead(stream, round);
        const std::uint8_t* at = stream.at;
        std::uint8_t* entries = stream.entries;
        std::uint64_t escaped = 0;
        // Two registers at a time; a lone one goes beside itself.
#pragma GCC unroll 2
        for (unsigned g = 0; g < groups; g += 2) {
            constexpr bool has_odd = groups > 1;
            Found even = find<levels>(low[g], search);
            Found odd = even;
            if constexpr (has_odd) odd = find<levels>(low[g + has_odd], search);
            const Vector packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(even.index, odd.index), 0xD8);
            const Vector found = reverse_indices<levels>(packed);
            if constexpr (levels > max_shuffled_levels) {
                gather_ranges(even, stream.ranges, _mm256_castsi256_si128(found));
                if constexpr (has_odd) gather_ranges(odd, stream.ranges, _mm256_extracti128_si256(found, 1));
            }
            advance(low[g], high[g], even.frequency, even.start, at);
            if constexpr (has_odd) advance(low[g + has_odd], high[g + has_odd], odd.frequency, odd.start, at);
            const auto mask = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(found, escape)));
            escaped |= std::uint64_t{has_odd ? mask : mask & 0xFFFFU} << (16 * g);
            const Vector bytes = _mm256_add_epi8(found, base);
            if constexpr (has_odd)
                store(entries + 16 * g, bytes);
            else
                _mm_storeu_si128(reinterpret_cast<__m128i*>(entries), _mm256_castsi256_si128(bytes));
        }
        stream.at = at;
        stream.entries = entries + 16 * groups;
        if (escaped != 0) [[unlikely]]
            good = read_escapes(stream, escaped, entries);
    }
    for (unsigned g = 0; g < groups; ++g) {
        const Vector even = _mm256_unpacklo_epi16(low[g], high[g]), odd = _mm256_unpackhi_epi16(low[g], high[g]);
        store(stream.states + 16 * g, _mm256_permute2x128_si256(even, odd, 0x20));
        store(stream.states + 16 * g + 8, _mm256_permute2x128_si256(even, odd, 0x31));
    }
    return round;
}

enum class Tables { one, each };

[[gnu::always_inline]] inline Vector bytes_to_places(std::uint64_t bytes) {
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
}

[[gnu::always_inline]] inline std::uint64_t load_bytes(const std::uint8_t* from) {
    std::uint64_t bytes;
    std::memcpy(&bytes, from, 8);
    return bytes;
}

// Eight lanes at a time, tables by gathers. Where `is_partial`, any number of lanes, with room for whole eights of indices and entries.
template <Tables kind, bool is_partial = false>
std::size_t decode_gathered(DecodeStream& stream, unsigned lanes, std::size_t rounds) {
    const Vector half = _mm256_set1_epi32(0xFFFF);
    const Vector zero = _mm256_setzero_si256();
    const __m128i base = _mm_set1_epi8(static_cast<char>(stream.base));
    std::size_t round = 0;
    bool good = true;
    for (; round < rounds && good && stream.at <= stream.limit; ++round) {
        fetch_ahead(stream, round);
        const std::uint8_t* at = stream.at;
        const std::uint8_t* const indices = stream.indices;
        std::uint8_t* const entries = stream.entries;
        std::uint64_t escaped = 0;
        for (unsigned lane = 0; lane < lanes; lane += 8) {
            const Vector before = load(stream.states + lane);
            const Vector in_use = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(lanes - lane)), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
            const auto only = [&](Vector value) { return is_partial ? _mm256_and_si256(value, in_use) : value; };
            const Vector slot = _mm256_and_si256(before, half);
            const Vector table = kind == Tables::one ? zero : only(bytes_to_places(load_bytes(indices + lane)));
            const Vector bucket = _mm256_add_epi32(_mm256_slli_epi32(table, 10), _mm256_srli_epi32(slot, coarse_shift));
            Vector entry = _mm256_and_si256(_mm256_i32gather_epi32(reinterpret_cast<const int*>(stream.coarse), bucket, 1),
                                            _mm256_set1_epi32(0xFF));
            const Vector first = _mm256_slli_epi32(table, 8);
            Vector range = gather(stream.ranges, _mm256_add_epi32(first, entry));
            Vector offset = _mm256_sub_epi32(slot, _mm256_and_si256(range, half));
            Vector frequency = _mm256_srli_epi32(range, 16);
            Vector inside = _mm256_cmpgt_epi32(frequency, offset);
            while (_mm256_movemask_epi8(inside) != -1) [[unlikely]] {
                entry = _mm256_add_epi32(entry, _mm256_add_epi32(inside, _mm256_set1_epi32(1)));
                range = gather(stream.ranges, _mm256_add_epi32(first, entry));
                offset = _mm256_sub_epi32(slot, _mm256_and_si256(range, half));
                frequency = _mm256_srli_epi32(range, 16);
                inside = _mm256_cmpgt_epi32(frequency, offset);
            }
            // Only the last entry of a table ends at 2^16, and the last one is the escape.
            const Vector end = _mm256_add_epi32(_mm256_and_si256(range, half), frequency);
            escaped |= static_cast<std::uint64_t>(_mm256_movemask_ps(_mm256_castsi256_ps(only(_mm256_cmpgt_epi32(end, half))))) << lane;
            Vector state = _mm256_add_epi32(_mm256_mullo_epi32(frequency, _mm256_srli_epi32(before, 16)), offset);
            const Vector refill = only(_mm256_cmpeq_epi32(_mm256_srli_epi32(state, 16), zero));
            const auto mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(refill)));
            const Vector words = _mm256_cvtepu16_epi32(_mm_shuffle_epi8(load_half(at), load_half(shuffles.expand[mask])));
            at += 2 * count(mask);
            state = _mm256_blendv_epi8(state, _mm256_or_si256(_mm256_slli_epi32(state, 16), words), refill);
            if constexpr (is_partial) state = _mm256_blendv_epi8(before, state, in_use);
            store(stream.states + lane, state);
            const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(entry), _mm256_extracti128_si256(entry, 1));
            _mm_storel_epi64(reinterpret_cast<__m128i*>(entries + lane), _mm_add_epi8(_mm_packus_epi16(packed, packed), base));
        }
        stream.at = at;
        stream.entries = entries + lanes;
        if (kind == Tables::each) stream.indices = indices + lanes;
        if (escaped != 0) [[unlikely]]
            good = read_escapes(stream, escaped, entries);
    }
    return round;
}

#include "avx2_few_lanes.inc"
#include "avx2_packed_lanes.inc"

template <unsigned levels>
std::size_t decode_by_lanes(DecodeStream& stream, unsigned lanes, std::size_t rounds) {
    if (lanes == 64) return decode_stream<levels, 4>(stream, rounds);
    if (lanes == 32) return decode_stream<levels, 2>(stream, rounds);
    return decode_stream<levels, 1>(stream, rounds);
}

std::size_t decode_static(DecodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    if (num_streams > 1 && lanes == 4) return decode_packed_by_levels<4>(streams, num_streams, rounds);
    if (num_streams > 1 && lanes == 8) return decode_packed_by_levels<8>(streams, num_streams, rounds);
    if (num_streams > 1 && lanes == 16) return decode_packed_by_levels<16>(streams, num_streams, rounds);
    if (num_streams != 1 || lanes < 8 || lanes % 8 != 0) return portable_kernels.decode_static(streams, num_streams, lanes, rounds);
    DecodeStream& stream = *streams[0];
    if (lanes % 16 == 0 && lanes != 48) {
        if (stream.permute->levels == 4) return decode_by_lanes<4>(stream, lanes, rounds);
        if (stream.permute->levels == 5) return decode_by_lanes<5>(stream, lanes, rounds);
        if (stream.permute->levels == 6) return decode_by_lanes<6>(stream, lanes, rounds);
        if (stream.permute->levels == 7) return decode_by_lanes<7>(stream, lanes, rounds);
    }
    return decode_gathered<Tables::one>(stream, lanes, rounds);
}

std::size_t decode_indexed(DecodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    if (num_streams > 1 && lanes == 4) return decode_few<Tables::each, 4>(streams, num_streams, lanes, rounds);
    if (num_streams > 1 && lanes == 8) return decode_few<Tables::each, 8>(streams, num_streams, lanes, rounds);
    if (num_streams != 1 || lanes < 8 || lanes % 8 != 0) return portable_kernels.decode_indexed(streams, num_streams, lanes, rounds);
    return decode_gathered<Tables::each>(*streams[0], lanes, rounds);
}

#include "avx2_encode.inc"

void encode_static(EncodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    if (lanes < 8 || lanes % 8 != 0) return portable_kernels.encode_static(streams, num_streams, lanes, rounds);
    for (std::size_t s = 0; s < num_streams; ++s) {
        const std::uint8_t last = *streams[s]->escape_entries;
        if (last < 8)
            encode_gathered<Tables::one, 1>(*streams[s], lanes, rounds);
        else if (last < 16)
            encode_gathered<Tables::one, 2>(*streams[s], lanes, rounds);
        else if (last < 32)
            encode_gathered<Tables::one, 4>(*streams[s], lanes, rounds);
        else
            encode_gathered<Tables::one, 0>(*streams[s], lanes, rounds);
    }
}

void encode_indexed(EncodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    if (lanes < 8 || lanes % 8 != 0) return portable_kernels.encode_indexed(streams, num_streams, lanes, rounds);
    for (std::size_t s = 0; s < num_streams; ++s) encode_gathered<Tables::each, 0>(*streams[s], lanes, rounds);
}

unsigned encoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels) {
    if (lanes < 8) return portable_kernels.encoding_cost(lanes, num_streams, levels);
    return num_streams == 1 ? lanes : 0;
}

// Streams of few lanes together, as many as have 16, 32 or 64; of large tables fewer.
unsigned decoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels) {
    if (num_streams == 1 || lanes > 16) return encoding_cost(lanes, num_streams, levels);
    const bool is_searched = levels >= 4 && levels <= 7;
    if (!is_searched && lanes == 16) return 0;
    switch (lanes * num_streams) {
        case 16: return is_searched ? 8 : 10;
        case 32: return is_searched ? 12 : 16;
        case 64: return is_searched ? 20 : 0;
        default: return 0;
    }
}

void reverse_words(const std::uint16_t* words, std::size_t count, std::uint8_t* bytes) {
    const Vector order = _mm256_broadcastsi128_si256(_mm_set_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    for (; count >= 16; count -= 16, bytes += 32)
        store(bytes, _mm256_permute4x64_epi64(_mm256_shuffle_epi8(load(words + count - 16), order), 0x4E));
    portable_kernels.reverse_words(words, count, bytes);
}

std::size_t decode_partial(DecodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    if (num_streams > 1 && lanes < 4) return decode_few<Tables::each, 4>(streams, num_streams, lanes, rounds);
    if (num_streams > 1 && lanes < 8) return decode_few<Tables::each, 8>(streams, num_streams, lanes, rounds);
    if (num_streams > 1 || lanes < 8) return portable_kernels.decode_partial(streams, num_streams, lanes, rounds);
    return decode_gathered<Tables::each, true>(*streams[0], lanes, rounds);
}

void encode_partial(EncodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    portable_kernels.encode_partial(streams, num_streams, lanes, rounds);
}

}  // namespace

extern const Kernels avx2_kernels{"avx2", decode_static, decode_indexed, decode_partial, encode_static,
                                  encode_indexed, encode_partial, decoding_cost, encoding_cost, sse42::crc32c, reverse_words, conversions, context_kernels, optimizer_kernels, network};

}  // namespace laconic
