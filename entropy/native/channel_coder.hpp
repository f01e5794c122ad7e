// Channels with one table each <-> a stream: profile "fast" (SPEC.md, section 4.1).
//
// Encoding goes over the planes once: that finds entries, escapes and code lengths, which is all that a stream is made of
// and that its form depends on. Channels that are 0 everywhere keep no entries.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "blocks.hpp"
#include "contexts.hpp"
#include "cost.hpp"
#include "rans.hpp"

namespace laconic {

// `count` planes of int16 or int32; planes and rows begin so many values apart.
struct PlanesView {
    Input values;
    std::size_t count;
    Grid grid;
    std::ptrdiff_t plane_step;
    std::ptrdiff_t row_step;

    std::ptrdiff_t place(std::size_t plane, std::size_t row) const noexcept {
        return static_cast<std::ptrdiff_t>(plane) * plane_step + static_cast<std::ptrdiff_t>(row) * row_step;
    }

    // `num_values` values from place `at` on as int32: where they lie, or in `scratch`.
    const std::int32_t* integers(std::ptrdiff_t at, std::size_t num_values, std::int32_t* scratch) const noexcept {
        if (values.type == ValueType::int32) return static_cast<const std::int32_t*>(values.data) + at;
        kernels().convert.widen_int16(static_cast<const std::int16_t*>(values.data) + at, num_values, scratch);
        return scratch;
    }

    const std::int32_t* row(std::size_t plane, std::size_t y, std::int32_t* scratch) const noexcept {
        return integers(place(plane, y), grid.width, scratch);
    }

    std::int32_t value(std::size_t plane, std::size_t place_in_plane) const noexcept {
        const std::ptrdiff_t at = place(plane, place_in_plane / grid.width) + static_cast<std::ptrdiff_t>(place_in_plane % grid.width);
        if (values.type == ValueType::int32) return static_cast<const std::int32_t*>(values.data)[at];
        return static_cast<const std::int16_t*>(values.data)[at];
    }
};

// CRC-32C of the values as little-endian int32.
inline std::uint32_t crc32c_of_planes(const PlanesView& planes, std::uint32_t seed) {
    const auto [height, width] = planes.grid;
    const bool is_dense = planes.row_step == static_cast<std::ptrdiff_t>(width);
    const std::size_t rows = is_dense ? 1 : height, places = is_dense ? height * width : width;
    std::int32_t scratch[block_size];
    for (std::size_t c = 0; c < planes.count; ++c)
        for (std::size_t y = 0; y < rows; ++y)
            for (std::size_t x = 0; x < places; x += block_size) {
                const std::size_t count = std::min(block_size, places - x);
                const std::int32_t* const ints = planes.integers(planes.place(c, y) + static_cast<std::ptrdiff_t>(x), count, scratch);
                seed = kernels().crc32c(reinterpret_cast<const std::uint8_t*>(ints), 4 * count, seed);
            }
    return seed;
}

// (planes, h, w) residuals, row-major.
inline void residuals_of_planes(const PlanesView& planes, std::int32_t* residuals) {
    std::vector<std::int32_t> scratch(2 * planes.grid.width);
    for (std::size_t c = 0; c < planes.count; ++c, residuals += planes.grid.size())
        prediction_residuals([&](std::size_t y) { return planes.row(c, y, &scratch[y % 2 * planes.grid.width]); }, residuals, planes.grid);
}

// Copies planes to (d, h, w). Returns for each whether any value is not 0.
inline std::vector<bool> widen_planes(const PlanesView& planes, std::int32_t* wide) {
    const auto [height, width] = planes.grid;
    const bool is_dense = planes.row_step == static_cast<std::ptrdiff_t>(width);
    const std::size_t rows = is_dense ? 1 : height, places = is_dense ? height * width : width;
    const auto widen = [&](const auto* values, auto copy) {
        std::vector<bool> are_used;
        for (std::size_t c = 0; c < planes.count; ++c, wide += planes.grid.size()) {
            bool is_used = false;
            for (std::size_t y = 0; y < rows; ++y) {
                const auto* const row = values + planes.place(c, y);
                std::remove_cvref_t<decltype(*row)> any = 0;
                for (std::size_t x = 0; x < places; ++x) any = static_cast<decltype(any)>(any | row[x]);
                copy(row, places, wide + y * width);
                is_used = is_used || any != 0;
            }
            are_used.push_back(is_used);
        }
        return are_used;
    };
    if (planes.values.type == ValueType::int16)
        return widen(static_cast<const std::int16_t*>(planes.values.data), kernels().convert.widen_int16);
    return widen(static_cast<const std::int32_t*>(planes.values.data), [](const std::int32_t* row, std::size_t count, std::int32_t* out) { std::copy_n(row, count, out); });
}

// Where channels of one stream go: planes of int16 or int32, of one type for all streams of a call.
struct ChannelTarget {
    Decoder* decoder;
    Output values;
    std::size_t count;
    Grid grid;
    std::ptrdiff_t plane_step;
    std::ptrdiff_t row_step;

