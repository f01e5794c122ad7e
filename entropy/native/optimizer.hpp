// Rate-distortion optimised quantisation: integers that cost fewer bits for the distortion they cause. An encoder is free to
// choose them; decoders know nothing of it.
//
// Bits are whole units of 2^-16, and what is left in floats is done in one order, so that every machine chooses the same.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "contexts.hpp"
#include "cost.hpp"
#include "dispatch.hpp"
#include "tables.hpp"

namespace laconic {

// Coefficients of a tile, (d, h, w): `inverse_step` times each is one in steps. `shrink` (d, 3) is what reconstruction
// takes off magnitudes of 1, 2, and 3 or more. `price` is that of a bit in squared steps.
struct Target {
    const float* coefficients;
    float inverse_step;
    const float* shrink;
    float price;
};

// Level of the 96 for each A, which come in pairs.
inline const std::array<std::uint8_t, 32768> level_of_half = [] {
    std::array<std::uint8_t, 32768> levels{};
    for (std::uint32_t half = 8; half < levels.size(); ++half) {
        const auto top = static_cast<unsigned>(std::bit_width(2 * half));
        levels[half] = static_cast<std::uint8_t>(8 * (top - 5) + ((2 * half >> (top - 4)) & 7U));
    }
    return levels;
}();

// Bits of symbols, in 2^-16, by what their contexts are made of.
class ContextCosts {
public:
    ContextCosts(const ContextRules& rules, const TableSet& tables, const CostTables& costs)
        : map_{rules.table_map.data()}, tables_{tables}, costs_{costs} {
        for (std::size_t level = 0; level < num_levels; ++level)
            for (std::int32_t magnitude = 0; magnitude < std::int32_t{num_magnitudes}; ++magnitude)
                without_lean_[level * num_magnitudes + static_cast<std::size_t>(magnitude)] = static_cast<std::int32_t>(
                    (costs.of(magnitude, tables, map_[level]) + costs.of(-magnitude, tables, map_[level])) / 2);
    }

    // What kernels need to know of them.
    SymbolCosts by_context() const noexcept {
        return {map_, level_of_half.data(), tables_.firsts(), tables_.lasts(), costs_.of_entries(0), without_lean_.data()};
    }

private:
    static constexpr std::uint32_t num_magnitudes = num_cost_magnitudes;

    const std::uint8_t* map_;
    const TableSet& tables_;
    const CostTables& costs_;
    std::array<std::int32_t, num_levels * num_magnitudes> without_lean_;
};

// A tile of which one channel after the other is optimised. Its planes have a frame of zeros here, two places between rows
// and two rows above and below, so that all places have all neighbours.
class TileOptimizer {
public:
    TileOptimizer(const ContextRules& rules, const ContextCosts& costs, std::span<const std::uint16_t> base, Grid grid)
        : rules_{rules},
          costs_{costs.by_context()},
          base_{base},
          grid_{grid},
          stride_{grid.width + 2},
          inner_{grid.height * stride_},
          symbols_(inner_ + 4 * stride_ + 8),
          levels_(symbols_.size()),
          leans_(symbols_.size()),
          features_(rules.num_features * inner_),
          magnitudes_(rules.num_channels()),
          places_(grid.size()) {
    }

