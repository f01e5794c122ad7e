// Rate-distortion optimised quantisation: integers that cost fewer bits for the distortion they cause. An encoder is free to
// choose them; decoders know nothing of it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "contexts.hpp"
#include "cost.hpp"
#include "tables.hpp"

namespace laconic {

struct Prices {
    const TableSet& tables;
    const CostTables& costs;
    float price;  // squared steps a bit

    float of(std::int32_t symbol, std::size_t table) const noexcept {
        return price / static_cast<float>(1U << cost_fraction_bits) * static_cast<float>(costs.of(symbol, tables, table));
    }
};

// (|ratio| - what |symbol| is reconstructed as)^2; `shrink` is what reconstruction takes off 1, 2, and 3 or more.
inline float distortion(float magnitude, std::int32_t symbol, const float* shrink) noexcept {
    const float off = magnitude - (symbol == 0 ? 0.0F : static_cast<float>(symbol) - shrink[std::min(symbol, 3) - 1]);
    return off * off;
}

// The one with the least `loss(magnitude of the symbol)` among the nearest integer to |ratio|, the one below it, and 0 below 2;
// with the sign of `ratio`.
template <class Loss>
std::int32_t cheapest(float ratio, Loss loss) {
    constexpr float largest = 1073741824.0F;  // 2^30
    const float magnitude = std::min(ratio < 0.0F ? -ratio : ratio, largest);
    if (magnitude < 0.5F) return 0;
    const auto nearest = static_cast<std::int32_t>(magnitude + 0.5F);
    const std::int32_t smallest = nearest <= 2 ? 0 : nearest - 1;
    std::int32_t best = nearest;
    float least = loss(magnitude, nearest);
    for (std::int32_t symbol = nearest - 1; symbol >= smallest; --symbol) {
        const float here = loss(magnitude, symbol);
        if (here >= least) continue;
        least = here;
        best = symbol;
    }
    return ratio < 0.0F ? -best : best;
}

// One channel of profile small. Its symbols change one after the other; each counts its own bits and what it makes its
// successors in the channel cost, which are as they were before until their turn comes.
class ChannelOptimizer {
public:
    // `levels`: A of section 4.3 without the part of the six neighbours. `symbols` are changed in place.
    ChannelOptimizer(const ContextRules& rules, const Prices& prices, std::size_t channel, std::vector<std::int32_t> levels,
                     std::int32_t* symbols, Grid grid)
        : prices_{prices}, map_{rules.table_map.data()}, levels_{std::move(levels)}, leans_(grid.size()), symbols_{symbols}, grid_{grid} {
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            neighbour_[i] = rules.neighbour_weights[6 * channel + i];
            lean_[i] = i < 4 ? rules.lean_weights[4 * channel + i] : 0;
        }
        for (std::size_t y = 0; y < grid.height; ++y)
            for (std::size_t x = 0; x < grid.width; ++x)
                if (const std::int32_t symbol = symbols[y * grid.width + x]; symbol != 0) spread(y, x, 0, symbol);
    }

    void sweep(const float* ratios, const float* shrink) {
        for (std::size_t y = 0; y < grid_.height; ++y)
            for (std::size_t x = 0; x < grid_.width; ++x) {
                const std::size_t place = y * grid_.width + x;
                const std::int32_t before = symbols_[place];
                if (before == 0 && std::abs(ratios[place]) < 0.5F) continue;
                const std::int32_t sign = ratios[place] < 0.0F ? -1 : 1;
                const std::int32_t after = cheapest(ratios[place], [&](float magnitude, std::int32_t symbol) {
                    return distortion(magnitude, symbol, shrink) + bits(place, sign * symbol, 0, 0) +
                           bits_of_successors(y, x, before, sign * symbol);
                });
                if (after == before) continue;
                symbols_[place] = after;
                spread(y, x, before, after);
            }
    }

private:
    // Left of whom, above whom, ... a place is: the places whose neighbours 0 to 5 it is.
    static constexpr std::array<std::array<int, 2>, 6> offsets{{{0, 1}, {1, 0}, {1, 1}, {1, -1}, {0, 2}, {2, 0}}};

    static std::int32_t clipped(std::int32_t symbol) noexcept { return std::clamp(symbol, -127, 127); }

