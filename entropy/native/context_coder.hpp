// Channels of a tile <-> symbols with their tables, in coding order (SPEC.md, section 4.2).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "contexts.hpp"
#include "rans.hpp"

namespace laconic {

// Leaves alone what a vector is made larger by, which is about to be written.
template <class T>
struct UnsetAllocator : std::allocator<T> {
    template <class Other>
    struct rebind {
        using other = UnsetAllocator<Other>;
    };
    void construct(T*) const noexcept {}
};

// Symbols in coding order, negated where they are coded so, the table of each, and the number in each front.
struct CodedSymbols {
    std::vector<std::int32_t, UnsetAllocator<std::int32_t>> values;
    std::vector<std::uint8_t, UnsetAllocator<std::uint8_t>> tables;
    std::vector<std::uint8_t> fronts;
};

// Calls `use(pass, first channel, number of channels)` for the passes that channels first .. last - 1 meet, where there are
// places.
template <class Use>
void for_passes(const ContextRules& rules, Grid grid, std::size_t first, std::size_t last, Use use) {
    if (grid.size() == 0) return;
    std::size_t begin = 0;
    for (std::size_t pass = 0; pass < rules.pass_ends.size(); ++pass) {
        const std::size_t end = rules.pass_ends[pass], from = std::max(begin, first), to = std::min(end, last);
        if (from < to) use(pass, from, to - from);
        begin = end;
    }
}

// Copies what the runs hold, one after the other, from lanes; or back.
template <class T>
void pack_lanes(const FrontRuns& runs, const T* lanes, T* packed) noexcept {
    for (const auto& run : runs) packed = std::copy(lanes + run.first, lanes + run.last, packed);
}

template <class T>
void unpack_lanes(const FrontRuns& runs, const T* packed, T* lanes) noexcept {
    for (const auto& run : runs) {
        std::copy_n(packed, run.last - run.first, lanes + run.first);
        packed += run.last - run.first;
    }
}

// Symbols of channels first .. last - 1, which stand in `planes` (d, h, w) with all channels before them.
inline CodedSymbols coded_symbols(const ContextRules& rules, std::span<const std::uint16_t> base, std::int32_t* planes, Grid grid,
                                  std::size_t first, std::size_t last) {
    CodedSymbols coded;
    coded.values.resize((last - first) * grid.size());
    coded.tables.resize(coded.values.size());
    std::size_t at = 0;
    for_passes(rules, grid, first, last, [&](std::size_t pass, std::size_t channel, std::size_t count) {
        PassWalk walk(rules, base, pass, channel, count, planes, grid);
        walk.run<PassWalk::Planes::known>([&](const std::uint8_t* tables, const std::uint8_t* is_negated, const FrontRuns& runs, std::int32_t* values) {
            std::int32_t symbols[front_lanes];
            for (std::size_t lane = 0; lane < front_lanes; ++lane) {
                const auto value = static_cast<std::uint32_t>(values[lane]);
                symbols[lane] = static_cast<std::int32_t>(is_negated[lane] != 0 ? 0U - value : value);
            }
            pack_lanes(runs, symbols, &coded.values[at]);
            pack_lanes(runs, tables, &coded.tables[at]);
            coded.fronts.push_back(static_cast<std::uint8_t>(runs.num_lanes()));
            at += runs.num_lanes();
        });
    });
    return coded;
}

// Decodes channels first .. last - 1 into `planes` (d, h, w), which has all channels before them.
inline void decode_symbols(Decoder& decoder, const ContextRules& rules, const TableSet& tables, std::span<const std::uint16_t> base,
                           std::int32_t* planes, Grid grid, std::size_t first, std::size_t last) {
    Reader& reader = decoder.reader();
    const std::uint8_t none = 0;
    reader.use(tables, TableChoice{0, &none}, nullptr);
    for_passes(rules, grid, first, last, [&](std::size_t pass, std::size_t channel, std::size_t count) {
        PassWalk walk(rules, base, pass, channel, count, planes, grid);
        walk.run<PassWalk::Planes::unknown>([&](const std::uint8_t* indices, const std::uint8_t* is_negated, const FrontRuns& runs, std::int32_t* values) {
            alignas(64) std::uint8_t packed[front_lanes], entries[front_lanes] = {}, by_lane[front_lanes] = {};
            std::uint32_t codes[front_lanes];
            const bool whole = runs.count == 1 && runs.begin()->first == 0;
            if (!whole) pack_lanes(runs, indices, packed);
            const std::uint32_t* const end = reader.decode_front(whole ? indices : packed, runs.num_lanes(), entries, codes);
            if (!whole) unpack_lanes(runs, entries, by_lane);
            const std::uint8_t* const of_lanes = whole ? entries : by_lane;
            kernels().contexts.front_values(of_lanes, indices, is_negated, tables.firsts(), values);
            const std::uint32_t* code = codes;
            if (code != end) {
                for (const auto& run : runs)
                    for (std::size_t lane = run.first; lane < run.last; ++lane) {
                        if (of_lanes[lane] != tables.lasts()[indices[lane]]) continue;
                        const auto value = static_cast<std::uint32_t>(unzigzag(*code++));
                        values[lane] = static_cast<std::int32_t>(is_negated[lane] != 0 ? 0U - value : value);
                    }
            }
            // What lanes not in use hold is nobody's neighbour.
            std::size_t lane = 0;
            for (const auto& run : runs) {
                std::fill(values + lane, values + run.first, 0);
                lane = run.last;
            }
            std::fill(values + lane, values + front_lanes, 0);
        });
    });
}

}  // namespace laconic
