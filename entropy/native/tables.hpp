// Frozen frequency tables, prepared for coding. A table covers the values first .. first + size - 2, one entry each; its
// last entry is the escape. Frequencies are at least 1 and sum to 2^16, so every 16-bit slot means a symbol: decoding
// is a total function of the bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace laconic {

inline constexpr std::uint32_t probability_bits = 16;
inline constexpr std::uint32_t probability_sum = 1U << probability_bits;
inline constexpr std::size_t max_tables = 256;
inline constexpr std::size_t max_table_size = 256;

class TableSet {
public:
    struct Table {
        std::int32_t first;       // smallest value with an entry of its own
        std::uint32_t size;       // entries, the escape included
        std::size_t cumulative;   // where the size + 1 cumulative frequencies start
    };

    // Throws std::invalid_argument when the tables are not valid; nothing later checks them again.
    TableSet(std::span<const std::int32_t> firsts, std::span<const std::int32_t> sizes,
             std::span<const std::uint16_t> frequencies) {
        if (firsts.empty() || firsts.size() > max_tables || firsts.size() != sizes.size())
            throw std::invalid_argument("a table set holds " + std::to_string(firsts.size()) + " tables with " +
                                        std::to_string(sizes.size()) + " sizes; allowed are 1 to 256 of each");
        std::size_t at = 0;
        for (std::size_t t = 0; t < firsts.size(); ++t) {
            if (sizes[t] < 2 || static_cast<std::size_t>(sizes[t]) > max_table_size)
                throw std::invalid_argument(name(t) + "has " + std::to_string(sizes[t]) + " entries; allowed are 2 to 256");
            if (firsts[t] < -(1 << 30) || firsts[t] > (1 << 30))
                throw std::invalid_argument(name(t) + "starts at " + std::to_string(firsts[t]) +
                                            "; allowed is -2^30 to 2^30");
            const auto size = static_cast<std::size_t>(sizes[t]);
            if (size > frequencies.size() - at) throw std::invalid_argument(name(t) + "has too few frequencies");
            add(t, firsts[t], frequencies.subspan(at, size));
            at += size;
        }
        if (at != frequencies.size()) throw std::invalid_argument("a table set holds more frequencies than its sizes say");
    }

    std::size_t num_tables() const noexcept { return tables_.size(); }

    // Entry that codes `value` in a table: its own, or the escape.
    static std::uint32_t entry_of(const Table& table, std::int32_t value) noexcept {
        const std::uint32_t entry = static_cast<std::uint32_t>(value) - static_cast<std::uint32_t>(table.first);
        return entry < table.size - 1 ? entry : table.size - 1;
    }

    const Table& operator[](std::size_t t) const noexcept { return tables_[t]; }
    const std::uint32_t* cumulative(const Table& table) const noexcept { return &cumulative_[table.cumulative]; }

    // The entry whose range holds the slot: a coarse index gives the first candidate, a short scan the rest.
    std::uint32_t find(std::size_t t, std::uint32_t slot) const noexcept {
        const std::uint32_t* cumulative = &cumulative_[tables_[t].cumulative];
        std::uint32_t entry = coarse_[t * coarse_size + (slot >> coarse_shift)];
        while (cumulative[entry + 1] <= slot) ++entry;
        return entry;
    }

private:
    static constexpr std::uint32_t coarse_shift = 6;
    static constexpr std::size_t coarse_size = probability_sum >> coarse_shift;

    static std::string name(std::size_t t) { return "table " + std::to_string(t) + " "; }

    void add(std::size_t t, std::int32_t first, std::span<const std::uint16_t> frequencies) {
        tables_.push_back({first, static_cast<std::uint32_t>(frequencies.size()), cumulative_.size()});
        std::uint32_t sum = 0;
        for (const std::uint16_t frequency : frequencies) {
            if (frequency == 0) throw std::invalid_argument(name(t) + "has a frequency of 0; every entry needs at least 1");
            cumulative_.push_back(sum);
            sum += frequency;
        }
        cumulative_.push_back(sum);
        if (sum != probability_sum)
            throw std::invalid_argument(name(t) + "sums to " + std::to_string(sum) + "; allowed is exactly 65536");
        const std::uint32_t* cumulative = &cumulative_[tables_[t].cumulative];
        std::uint32_t entry = 0;
        for (std::uint32_t bucket = 0; bucket < coarse_size; ++bucket) {
            while (cumulative[entry + 1] <= bucket << coarse_shift) ++entry;
            coarse_.push_back(static_cast<std::uint8_t>(entry));
        }
    }

    std::vector<Table> tables_;
    std::vector<std::uint32_t> cumulative_;
    std::vector<std::uint8_t> coarse_;
};

}  // namespace laconic
