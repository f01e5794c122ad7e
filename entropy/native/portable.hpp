// The plain form of every kernel: what the others must equal, and what runs the last, shorter rounds.
#pragma once

#include "crc32c.hpp"
#include "kernels.hpp"

namespace laconic::portable {

enum class Tables { one, each };

// The first `count` lanes of a round, at most all of them. Needs `at <= limit`.
template <Tables kind>
void decode_round(DecodeStream& stream, unsigned count) noexcept {
    const std::uint8_t* at = stream.at;
    bool escaped = false;
    for (unsigned lane = 0; lane < count; ++lane) {
        const std::size_t t = kind == Tables::one ? stream.table : stream.indices[lane];
        const std::uint32_t* ranges = stream.tables->ranges(t);
        std::uint32_t state = stream.states[lane];
        const std::uint32_t slot = state & 0xFFFFU;
        // A coarse index gives the first candidate, a short scan the rest.
        std::uint32_t entry = stream.tables->coarse(t)[slot >> TableSet::coarse_shift];
        std::uint32_t range = ranges[entry];
        while (slot - (range & 0xFFFFU) >= range >> 16) range = ranges[++entry];
        state = (range >> 16) * (state >> 16) + slot - (range & 0xFFFFU);
        // Branch-free: whether a lane needs a word cannot be predicted.
        const bool refill = state < state_low;
        state = refill ? (state << 16) | load_word(at) : state;
        at += refill ? 2 : 0;
        stream.states[lane] = state;
        stream.entries[lane] = static_cast<std::uint8_t>(entry);
        escaped |= entry == (*stream.tables)[t].size - 1;
    }
    stream.at = at;
    if (escaped) {
        for (unsigned lane = 0; lane < count; ++lane) {
            const std::size_t t = kind == Tables::one ? stream.table : stream.indices[lane];
            if (stream.entries[lane] == (*stream.tables)[t].size - 1 && !read_escape(stream)) {
                stream.is_truncated = true;
                return;
            }
        }
    }
    stream.entries += count;
    if constexpr (kind == Tables::each) stream.indices += count;
}

template <Tables kind>
std::size_t decode(std::span<DecodeStream* const> streams, unsigned lanes, std::size_t rounds) noexcept {
    for (std::size_t round = 0; round < rounds; ++round) {
        for (const DecodeStream* stream : streams)
            if (stream->at > stream->limit || stream->is_truncated) return round;
        for (DecodeStream* stream : streams) decode_round<kind>(*stream, lanes);
    }
    return rounds;
}

template <Tables kind>
void encode_round(EncodeStream& stream, unsigned count) noexcept {
    stream.entries -= count;
    if constexpr (kind == Tables::each) stream.indices -= count;
    for (unsigned lane = count; lane-- > 0;) {
        const std::size_t t = kind == Tables::one ? stream.table : stream.indices[lane];
        if (stream.entries[lane] == (*stream.tables)[t].size - 1) write_escape(stream, *--stream.escapes);
    }
    std::uint16_t* out = stream.out;
    for (unsigned lane = count; lane-- > 0;) {
        const std::size_t t = kind == Tables::one ? stream.table : stream.indices[lane];
        const std::size_t entry = stream.entries[lane];
        const std::uint32_t range = stream.tables->ranges(t)[entry];
        const std::uint32_t frequency = range >> 16;
        std::uint32_t state = stream.states[lane];
        // Branch-free: always write the word, keep it only when the state would overflow.
        const bool overflow = (state >> 16) >= frequency;
        *out = static_cast<std::uint16_t>(state);
        out += overflow;
        state = overflow ? state >> 16 : state;
        // With R = ceil(2^48 / f), x R / 2^48 exceeds x / f by less than x f / (f 2^48) < 1 / f, so the quotient is
        // exact; and x < 2^16 f, so x R fits 64 bits.
        const auto quotient = static_cast<std::uint32_t>((state * stream.tables->reciprocals(t)[entry]) >> 48);
        stream.states[lane] = (quotient << 16) + (state - quotient * frequency) + (range & 0xFFFFU);
    }
    stream.out = out;
}

template <Tables kind>
void encode(std::span<EncodeStream* const> streams, unsigned lanes, std::size_t rounds) noexcept {
    for (EncodeStream* stream : streams)
        for (std::size_t round = 0; round < rounds; ++round) encode_round<kind>(*stream, lanes);
}

inline void reverse_words(std::span<const std::uint16_t> words, std::uint8_t* bytes) noexcept {
    for (std::size_t i = words.size(); i-- > 0;) {
        *bytes++ = static_cast<std::uint8_t>(words[i]);
        *bytes++ = static_cast<std::uint8_t>(words[i] >> 8);
    }
}

inline Kernels::Width width(unsigned) noexcept { return {1, false}; }

inline constexpr Kernels kernels{"portable",          decode<Tables::one>, decode<Tables::each>, encode<Tables::one>,
                                 encode<Tables::each>, crc32c,             reverse_words,        width};

}  // namespace laconic::portable
