// Subbands of a tile <-> symbols with their tables, in coding order (SPEC.md, section 4.4).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "context_coder.hpp"
#include "subband_contexts.hpp"

namespace laconic {

// The rules of a model at one step.
class StepSubbandRules {
public:
    StepSubbandRules(const SubbandRules& rules, int step_code) : rules_{rules}, band_{std::min<std::size_t>(static_cast<std::size_t>(step_code) / 8, num_step_bands - 1)} {
        for (const NetworkWeights& weights : rules.networks) networks_.emplace_back(weights, step_code);
    }

    const SubbandRules& rules() const noexcept { return rules_; }
    NetworkView network(std::size_t level) const noexcept { return networks_[level].view(); }
    std::uint8_t quiet_table(std::size_t level, std::size_t kind) const noexcept {
        return rules_.quiet_tables[(level * rules_.layout.num_kinds(1) + kind) * num_step_bands + band_];
    }
    // The table that outputs of a network choose, and whether symbols are negated.
    std::uint8_t table(std::size_t level, const std::int32_t* outputs, bool& is_negated) const noexcept {
        const std::int32_t scale = std::clamp(outputs[0], 0, num_scales - 1), shape = std::clamp(outputs[2], 0, num_shapes - 1);
        const std::int32_t lean = std::clamp(outputs[1], 1 - num_network_leans, num_network_leans - 1);
        is_negated = lean < 0;
        return rules_.table_map[level * num_choices + static_cast<std::size_t>((scale * num_network_leans + (is_negated ? -lean : lean)) * num_shapes + shape)];
    }

private:
    const SubbandRules& rules_;
    std::size_t band_;
    std::vector<StepNetwork> networks_;
};

// Kinds of symbols of one level that are coded side by side.
struct SubbandStage {
    std::size_t level;
    std::size_t first;
    std::size_t last;
    bool operator==(const SubbandStage&) const = default;
};

// The stages of channels first .. last - 1. Throws StreamError where these end inside a subband.
inline std::vector<SubbandStage> subband_stages(const SubbandLayout& layout, std::size_t first, std::size_t last) {
    std::vector<SubbandStage> stages;
    const auto whole = [&](bool is_whole) {
        if (!is_whole) throw StreamError(Fault::corrupt, 0, "the channels end inside a subband");
    };
    if (first < last && first < layout.num_colors) {
        whole(first == 0 && last >= layout.num_colors);
        stages.push_back({0, 0, layout.num_colors});
        for (std::size_t level = layout.num_levels(); level > layout.depth; --level) stages.push_back({level, 0, layout.num_kinds(level)});
    }
    for (std::size_t level = layout.depth; level > 0; --level) {
        const std::size_t begin = layout.first_channel(level), size = layout.side(level) * layout.side(level);
        const std::size_t from = std::max(first, begin), to = std::min(last, begin + layout.num_kinds(level) * size);
        if (from >= to) continue;
        whole((from - begin) % size == 0 && (to - begin) % size == 0);
        stages.push_back({level, (from - begin) / size, (to - begin) / size});
    }
    return stages;
}

// Some symbols of one front, which do not depend on each other.
struct FrontSymbols {
    std::size_t count = 0, num_predicted = 0;
    std::uint32_t y[front_lanes], x[front_lanes];
    std::uint8_t kind[front_lanes];
    alignas(64) std::uint8_t table[front_lanes];
    bool is_negated[front_lanes];
    // Those of which a network says the table: their numbers, kinds and inputs.
    std::uint8_t slot[front_lanes], predicted_kind[front_lanes];
    alignas(64) std::uint8_t inputs[front_lanes * network_inputs];
    std::int32_t outputs[4 * front_lanes];
};

// Goes over `count` subbands, `band(p)`, in fronts: calls `place(p, y, x)` for each place, and `end()` after each front.
template <class Band, class Place, class End>
void for_fronts(std::size_t count, Band band, Place place, End end) {
    std::size_t num_fronts = 0;
    for (std::size_t p = 0; p < count; ++p) {
        const Subband& own = band(p);
        if (own.height() > 0 && own.width() > 0) num_fronts = std::max(num_fronts, 4 * p + own.width() + 2 * (own.height() - 1));
    }
    for (std::size_t front = 0; front < num_fronts; ++front) {
        for (std::size_t p = 0; p < count && 4 * p <= front; ++p) {
            const Subband& own = band(p);
            if (own.height() == 0 || own.width() == 0) continue;
            const std::size_t f = front - 4 * p, width = own.width();
            const std::size_t last = std::min(own.height() - 1, f / 2);
            for (std::size_t y = f < width ? 0 : (f - width + 2) / 2; y <= last; ++y) place(p, y, f - 2 * y);
        }
        end();
    }
}

// Goes over a stage in fronts. Place (y, x) of the stage's subband number p is in front x + 2 y + 4 p: all that it depends on is
// in earlier ones.
class SubbandWalk {
public:
    SubbandWalk(const SubbandTile& tile, const StepSubbandRules& rules, const SubbandStage& stage)
        : rules_{rules}, stage_{stage}, network_{rules.network(stage.level)} {
        for (std::size_t kind = stage.first; kind < stage.last; ++kind) {
            contexts_.emplace_back(tile, stage.level, kind);
            quiet_.push_back(rules.quiet_table(stage.level, kind));
        }
    }

