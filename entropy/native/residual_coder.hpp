// Residuals of several channels over time <-> one stream and the low bits beside it (SPEC.md, section 5.5).
//
// How large the last residuals of a channel were says which table codes the next one: its level. Where they are large, the
// table codes the upper bits only, and the low ones, which are as good as random, are stored as they are. A message of the
// stream is what some channels have at one time, so that a level depends on earlier messages only.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "rans.hpp"

namespace laconic {

inline constexpr std::size_t num_residual_tables = 96;
inline constexpr unsigned max_start_log2 = 40;

// Means of the magnitudes of the residuals of a channel, in units of 2^-12.
class ResidualLevel {
public:
    struct Choice {
        std::uint8_t table;
        unsigned num_low;  // bits
    };

    explicit ResidualLevel(unsigned start_log2) noexcept : fast_{std::int64_t{1} << start_log2}, slow_{fast_} {}

    // Eight levels an octave; from the last octave with tables on, each octave is a low bit more.
    Choice choice() const noexcept {
        const auto mean = static_cast<std::uint64_t>((fast_ + slow_) / 2 + 16);
        const auto top = static_cast<unsigned>(std::bit_width(mean)) - 1;
        const std::size_t level = 8 * (top - 4) + ((mean >> (top - 3)) & 7U);
        if (level < num_residual_tables) return {static_cast<std::uint8_t>(level), 0};
        return {static_cast<std::uint8_t>(num_residual_tables - 8 + level % 8), static_cast<unsigned>((level - num_residual_tables) / 8 + 1)};
    }

    void add(std::int32_t residual) noexcept {
        const std::int64_t magnitude = (residual < 0 ? -std::int64_t{residual} : std::int64_t{residual}) * 4096;
        fast_ += (magnitude - fast_) >> 3;
        slow_ += (magnitude - slow_) >> 5;
    }

private:
    std::int64_t fast_, slow_;
};

// Bits from the lowest of each byte on.
class LowBitsWriter {
public:
    void put(std::uint32_t bits, unsigned count) {
        held_ |= std::uint64_t{bits} << num_held_;
        for (num_held_ += count; num_held_ >= 8; num_held_ -= 8, held_ >>= 8) bytes_.push_back(static_cast<std::uint8_t>(held_));
    }

    // The last byte is filled with zeros.
    std::vector<std::uint8_t> finish() {
        if (num_held_ > 0) bytes_.push_back(static_cast<std::uint8_t>(held_));
        return std::move(bytes_);
    }

private:
    std::vector<std::uint8_t> bytes_;
    std::uint64_t held_ = 0;
    unsigned num_held_ = 0;
};

class LowBitsReader {
public:
    explicit LowBitsReader(std::span<const std::uint8_t> bytes) noexcept : bytes_{bytes} {}

    std::uint32_t take(unsigned count) {
        while (num_held_ < count) {
            if (at_ == bytes_.size()) throw StreamError(Fault::truncated, at_, "the low bits of residuals end early");
            held_ |= std::uint64_t{bytes_[at_++]} << num_held_;
            num_held_ += 8;
        }
        const auto bits = static_cast<std::uint32_t>(held_ & ((std::uint64_t{1} << count) - 1));
        held_ >>= count;
        num_held_ -= count;
        return bits;
    }

    void expect_end() const {
        if (at_ != bytes_.size() || held_ != 0) throw StreamError(Fault::corrupt, at_, "the low bits of residuals go on after the last of them");
    }

private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
    std::uint64_t held_ = 0;
    unsigned num_held_ = 0;
};

// What the stream codes: values with a table each, in messages of so many; and the bits beside it.
struct ResidualSymbols {
    std::vector<std::int32_t> values;
    std::vector<std::uint8_t> tables, fronts, low_bits;
};

// `residuals` (channels, length); `starts`, one a channel: log2 of what its means begin with.
inline ResidualSymbols symbols_of_residuals(const std::int32_t* residuals, std::size_t length, std::span<const std::uint8_t> starts) {
    const std::size_t channels = starts.size();
    std::vector<ResidualLevel> levels(starts.begin(), starts.end());
    ResidualSymbols symbols{std::vector<std::int32_t>(channels * length), std::vector<std::uint8_t>(channels * length), {}, {}};
    LowBitsWriter low;
    std::size_t at = 0;
    for (std::size_t t = 0; t < length; ++t) {
        for (std::size_t c = 0; c < channels; ++c, ++at) {
            const std::int32_t residual = residuals[c * length + t];
            const auto [table, num_low] = levels[c].choice();
            symbols.tables[at] = table;
            symbols.values[at] = residual >> num_low;
            low.put(static_cast<std::uint32_t>(residual) & ((std::uint32_t{1} << num_low) - 1), num_low);
            levels[c].add(residual);
        }
        for (std::size_t first = 0; first < channels; first += front_lanes)
            symbols.fronts.push_back(static_cast<std::uint8_t>(std::min(channels - first, front_lanes)));
    }
    symbols.low_bits = low.finish();
    return symbols;
}

// Residuals of a stream and the bits beside it; returns its tail. Any bytes give residuals or a StreamError.
inline std::uint16_t decode_residuals(std::span<const std::uint8_t> stream, std::span<const std::uint8_t> low_bits, std::int32_t* residuals,
                                      std::size_t length, std::span<const std::uint8_t> starts, const TableSet& tables, unsigned lanes) {
    const std::size_t channels = starts.size();
    std::vector<ResidualLevel> levels(starts.begin(), starts.end());
    Decoder decoder(stream, lanes);
    LowBitsReader low(low_bits);
    Reader* const readers[] = {&decoder.reader()};
    const std::uint8_t none = 0;
    decoder.reader().use(tables, TableChoice{0, &none}, nullptr);
    std::array<std::uint8_t, front_lanes> indices, entries;
    std::array<std::uint32_t, front_lanes> codes;
    std::array<unsigned, front_lanes> num_low;
    for (std::size_t t = 0; t < length; ++t)
        for (std::size_t first = 0; first < channels; first += front_lanes) {
            const std::size_t count = std::min(channels - first, front_lanes);
            for (std::size_t c = 0; c < count; ++c) {
                const auto choice = levels[first + c].choice();
                indices[c] = choice.table;
                num_low[c] = choice.num_low;
            }
            FrontPart part{indices.data(), entries.data(), codes.data()};
            FrontPart* const parts[] = {&part};
            decode_fronts(readers, parts, count);
            const std::uint32_t* code = codes.data();
            for (std::size_t c = 0; c < count; ++c) {
                const TableSet::Table& table = tables[indices[c]];
                const auto value = static_cast<std::uint32_t>(entries[c] == table.size - 1 ? unzigzag(*code++) : table.first + entries[c]);
                const auto residual = static_cast<std::int32_t>((value << num_low[c]) | low.take(num_low[c]));
                residuals[(first + c) * length + t] = residual;
                levels[first + c].add(residual);
            }
        }
    low.expect_end();
    return decoder.finish();
}

}  // namespace laconic
