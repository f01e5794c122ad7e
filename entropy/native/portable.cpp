// The plain form of every kernel: what the others must equal, and the one that runs rounds of fewer lanes.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "crc32c.hpp"
#include "kernels.hpp"
#include "tables.hpp"

namespace laconic {

namespace {

#include "sum_costs.inc"

#include "convert.inc"

[[gnu::always_inline]] inline void spread(const std::uint16_t* from, const std::uint8_t* index, std::uint16_t* to) noexcept {
    for (std::size_t i = 0; i < front_lanes; ++i) to[i] = from[index[i]];
}

[[gnu::always_inline]] inline void look_up(const std::uint8_t* map, const std::uint16_t* places, std::uint8_t* to) noexcept {
    for (std::size_t i = 0; i < front_lanes; ++i) to[i] = map[places[i]];
}

#include "contexts.inc"
#include "optimizer.inc"
#include "network.inc"

[[gnu::always_inline]] inline std::int32_t difference_of_successors(const Sweep& sweep, std::size_t place, std::int32_t magnitude, std::int32_t other) noexcept {
    return difference_of_successors_plainly(sweep, place, magnitude, other);
}

void undo_rows(std::int32_t* rows, std::size_t count, std::size_t width) noexcept { undo_rows_plainly(rows, count, width); }

enum class Tables { one, each };

// The first `count` lanes of a round.
template <Tables kind>
[[gnu::always_inline]] inline void decode_round(DecodeStream& stream, unsigned count) noexcept {
    const std::uint8_t* at = stream.at;
    const std::uint8_t* const indices = stream.indices;
    const std::uint32_t* const all_ranges = stream.ranges;
    const std::uint8_t* const coarse = stream.coarse;
    const std::uint8_t* const escape_entries = stream.escape_entries;
    const std::uint8_t only_escape = *escape_entries;
    std::uint8_t* const entries = stream.entries;
    const std::uint8_t base = stream.base;
    bool escaped = false;
    for (unsigned lane = 0; lane < count; ++lane) {
        const std::size_t t = kind == Tables::one ? 0 : indices[lane];
        const std::uint32_t* ranges = all_ranges + t * max_table_size;
        std::uint32_t state = stream.states[lane];
        const std::uint32_t slot = state & 0xFFFFU;
        // A coarse index gives the first candidate, a short scan the rest.
        std::uint32_t entry = coarse[t * coarse_size + (slot >> coarse_shift)];
        std::uint32_t range = ranges[entry];
        while (slot - (range & 0xFFFFU) >= range >> 16) range = ranges[++entry];
        state = (range >> 16) * (state >> 16) + slot - (range & 0xFFFFU);
        // Whether a lane needs a word cannot be predicted; written with a mask so that no compiler makes it a branch.
        const std::uint32_t refill = 0U - static_cast<std::uint32_t>(state < state_low);
        stream.states[lane] = state ^ ((state ^ ((state << 16) | load_word(at))) & refill);
        at += refill & 2U;
        entries[lane] = static_cast<std::uint8_t>(entry + base);
        escaped |= entry == (kind == Tables::one ? only_escape : escape_entries[t]);
    }
    stream.at = at;
    if (escaped) {
        for (unsigned lane = 0; lane < count; ++lane) {
            const std::uint8_t escape = kind == Tables::one ? only_escape : escape_entries[indices[lane]];
            if (static_cast<std::uint8_t>(entries[lane] - base) == escape && !read_escape(stream, entries + lane)) return;
        }
    }
    stream.entries += count;
    if constexpr (kind == Tables::each) stream.indices += count;
}

// Many rounds of one lane, which keeps its state at hand.
template <Tables kind>
std::size_t decode_lane(DecodeStream& stream, std::size_t rounds) noexcept {
    const std::uint32_t* const all_ranges = stream.ranges;
    const std::uint8_t* const all_coarse = stream.coarse;
    const std::uint8_t* const escape_entries = stream.escape_entries;
    const std::uint8_t* const limit = stream.limit;
    const std::uint8_t* at = stream.at;
    std::uint32_t state = stream.states[0];
    std::size_t round = 0;
    bool good = !stream.is_truncated && !stream.is_misfit;
    for (; round < rounds && good && at <= limit; ++round) {
        const std::size_t t = kind == Tables::one ? 0 : stream.indices[round];
        const std::uint32_t* ranges = all_ranges + t * max_table_size;
        const std::uint32_t slot = state & 0xFFFFU;
        std::uint32_t entry = all_coarse[t * coarse_size + (slot >> coarse_shift)];
        std::uint32_t range = ranges[entry];
        while (slot - (range & 0xFFFFU) >= range >> 16) range = ranges[++entry];
        state = (range >> 16) * (state >> 16) + slot - (range & 0xFFFFU);
        const std::uint32_t refill = 0U - static_cast<std::uint32_t>(state < state_low);
        state = state ^ ((state ^ ((state << 16) | load_word(at))) & refill);
        at += refill & 2U;
        stream.entries[round] = static_cast<std::uint8_t>(entry + stream.base);
        if (entry == escape_entries[t]) [[unlikely]] {
            stream.at = at;
            good = read_escape(stream, stream.entries + round);
            at = stream.at;
        }
    }
    stream.states[0] = state;
    stream.at = at;
    stream.entries += round;
    if constexpr (kind == Tables::each) stream.indices += round;
    return round;
}

// Rounds of one stream; a number of lanes that is known beforehand lets the compiler unroll them.
template <Tables kind, unsigned lanes>
std::size_t decode_rounds(DecodeStream& stream, std::size_t rounds) noexcept {
    std::size_t round = 0;
    for (; round < rounds && stream.at <= stream.limit && !stream.is_truncated && !stream.is_misfit; ++round)
        decode_round<kind>(stream, lanes);
    return round;
}

// Rounds of some streams in turns. What `lanes` are known beforehand helps the compiler.
template <Tables kind, class Lanes>
std::size_t decode_together(DecodeStream* const* streams, std::size_t num_streams, Lanes lanes, std::size_t rounds) noexcept {
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t s = 0; s < num_streams; ++s)
            if (streams[s]->at > streams[s]->limit || streams[s]->is_truncated || streams[s]->is_misfit) return round;
        for (std::size_t s = 0; s < num_streams; ++s) decode_round<kind>(*streams[s], lanes);
    }
    return rounds;
}

