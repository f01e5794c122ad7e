// Rate-distortion optimised quantisation of subbands: integers that cost fewer bits for the distortion they cause. An encoder is
// free to choose them; decoders know nothing of it.
//
// Symbols are chosen in coding order, so that the contexts of each are those of the file. What a symbol does to the contexts of
// later ones is estimated, by the table of its own context and by what is likely to follow around it. Bits are whole units of
// 2^-16, and what is left in floats is done in one order, so that every machine chooses the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cost.hpp"
#include "subband_coder.hpp"

namespace laconic {

// Coefficients of a tile, (d, h, w): `inverse_step` times each is one in steps. What reconstruction takes off magnitudes of 1,
// 2, and 3 or more: `shrink` (d, 3), of the first channels `low_shrink` (1 + 3 low levels, colours, 3), by class. `price` is
// that of a bit in squared steps. `later_costs` (tables, followings, 3): what a magnitude of 1, 2, or 3 or more costs later
// symbols more than the one below it, in units of 2^-16 bit, by the table of the symbol and by how much follows it.
struct SubbandTarget {
    const float* coefficients;
    float inverse_step;
    const float* shrink;
    const float* low_shrink;
    float price;
    const std::int32_t* later_costs;
    const std::int32_t* likely = nullptr;  // planes as they may be coded; null: rounded with a dead zone
};

inline constexpr std::size_t num_followings = 4;

// A tile of chosen integers, and the symbols of the stages that were chosen, as they will be coded.
struct ChosenSubbands {
    struct Stage {
        SubbandStage stage;
        CodedSymbols symbols;
    };
    SubbandTile tile;
    std::vector<Stage> stages{};

    // As `coded_subbands`.
    CodedSymbols coded(const StepSubbandRules& rules, std::size_t first, std::size_t last) const {
        CodedSymbols all;
        for (const SubbandStage& stage : subband_stages(tile.layout(), first, last)) {
            const auto found = std::find_if(stages.begin(), stages.end(), [&](const Stage& known) {
                return known.stage.level == stage.level && known.stage.first == stage.first && known.stage.last >= stage.last;
            });
            if (found == stages.end()) {
                append_stage(all, tile, rules, stage);
                continue;
            }
            if (found->stage.last > stage.last) {
                append_kinds(all, tile, found->stage, found->symbols, stage.last - stage.first);
                continue;
            }
            all.values.insert(all.values.end(), found->symbols.values.begin(), found->symbols.values.end());
            all.tables.insert(all.tables.end(), found->symbols.tables.begin(), found->symbols.tables.end());
            all.fronts.insert(all.fronts.end(), found->symbols.fronts.begin(), found->symbols.fronts.end());
        }
        return all;
    }
};

// Replaces the nearest integers in `planes` (d, h, w) of channels `first` to `last` - 1, whole subbands; what is known of those up
// to `num_channels` says what is likely to follow. Those of the low band stay, and so do zeros.
class SubbandOptimizer {
public:
    SubbandOptimizer(const StepSubbandRules& rules, const TableSet& tables, const CostTables& costs, const SubbandTarget& target)
        : rules_{rules}, tables_{tables}, costs_{costs}, target_{target}, unit_{target.price / static_cast<float>(1U << cost_fraction_bits)} {}

    // `chosen` holds what was chosen of the channels before `first`.
    void run(ChosenSubbands& chosen, std::int32_t* planes, std::size_t first, std::size_t last, std::size_t num_channels) const {
        SubbandTile& tile = chosen.tile;
        std::vector<SubbandStage> stages = subband_stages(tile.layout(), first, last);
        SubbandTile ahead(tile.layout(), tile.grid());
        for (SubbandStage& stage : stages)
            if (stage.level > 0) look_ahead(ahead, planes, stage);
        for (SubbandStage& stage : subband_stages(tile.layout(), last, num_channels)) look_ahead(ahead, planes, stage);
        for (const SubbandStage& stage : stages) {
            if (stage.level == 0) {
                load_stage(tile, planes, stage);
                continue;
            }
            CodedSymbols& coded = chosen.stages.emplace_back(stage).symbols;
            SubbandWalk(tile, rules_, stage).run([&](const FrontSymbols& s) {
                choose_front(s, stage, ahead, tile, planes);
                append_front(coded, tile, stage, s);
            });
        }
    }

