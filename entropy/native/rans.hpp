// Interleaved rANS with 32-bit states, 16-bit words and 16-bit probabilities (SPEC.md, "The stream").
//
//   stream = N states (u32 each), then words (u16 each), all little-endian
//   symbol i of a message belongs to lane i mod N; a round is N symbols, the last round of a message may be shorter
//   after the symbols of a round: the raw words of its escaped values, in lane order
//   after the last round of a message: its mark, one raw word, where it has one
//
// Surprise: rANS is last in, first out. The encoder walks all messages backwards and fills its buffer from the end, so
// that the decoder reads forwards. The encoder starts from the states that the decoder must end with: 2^16 in every
// lane, plus a 16-bit tail in lane 0.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "errors.hpp"
#include "tables.hpp"

namespace laconic {

inline constexpr std::uint32_t state_low = 1U << 16;
inline constexpr unsigned min_lanes = 4;
inline constexpr unsigned max_lanes = 64;
inline constexpr std::uint32_t wide_escape = 0xFFFF;  // this escape word is followed by two more
inline constexpr std::size_t max_words_per_symbol = 4;

using Values = std::variant<std::span<const std::int8_t>, std::span<const std::int16_t>, std::span<const std::int32_t>>;

// Table of each symbol: one index for all of them, or one index each.
struct TableChoice {
    std::uint8_t shared = 0;
    std::span<const std::uint8_t> each{};

    std::size_t operator[](std::size_t i) const noexcept { return each.empty() ? shared : each[i]; }

    bool fits(std::size_t num_tables) const noexcept {
        if (each.empty()) return shared < num_tables;
        return std::all_of(each.begin(), each.end(), [=](std::uint8_t t) { return t < num_tables; });
    }
};

struct Message {
    Values values;
    TableChoice tables;
    std::optional<std::uint16_t> mark{};
};

inline constexpr bool valid_lanes(unsigned lanes) noexcept {
    return lanes >= min_lanes && lanes <= max_lanes && (lanes & (lanes - 1)) == 0;
}

inline constexpr std::uint32_t zigzag(std::int32_t value) noexcept {
    return (static_cast<std::uint32_t>(value) << 1) ^ (value < 0 ? 0xFFFFFFFFU : 0U);
}

inline constexpr std::int32_t unzigzag(std::uint32_t code) noexcept {
    return static_cast<std::int32_t>((code >> 1) ^ (0U - (code & 1U)));
}

class Encoder {
public:
    // The table indices of every message must fit the table set (`TableChoice::fits`).
    Encoder(const TableSet& tables, unsigned lanes, std::uint16_t tail) : tables_{tables}, lanes_{lanes} {
        states_.fill(state_low);
        states_[0] += tail;
    }

    std::vector<std::uint8_t> encode(std::span<const Message> messages) {
        for (std::size_t m = messages.size(); m-- > 0;) {
            if (messages[m].mark) {
                reserve(1);
                push(*messages[m].mark);
            }
            std::visit([&](auto values) { encode_values(values, messages[m].tables); }, messages[m].values);
        }
        return finish();
    }

private:
    template <std::integral T>
    void encode_values(std::span<const T> values, const TableChoice& choice) {
        const std::size_t num_rounds = (values.size() + lanes_ - 1) / lanes_;
        for (std::size_t round = num_rounds; round-- > 0;) {
            const std::size_t begin = round * lanes_;
            const std::size_t end = std::min(begin + lanes_, values.size());
            reserve(max_words_per_symbol * lanes_);
            for (std::size_t i = end; i-- > begin;) push_if_escaped(values[i], tables_[choice[i]]);
            for (std::size_t i = end; i-- > begin;) encode_symbol(states_[i - begin], values[i], tables_[choice[i]]);
        }
    }

    void encode_symbol(std::uint32_t& state, std::int32_t value, const TableSet::Table& table) {
        const std::uint32_t entry = TableSet::entry_of(table, value);
        const std::uint32_t* cumulative = tables_.cumulative(table) + entry;
        const std::uint32_t frequency = cumulative[1] - cumulative[0];
        // Branch-free: always write the word, keep it only when the state would overflow.
        const bool overflow = (state >> 16) >= frequency;
        words_[at_ - 1] = static_cast<std::uint16_t>(state);
        at_ -= overflow;
        state = overflow ? state >> 16 : state;
        const std::uint32_t quotient = state / frequency;
        state = (quotient << 16) + (state - quotient * frequency) + cumulative[0];
    }

    void push_if_escaped(std::int32_t value, const TableSet::Table& table) {
        if (TableSet::entry_of(table, value) != table.size - 1) return;
        const std::uint32_t code = zigzag(value);
        if (code < wide_escape) return push(code);
        push(code >> 16);
        push(code & 0xFFFFU);
        push(wide_escape);
    }

    void push(std::uint32_t word) { words_[--at_] = static_cast<std::uint16_t>(word); }

    // Room for `count` more words in front of those written.
    void reserve(std::size_t count) {
        if (at_ > count) return;
        const std::size_t used = words_.size() - at_;
        std::vector<std::uint16_t> larger(std::max<std::size_t>(4096, 2 * words_.size()) + count);
        std::copy(words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end(),
                  larger.end() - static_cast<std::ptrdiff_t>(used));
        at_ = larger.size() - used;
        words_ = std::move(larger);
    }