    // Calls `use(symbols)` for up to 64 symbols of a front at a time, with their tables.
    template <class Use>
    void run(Use use) {
        const auto place = [&](std::size_t p, std::size_t y, std::size_t x) {
            add(p, y, x);
            if (symbols_.count == front_lanes) finish(use);
        };
        for_fronts(contexts_.size(), [&](std::size_t p) -> const Subband& { return contexts_[p].own(); }, place, [&] {
            if (symbols_.count > 0) finish(use);
        });
    }

private:
    void add(std::size_t p, std::size_t y, std::size_t x) noexcept {
        FrontSymbols& s = symbols_;
        s.y[s.count] = static_cast<std::uint32_t>(y);
        s.x[s.count] = static_cast<std::uint32_t>(x);
        s.kind[s.count] = static_cast<std::uint8_t>(stage_.first + p);
        s.is_negated[s.count] = false;
        s.table[s.count] = quiet_[p];
        if (contexts_[p].inputs(y, x, s.inputs + s.num_predicted * network_inputs)) {
            s.predicted_kind[s.num_predicted] = s.kind[s.count];
            s.slot[s.num_predicted++] = static_cast<std::uint8_t>(s.count);
        }
        ++s.count;
    }

    template <class Use>
    void finish(Use& use) {
        FrontSymbols& s = symbols_;
        kernels().network(network_, s.inputs, s.predicted_kind, s.num_predicted, s.outputs);
        for (std::size_t i = 0; i < s.num_predicted; ++i) s.table[s.slot[i]] = rules_.table(stage_.level, s.outputs + 4 * i, s.is_negated[s.slot[i]]);
        use(s);
        s.count = s.num_predicted = 0;
    }

