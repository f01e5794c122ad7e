// The first channels of many small pictures at once, in profiles fast and small, of models with low levels (SPEC.md, sections
// 4 and 5): what planes.py does for one file, for those that picture_heads.hpp reads. Pictures of profile fast go side by side.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "channel_coder.hpp"
#include "context_coder.hpp"
#include "picture_heads.hpp"

namespace laconic {

// How many steps of 2^log2 places it takes over `count` places.
inline std::size_t num_steps(std::size_t count, unsigned log2) noexcept { return (count + (std::size_t{1} << log2) - 1) >> log2; }

// A model at one step. Rules of contexts are borrowed, and null in profile fast.
struct PictureRules {
    enum class Profile : std::uint8_t { fast = 1, small = 2 };

    std::array<std::uint8_t, 4> fingerprint;
    Profile profile;
    std::uint8_t step_code;
    std::uint16_t tuning;
    unsigned depth;                        // levels of the tree: a place stands for 2^depth pixels a side
    std::vector<std::size_t> group_ends;   // of channels
    std::size_t num_planes;                // channels that have low levels
    unsigned low_levels;
    std::vector<std::array<std::uint8_t, 2>> places;  // row and column in a block of each group of low channels
    const TableSet* tables;
    std::vector<std::uint8_t> indices;     // fast: tables of the low channels, then of those from `num_planes` on
    const ContextRules* contexts = nullptr;
    const ContextRules* low_contexts = nullptr;
    std::vector<std::uint16_t> base, low_base;

    std::size_t num_channels() const noexcept { return group_ends.back(); }
    std::size_t num_low() const noexcept { return places.size() * num_planes; }
    Grid low_grid(Grid grid) const noexcept { return {num_steps(grid.height, low_levels), num_steps(grid.width, low_levels)}; }
    Grid grid_of(const PictureHead& head) const noexcept { return {num_steps(head.height, depth), num_steps(head.width, depth)}; }

    bool fit(const PictureHead& head, Grid grid, std::size_t num_wanted) const noexcept {
        const Grid own = grid_of(head);
        const std::size_t stored = head.num_stored == 0 ? num_channels() : head.num_stored;
        return head.fingerprint == fingerprint && head.profile == static_cast<std::uint8_t>(profile) && head.step_code == step_code && head.tuning == tuning &&
               own.height == grid.height && own.width == grid.width && stored <= num_channels() && num_wanted <= stored;
    }
};

// One picture while its groups are decoded.
struct PictureItem {
    PictureItem(std::span<const std::uint8_t> bytes, std::int32_t* out) : cursor{bytes}, planes{out} {}

    HeadCursor cursor;
    std::int32_t* planes;  // (capacity, h, w)
    bool is_good = false;
    bool is_joined = false;
    std::size_t stored = 0;
    std::unique_ptr<Decoder> decoder;  // of the last segment that has symbols
    bool has_crc = false;              // which says that its bytes are right
    std::size_t segment_end = 0;       // of its channels
    std::size_t end = 0;               // of those of the group
    std::vector<std::int32_t> leading;  // what is coded of the first channels, (low channels, low grid)
};

class PictureDecoder {
public:
    static constexpr std::size_t max_items = max_streams;

    // Decodes channels up to the end of the group of `num_wanted` - 1 into planes that have room for these.
    PictureDecoder(const PictureRules& rules, Grid grid, std::size_t num_wanted)
        : rules_{rules}, grid_{grid}, low_grid_{rules.low_grid(grid)}, num_wanted_{num_wanted} {}

    // Some pictures, at most `max_items`; `is_done` says which of them: all values of the others mean nothing.
    void run(std::span<const std::span<const std::uint8_t>> files, std::span<std::int32_t* const> planes, bool* is_done) {
        items_.clear();
        for (std::size_t i = 0; i < files.size(); ++i) start(items_.emplace_back(files[i], planes[i]));
        for (std::size_t group = 0, first = 0; first < num_wanted_; first = rules_.group_ends[group++]) decode_group(group, first);
        for (std::size_t i = 0; i < files.size(); ++i) {
            PictureItem& item = items_[i];
            // Where all channels are read, nothing may follow them.
            if (item.stored == num_wanted_ && !item.cursor.is_at_end()) item.is_good = false;
            if (item.is_good) put_leading_values(item);
            is_done[i] = item.is_good;
        }
    }

private:
    std::size_t low_size() const noexcept { return rules_.num_low() * low_grid_.size(); }

