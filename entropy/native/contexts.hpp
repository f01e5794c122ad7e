// Which table codes which symbol, from what is decoded already (SPEC.md, section 4). Integers only.
// Planes are row-major, h rows of w. Neighbours outside the plane are 0: nothing reaches into another tile.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "dispatch.hpp"

namespace laconic {

struct Grid {
    std::size_t height;
    std::size_t width;
    std::size_t size() const noexcept { return height * width; }
};

// Median edge detector (LOCO-I, Weinberger et al. 2000, eq. 1) from left, up and up-left. Wraps modulo 2^32, so that
// prediction and its inverse are total functions.
inline std::uint32_t predict(const std::uint32_t* plane, std::size_t y, std::size_t x, std::size_t width) noexcept {
    const std::uint32_t* at = plane + y * width + x;
    if (y == 0) return x == 0 ? 0 : at[-1];
    const std::uint32_t up = *(at - width);
    if (x == 0) return up;
    const auto a = static_cast<std::int32_t>(at[-1]);
    const auto b = static_cast<std::int32_t>(up);
    const auto c = static_cast<std::int32_t>(*(at - width - 1));
    if (c >= std::max(a, b)) return static_cast<std::uint32_t>(std::min(a, b));
    if (c <= std::min(a, b)) return static_cast<std::uint32_t>(std::max(a, b));
    return at[-1] + up - static_cast<std::uint32_t>(c);
}

inline void prediction_residuals(const std::uint32_t* plane, std::uint32_t* residuals, Grid grid) noexcept {
    for (std::size_t y = 0; y < grid.height; ++y)
        for (std::size_t x = 0; x < grid.width; ++x)
            residuals[y * grid.width + x] = plane[y * grid.width + x] - predict(plane, y, x, grid.width);
}

// In place: residuals become values.
inline void undo_prediction(std::uint32_t* plane, Grid grid) noexcept {
    for (std::size_t y = 0; y < grid.height; ++y)
        for (std::size_t x = 0; x < grid.width; ++x) plane[y * grid.width + x] += predict(plane, y, x, grid.width);
}

// The context rules of one model, d channels. Arrays are row-major, as in SPEC.md.
struct ContextRules {
    std::vector<std::uint32_t> pass_ends;
    std::size_t num_features;                     // J
    std::vector<std::uint8_t> neighbour_weights;  // (d, 6): left, up, up-left, up-right, two left, two up
    std::vector<std::int8_t> lean_weights;        // (d, 4): left, up, up-left, up-right
    std::vector<std::uint16_t> feature_weights;   // (d, J)
    std::vector<std::uint8_t> own_weights;        // (passes, J, d)
    std::vector<std::uint8_t> ring_weights;       // (passes, J, d)
    std::vector<std::uint8_t> table_map;          // (4, 96)

    std::size_t num_channels() const noexcept { return pass_ends.back(); }

