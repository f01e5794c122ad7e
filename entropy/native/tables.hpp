// Frozen frequency tables, prepared for coding. A table covers the values first .. first + size - 2, one entry each; its
// last entry is the escape. Frequencies are at least 1 and sum to 2^16, so every 16-bit slot means a symbol: decoding
// is a total function of the bytes.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace laconic {

inline constexpr std::size_t max_tables = 256;
inline constexpr unsigned reverse_bits(unsigned value, unsigned count) noexcept {
    unsigned reversed = 0;
    for (unsigned bit = 0; bit < count; ++bit) reversed |= ((value >> bit) & 1U) << (count - 1 - bit);
    return reversed;
}

class TableSet {
public:
    struct Table {
        std::int32_t first;  // smallest value with an entry of its own
        std::uint32_t size;  // entries, the escape included
    };

    // Throws std::invalid_argument when the tables are not valid; nothing later checks them again.
    TableSet(std::span<const std::int32_t> firsts, std::span<const std::int32_t> sizes,
             std::span<const std::uint16_t> frequencies) {
        if (firsts.empty() || firsts.size() > max_tables || firsts.size() != sizes.size())
            throw std::invalid_argument("a table set holds " + std::to_string(firsts.size()) + " tables with " +
                                        std::to_string(sizes.size()) + " sizes; allowed are 1 to 256 of each");
        ranges_.resize(firsts.size() * max_table_size);
        divisors_.resize(firsts.size() * max_table_size);
        reciprocals_.resize(firsts.size() * max_table_size);
        coarse_.resize(firsts.size() * coarse_size + 3);  // kernels read four bytes at a time
        permutes_.resize(firsts.size());
        divisions_.resize(firsts.size());
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
    const Table& operator[](std::size_t t) const noexcept { return tables_[t]; }
    std::uint32_t frequency(std::size_t t, std::size_t entry) const noexcept { return ranges(t)[entry] >> 16; }

    bool has_all(std::span<const std::uint8_t> indices) const noexcept {
        // The largest index decides; a loop without an exit is one that compilers vectorise.
        std::uint8_t largest = 0;
        for (const std::uint8_t index : indices) largest = index > largest ? index : largest;
        return largest < tables_.size();
    }

    // Whether all values with entries of their own are int8, or int16.
    bool fits_int8(std::size_t t) const noexcept {
        return tables_[t].first >= -128 && tables_[t].first + static_cast<std::int32_t>(tables_[t].size) - 2 <= 127;
    }

    bool fits_int16(std::size_t t) const noexcept {
        return tables_[t].first >= -32768 && tables_[t].first + static_cast<std::int32_t>(tables_[t].size) - 2 <= 32767;
    }

    // Entry that codes `value` in a table: its own, or the escape.
    static std::uint32_t entry_of(const Table& table, std::int32_t value) noexcept {
        const std::uint32_t entry = static_cast<std::uint32_t>(value) - static_cast<std::uint32_t>(table.first);
        return entry < table.size - 1 ? entry : table.size - 1;
    }

    // For kernels. All arrays have 256 places a table, also where it has fewer entries.
    const std::uint32_t* ranges(std::size_t t) const noexcept { return &ranges_[t * max_table_size]; }
    const std::uint32_t* divisors(std::size_t t) const noexcept { return &divisors_[t * max_table_size]; }
    const std::uint64_t* reciprocals(std::size_t t) const noexcept { return &reciprocals_[t * max_table_size]; }
    const std::uint8_t* coarse(std::size_t t) const noexcept { return &coarse_[t * coarse_size]; }
    const std::uint8_t* escape_entries(std::size_t t) const noexcept { return &escape_entries_[t]; }
    const std::uint32_t* bounds() const noexcept { return bounds_.data(); }
    bool fit_int16() const noexcept { return fit_int16_; }
    const std::int32_t* firsts() const noexcept { return firsts_.data(); }
    const std::uint32_t* lasts() const noexcept { return lasts_.data(); }
    const PermuteTable& permute(std::size_t t) const noexcept { return permutes_[t]; }
    const DivisionTable& division(std::size_t t) const noexcept { return divisions_[t]; }

    // The same table searched with more levels than it needs, to run beside larger ones.
    PermuteTable permute_with(std::size_t t, unsigned levels) const {
        PermuteTable wider{};
        fill(wider, t, levels);
        return wider;
    }

private:
    static std::string name(std::size_t t) { return "table " + std::to_string(t) + " "; }

    void add(std::size_t t, std::int32_t first, std::span<const std::uint16_t> frequencies) {
        tables_.push_back({first, static_cast<std::uint32_t>(frequencies.size())});
        escape_entries_.push_back(static_cast<std::uint8_t>(frequencies.size() - 1));
        firsts_.push_back(first);
        lasts_.push_back(static_cast<std::uint32_t>(frequencies.size() - 1));
        bounds_.push_back(static_cast<std::uint16_t>(first) | (lasts_.back() << 16));
        fit_int16_ = fit_int16_ && first >= -32768 && first <= 32767;
        std::uint32_t sum = 0;
        for (std::size_t entry = 0; entry < frequencies.size(); ++entry) {
            const std::uint32_t frequency = frequencies[entry];
            if (frequency == 0) throw std::invalid_argument(name(t) + "has a frequency of 0; every entry needs at least 1");
            if (sum + frequency > probability_sum) sum_error(t, frequencies);
            add_entry(t, entry, sum, frequency);
            sum += frequency;
        }
        if (sum != probability_sum) sum_error(t, frequencies);
        fill_coarse(t);
        fill(permutes_[t], t, std::max(4U, static_cast<unsigned>(std::bit_width(frequencies.size() - 1))));
    }

    [[noreturn]] static void sum_error(std::size_t t, std::span<const std::uint16_t> frequencies) {
        std::uint64_t sum = 0;
        for (const std::uint16_t frequency : frequencies) sum += frequency;
        throw std::invalid_argument(name(t) + "sums to " + std::to_string(sum) + "; allowed is exactly 65536");
    }

    void add_entry(std::size_t t, std::size_t entry, std::uint32_t start, std::uint32_t frequency) {
        const std::size_t at = t * max_table_size + entry;
        const auto shift = static_cast<unsigned>(std::countl_zero(static_cast<std::uint16_t>(frequency)));
        const std::uint32_t divisor = frequency << shift;
        const std::uint32_t reciprocal = 0xFFFFFFFFU / divisor - probability_sum;
        ranges_[at] = start | (frequency << 16);
        divisors_[at] = divisor | (reciprocal << 16);
        reciprocals_[at] = ((1ULL << 48) + frequency - 1) / frequency;
        divisions_[t].divisor[entry] = static_cast<std::uint16_t>(divisor);
        divisions_[t].reciprocal[entry] = static_cast<std::uint16_t>(reciprocal);
        divisions_[t].shift[entry] = static_cast<std::uint16_t>(shift);
        divisions_[t].start[entry] = static_cast<std::uint16_t>(start);
        divisions_[t].frequency[entry] = static_cast<std::uint16_t>(frequency);
        divisions_[t].inverse_high[entry] = static_cast<std::uint16_t>((0xFFFFFFFFU / frequency) >> 16);
        divisions_[t].inverse_low[entry] = static_cast<std::uint16_t>(0xFFFFFFFFU / frequency);
        divisions_[t].is_small = (entry == 0 || divisions_[t].is_small) && frequency < 1U << 14;
    }

    std::uint32_t end_of(std::size_t t, std::size_t entry) const noexcept {
        const std::uint32_t range = ranges(t)[entry];
        return (range & 0xFFFFU) + (range >> 16);
    }

    void fill_coarse(std::size_t t) {
        std::uint32_t entry = 0;
        for (std::uint32_t bucket = 0; bucket < coarse_size; ++bucket) {
            while (end_of(t, entry) <= bucket << coarse_shift) ++entry;
            coarse_[t * coarse_size + bucket] = static_cast<std::uint8_t>(entry);
        }
    }

    void fill(PermuteTable& table, std::size_t t, unsigned levels) const {
        table.levels = levels;
        for (unsigned level = 0; level < levels; ++level)
            for (unsigned index = 0; index < 1U << level; ++index) {
                // The bits found so far are the top ones of the entry; the next one down is the question.
                const unsigned entry = (reverse_bits(index, level) << (levels - level)) + (1U << (levels - 1 - level));
                const bool exists = entry < tables_[t].size;
                table.pivots[level][index] = static_cast<std::uint16_t>(exists ? (ranges(t)[entry] & 0xFFFFU) - 1 : 0xFFFF);
            }
        for (unsigned entry = 0; entry < tables_[t].size; ++entry) {
            const unsigned index = reverse_bits(entry, levels);
            table.frequency[index] = static_cast<std::uint16_t>(ranges(t)[entry] >> 16);
            table.start[index] = static_cast<std::uint16_t>(ranges(t)[entry]);
        }
    }

    std::vector<Table> tables_;
    std::vector<std::uint32_t> ranges_;       // start + 2^16 frequency
    std::vector<std::uint32_t> divisors_;     // divisor + 2^16 reciprocal, as in DivisionTable
    std::vector<std::uint64_t> reciprocals_;  // ceil(2^48 / frequency)
    std::vector<std::uint8_t> coarse_;        // first candidate for each 64 slots
    std::vector<std::uint8_t> escape_entries_;
    std::vector<std::int32_t> firsts_;
    std::vector<std::uint32_t> lasts_;
    std::vector<std::uint32_t> bounds_;  // first value, as int16, + 2^16 last entry
    bool fit_int16_ = true;              // all first values do
    std::vector<PermuteTable> permutes_;
    std::vector<DivisionTable> divisions_;
};

}  // namespace laconic