    void start(PictureItem& item) const {
        const std::optional<PictureHead> head = read_picture_head(item.cursor);
        item.is_good = head && rules_.fit(*head, grid_, num_wanted_);
        if (!item.is_good) return;
        item.is_joined = head->is_joined;
        item.stored = head->num_stored == 0 ? rules_.num_channels() : head->num_stored;
        item.leading.assign(low_size(), 0);
    }

    void decode_group(std::size_t group, std::size_t first) {
        std::vector<PictureItem*> coded;
        for (PictureItem& item : items_) {
            if (item.is_good && (group == 0 || !item.is_joined)) item.is_good = read_segment(item, group, first);
            item.end = std::clamp(item.segment_end, first, rules_.group_ends[group]);
            if (!item.is_good) continue;
            std::fill(item.planes + item.end * grid_.size(), item.planes + rules_.group_ends[group] * grid_.size(), 0);
            if (item.end > first) coded.push_back(&item);
        }
        if (rules_.profile == PictureRules::Profile::fast) return decode_side_by_side(coded, first);
        const auto form = [](const PictureItem* item) { return std::pair(item->end, item->decoder->reader().lanes()); };
        std::ranges::stable_sort(coded, {}, form);
        for (std::size_t i = 0, end = 0; i < coded.size(); i = end) {
            while (end < std::min(coded.size(), i + max_fronts_together) && form(coded[end]) == form(coded[i])) ++end;
            decode_in_fronts(std::span(coded).subspan(i, end - i), first);
        }
    }

    bool read_segment(PictureItem& item, std::size_t group, std::size_t first) const {
        const std::optional<PictureSegment> segment = read_picture_segment(item.cursor, static_cast<std::uint8_t>(group));
        const std::size_t last = item.is_joined ? item.stored : std::min(item.stored, rules_.group_ends[group]);
        if (!segment || segment->num_channels > last - first) return false;
        item.segment_end = first + segment->num_channels;
        item.has_crc = segment->has_crc;
        if (segment->num_channels == 0) return true;
        try {
            item.decoder = std::make_unique<Decoder>(segment->payload, segment->lanes);
        } catch (const StreamError&) {
            return false;
        }
        return item.segment_end >= rules_.num_planes;  // channels with low levels are coded together
    }

    // `decode` returns the checksum of the group's symbols.
    template <class Decode>
    static void finish(PictureItem& item, Decode decode) {
        try {
            const std::uint32_t crc = decode();
            const std::uint32_t expected = item.has_crc ? 0U : crc & 0xFFFFU;
            if (item.end == item.segment_end)
                item.is_good = item.decoder->finish() == expected;
            else if (!item.has_crc)
                item.is_good = item.decoder->read_mark() == expected;
        } catch (const StreamError&) {
            item.is_good = false;
        }
    }

    // Low channels that have as many places in the tile, one after the other.
    struct LowRun {
        std::size_t first, last;
        Grid grid;
    };

    std::vector<LowRun> low_runs() const {
        std::vector<LowRun> runs;
        for (std::size_t i = 0; i < rules_.places.size(); ++i) {
            const auto within = [&](std::size_t side, std::size_t at) { return num_steps(side - std::min(side, at), rules_.low_levels); };
            const Grid grid{within(grid_.height, rules_.places[i][0]), within(grid_.width, rules_.places[i][1])};
            const std::size_t end = (i + 1) * rules_.num_planes;
            if (!runs.empty() && runs.back().grid.height == grid.height && runs.back().grid.width == grid.width)
                runs.back().last = end;
            else
                runs.push_back({end - rules_.num_planes, end, grid});
        }
        return runs;
    }

    PlanesView low_view(const PictureItem& item, const LowRun& run) const noexcept {
        const auto size = static_cast<std::ptrdiff_t>(low_grid_.size()), row = static_cast<std::ptrdiff_t>(low_grid_.width);
        return {{item.leading.data() + run.first * low_grid_.size(), ValueType::int32}, run.last - run.first, run.grid, size, row};
    }

    PlanesView view(const PictureItem& item, std::size_t first) const noexcept {
        const auto size = static_cast<std::ptrdiff_t>(grid_.size()), row = static_cast<std::ptrdiff_t>(grid_.width);
        return {{item.planes + first * grid_.size(), ValueType::int32}, item.end - first, grid_, size, row};
    }