template <Tables kind>
std::size_t decode(DecodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    if (num_streams == 1) {
        switch (lanes) {
            case 1: return decode_lane<kind>(*streams[0], rounds);
            case 4: return decode_rounds<kind, 4>(*streams[0], rounds);
            case 8: return decode_rounds<kind, 8>(*streams[0], rounds);
            case 16: return decode_rounds<kind, 16>(*streams[0], rounds);
            default: break;
        }
    }
    if (lanes == 4) return decode_together<kind>(streams, num_streams, std::integral_constant<unsigned, 4>{}, rounds);
    return decode_together<kind>(streams, num_streams, lanes, rounds);
}

std::uint8_t entry_at(const EncodeStream& stream, unsigned lane, std::size_t t) noexcept {
    const auto entry = static_cast<std::uint8_t>(stream.entries[lane] - stream.base);
    return std::min(entry, stream.escape_entries[t]);
}

template <Tables kind>
void encode_round(EncodeStream& stream, unsigned count) noexcept {
    stream.entries -= count;
    if constexpr (kind == Tables::each) stream.indices -= count;
    for (unsigned lane = count; lane-- > 0;) {
        const std::size_t t = kind == Tables::one ? 0 : stream.indices[lane];
        if (entry_at(stream, lane, t) == stream.escape_entries[t]) write_escape(stream, stream.entries + lane);
    }
    std::uint16_t* out = stream.out;
    for (unsigned lane = count; lane-- > 0;) {
        const std::size_t t = kind == Tables::one ? 0 : stream.indices[lane];
        const std::size_t at = t * max_table_size + entry_at(stream, lane, t);
        const std::uint32_t range = stream.ranges[at];
        const std::uint32_t frequency = range >> 16;
        std::uint32_t state = stream.states[lane];
        // Branch-free: always write the word, keep it only when the state would overflow.
        const bool overflow = (state >> 16) >= frequency;
        *out = static_cast<std::uint16_t>(state);
        out += overflow;
        state = overflow ? state >> 16 : state;
        // With R = ceil(2^48 / f), x R / 2^48 exceeds x / f by less than x f / (f 2^48) < 1 / f, so the quotient is
        // exact; and x < 2^16 f, so x R fits 64 bits.
        const auto quotient = static_cast<std::uint32_t>((state * stream.reciprocals[at]) >> 48);
        stream.states[lane] = (quotient << 16) + (state - quotient * frequency) + (range & 0xFFFFU);
    }
    stream.out = out;
}

template <Tables kind>
void encode(EncodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds) {
    for (std::size_t s = 0; s < num_streams; ++s)
        for (std::size_t round = 0; round < rounds; ++round) encode_round<kind>(*streams[s], lanes);
}

void reverse_words(const std::uint16_t* words, std::size_t count, std::uint8_t* bytes) {
    while (count-- > 0) {
        *bytes++ = static_cast<std::uint8_t>(words[count]);
        *bytes++ = static_cast<std::uint8_t>(words[count] >> 8);
    }
}

// Short rounds of one stream leave the machine waiting for results; those of a few streams overlap.
unsigned cost(unsigned lanes, std::size_t num_streams, unsigned) {
    if (num_streams == 1) return lanes;
    return num_streams == 4 && lanes <= 16 ? 3 * lanes : 0;
}

std::uint32_t crc(const std::uint8_t* bytes, std::size_t count, std::uint32_t seed) { return crc32c({bytes, count}, seed); }

}  // namespace

const Kernels portable_kernels{"portable", decode<Tables::one>, decode<Tables::each>, decode<Tables::each>, encode<Tables::one>,
                               encode<Tables::each>, encode<Tables::each>, cost, cost, crc, reverse_words,
                               conversions, context_kernels, optimizer_kernels, network};

}  // namespace laconic