    // Optimises the symbols of channels `first` .. `last` - 1 in `planes`, which hold the nearest integers there, and what
    // the file has in the channels before. Those that are 0 stay.
    template <class Symbol>
    void run(const Target& target, Symbol* planes, std::size_t first, std::size_t last, unsigned num_sweeps) {
        std::size_t begin = 0;
        for (std::size_t pass = 0; pass < rules_.pass_ends.size() && begin < last; begin = rules_.pass_ends[pass++]) {
            bool has_features = false;
            for (std::size_t c = begin; c < std::min<std::size_t>(rules_.pass_ends[pass], last); ++c) {
                if (!load(planes + c * grid_.size())) continue;
                if (c >= first) {
                    if (!has_features) make_features(pass, begin);
                    has_features = true;
                    find_places<Symbol>(target, c);
                    find_levels(c);
                    const float unit = target.price / static_cast<float>(1U << cost_fraction_bits);
                    const auto& n = weights_.neighbour;
                    const Sweep sweep{symbols_.data(), levels_.data(), leans_.data(), stride_, &weights_, {n[0], n[4], 0, 0, n[3], n[1], n[2], n[5]},
                                      &costs_, target.shrink + 3 * c, unit};
                    for (unsigned i = 0; i < num_sweeps; ++i) run_sweep(sweep, planes + c * grid_.size());
                }
                magnitudes_[c].resize(inner_);
                kernels().optimizer.magnitudes(inner(symbols_), inner_, magnitudes_[c].data());
            }
        }
    }

private:
    // Of places outside: symbols of a channel move it less than to the next of the 96.
    static constexpr std::uint16_t outer_level = 0xE800;
    // What plain quantisation would add: symbols begin as its integers. Of Kodak's files 1/4 makes 0.2 % smaller ones than 3/8
    // and 0.7 % smaller ones than 1/2, for a symbol that its neighbours expect to stay is the harder to drop.
    static constexpr float first_rounding = 0.25F;

    // Where the first row begins, with the frame to its left.
    template <class T>
    T* inner(std::vector<T>& framed) noexcept {
        return framed.data() + 2 * stride_;
    }

    static std::int32_t clipped(std::int32_t symbol) noexcept { return std::clamp(symbol, -127, 127); }

    static bool clip(const std::int32_t* symbols, std::size_t count, std::int8_t* out) { return kernels().optimizer.clip_int32(symbols, count, out); }
    static bool clip(const std::int16_t* symbols, std::size_t count, std::int8_t* out) { return kernels().optimizer.clip_int16(symbols, count, out); }

    void run_sweep(const Sweep& sweep, std::int32_t* plane) { kernels().optimizer.sweep_int32(sweep, places_.data(), num_places_, plane); }
    void run_sweep(const Sweep& sweep, std::int16_t* plane) { kernels().optimizer.sweep_int16(sweep, places_.data(), num_places_, plane); }

    // Takes a channel in. Returns whether any symbol is not 0.
    template <class Symbol>
    bool load(const Symbol* plane) {
        bool any = false;
        for (std::size_t y = 0; y < grid_.height; ++y)
            any = clip(plane + y * grid_.width, grid_.width, inner(symbols_) + y * stride_ + 2) || any;
        return any;
    }

    // Finds the places whose symbols are not 0, and sets these to what they begin as.
    template <class Symbol>
    void find_places(const Target& target, std::size_t c) {
        std::int8_t* const from = inner(symbols_);
        Candidate* next = places_.data();
        std::size_t row_end = stride_, frames = 2;
        for (std::size_t at = 0; at < inner_; at += 8) {
            for (std::uint64_t left = nonzero_bytes(from + at); left != 0; left &= left - 1) {
                const std::size_t i = at + static_cast<std::size_t>(std::countr_zero(left)) / 8;
                for (; i >= row_end; row_end += stride_) frames += 2;
                next->framed = static_cast<std::uint32_t>(i);
                next++->plain = static_cast<std::uint32_t>(i - frames);
            }
        }
        num_places_ = static_cast<std::size_t>(next - places_.data());
        const float* const coefficients = target.coefficients + c * grid_.size();
        for (Candidate& place : std::span(places_.data(), num_places_)) {
            place.ratio = coefficients[place.plain] * target.inverse_step;
            const auto integer = static_cast<std::int32_t>(magnitude_of<Symbol>(place.ratio) + first_rounding);
            from[place.framed] = static_cast<std::int8_t>(signed_as(place.ratio, std::min(integer, 127)));
            place.framed += static_cast<std::uint32_t>(2 * stride_);
        }
    }

    // Limited to what `Symbol` has, and to 2^30.
    template <class Symbol>
    static float magnitude_of(float ratio) noexcept {
        return std::min(sizeof(Symbol) == 2 ? 32767.0F : 1073741824.0F, std::abs(ratio));
    }