    // Calls `use(i, place)` for the successors inside the plane.
    template <class Use>
    void for_successors(std::size_t y, std::size_t x, Use use) const {
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            const std::size_t row = y + static_cast<std::size_t>(offsets[i][0]);
            const std::size_t column = x + static_cast<std::size_t>(offsets[i][1]);  // wraps below 0
            if (row < grid_.height && column < grid_.width) use(i, row * grid_.width + column);
        }
    }

    void spread(std::size_t y, std::size_t x, std::int32_t before, std::int32_t after) noexcept {
        const std::int32_t more = std::abs(clipped(after)) - std::abs(clipped(before)), turn = clipped(after) - clipped(before);
        for_successors(y, x, [&](std::size_t i, std::size_t place) {
            levels_[place] += neighbour_[i] * more;
            leans_[place] += lean_[i] * turn;
        });
    }

    float bits_of_successors(std::size_t y, std::size_t x, std::int32_t before, std::int32_t after) const noexcept {
        const std::int32_t more = std::abs(clipped(after)) - std::abs(clipped(before)), turn = clipped(after) - clipped(before);
        float sum = 0.0F;
        for_successors(y, x, [&](std::size_t i, std::size_t place) {
            sum += bits(place, symbols_[place], neighbour_[i] * more, lean_[i] * turn);
        });
        return sum;
    }

    // Price of a symbol at a place whose level and lean are so much more.
    float bits(std::size_t place, std::int32_t symbol, std::int32_t more, std::int32_t turn) const noexcept {
        const auto level = static_cast<std::uint32_t>(std::min(levels_[place] + more, 65535));
        const std::int32_t lean = leans_[place] + turn;
        const auto strength = static_cast<std::uint32_t>(std::abs(lean));
        const std::size_t leans = std::size_t{strength > level >> 4} + (strength > level >> 2) + (strength > level >> 1);
        const auto top = static_cast<unsigned>(std::bit_width(level));
        const std::size_t index = level < 16 ? 0 : 8 * (top - 5) + ((level >> (top - 4)) & 7U);
        return prices_.of(leans > 0 && lean < 0 ? -symbol : symbol, map_[leans * num_levels + index]);
    }

    const Prices& prices_;
    const std::uint8_t* map_;
    std::array<std::int32_t, 6> neighbour_{}, lean_{};
    std::vector<std::int32_t> levels_, leans_;
    std::int32_t* symbols_;
    Grid grid_;
};

// Optimises the symbols of channels `first` .. `last` - 1 in `planes` (d, h, w), which hold those of plain quantisation, and
// of the channels before. `ratios` (d, h, w) are coefficients in steps, `shrink` is (d, 3).
inline void optimize_contexts(const ContextRules& rules, const Prices& prices, std::span<const std::uint16_t> base, const float* ratios,
                              const float* shrink, std::int32_t* planes, Grid grid, std::size_t first, std::size_t last,
                              unsigned num_sweeps) {
    const std::size_t n = grid.size(), J = rules.num_features;
    std::size_t begin = 0;
    for (std::size_t pass = 0; pass < rules.pass_ends.size() && begin < last; begin = rules.pass_ends[pass++]) {
        const std::size_t from = std::max(begin, first), to = std::min<std::size_t>(rules.pass_ends[pass], last);
        if (from >= to) continue;
        const std::vector<std::uint16_t> features = features_of_pass(rules, pass, planes, grid);
        for (std::size_t c = from; c < to; ++c) {
            std::vector<std::int32_t> levels(n, base[c]);
            for (std::size_t j = 0; j < J; ++j)
                for (std::size_t i = 0; i < n; ++i)
                    levels[i] += static_cast<std::int32_t>((std::uint32_t{features[j * n + i]} * rules.feature_weights[J * c + j]) >> 16);
            ChannelOptimizer channel(rules, prices, c, std::move(levels), planes + c * n, grid);
            for (unsigned sweep = 0; sweep < num_sweeps; ++sweep) channel.sweep(ratios + c * n, shrink + 3 * c);
        }
    }
}

// The same for profile fast, with one table a channel.
inline void optimize_static(const Prices& prices, std::span<const std::uint8_t> tables, const float* ratios, const float* shrink,
                            std::int32_t* planes, Grid grid, std::size_t first, std::size_t last) {
    for (std::size_t c = first; c < last; ++c)
        for (std::size_t i = c * grid.size(); i < (c + 1) * grid.size(); ++i)
            planes[i] = cheapest(ratios[i], [&](float magnitude, std::int32_t symbol) {
                return distortion(magnitude, symbol, shrink + 3 * c) + prices.of(symbol, tables[c]);
            });
}

}  // namespace laconic