    // Throws std::invalid_argument where the parts do not fit together; nothing later checks them again.
    void check() const {
        std::uint32_t before = 0;
        for (const std::uint32_t end : pass_ends) {
            if (end <= before || end - before > front_lanes) invalid("passes must have 1 to 64 channels");
            before = end;
        }
        if (pass_ends.empty()) invalid("there must be a pass");
        const std::size_t d = num_channels(), weights = pass_ends.size() * num_features * d;
        if (num_features > max_features || neighbour_weights.size() != 6 * d || lean_weights.size() != 4 * d ||
            feature_weights.size() != num_features * d || own_weights.size() != weights || ring_weights.size() != weights ||
            table_map.size() != num_leans * num_levels)
            invalid("an array has the wrong shape");
        for (std::size_t c = 0; c < d; ++c) {
            unsigned sum = 0, magnitudes = 0;
            for (std::size_t i = 0; i < 6; ++i) sum += neighbour_weights[6 * c + i];
            for (std::size_t i = 0; i < 4; ++i) magnitudes += static_cast<unsigned>(std::abs(lean_weights[4 * c + i]));
            if (sum > max_neighbour_sum) invalid("neighbour weights of a channel may sum to 516 at most");
            if (magnitudes > max_lean_sum) invalid("magnitudes of lean weights of a channel may sum to 255 at most");
        }
    }

private:
    [[noreturn]] static void invalid(const char* what) { throw std::invalid_argument(std::string("context rules: ") + what); }
};

// Features of a pass at all places, (J, h, w), from the planes of the channels before it. Sums that stay at 65535 once
// they are there, in any order.
inline std::vector<std::uint16_t> features_of_pass(const ContextRules& rules, std::size_t pass, const std::int32_t* planes, Grid grid) {
    const std::size_t n = grid.size(), d = rules.num_channels(), before = pass == 0 ? 0 : rules.pass_ends[pass - 1];
    std::vector<std::uint16_t> features(rules.num_features * n);
    std::vector<std::uint8_t> magnitudes(n);
    std::vector<std::uint16_t> ring(rules.num_features * n);
    std::vector<std::uint8_t> rings(rules.num_features);
    for (std::size_t c = 0; c < before; ++c) {
        bool is_made = false;
        for (std::size_t j = 0; j < rules.num_features; ++j) {
            const std::size_t at = (pass * rules.num_features + j) * d + c;
            const std::uint8_t own = rules.own_weights[at], around = rules.ring_weights[at];
            if (own == 0 && around == 0) continue;
            if (!is_made) kernels().contexts.magnitudes(planes + c * n, n, magnitudes.data());
            is_made = true;
            if (own != 0) kernels().contexts.add_weighted(magnitudes.data(), n, own, features.data() + j * n);
            if (around != 0) kernels().contexts.add_weighted(magnitudes.data(), n, around, ring.data() + j * n);
            rings[j] = rings[j] != 0 || around != 0;
        }
    }
    for (std::size_t j = 0; j < rules.num_features; ++j)
        if (rings[j] != 0) kernels().contexts.add_ring(ring.data() + j * n, grid.height, grid.width, features.data() + j * n);
    return features;
}

// Lanes first .. last - 1, of some rows each.
struct FrontRuns {
    struct Run {
        std::size_t first;
        std::size_t last;
    };
    std::array<Run, 2> runs;
    std::size_t count = 0;
    const Run* begin() const noexcept { return runs.data(); }
    const Run* end() const noexcept { return runs.data() + count; }
    std::size_t num_lanes() const noexcept {
        std::size_t sum = 0;
        for (const Run& run : *this) sum += run.last - run.first;
        return sum;
    }
};

// Goes over the fronts of one pass: channels c0 .. c0 + C - 1 of a tile. `base` has the base levels of all channels at
// the step of the file. `planes` holds the symbols of the tile, channel by channel; those of earlier channels are known.
class PassWalk {
public:
    PassWalk(const ContextRules& rules, std::span<const std::uint16_t> base, std::size_t pass, std::size_t first,
             std::size_t num_channels, std::int32_t* planes, Grid grid)
        : grid_{grid},
          num_channels_{num_channels},
          planes_{planes + first * grid.size()},
          rows_{std::max<std::size_t>(1, std::min({front_lanes / num_channels, grid.height, grid.width / 2}))},
          period_{std::max<std::size_t>(grid.width, 2)},
          delay_{period_ - 2 * rows_} {
        fill_rules(rules, base, first);
        features_ = features_of_pass(rules, pass, planes, grid);
        prefix_.assign((delay_ + 1) * prefix_rows * num_channels_, 0);
    }

    // What the planes hold when a front is reached: its symbols, or room for them.
    enum class Planes { known, unknown };

    // Calls `code(tables, is_negated, runs, values)` for each front that has places. `values`, by lane, are the symbols
    // (not negated) of the lanes in `runs`; where the planes are not known `code` sets them.
    template <Planes planes, class Code>
    void run(Code code) {
        const std::size_t bands = (grid_.height + rows_ - 1) / rows_;
        const std::size_t last_rows = grid_.height - (bands - 1) * rows_;
        std::size_t num_fronts = bands * period_ + 2 * (last_rows - 1);
        if (bands > 1) num_fronts = std::max(num_fronts, (bands - 1) * period_ + 2 * (rows_ - 1));
        for (std::size_t front = 0; front < num_fronts; ++front) step<planes>(front, code);
    }

private:
    static constexpr std::size_t history = 8;  // fronts kept, a power of two; neighbours lie up to four back
    static constexpr std::size_t prefix_rows = 2;

    void fill_rules(const ContextRules& rules, std::span<const std::uint16_t> base, std::size_t first) {
        front_.num_features = static_cast<unsigned>(rules.num_features);
        front_.num_channels = static_cast<unsigned>(num_channels_);
        front_.num_lanes = static_cast<unsigned>(rows_ * num_channels_);
        for (std::size_t lane = 0; lane < front_.num_lanes; ++lane) {
            const std::size_t c = first + lane % num_channels_;
            front_.base[lane] = base[c];
            for (std::size_t i = 0; i < 6; ++i) front_.neighbour[i][lane] = rules.neighbour_weights[6 * c + i];
            for (std::size_t i = 0; i < 4; ++i) front_.lean[i][lane] = rules.lean_weights[4 * c + i];
            for (std::size_t j = 0; j < rules.num_features; ++j)
                front_.feature_weights[j][lane] = rules.feature_weights[rules.num_features * c + j];
            front_.row[lane] = static_cast<std::uint8_t>(lane / num_channels_);
        }
        for (std::size_t lean = 0; lean < num_leans; ++lean)
            std::copy_n(&rules.table_map[lean * num_levels], num_levels, &front_.map[lean * map_stride]);
    }

