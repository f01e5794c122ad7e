// Rate-distortion optimised quantisation of subbands: integers that cost fewer bits for the distortion they cause. An encoder is
// free to choose them; decoders know nothing of it.
//
// Symbols are chosen in coding order, so that the contexts of each are those of the file. What a symbol does to the contexts of
// later ones is estimated, by the table of its own context. Bits are whole units of 2^-16, and what is left in floats is done in
// one order, so that every machine chooses the same.
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
// that of a bit in squared steps. `later_costs` (tables, 3): what a magnitude of 1, 2, or 3 or more costs later symbols more
// than the one below it, in units of 2^-16 bit, by the table of the symbol.
struct SubbandTarget {
    const float* coefficients;
    float inverse_step;
    const float* shrink;
    const float* low_shrink;
    float price;
    const std::int32_t* later_costs;
};

// Replaces the nearest integers in `planes` (d, h, w) of the first `num_channels` channels, whole subbands. Those of the low band
// stay, and so do zeros.
class SubbandOptimizer {
public:
    SubbandOptimizer(const StepSubbandRules& rules, const TableSet& tables, const CostTables& costs, const SubbandTarget& target)
        : rules_{rules}, tables_{tables}, costs_{costs}, target_{target}, unit_{target.price / static_cast<float>(1U << cost_fraction_bits)} {}

    void run(SubbandTile& tile, std::int32_t* planes, std::size_t num_channels) const {
        for (const SubbandStage& stage : subband_stages(tile.layout(), 0, num_channels)) {
            if (stage.level == 0) {
                for_places(tile, stage, [&](std::size_t level, std::size_t kind, std::size_t y, std::size_t x) {
                    const auto value = static_cast<std::uint32_t>(planes[tile.plane_place(level, kind, y, x)]);
                    const std::size_t place = tile.band(level, kind).at(y, x);
                    tile.put(level, kind, place, wrapped_sum(static_cast<std::int32_t>(value), 0U - static_cast<std::uint32_t>(tile.predicted(kind, place))));
                });
                continue;
            }
            SubbandWalk(tile, rules_, stage).run([&](const FrontSymbols& s) {
                for (std::size_t i = 0; i < s.count; ++i) {
                    const std::size_t at = tile.plane_place(stage.level, s.kind[i], s.y[i], s.x[i]);
                    if (planes[at] == 0) continue;
                    planes[at] = chosen(planes[at], target_.coefficients[at] * target_.inverse_step, shrink_of(tile, stage.level, s.kind[i], at), s.table[i], s.is_negated[i]);
                    if (planes[at] != 0) tile.put(stage.level, s.kind[i], tile.band(stage.level, s.kind[i]).at(s.y[i], s.x[i]), planes[at]);
                }
            });
        }
    }

private:
    static constexpr std::int32_t largest = 1 << 20;  // that is looked at

    const float* shrink_of(const SubbandTile& tile, std::size_t level, std::size_t kind, std::size_t at) const noexcept {
        const SubbandLayout& layout = tile.layout();
        if (level <= layout.depth) return target_.shrink + 3 * (at / tile.grid().size());
        const std::size_t number = 1 + num_orientations * (layout.num_levels() - level) + kind % num_orientations;
        return target_.low_shrink + 3 * (number * layout.num_colors + kind / num_orientations);
    }

    // The cheapest of the nearest integer, the one below it and, where that is 1, 0.
    std::int32_t chosen(std::int32_t nearest, float ratio, const float* shrink, std::uint8_t table, bool is_negated) const noexcept {
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
            for (std::int32_t m = magnitude; m > std::max(most - 2, 0); --m) bits += target_.later_costs[3 * table + std::min(m, 3) - 1];
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