    static ChannelTarget target_of(PictureItem& item, const PlanesView& planes) {
        void* const data = const_cast<void*>(planes.values.data);
        return {item.decoder.get(), {data, ValueType::int32}, planes.count, planes.grid, planes.plane_step, planes.row_step};
    }

    // Profile fast.
    void decode_side_by_side(std::span<PictureItem* const> coded, std::size_t first) {
        if (coded.empty()) return;
        const std::vector<LowRun> runs = first == 0 ? low_runs() : std::vector<LowRun>{};
        const std::size_t begin = std::max(first, rules_.num_planes);
        const std::span<const std::uint8_t> indices = rules_.indices;
        try {
            std::vector<ChannelTarget> targets;
            for (const LowRun& run : runs) {
                if (run.grid.size() == 0) continue;
                targets.clear();
                for (PictureItem* item : coded) targets.push_back(target_of(*item, low_view(*item, run)));
                decode_channels(targets, *rules_.tables, indices.subspan(run.first, run.last - run.first));
            }
            targets.clear();
            std::size_t end = begin;
            for (PictureItem* item : coded) {
                if (item->end > begin) targets.push_back(target_of(*item, view(*item, begin)));
                end = std::max(end, item->end);
            }
            decode_channels(targets, *rules_.tables, indices.subspan(rules_.num_low() + begin - rules_.num_planes, end - begin));
        } catch (const StreamError&) {
            // Which of them it was, the reader in Python finds out.
            for (PictureItem* item : coded) item->is_good = false;
            return;
        }
        for (PictureItem* item : coded)
            finish(*item, [&] {
                std::uint32_t crc = 0;
                if (item->has_crc) return crc;
                for (const LowRun& run : runs) crc = crc32c_of_planes(low_view(*item, run), crc);
                return item->end > begin ? crc32c_of_planes(view(*item, begin), crc) : crc;
            });
    }

    // Profile small: pictures with as many channels and lanes.
    void decode_in_fronts(std::span<PictureItem* const> items, std::size_t first) const {
        const std::size_t begin = std::max(first, rules_.num_planes), end = items[0]->end;
        std::vector<Decoder*> decoders;
        std::vector<std::int32_t*> leading, planes;
        for (PictureItem* item : items) {
            decoders.push_back(item->decoder.get());
            leading.push_back(item->leading.data());
            planes.push_back(item->planes);
        }
        try {
            if (first == 0) decode_symbols(decoders, *rules_.low_contexts, *rules_.tables, rules_.low_base, leading, low_grid_, 0, rules_.num_low());
            if (first == 0) std::ranges::for_each(items, [&](PictureItem* item) { put_leading(*item); });
            if (end > begin) decode_symbols(decoders, *rules_.contexts, *rules_.tables, rules_.base, planes, grid_, begin, end);
        } catch (const StreamError&) {
            for (PictureItem* item : items) item->is_good = false;
            return;
        }
        for (PictureItem* item : items)
            finish(*item, [&] {
                std::uint32_t crc = 0;
                if (item->has_crc) return crc;
                if (first == 0) crc = crc32c_of_planes(low_view(*item, {0, rules_.num_low(), low_grid_}), 0);
                return end > begin ? crc32c_of_planes(view(*item, begin), crc) : crc;
            });
    }

    // What is coded of the first channels, where their values stand.
    void put_leading(PictureItem& item) const noexcept {
        const std::int32_t* from = item.leading.data();
        for (const auto& [row, column] : rules_.places)
            for (std::size_t plane = 0; plane < rules_.num_planes; ++plane, from += low_grid_.size())
                for (std::size_t y = row, i = 0; y < grid_.height; y += std::size_t{1} << rules_.low_levels, ++i) {
                    std::int32_t* const to = item.planes + plane * grid_.size() + y * grid_.width;
                    for (std::size_t x = column, j = 0; x < grid_.width; x += std::size_t{1} << rules_.low_levels, ++j)
                        to[x] = from[i * low_grid_.width + j];
                }
    }

    void put_leading_values(PictureItem& item) const noexcept {
        for (std::size_t plane = 0; plane < rules_.num_planes; ++plane) undo_prediction(item.leading.data() + plane * low_grid_.size(), low_grid_);
        put_leading(item);
    }

    const PictureRules& rules_;
    Grid grid_, low_grid_;
    std::size_t num_wanted_;
    std::vector<PictureItem> items_;
};

}  // namespace laconic