    template <Planes planes, class Code>
    void step(std::size_t front, Code& code) {
        move_edges(front);
        std::int16_t* const now = line(front);
        for (unsigned back = 0; back < 4; ++back) front_.before[back] = line(front + history - 1 - back);
        FrontRuns runs;
        for (std::size_t row = 0; row < rows_; ++row) {
            if (!is_active_[row]) continue;
            for (std::size_t j = 0; j < front_.num_features; ++j)
                front_.features[j][row] = features_[j * grid_.size() + place_[row]];
            const std::size_t lane = row * num_channels_;
            if (runs.count > 0 && runs.runs[runs.count - 1].last == lane)
                runs.runs[runs.count - 1].last += num_channels_;
            else
                runs.runs[runs.count++] = {lane, lane + num_channels_};
        }
        alignas(64) std::uint8_t tables[front_lanes];
        alignas(64) std::uint8_t is_negated[front_lanes];
        alignas(64) std::int32_t values[front_lanes] = {};
        if (runs.count > 0) {
            kernels().contexts.front_tables(front_, tables, is_negated);
            if constexpr (planes == Planes::known)
                for_rows(runs, [&](std::size_t lane, std::size_t place) {
                    for (std::size_t c = 0; c < num_channels_; ++c) values[lane + c] = planes_[c * grid_.size() + place];
                });
            code(tables, is_negated, runs, values);
            if constexpr (planes == Planes::unknown)
                for_rows(runs, [&](std::size_t lane, std::size_t place) {
                    for (std::size_t c = 0; c < num_channels_; ++c) planes_[c * grid_.size() + place] = values[lane + c];
                });
        }
        kernels().contexts.clip_symbols(values, now);
        for (std::size_t row = 0; row < rows_; ++row) place_[row] += is_active_[row];
        pass_on(front, now);
    }

    // Rows of lanes begin and end rows of places: at most one of them each at a front.
    void move_edges(std::size_t front) {
        const auto row_at = [&](std::size_t x) {
            const std::size_t phase = front < x ? 1 : (front - x) % period_;
            return phase % 2 == 0 && phase / 2 < rows_ ? phase / 2 : rows_;
        };
        if (const std::size_t row = row_at(0); row < rows_ && front >= 2 * row) {
            const std::size_t y = (front - 2 * row) / period_ * rows_ + row;
            is_active_[row] = y < grid_.height;
            place_[row] = y * grid_.width;
            fill_row(front_.has_left, row, 0);
            fill_row(front_.has_second_left, row, 0);
            fill_row(front_.has_right, row, -1);
        }
        if (const std::size_t row = row_at(1); row < rows_) fill_row(front_.has_left, row, -1);
        if (const std::size_t row = row_at(2); grid_.width > 2 && row < rows_) fill_row(front_.has_second_left, row, -1);
        if (const std::size_t row = row_at(grid_.width - 1); row < rows_) fill_row(front_.has_right, row, 0);
        if (const std::size_t row = row_at(grid_.width); grid_.width < period_ && row < rows_) is_active_[row] = false;
    }

    // Calls `use(first lane of the row, its place)` for the rows of lanes in use.
    template <class Use>
    void for_rows(const FrontRuns& runs, Use use) const {
        for (const auto& run : runs)
            for (std::size_t lane = run.first; lane < run.last; lane += num_channels_) use(lane, place_[front_.row[lane]]);
    }

    void fill_row(std::int16_t* mask, std::size_t row, int value) noexcept {
        std::fill_n(mask + row * num_channels_, num_channels_, static_cast<std::int16_t>(value));
    }

    // The last two rows stand before the first one of the next band, `delay_` fronts later.
    void pass_on(std::size_t front, std::int16_t* now) {
        const std::size_t C = num_channels_, slots = delay_ + 1;
        if (delay_ > 0) std::copy_n(&prefix_[(front + 1) % slots * prefix_rows * C], prefix_rows * C, now - prefix_rows * C);
        std::int16_t* const to = delay_ > 0 ? &prefix_[front % slots * prefix_rows * C] : now - prefix_rows * C;
        const std::int16_t* const last = now + front_.num_lanes;
        std::copy_n(last - C, C, to + C);
        std::copy_n(last - 2 * C, C, to);  // with one row that is the one before it, which stands already
    }

    std::int16_t* line(std::size_t front) noexcept { return &lines_[(front % history) * line_size + line_offset]; }

    static constexpr std::size_t line_offset = prefix_rows * front_lanes;
    static constexpr std::size_t line_size = line_offset + front_lanes + 32;

    Grid grid_;
    std::size_t num_channels_;
    std::int32_t* planes_;
    std::size_t rows_;    // R
    std::size_t period_;  // fronts from a row of places to the next in a row of lanes
    std::size_t delay_;
    FrontContext front_{};
    std::vector<std::uint16_t> features_;  // (J, h, w)
    std::vector<std::int16_t> prefix_;
    std::array<bool, front_lanes> is_active_{};
    std::array<std::size_t, front_lanes> place_{};
    alignas(64) std::array<std::int16_t, history * line_size> lines_{};
};

}  // namespace laconic