    const StepSubbandRules& rules_;
    SubbandStage stage_;
    NetworkView network_;
    std::vector<SubbandContext> contexts_;
    std::vector<std::uint8_t> quiet_;
    FrontSymbols symbols_;
};

// Calls `use(level, kind, y, x)` for every place of a stage, in raster order of each subband.
template <class Use>
void for_places(const SubbandTile& tile, const SubbandStage& stage, Use use) {
    for (std::size_t kind = stage.first; kind < stage.last; ++kind) {
        const Subband& band = tile.band(stage.level, kind);
        for (std::size_t y = 0; y < band.height(); ++y)
            for (std::size_t x = 0; x < band.width(); ++x) use(stage.level, kind, y, x);
    }
}

// Makes the subbands of stages zeros again. Returns whether there was anything else.
inline bool clear_subbands(SubbandTile& tile, std::span<const SubbandStage> stages) noexcept {
    bool had_any = false;
    for (const SubbandStage& stage : stages)
        for (std::size_t kind = stage.first; kind < stage.last; ++kind) had_any |= tile.clear(stage.level, kind);
    return had_any;
}

// Takes a stage of `planes` (d, h, w) into subbands of zeros.
inline void load_stage(SubbandTile& tile, const std::int32_t* planes, const SubbandStage& stage) {
    for_places(tile, stage, [&](std::size_t level, std::size_t kind, std::size_t y, std::size_t x) {
        const std::int32_t value = planes[tile.plane_place(level, kind, y, x)];
        const std::size_t place = tile.band(level, kind).at(y, x);
        tile.put(level, kind, place, level > 0 ? value : wrapped_sum(value, 0U - static_cast<std::uint32_t>(tile.predicted(kind, place))));
    });
}

// Takes the channels first .. last - 1 in.
inline void load_subbands(SubbandTile& tile, const std::int32_t* planes, std::size_t first, std::size_t last) {
    const std::vector<SubbandStage> stages = subband_stages(tile.layout(), first, last);
    clear_subbands(tile, stages);
    for (const SubbandStage& stage : stages) load_stage(tile, planes, stage);
}

// Appends some symbols of a front, of a tile that holds them.
inline void append_front(CodedSymbols& coded, const SubbandTile& tile, const SubbandStage& stage, const FrontSymbols& s) {
    const std::size_t first = coded.values.size();
    coded.values.resize(first + s.count);
    for (std::size_t i = 0; i < s.count; ++i) {
        const Subband& band = tile.band(stage.level, s.kind[i]);
        const auto symbol = static_cast<std::uint32_t>(band.symbol(band.at(s.y[i], s.x[i])));
        coded.values[first + i] = static_cast<std::int32_t>(s.is_negated[i] ? 0U - symbol : symbol);
    }
    coded.tables.insert(coded.tables.end(), s.table, s.table + s.count);
    coded.fronts.push_back(static_cast<std::uint8_t>(s.count));
}

// Symbols of a stage of a tile that holds it and all before it.
inline void append_stage(CodedSymbols& coded, const SubbandTile& tile, const StepSubbandRules& rules, const SubbandStage& stage) {
    SubbandWalk(tile, rules, stage).run([&](const FrontSymbols& s) { append_front(coded, tile, stage, s); });
}

// Appends the symbols of the first `num_kinds` kinds of a stage, of which `all` are known: no kind depends on a later one.
inline void append_kinds(CodedSymbols& coded, const SubbandTile& tile, const SubbandStage& stage, const CodedSymbols& all, std::size_t num_kinds) {
    std::size_t at = 0, count = 0;
    const auto end = [&] {
        if (count > 0) coded.fronts.push_back(static_cast<std::uint8_t>(count));
        count = 0;
    };
    const auto place = [&](std::size_t p, std::size_t, std::size_t) {
        if (p < num_kinds) {
            coded.values.push_back(all.values[at]);
            coded.tables.push_back(all.tables[at]);
            if (++count == front_lanes) end();
        }
        ++at;
    };
    for_fronts(stage.last - stage.first, [&](std::size_t p) -> const Subband& { return tile.band(stage.level, stage.first + p); }, place, end);
}

// Symbols of channels first .. last - 1 of a tile that holds these and all before them.
inline CodedSymbols coded_subbands(const SubbandTile& tile, const StepSubbandRules& rules, std::size_t first, std::size_t last) {
    CodedSymbols coded;
    coded.values.reserve((last - first) * tile.grid().size());
    coded.tables.reserve((last - first) * tile.grid().size());
    for (const SubbandStage& stage : subband_stages(tile.layout(), first, last)) append_stage(coded, tile, rules, stage);
    return coded;
}

// Decodes channels first .. last - 1 into a tile that holds all before them, and into `planes` (d, h, w), where these are 0 or
// what was decoded into them before: damage of other tiles may make a caller begin anew.
inline void decode_subbands(Decoder& decoder, SubbandTile& tile, const StepSubbandRules& rules, const TableSet& tables, std::size_t first,
                            std::size_t last, std::int32_t* planes) {
    Reader& reader = decoder.reader();
    const std::uint8_t none = 0;
    reader.use(tables, TableChoice{0, &none}, nullptr);
    const std::vector<SubbandStage> stages = subband_stages(tile.layout(), first, last);
    const std::size_t size = tile.grid().size();
    if (clear_subbands(tile, stages)) std::fill(planes + first * size, planes + last * size, 0);
    for (const SubbandStage& stage : stages)
        SubbandWalk(tile, rules, stage).run([&](const FrontSymbols& s) {
            alignas(64) std::uint8_t entries[front_lanes];
            std::uint32_t codes[front_lanes];
            FrontPart part{s.table, entries, codes};
            Reader* const readers[] = {&reader};
            FrontPart* const parts[] = {&part};
            decode_fronts(readers, parts, s.count);
            const std::uint32_t* code = codes;
            for (std::size_t i = 0; i < s.count; ++i) {
                const std::uint8_t t = s.table[i];
                auto value = entries[i] == tables.lasts()[t] ? static_cast<std::uint32_t>(unzigzag(*code++))
                                                             : static_cast<std::uint32_t>(tables.firsts()[t]) + entries[i];
                if (s.is_negated[i]) value = 0U - value;
                if (value == 0 && stage.level > 0) continue;
                const std::size_t place = tile.band(stage.level, s.kind[i]).at(s.y[i], s.x[i]);
                planes[tile.plane_place(stage.level, s.kind[i], s.y[i], s.x[i])] = tile.put(stage.level, s.kind[i], place, static_cast<std::int32_t>(value));
            }
        });
}

}  // namespace laconic