    // How much there is around a place among what is coded later, in four steps: next to it, below it in the finer level, and in
    // the same place of later kinds.
    static std::size_t following(const SubbandTile& ahead, std::size_t level, std::size_t kind, std::size_t y, std::size_t x) noexcept {
        const Subband& own = ahead.band(level, kind);
        const std::size_t at = own.at(y, x), stride = own.stride();
        const auto size = [](const Subband& band, std::size_t place) { return static_cast<std::uint32_t>(std::min(band.symbol(place), 4)); };
        std::uint32_t sum = size(own, at + 1) + size(own, at + stride - 1) + size(own, at + stride) + size(own, at + stride + 1);
        if (level > 1) {
            const Subband& finer = ahead.band(level - 1, kind);
            if (finer.has(2 * y + 1, 2 * x + 1)) {
                const std::size_t child = finer.at(2 * y, 2 * x);
                sum += size(finer, child) + size(finer, child + 1) + size(finer, child + finer.stride()) + size(finer, child + finer.stride() + 1);
            }
        }
        for (std::size_t later = kind + 1; later < ahead.layout().num_kinds(level); ++later)
            if (const Subband& band = ahead.band(level, later); band.has(y, x)) sum += size(band, band.at(y, x));
        return sum == 0 ? 0 : sum < 3 ? 1 : sum < 7 ? 2 : 3;
    }

private:
    static constexpr std::int32_t largest = 1 << 20;  // that is looked at
    static constexpr float likely_rounding = 0.36F;   // of what is coded later

    // Puts what is likely to be coded of a stage, and leaves out its last kinds where all are 0.
    void look_ahead(SubbandTile& ahead, const std::int32_t* planes, SubbandStage& stage) const {
        std::size_t last = stage.first;
        for_places(ahead, stage, [&](std::size_t level, std::size_t kind, std::size_t y, std::size_t x) {
            const std::size_t at = ahead.plane_place(level, kind, y, x);
            if (planes[at] == 0) return;
            last = kind + 1;
            ahead.put(level, kind, ahead.band(level, kind).at(y, x), likely_magnitude(at));
        });
        if (stage.level <= ahead.layout().depth) stage.last = last;
    }

    std::int32_t likely_magnitude(std::size_t at) const noexcept {
        if (target_.likely != nullptr) return static_cast<std::int32_t>(std::min<std::uint32_t>(magnitude_of(target_.likely[at]), 255));
        return static_cast<std::int32_t>(std::min(std::fabs(target_.coefficients[at] * target_.inverse_step), 255.0F) + likely_rounding);
    }

    void choose_front(const FrontSymbols& s, const SubbandStage& stage, const SubbandTile& ahead, SubbandTile& tile, std::int32_t* planes) const noexcept {
        for (std::size_t i = 0; i < s.count; ++i) {
            const std::size_t at = tile.plane_place(stage.level, s.kind[i], s.y[i], s.x[i]);
            if (planes[at] == 0) continue;
            const std::size_t follows = following(ahead, stage.level, s.kind[i], s.y[i], s.x[i]);
            planes[at] = chosen(planes[at], target_.coefficients[at] * target_.inverse_step, shrink_of(tile, stage.level, s.kind[i], at), s.table[i],
                                s.is_negated[i], target_.later_costs + 3 * (s.table[i] * num_followings + follows));
            if (planes[at] != 0) tile.put(stage.level, s.kind[i], tile.band(stage.level, s.kind[i]).at(s.y[i], s.x[i]), planes[at]);
        }
    }

    const float* shrink_of(const SubbandTile& tile, std::size_t level, std::size_t kind, std::size_t at) const noexcept {
        const SubbandLayout& layout = tile.layout();
        if (level <= layout.depth) return target_.shrink + 3 * (at / tile.grid().size());
        const std::size_t number = 1 + num_orientations * (layout.num_levels() - level) + kind % num_orientations;
        return target_.low_shrink + 3 * (number * layout.num_colors + kind / num_orientations);
    }

    // The cheapest of the nearest integer, the one below it and, where that is 1, 0.
    std::int32_t chosen(std::int32_t nearest, float ratio, const float* shrink, std::uint8_t table, bool is_negated,
                        const std::int32_t* later) const noexcept {
        if (nearest > largest || nearest < -largest) return nearest;
        const std::int32_t sign = nearest < 0 ? -1 : 1, most = nearest * sign;
        const float size = std::fabs(ratio);
        std::int32_t best = most;
        float least = 0.0F;
        for (std::int32_t magnitude = most; magnitude >= std::max(most - 2, 0); --magnitude) {
            const float point = magnitude == 0 ? 0.0F : static_cast<float>(magnitude) - shrink[std::min(magnitude, 3) - 1];
            const float error = size - point;
            const std::int32_t symbol = is_negated ? -sign * magnitude : sign * magnitude;
            std::int64_t bits = costs_.of(symbol, tables_, table);
            for (std::int32_t m = magnitude; m > std::max(most - 2, 0); --m) bits += later[std::min(m, 3) - 1];
            const float loss = error * error + unit_ * static_cast<float>(bits);
            if (magnitude == most || loss < least) {
                least = loss;
                best = magnitude;
            }
        }
        return sign * best;
    }

    const StepSubbandRules& rules_;
    const TableSet& tables_;
    const CostTables& costs_;
    SubbandTarget target_;
    float unit_;
};

}  // namespace laconic
