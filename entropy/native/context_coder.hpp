// Channels of a tile <-> symbols with their tables, in coding order (SPEC.md, section 4.2).
#pragma once

#include <algorithm>
#include <array>
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
        walk.run([&](const std::uint8_t* tables, const std::uint8_t* is_negated, const FrontRuns& runs, std::int32_t* values) {
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

// One front of a stream that is decoded.
struct OpenFront {
    alignas(64) std::uint8_t tables[front_lanes];
    alignas(64) std::uint8_t is_negated[front_lanes];
    alignas(64) std::uint8_t packed[front_lanes];
    alignas(64) std::uint8_t entries[front_lanes] = {};
    alignas(64) std::uint8_t by_lane[front_lanes] = {};
    alignas(64) std::int32_t values[front_lanes];
    std::uint32_t codes[front_lanes];
    FrontPart part;
    bool is_whole;  // the lanes in use are the first

    void pack(const FrontRuns& runs) noexcept {
        is_whole = runs.count == 1 && runs.begin()->first == 0;
        if (!is_whole) pack_lanes(runs, tables, packed);
        part = {is_whole ? tables : packed, entries, codes};
    }

    void unpack(const FrontRuns& runs, const TableSet& set) noexcept {
        if (!is_whole) unpack_lanes(runs, entries, by_lane);
        const std::uint8_t* const of_lanes = is_whole ? entries : by_lane;
        kernels().contexts.front_values(of_lanes, tables, is_negated, set.firsts(), values);
        const std::uint32_t* code = codes;
        if (code != part.codes) {
            for (const auto& run : runs)
                for (std::size_t lane = run.first; lane < run.last; ++lane) {
                    if (of_lanes[lane] != set.lasts()[tables[lane]]) continue;
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
    }
};

inline constexpr std::size_t max_fronts_together = 4;

// Decodes channels first .. last - 1 of some streams of as many lanes, at most `max_fronts_together`, each into planes
// (d, h, w) that have all channels before them. Side by side, what one stream waits for, others have time for.
inline void decode_symbols(std::span<Decoder* const> decoders, const ContextRules& rules, const TableSet& tables, std::span<const std::uint16_t> base,
                           std::span<std::int32_t* const> planes, Grid grid, std::size_t first, std::size_t last) {
    const std::size_t count = decoders.size();
    const std::uint8_t none = 0;
    std::array<Reader*, max_fronts_together> readers{};
    std::array<FrontPart*, max_fronts_together> parts{};
    std::array<OpenFront, max_fronts_together> open;
    for (std::size_t s = 0; s < count; ++s) {
        readers[s] = &decoders[s]->reader();
        readers[s]->use(tables, TableChoice{0, &none}, nullptr);
        parts[s] = &open[s].part;
    }
    std::vector<PassWalk> walks;
    walks.reserve(count);
    for_passes(rules, grid, first, last, [&](std::size_t pass, std::size_t channel, std::size_t num_channels) {
        walks.clear();
        for (std::size_t s = 0; s < count; ++s) walks.emplace_back(rules, base, pass, channel, num_channels, planes[s], grid);
        for (std::size_t front = 0, end = walks[0].num_fronts(); front < end; ++front) {
            bool has_places = false;  // in all of them or in none
            for (std::size_t s = 0; s < count; ++s) has_places = walks[s].open_front(front, open[s].tables, open[s].is_negated);
            if (!has_places) continue;
            for (std::size_t s = 0; s < count; ++s) open[s].pack(walks[s].runs());
            decode_fronts({readers.data(), count}, {parts.data(), count}, walks[0].runs().num_lanes());
            for (std::size_t s = 0; s < count; ++s) {
                open[s].unpack(walks[s].runs(), tables);
                walks[s].put(open[s].values);
                walks[s].close_front(front, open[s].values);
            }
        }
    });
}

// The same of one stream.
inline void decode_symbols(Decoder& decoder, const ContextRules& rules, const TableSet& tables, std::span<const std::uint16_t> base,
                           std::int32_t* planes, Grid grid, std::size_t first, std::size_t last) {
    Decoder* const decoders[] = {&decoder};
    std::int32_t* const all_planes[] = {planes};
    decode_symbols(decoders, rules, tables, base, all_planes, grid, first, last);
}

}  // namespace laconic