    static std::int32_t signed_as(float ratio, std::int32_t magnitude) noexcept {
        const std::int32_t sign = std::bit_cast<std::int32_t>(ratio) >> 31;
        return (magnitude ^ sign) - sign;
    }

    // The top bit of each of eight bytes that is not 0, the first byte lowest.
    static std::uint64_t nonzero_bytes(const std::int8_t* bytes) noexcept {
        constexpr std::uint64_t low_bits = 0x7F7F7F7F7F7F7F7F;
        std::uint64_t word;
        std::memcpy(&word, bytes, sizeof word);
        if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
        return (((word & low_bits) + low_bits) | word) & ~low_bits;
    }

    // Features of a pass, as in `features_of_pass`; channels of zeros add nothing.
    void make_features(std::size_t pass, std::size_t num_before) {
        const auto& kernels = laconic::kernels().contexts;
        std::fill(features_.begin(), features_.end(), std::uint16_t{0});
        for (std::size_t j = 0; j < rules_.num_features; ++j) {
            const std::size_t weights = (pass * rules_.num_features + j) * rules_.num_channels();
            std::uint16_t* const feature = features_.data() + j * inner_;
            bool has_ring = false;
            for (std::size_t c = 0; c < num_before; ++c) {
                if (magnitudes_[c].empty()) continue;
                if (const std::uint8_t own = rules_.own_weights[weights + c]; own != 0)
                    kernels.add_weighted(magnitudes_[c].data(), inner_, own, feature);
                const std::uint8_t around = rules_.ring_weights[weights + c];
                if (around == 0) continue;
                if (!has_ring) ring_.assign(inner_, 0);
                has_ring = true;
                kernels.add_weighted(magnitudes_[c].data(), inner_, around, ring_.data());
            }
            if (has_ring) kernels.add_ring(ring_.data(), grid_.height, stride_, feature);
        }
    }

    void find_levels(std::size_t c) {
        weights_.base = base_[c];
        for (std::size_t i = 0; i < 6; ++i) weights_.neighbour[i] = rules_.neighbour_weights[6 * c + i];
        for (std::size_t i = 0; i < 4; ++i) weights_.lean[i] = rules_.lean_weights[4 * c + i];
        kernels().optimizer.neighbour_levels(inner(symbols_), stride_, inner_, weights_, inner(levels_), inner(leans_));
        for (std::size_t j = 0; j < rules_.num_features; ++j)
            if (const std::uint16_t weight = rules_.feature_weights[rules_.num_features * c + j]; weight != 0)
                kernels().optimizer.add_feature(features_.data() + j * inner_, inner_, weight, inner(levels_));
        for (std::size_t y = 0; y < grid_.height; ++y) {
            std::fill_n(inner(levels_) + y * stride_, 2, outer_level);
            std::fill_n(inner(leans_) + y * stride_, 2, std::int16_t{0});
        }
        std::fill(levels_.begin() + static_cast<std::ptrdiff_t>(2 * stride_ + inner_), levels_.end(), outer_level);
        std::fill(leans_.begin() + static_cast<std::ptrdiff_t>(2 * stride_ + inner_), leans_.end(), std::int16_t{0});
    }

    const ContextRules& rules_;
    SymbolCosts costs_;
    std::span<const std::uint16_t> base_;
    Grid grid_;
    std::size_t stride_;  // from row to row
    std::size_t inner_;   // from the first row to beyond the last
    std::vector<std::int8_t> symbols_;  // clipped
    std::vector<std::uint16_t> levels_;
    std::vector<std::int16_t> leans_;
    std::vector<std::uint16_t> features_, ring_;        // without the rows above
    std::vector<std::vector<std::uint8_t>> magnitudes_;  // by channel, without the rows above; empty where all are 0
    std::vector<Candidate> places_;                          // whose symbols were not 0, `num_places_` of them
    std::size_t num_places_ = 0;
    ChannelWeights weights_{};
};

}  // namespace laconic