    std::vector<std::uint8_t> finish() const {
        std::vector<std::uint8_t> bytes;
        bytes.reserve(4 * lanes_ + 2 * (words_.size() - at_));
        for (unsigned lane = 0; lane < lanes_; ++lane)
            for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(states_[lane] >> shift));
        for (std::size_t i = at_; i < words_.size(); ++i) {
            bytes.push_back(static_cast<std::uint8_t>(words_[i]));
            bytes.push_back(static_cast<std::uint8_t>(words_[i] >> 8));
        }
        return bytes;
    }

    const TableSet& tables_;
    unsigned lanes_;
    std::array<std::uint32_t, max_lanes> states_{};
    std::vector<std::uint16_t> words_;  // filled from the end; [at_, size) is written
    std::size_t at_ = 0;
};

// Reads messages in the order they were encoded. Any bytes give values or a StreamError; nothing is read past the end.
class Decoder {
public:
    Decoder(std::span<const std::uint8_t> bytes, unsigned lanes) : bytes_{bytes}, lanes_{lanes} {
        if (bytes.size() < 4 * std::size_t{lanes})
            throw StreamError(Fault::truncated, bytes.size(), "the stream ends before its " + std::to_string(lanes) + " states");
        for (unsigned lane = 0; lane < lanes; ++lane) {
            states_[lane] = word(4 * lane) | (word(4 * lane + 2) << 16);
            if (states_[lane] < state_low) throw StreamError(Fault::corrupt, 4 * lane, "a state is below 2^16");
        }
        at_ = 4 * lanes;
    }

    // Fills `values`; the table indices must fit the table set.
    template <std::signed_integral T>
    void decode(std::span<T> values, const TableSet& tables, const TableChoice& choice) {
        for (std::size_t begin = 0; begin < values.size(); begin += lanes_) {
            const std::size_t end = std::min(begin + lanes_, values.size());
            if (bytes_.size() - at_ >= 2 * (end - begin))
                decode_round<false>(values, begin, end, tables, choice);
            else
                decode_round<true>(values, begin, end, tables, choice);
        }
    }

    std::uint16_t read_mark() { return static_cast<std::uint16_t>(next_word()); }

    // After the last message: the tail that lane 0 ends with. Throws when the states or the length are not those
    // that an encoder starts from.
    std::uint16_t finish() const {
        if (at_ != bytes_.size()) throw StreamError(Fault::corrupt, at_, "the stream goes on after its last symbol");
        for (unsigned lane = 0; lane < lanes_; ++lane)
            if (states_[lane] >= (lane == 0 ? 2 * state_low : state_low + 1))
                throw StreamError(Fault::corrupt, at_, "lane " + std::to_string(lane) + " ends in a wrong state");
        return static_cast<std::uint16_t>(states_[0] - state_low);
    }

private:
    template <bool checked, std::signed_integral T>
    void decode_round(std::span<T> values, std::size_t begin, std::size_t end, const TableSet& tables,
                      const TableChoice& choice) {
        bool escaped = false;
        for (std::size_t i = begin; i < end; ++i) {
            const std::size_t t = choice[i];
            std::uint32_t& state = states_[i - begin];
            const std::uint32_t slot = state & 0xFFFFU;
            const std::uint32_t entry = tables.find(t, slot);
            const std::uint32_t* cumulative = tables.cumulative(tables[t]) + entry;
            state = (cumulative[1] - cumulative[0]) * (state >> 16) + slot - cumulative[0];
            if constexpr (checked) {
                if (state < state_low) state = (state << 16) | next_word();
            } else {
                const bool refill = state < state_low;
                state = refill ? (state << 16) | word(at_) : state;
                at_ += refill ? 2 : 0;
            }
            escaped |= entry == tables[t].size - 1;
            const std::int32_t value = tables[t].first + static_cast<std::int32_t>(entry);
            values[i] = static_cast<T>(value);
            if constexpr (sizeof(T) < 4) escaped |= values[i] != value;
            entries_[i - begin] = static_cast<std::uint8_t>(entry);
        }
        if (escaped) read_escapes(values, begin, end, tables, choice);
    }

    template <std::signed_integral T>
    void read_escapes(std::span<T> values, std::size_t begin, std::size_t end, const TableSet& tables,
                      const TableChoice& choice) {
        for (std::size_t i = begin; i < end; ++i) {
            const TableSet::Table& table = tables[choice[i]];
            const std::uint32_t entry = entries_[i - begin];
            std::int32_t value = table.first + static_cast<std::int32_t>(entry);
            if (entry == table.size - 1) {
                std::uint32_t code = next_word();
                if (code == wide_escape) {
                    code = next_word();
                    code |= next_word() << 16;
                }
                value = unzigzag(code);
            }
            if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
                throw StreamError(Fault::corrupt, at_, "value " + std::to_string(value) + " does not fit the result type");
            values[i] = static_cast<T>(value);
        }
    }

    std::uint32_t word(std::size_t at) const noexcept {
        return static_cast<std::uint32_t>(bytes_[at]) | (static_cast<std::uint32_t>(bytes_[at + 1]) << 8);
    }

    std::uint32_t next_word() {
        if (bytes_.size() - at_ < 2) throw StreamError(Fault::truncated, at_, "the stream ends in the middle of its symbols");
        at_ += 2;
        return word(at_ - 2);
    }

    std::span<const std::uint8_t> bytes_;
    unsigned lanes_;
    std::array<std::uint32_t, max_lanes> states_{};
    std::array<std::uint8_t, max_lanes> entries_{};
    std::size_t at_ = 0;
};

}  // namespace laconic
