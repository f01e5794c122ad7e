// Which table codes which symbol, from what is decoded already (SPEC.md, section 4). Integers only.
// Planes are row-major, h rows of w. Neighbours outside the plane are 0: nothing reaches into another tile.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
inline std::int32_t wrapped_sum(std::int32_t a, std::uint32_t b) noexcept {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + b);
}

// `row_at(y)` gives the values of row y, `width` int32; those of two rows must be there at a time.
template <class RowAt>
void prediction_residuals(RowAt row_at, std::int32_t* residuals, Grid grid) {
    if (grid.size() == 0) return;
    const std::int32_t* above = nullptr;
    for (std::size_t y = 0; y < grid.height; ++y, residuals += grid.width) {
        const std::int32_t* const row = row_at(y);
        if (above == nullptr) {
            residuals[0] = row[0];
            for (std::size_t x = 1; x < grid.width; ++x) residuals[x] = wrapped_sum(row[x], 0U - static_cast<std::uint32_t>(row[x - 1]));
        } else {
            residuals[0] = wrapped_sum(row[0], 0U - static_cast<std::uint32_t>(above[0]));
            kernels().contexts.row_residuals(row, above, grid.width, residuals);
        }
        above = row;
    }
}

// In place: residuals become values.
inline void undo_prediction(std::int32_t* plane, Grid grid) noexcept {
    if (grid.size() == 0) return;
    for (std::size_t x = 1; x < grid.width; ++x) plane[x] = wrapped_sum(plane[x], static_cast<std::uint32_t>(plane[x - 1]));
    kernels().contexts.undo_rows(plane + grid.width, grid.height - 1, grid.width);
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
          delay_{period_ - 2 * rows_},
          prefix_size_{(prefix_rows * num_channels + copied_at_once - 1) / copied_at_once * copied_at_once} {
        fill_rules(rules, base, first);
        // Before the first pass there is nothing to make features of.
        front_.num_features = pass == 0 ? 0 : static_cast<unsigned>(rules.num_features);
        if (pass > 0) features_ = features_of_pass(rules, pass, planes, grid);
        prefix_.assign((delay_ + 1) * prefix_size_, 0);
    }

    // Calls `code(tables, is_negated, runs, values)` for each front that has places, of planes that are known. `values`, by lane,
    // are the symbols (not negated) of the lanes in `runs`.
    template <class Code>
    void run(Code code) {
        alignas(64) std::uint8_t tables[front_lanes];
        alignas(64) std::uint8_t is_negated[front_lanes];
        alignas(64) std::int32_t values[front_lanes];
        for (std::size_t front = 0, end = num_fronts(); front < end; ++front) {
            if (!open_front(front, tables, is_negated)) continue;
            std::fill_n(values, front_lanes, 0);
            for_rows([&](std::size_t, std::size_t lane, std::size_t place) {
                for (std::size_t c = 0; c < num_channels_; ++c) values[lane + c] = planes_[c * grid_.size() + place];
            });
            code(tables, is_negated, runs_, values);
            close_front(front, values);
        }
    }

    std::size_t num_fronts() const noexcept {
        const std::size_t bands = (grid_.height + rows_ - 1) / rows_;
        const std::size_t last_rows = grid_.height - (bands - 1) * rows_;
        const std::size_t num_fronts = bands * period_ + 2 * (last_rows - 1);
        return bands > 1 ? std::max(num_fronts, (bands - 1) * period_ + 2 * (rows_ - 1)) : num_fronts;
    }

    // Fronts are to be opened in their order. Returns whether this one has places: then `tables` and `is_negated` are those of
    // the lanes in `runs`, and it is to be closed before the next.
    bool open_front(std::size_t front, std::uint8_t* tables, std::uint8_t* is_negated) {
        move_edges(front);
        std::int16_t* const now = line(front);
        bring_prefix(now);
        if (runs_.count == 0) {
            std::fill_n(now, front_lanes, std::int16_t{0});
            pass_on(front);
            return false;
        }
        for (unsigned back = 0; back < 4; ++back) front_.before[back] = line(front + history - 1 - back);
        for (std::size_t j = 0; j < front_.num_features; ++j) {
            const std::uint16_t* const feature = &features_[j * grid_.size()];
            for_rows([&](std::size_t row, std::size_t, std::size_t place) { front_.features[j][row] = feature[place]; });
        }
        kernels().contexts.front_tables(front_, tables, is_negated);
        return true;
    }

    const FrontRuns& runs() const noexcept { return runs_; }

    // Puts the symbols of the open front among the planes.
    void put(const std::int32_t* values) noexcept {
        for_rows([&](std::size_t, std::size_t lane, std::size_t place) {
            for (std::size_t c = 0; c < num_channels_; ++c) planes_[c * grid_.size() + place] = values[lane + c];
        });
    }

    // Its symbols, by lane; 0 in lanes not in use.
    void close_front(std::size_t front, const std::int32_t* values) noexcept {
        std::int16_t* const now = line(front);
        kernels().contexts.clip_symbols(values, now);
        for (std::size_t row = 0; row < rows_; ++row) place_[row] += is_active_[row];
        pass_on(front);
    }

private:
    static constexpr std::size_t history = 8;  // fronts kept, a power of two; neighbours lie up to four back
    static constexpr std::size_t prefix_rows = 2;
    static constexpr std::size_t copied_at_once = 16;

    void fill_rules(const ContextRules& rules, std::span<const std::uint16_t> base, std::size_t first) {
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

    // Rows of lanes begin and end rows of places: at most one of them each at a front.
    void move_edges(std::size_t front) {
        // (front - x) % period_, for x up to period_.
        const auto row_at = [&](std::size_t x) {
            const std::size_t phase = front < x ? 1 : phase_ >= x ? phase_ - x : phase_ + period_ - x;
            return phase % 2 == 0 && phase / 2 < rows_ ? phase / 2 : rows_;
        };
        if (const std::size_t row = row_at(0); row < rows_ && front >= 2 * row) {
            const std::size_t y = (front - 2 * row) / period_ * rows_ + row;
            set_active(row, y < grid_.height);
            place_[row] = y * grid_.width;
            fill_row(front_.has_left, row, 0);
            fill_row(front_.has_second_left, row, 0);
            fill_row(front_.has_right, row, -1);
        }
        if (const std::size_t row = row_at(1); row < rows_) fill_row(front_.has_left, row, -1);
        if (const std::size_t row = row_at(2); grid_.width > 2 && row < rows_) fill_row(front_.has_second_left, row, -1);
        if (const std::size_t row = row_at(grid_.width - 1); row < rows_) fill_row(front_.has_right, row, 0);
        if (const std::size_t row = row_at(grid_.width); grid_.width < period_ && row < rows_) set_active(row, false);
        phase_ = phase_ + 1 == period_ ? 0 : phase_ + 1;
    }

    void set_active(std::size_t row, bool is_active) {
        if (is_active_[row] == is_active) return;
        is_active_[row] = is_active;
        runs_.count = 0;
        for (std::size_t i = 0; i < rows_; ++i) {
            if (is_active_[i] == 0) continue;
            const std::size_t lane = i * num_channels_;
            if (runs_.count > 0 && runs_.runs[runs_.count - 1].last == lane)
                runs_.runs[runs_.count - 1].last += num_channels_;
            else
                runs_.runs[runs_.count++] = {lane, lane + num_channels_};
        }
    }

    // Calls `use(row, its first lane, its place)` for the rows of lanes in use.
    template <class Use>
    void for_rows(Use use) const {
        for (const auto& run : runs_) {
            std::size_t row = front_.row[run.first];
            for (std::size_t lane = run.first; lane < run.last; lane += num_channels_, ++row) use(row, lane, place_[row]);
        }
    }

    void fill_row(std::int16_t* mask, std::size_t row, int value) noexcept {
        std::fill_n(mask + row * num_channels_, num_channels_, static_cast<std::int16_t>(value));
    }

    // The last two rows stand before the first one of the next band, `delay_` fronts later. Between the two they are in a ring,
    // and copied in whole registers; what that puts in front of them, at `now`, is overwritten.
    void bring_prefix(std::int16_t* now) noexcept {
        if (delay_ > 0) copy_up(&prefix_[(slot_ == delay_ ? 0 : slot_ + 1) * prefix_size_], now - prefix_rows * num_channels_);
    }

    // What was just written takes a while until it can be read in other pieces, so where there is time, rows are passed on one
    // front later.
    void pass_on(std::size_t front) noexcept {
        const std::size_t C = num_channels_;
        std::int16_t* const now = line(front);
        if (delay_ > 1) {
            // With one row, the one before it stands there.
            const std::int16_t* const last = line(front + history - 1) + front_.num_lanes;
            copy_up(last - prefix_rows * C, &prefix_[(slot_ == 0 ? delay_ : slot_ - 1) * prefix_size_]);
        } else if (delay_ == 1) {
            copy_up(now + front_.num_lanes - prefix_rows * C, &prefix_[slot_ * prefix_size_]);
        } else {
            const std::int16_t* const last = now + front_.num_lanes;
            std::copy_n(last - C, C, now - C);
            std::copy_n(last - 2 * C, C, now - 2 * C);
        }
        slot_ = slot_ == delay_ ? 0 : slot_ + 1;
    }

    void copy_up(const std::int16_t* from, std::int16_t* to) const noexcept {
        for (std::size_t i = 0; i < prefix_size_; i += copied_at_once) std::memcpy(to + i, from + i, 2 * copied_at_once);
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
    std::size_t prefix_size_;
    std::size_t phase_ = 0;  // of the front that comes next, in its period
    FrontContext front_{};
    std::vector<std::uint16_t> features_;  // (J, h, w)
    std::vector<std::int16_t> prefix_;
    std::size_t slot_ = 0;  // of the front that comes next, in the ring
    FrontRuns runs_;        // lanes in use
    std::array<std::size_t, front_lanes> is_active_{};  // 0 or 1
    std::array<std::size_t, front_lanes> place_{};
    alignas(64) std::array<std::int16_t, history * line_size> lines_{};
};

}  // namespace laconic
