// What a fuzz target is made of. An input starts with a few bytes that choose tables, lanes, types and lengths; the rest is
// the stream, packet or values. Whatever the input, a target makes something of it that reaches the coder: numbers are
// taken modulo what is allowed, and what would end decoding before it begins (a checksum, a length, a state below 2^16) is
// repaired in three of four inputs. Every target runs with every set of kernels and compares the outcomes.
#pragma once

#include <map>

#include "support.hpp"

namespace laconic::fuzz {

using namespace laconic::test;

// Of each target: an input to begin with; `number` counts from 0.
Bytes make_seed(std::size_t number);

// Reads the choices at the front of an input. Where it has ended all further choices are 0.
class Choices {
public:
    explicit Choices(std::span<const std::uint8_t> input) : input_{input} {}

    std::size_t byte() {
        const std::size_t value = input_.empty() ? 0 : input_[0];
        input_ = input_.subspan(std::min<std::size_t>(1, input_.size()));
        return value;
    }

    std::size_t word() {
        const std::size_t low = byte();
        return low | (byte() << 8);
    }

    // 0 .. end - 1, end at most 256.
    std::size_t below(std::size_t end) { return byte() % end; }

    std::span<const std::uint8_t> rest() const { return input_; }

private:
    std::span<const std::uint8_t> input_;
};

// Tables by two bytes: which, and how many of which sizes. Kept, since most inputs share theirs.
inline const TableSet& tables_of(Choices& choices) {
    static std::map<std::size_t, TableSet> kept;
    const std::size_t which = choices.byte(), shape = choices.byte();
    const std::size_t key = (which << 8) | shape;
    const auto found = kept.find(key);
    if (found != kept.end()) return found->second;
    if (kept.size() >= 64) kept.clear();
    constexpr std::array<std::size_t, 8> counts{1, 2, 3, 5, 16, 64, 255, 256};
    constexpr std::array<std::array<std::size_t, 2>, 8> sizes{
        {{2, 2}, {2, 16}, {17, 32}, {33, 64}, {65, 128}, {129, 256}, {2, 64}, {2, 256}}};
    Random random(which);
    const auto& [lowest, highest] = sizes[shape / 8 % 8];
    return kept.emplace(key, random_tables(random, counts[shape % 8], lowest, highest)).first->second;
}

inline ValueType type_of(Choices& choices) { return all_types[choices.below(all_types.size())]; }
inline unsigned lanes_of(Choices& choices) { return all_lanes[choices.below(all_lanes.size())]; }

// Bytes without end: those of the input, then some that follow from it.
class Stretch {
public:
    explicit Stretch(std::span<const std::uint8_t> bytes) : bytes_{bytes} {
        for (const std::uint8_t byte : bytes) state_ = (state_ ^ byte) * 0x100000001B3U;
    }

    std::uint8_t next() {
        if (at_ < bytes_.size()) return bytes_[at_++];
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::uint8_t>(state_ >> 56);
    }

    Bytes take(std::size_t count) {
        Bytes bytes(count);
        for (std::uint8_t& byte : bytes) byte = next();
        return bytes;
    }

private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
    std::uint64_t state_ = 0xCBF29CE484222325U;
};

// Tables of symbols, by the first bytes of an input.
inline std::vector<std::uint8_t> indices_of(std::span<const std::uint8_t> input, std::size_t count, const TableSet& tables) {
    constexpr std::size_t num_choices = 7;
    std::vector<std::uint8_t> indices = Stretch(input.first(std::min(input.size(), num_choices))).take(count);
    for (std::uint8_t& index : indices) index = static_cast<std::uint8_t>(index % tables.num_tables());
    return indices;
}

// Makes the states at the front of a stream valid.
inline void repair_states(Bytes& stream, unsigned lanes) {
    if (stream.size() < 4 * lanes) stream.resize(4 * lanes, 1);
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (stream[4 * lane + 2] == 0 && stream[4 * lane + 3] == 0) stream[4 * lane + 2] = 1;
}

// Choices as they stand in an input.
inline Bytes choices(std::initializer_list<std::size_t> bytes) {
    Bytes all;
    for (const std::size_t byte : bytes) all.push_back(static_cast<std::uint8_t>(byte));
    return all;
}

inline Bytes word_choice(std::size_t word) { return choices({word & 0xFF, word >> 8}); }

}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
