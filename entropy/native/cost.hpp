// Ideal code length of values under frozen tables, in integer arithmetic: the same number on every machine, so that an
// encoder may decide by it.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "blocks.hpp"
#include "dispatch.hpp"
#include "tables.hpp"

namespace laconic {

inline constexpr unsigned cost_fraction_bits = 16;

// log2(2^16 / frequency) with 16 fractional bits, rounded down, by repeated squaring.
inline constexpr std::uint32_t cost_of_frequency(std::uint32_t frequency) noexcept {
    unsigned exponent = 0;
    while ((frequency >> exponent) > 1) ++exponent;
    std::uint64_t mantissa = static_cast<std::uint64_t>(frequency) << (31 - exponent);  // in [2^31, 2^32)
    std::uint32_t fraction = 0;
    for (unsigned bit = 0; bit < cost_fraction_bits; ++bit) {
        mantissa = (mantissa * mantissa) >> 31;
        fraction <<= 1;
        if (mantissa >> 32) {
            fraction |= 1;
            mantissa >>= 1;
        }
    }
    return (16U << cost_fraction_bits) - ((exponent << cost_fraction_bits) | fraction);
}

class CostTables {
public:
    explicit CostTables(const TableSet& tables) {
        costs_.resize(tables.num_tables() * max_table_size);
        for (std::size_t t = 0; t < tables.num_tables(); ++t) {
            for (std::uint32_t entry = 0; entry < tables[t].size; ++entry)
                costs_[t * max_table_size + entry] = cost_of_frequency(tables.frequency(t, entry));
        }
    }

    // In units of 2^-16 bit.
    template <std::signed_integral T>
    std::uint64_t total(std::span<const T> values, const TableSet& tables, const TableChoice& choice) const noexcept {
        if constexpr (sizeof(T) == 4)
            if (choice.each != nullptr && tables.fit_int16()) return total_by_index(values, choice.each, tables);
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < values.size(); ++i) sum += of(values[i], tables, choice[i]);
        return sum;
    }

    std::uint32_t of(std::int32_t value, const TableSet& tables, std::size_t t) const noexcept {
        const std::uint32_t entry = TableSet::entry_of(tables[t], value);
        const std::uint32_t cost = costs_[t * max_table_size + entry];
        return entry < tables[t].size - 1 ? cost : cost + of_code(zigzag(value));
    }

    // Those of the entries of one table, without what the codes of escaped values take.
    const std::uint32_t* of_entries(std::size_t t) const noexcept { return &costs_[t * max_table_size]; }

    static std::uint32_t of_code(std::uint32_t code) noexcept {
        return (code < wide_escape ? 16U : 48U) << cost_fraction_bits;
    }

private:
    std::uint64_t total_by_index(std::span<const std::int32_t> values, const std::uint8_t* indices, const TableSet& tables) const noexcept {
        std::array<std::uint8_t, block_size> entries;
        std::uint64_t sum = 0;
        for (std::size_t begin = 0; begin < values.size(); begin += block_size) {
            const std::size_t count = std::min(block_size, values.size() - begin);
            const std::int32_t* const block = values.data() + begin;
            const std::uint8_t* const each = indices + begin;
            const bool has_escapes = kernels().convert.entries_by_index(block, each, count, tables.bounds(), entries.data());
            for (std::size_t i = 0; i < count; ++i) sum += of_entries(each[i])[entries[i]];
            if (!has_escapes) continue;
            for (std::size_t i = 0; i < count; ++i)
                if (entries[i] == tables.lasts()[each[i]]) sum += of_code(zigzag(block[i]));
        }
        return sum;
    }

    std::vector<std::uint32_t> costs_;
};

}  // namespace laconic