    bool is_dense() const noexcept { return row_step == static_cast<std::ptrdiff_t>(grid.width); }

    // Row `y` of channel `c`; all of it where the rows follow each other.
    Output row(std::size_t c, std::size_t y) const noexcept {
        return values.moved(static_cast<std::ptrdiff_t>(c) * plane_step + static_cast<std::ptrdiff_t>(y) * row_step);
    }

    void put(std::size_t c, const char* from) const noexcept {
        const std::size_t bytes = grid.width * size_of(values.type);
        if (is_dense()) {
            std::memcpy(row(c, 0).data, from, grid.height * bytes);
            return;
        }
        for (std::size_t y = 0; y < grid.height; ++y, from += bytes) std::memcpy(row(c, y).data, from, bytes);
    }
};

// Residuals become values in place, and are put among the planes. Returns whether all fit these.
inline bool put_predicted(std::int32_t* residuals, const ChannelTarget& planes) {
    bool fit = true;
    for (std::size_t c = 0; c < planes.count; ++c, residuals += planes.grid.size()) {
        undo_prediction(residuals, planes.grid);
        for (std::size_t y = 0; y < planes.grid.height; ++y)
            for (std::size_t x = 0; x < planes.grid.width; x += block_size)
                fit &= planes.row(c, y).write(x, std::min(block_size, planes.grid.width - x), residuals + y * planes.grid.width + x);
    }
    return fit;
}

// The symbols of some channels, ready to be coded with one table each.
class ChannelSymbols {
public:
    // A run of channels and the mark that follows them, if any.
    struct Group {
        std::size_t first;
        std::size_t last;
        std::optional<std::uint16_t> mark;
    };

    // For channels of `num_symbols` together, which are to be added. `tables` are borrowed.
    ChannelSymbols(const TableSet& tables, std::size_t num_channels, std::size_t num_symbols)
        : tables_{tables}, entries_{std::make_unique_for_overwrite<std::uint8_t[]>(num_symbols)} {
        channels_.reserve(num_channels);
    }

    // Adds channel `c` of the planes with its table. There must be room for it.
    void add(const PlanesView& planes, std::size_t c, std::uint8_t t, const CostTables& costs) {
        const std::size_t size = planes.grid.size();
        std::uint8_t* const entries = &entries_[num_entries_];
        const unsigned found = entries_of(planes, c, tables_[t], t, entries);
        Channel channel{t, (found & has_nonzero) != 0, size, num_entries_, codes_.size(), codes_.size(), 0};
        if (!channel.is_used) {
            channel.cost = size * costs.of(0, tables_, t);
            channels_.push_back(channel);
            return;
        }
        channel.cost = kernels().convert.sum_costs(entries, size, costs.of_entries(t), tables_[t].size);
        if ((found & has_escapes) != 0)
            for_escapes(tables_, {t}, size, entries, [&](std::size_t i) {
                codes_.push_back(zigzag(planes.value(c, i)));
                channel.cost += CostTables::of_code(codes_.back());
            });
        channel.codes_end = codes_.size();
        num_entries_ += size;
        channels_.push_back(channel);
    }

    std::size_t num_channels() const noexcept { return channels_.size(); }
    bool is_used(std::size_t c) const noexcept { return channels_[c].is_used; }

    // Code length in units of 2^-16 bit.
    std::uint64_t cost(std::size_t c) const noexcept { return channels_[c].cost; }

    std::vector<std::uint8_t> encode(std::span<const Group> groups, unsigned lanes, std::uint16_t tail) const {
        Writer writer;
        writer.start(lanes, tail);
        for (std::size_t g = groups.size(); g-- > 0;) {
            if (groups[g].mark) writer.push_word(*groups[g].mark);
            for (std::size_t c = groups[g].last; c-- > groups[g].first;) encode_channel(writer, channels_[c]);
        }
        return writer.stream();
    }

private:
    struct Channel {
        std::uint8_t table;
        bool is_used;           // is not 0 everywhere; else it has no entries
        std::size_t size;       // places
        std::size_t entries;    // where its entries begin
        std::size_t codes;      // where those of its escapes begin
        std::size_t codes_end;
        std::uint64_t cost;
    };

    unsigned entries_of(const PlanesView& planes, std::size_t c, const TableSet::Table& table, std::uint8_t t, std::uint8_t* entries) const {
        const Conversions& convert = kernels().convert;
        const auto [height, width] = planes.grid;
        const bool is_dense = planes.row_step == static_cast<std::ptrdiff_t>(width);
        const std::size_t rows = is_dense ? 1 : height, places = is_dense ? planes.grid.size() : width;
        const auto last = static_cast<std::uint8_t>(table.size - 1);
        if (planes.values.type == ValueType::int32)
            return convert.entries_of_rows32(static_cast<const std::int32_t*>(planes.values.data) + planes.place(c, 0), rows, places,
                                             planes.row_step, table.first, last, entries);
        if (tables_.fits_int16(t))
            return convert.entries_of_rows16(static_cast<const std::int16_t*>(planes.values.data) + planes.place(c, 0), rows, places,
                                             planes.row_step, table.first, last, entries);
        std::vector<std::int32_t> scratch(width);
        unsigned found = 0;
        for (std::size_t y = 0; y < height; ++y)
            found |= convert.entries_of_rows32(planes.row(c, y, scratch.data()), 1, width, 0, table.first, last, entries + y * width);
        return found;
    }

    void encode_channel(Writer& writer, const Channel& channel) const {
        const TableChoice choice{channel.table};
        writer.use(tables_, choice);
        if (channel.is_used) {
            writer.encode_entries({&entries_[channel.entries], channel.size}, std::span(codes_).subspan(channel.codes, channel.codes_end - channel.codes));
            return;
        }
        const std::vector<std::uint8_t> entries(channel.size, static_cast<std::uint8_t>(TableSet::entry_of(tables_[channel.table], 0)));
        const bool escaped = channel.size > 0 && entries[0] == tables_[channel.table].size - 1;
        writer.encode_entries(entries, std::vector<std::uint32_t>(escaped ? channel.size : 0, 0U));
    }

    const TableSet& tables_;
    std::unique_ptr<std::uint8_t[]> entries_;
    std::size_t num_entries_ = 0;
    std::vector<std::uint32_t> codes_;
    std::vector<Channel> channels_;
};

// What is coded of one tile: runs of planes, each with a grid of its own.
using TilePlanes = std::vector<PlanesView>;

// The symbols of tiles with as many `indices` as planes. Goes channel by channel: the tiles of a plane share pages of
// memory, to find which takes longer than to read the few rows of a tile on them.
inline std::vector<std::unique_ptr<ChannelSymbols>> channel_symbols(std::span<const TilePlanes> tiles, const TableSet& tables,
                                                                    const CostTables& costs, std::span<const std::uint8_t> indices) {
    std::vector<std::unique_ptr<ChannelSymbols>> symbols;
    for (const TilePlanes& runs : tiles) {
        std::size_t num_symbols = 0;
        for (const PlanesView& run : runs) num_symbols += run.count * run.grid.size();
        symbols.push_back(std::make_unique<ChannelSymbols>(tables, indices.size(), num_symbols));
    }
    std::vector<std::pair<std::size_t, std::size_t>> at(tiles.size());  // the run, and the plane in it
    for (const std::uint8_t index : indices)
        for (std::size_t i = 0; i < tiles.size(); ++i) {
            auto& [run, plane] = at[i];
            while (plane == tiles[i][run].count) ++run, plane = 0;
            symbols[i]->add(tiles[i][run], plane++, index, costs);
        }
    return symbols;
}

// Decodes one message of each stream, all with the same lanes and table, as channel `c` of its target.
inline void decode_channel_together(std::span<const ChannelTarget* const> targets, std::size_t c, const TableSet& tables, std::uint8_t table,
                                    std::vector<std::uint32_t>& scratch) {
    const unsigned lanes = targets[0]->decoder->reader().lanes();
    const ValueType type = targets[0]->values.type;
    std::array<Reader*, max_streams> readers;
    std::array<Run, max_streams> runs;
    std::size_t count = 1;
    for (; !targets.empty(); targets = targets.subspan(count)) {
        count = std::bit_floor(std::min(targets.size(), max_streams));
        while (count > 1 && kernels().decoding_cost(lanes, count, tables.permute(table).levels) == 0) count /= 2;
        std::size_t end = 0;
        for (std::size_t s = 0; s < count; ++s) {
            readers[s] = &targets[s]->decoder->reader();
            runs[s] = {end, targets[s]->grid.size(), {table}};
            end += runs[s].count;
        }
        scratch.resize(std::max(scratch.size(), end));
        const Output output{scratch.data(), type};
        decode_runs({readers.data(), count}, output, tables, {runs.data(), count});
        for (std::size_t s = 0; s < count; ++s) targets[s]->put(c, output.address(runs[s].begin));
    }
}

// Decodes channels of several streams, one message each with the table of its index. Streams of the same lanes go in
// lock-step.
inline void decode_channels(std::span<const ChannelTarget> targets, const TableSet& tables, std::span<const std::uint8_t> indices) {
    std::vector<std::uint32_t> scratch;
    std::vector<const ChannelTarget*> together;
    for (unsigned lanes = min_lanes; lanes <= max_lanes; lanes *= 2)
        for (std::size_t c = 0; c < indices.size(); ++c) {
            together.clear();
            for (const ChannelTarget& target : targets)
                if (target.decoder->reader().lanes() == lanes && c < target.count) together.push_back(&target);
            if (together.size() == 1 && together[0]->is_dense())
                together[0]->decoder->decode(together[0]->row(c, 0), together[0]->grid.size(), tables, {indices[c]});
            else if (!together.empty())
                decode_channel_together(together, c, tables, indices[c], scratch);
        }
}

}  // namespace laconic
