// Samples -> latent: the tree from the top, each node pushing rows to those below (fixed_rows.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "fixed_rows.hpp"
#include "latent.hpp"

namespace laconic {

// Where analysis writes: rows `first` to `last` - 1 of the latent, cut into tiles of `side` places, in raster order. Each tile is
// (channels, rows, columns), in one piece.
struct LatentOut {
    std::size_t first, last, side;
    std::size_t places;  // in a row
    std::vector<void*> tiles;

    struct At {
        std::size_t tile, offset, row_pitch;
    };

    // Where a value is.
    At at(std::size_t channel, std::size_t row, std::size_t place) const noexcept {
        const std::size_t columns = (places + side - 1) / side, y = row - first;
        const std::size_t width = std::min(side, places - place / side * side);
        const std::size_t height = std::min(side, last - first - y / side * side);
        return {y / side * columns + place / side, (channel * height + y % side) * width + place % side, width};
    }
};

// Turns sums of a channel into values of the latent.
class LatentWriter {
public:
    virtual ~LatentWriter() = default;
    virtual void write(std::size_t channel, const std::int32_t* sums, float unit, const LatentOut::At& at, std::size_t n) = 0;
};

class CoefficientWriter final : public LatentWriter {
public:
    CoefficientWriter(const FixedKernels& kernels, const LatentOut& out) : kernels_{kernels}, out_{out} {}
    void write(std::size_t, const std::int32_t* sums, float unit, const LatentOut::At& at, std::size_t n) override {
        float* to = static_cast<float*>(out_.tiles[at.tile]) + at.offset;
        fetch(to + at.row_pitch, n * sizeof(float));
        kernels_.coefficients(sums, unit, to, n);
    }

private:
    const FixedKernels& kernels_;
    const LatentOut& out_;
};

template <class T>
class IntegerWriter final : public LatentWriter {
public:
    IntegerWriter(const FixedKernels& kernels, const LatentOut& out, float inverse_step, const Thresholds* thresholds)
        : kernels_{kernels}, out_{out}, inverse_step_{inverse_step}, thresholds_{thresholds} {}
    void write(std::size_t channel, const std::int32_t* sums, float unit, const LatentOut::At& at, std::size_t n) override {
        T* to = static_cast<T*>(out_.tiles[at.tile]) + at.offset;
        fetch(to + at.row_pitch, n * sizeof(T));
        if constexpr (sizeof(T) == 2)
            kernels_.quantize16(sums, {unit, inverse_step_}, thresholds_[channel], to, n);
        else
            kernels_.quantize32(sums, {unit, inverse_step_}, thresholds_[channel], to, n);
    }

private:
    const FixedKernels& kernels_;
    const LatentOut& out_;
    float inverse_step_;
    const Thresholds* thresholds_;
};

// Where the leaves write: the first one, the low band, apart from the others if `low` is there.
struct AnalysisOut {
    const LatentOut& tiles;
    LatentWriter& writer;
    const LatentOut* low = nullptr;
    LatentWriter* low_writer = nullptr;

    std::size_t first() const noexcept { return low == nullptr ? tiles.first : std::min(tiles.first, low->first); }
    std::size_t last() const noexcept { return low == nullptr ? tiles.last : std::max(tiles.last, low->last); }
    bool is_low(std::size_t leaf) const noexcept { return leaf == 0 && low != nullptr; }
};

class AnalysisLeaf {
public:
    AnalysisLeaf(const FixedKernels& kernels, const FixedMap& map, const FixedLeaf& leaf, std::size_t first_row, std::size_t places,
                 const LatentOut& out, LatentWriter& writer)
        : kernels_{kernels},
          leaf_{leaf},
          planes_{map.planes},
          row_{first_row},
          places_{places},
          pitch_{round_up(places) + lane_block},
          out_{out},
          writer_{writer},
          values_{leaf.num_pairs() * pitch_},
          zeros_{pitch_},
          sums_{leaf.size * places_at_once} {
        for (std::size_t k = 0; k < leaf.num_pairs(); ++k) pairs_.push_back(values_.data() + k * pitch_);
        // Sums have the fraction bits of the rows and of the matrix; 255 levels are 1.
        const unsigned bits = leaf.analysis_bits + row_fraction_bits;
        unit_ = 1.0F / static_cast<float>(std::uint32_t{1} << bits) / 255.0F;
    }

    // The next row of the band, all planes.
    void push(const std::int16_t* rows, std::size_t pitch) {
        if (row_ >= out_.first && row_ < out_.last) collect(rows, pitch);
        if (++phase_ < leaf_.factor) return;
        phase_ = 0;
        if (row_ >= out_.first && row_ < out_.last) project();
        ++row_;
    }

private:
    void collect(const std::int16_t* rows, std::size_t pitch) {
        const std::size_t f = leaf_.factor;
        if (f > 1) {
            for (std::size_t p = 0; p < planes_; ++p)
                kernels_.gather_pairs(rows + p * pitch, f / 2, pairs_[(phase_ * planes_ + p) * (f / 2)], pitch_, places_);
            return;
        }
        for (std::size_t p = 0; p < planes_; p += 2)
            kernels_.zip_pairs(rows + p * pitch, p + 1 < planes_ ? rows + (p + 1) * pitch : zeros_.data(), pairs_[p / 2], places_);
    }

    void project() {
        std::vector<const std::int32_t*> at(leaf_.num_pairs());
        const std::size_t step = std::min(places_at_once, out_.side);
        for (std::size_t p = 0; p < places_; p += step) {
            const std::size_t n = std::min(step, places_ - p);
            for (std::size_t k = 0; k < at.size(); ++k) at[k] = pairs_[k] + p;
            kernels_.multiply(leaf_.analysis.data(), leaf_.size, leaf_.size, at.data(), at.size(), sums_.data(), places_at_once, round_up(n));
            for (std::size_t r = 0; r < leaf_.size; ++r)
                writer_.write(leaf_.channels[r], sums_.data() + r * places_at_once, unit_, out_.at(leaf_.channels[r], row_, p), n);
        }
    }

    const FixedKernels& kernels_;
    const FixedLeaf& leaf_;
    std::size_t planes_, row_, phase_ = 0, places_, pitch_;
    const LatentOut& out_;
    LatentWriter& writer_;
    float unit_;
    Buffer<std::int32_t> values_;
    Buffer<std::int16_t> zeros_;
    Buffer<std::int32_t> sums_;
    std::vector<std::int32_t*> pairs_;
};

class AnalysisNode {
public:
    AnalysisNode(const FixedKernels& kernels, const FixedMap& map, std::size_t index, std::size_t first_row, std::size_t places,
                 const AnalysisOut& out)
        : kernels_{kernels},
          planes_{map.planes},
          depth_{map.nodes[index].depth},
          rows_{kernels, map.planes, places << (map.depth - depth_)} {
        for (std::size_t band = 0; band < 4; ++band) {
            const int child = map.nodes[index].children[band];
            if (child >= 0)
                nodes_[band] = std::make_unique<AnalysisNode>(kernels, map, static_cast<std::size_t>(child), first_row, places, out);
            else
                leaves_[band] = leaf(map, static_cast<std::size_t>(~child), first_row, places, out);
        }
    }

    // The next row, all planes. Rows come in pairs.
    void push(const std::int16_t* rows, std::size_t pitch) {
        const std::size_t k = count_++;
        for (std::size_t p = 0; p < planes_; ++p)
            kernels_.split(rows + p * pitch, rows_.low(k, p), rows_.high(k, p), rows_.half(), depth_ > 0);
        rows_.analyze(k);
        if (k % 2 == 1) return;
        const std::size_t i = k / 2;
        if (i < 1) return;
        if (i > 2) {
            rows_.lift_rows(i);
            hand_on_pair(i - 2);
            return;
        }
        rows_.lift(Step::a, odd(i - 1), even(i - 1), even(i));
        rows_.lift(Step::b, even(i - 1), odd(i - 1 - (i > 1)), odd(i - 1));
        if (i < 2) return;
        finish_pair(i - 2, i - 1);
    }

    // After the last row.
    void finish() {
        const std::size_t n = count_ / 2;
        rows_.lift(Step::a, odd(n - 1), even(n - 1), even(n - 1));
        rows_.lift(Step::b, even(n - 1), odd(n - 1 - (n > 1)), odd(n - 1));
        if (n > 1) finish_pair(n - 2, n - 1);
        finish_pair(n - 1, n - 1);
        for (const auto& node : nodes_)
            if (node) node->finish();
    }

private:
    std::unique_ptr<AnalysisLeaf> leaf(const FixedMap& map, std::size_t index, std::size_t first_row, std::size_t places,
                                       const AnalysisOut& out) const {
        const bool is_low = out.is_low(index);
        return std::make_unique<AnalysisLeaf>(kernels_, map, map.leaves[index], first_row, places, is_low ? *out.low : out.tiles,
                                              is_low ? *out.low_writer : out.writer);
    }

    static std::size_t even(std::size_t i) noexcept { return 2 * i; }
    static std::size_t odd(std::size_t i) noexcept { return 2 * i + 1; }

    // Steps c and d of pair i; `next` is i + 1, or i at the end.
    void finish_pair(std::size_t i, std::size_t next) {
        rows_.lift(Step::c, odd(i), even(i), even(next));
        rows_.lift(Step::d, even(i), odd(i - (i > 0)), odd(i));
        hand_on_pair(i);
    }

    void hand_on_pair(std::size_t i) {
        hand_on(0, rows_.low(even(i)));
        hand_on(1, rows_.low(odd(i)));
        hand_on(2, rows_.high(even(i)));
        hand_on(3, rows_.high(odd(i)));
    }

    void hand_on(std::size_t band, const std::int16_t* rows) {
        if (nodes_[band])
            nodes_[band]->push(rows, rows_.pitch());
        else
            leaves_[band]->push(rows, rows_.pitch());
    }

    const FixedKernels& kernels_;
    std::size_t planes_, depth_;
    SplitRows rows_;
    std::size_t count_ = 0;
    std::array<std::unique_ptr<AnalysisNode>, 4> nodes_;
    std::array<std::unique_ptr<AnalysisLeaf>, 4> leaves_;
};

// Samples of rows `first_row` and on of a picture.
struct SampleRows {
    const std::uint8_t* samples;  // (rows, width, stride)
    std::size_t rows, width, stride;
    std::size_t first_row, height;  // in the picture
};

// Rows `out.first()` to `out.last()` - 1 of the latent. `source` must hold the picture's rows for `margin` more on both sides, as
// far as the picture has them; below, one row less is enough (28 rows of samples above and 20 below decide a row).
inline void analyze_fixed(const FixedKernels& kernels, const FixedMap& map, const SampleRows& source, const AnalysisOut& out) {
    const std::size_t factor = map.factor(), grid_height = (source.height + factor - 1) / factor;
    const std::size_t places = (source.width + factor - 1) / factor, width = places * factor;
    const std::size_t first = out.first() - std::min(out.first(), margin), last = std::min(grid_height, out.last() + margin - 1);
    const std::size_t pitch = round_up(width) + lane_block;
    Buffer<std::int16_t> rows{map.planes * pitch};
    AnalysisNode root{kernels, map, 0, first, places, out};
    for (std::size_t y = first * factor; y < last * factor; ++y) {
        const std::size_t row = mirrored(y, source.height);
        if (row < source.first_row || row - source.first_row >= source.rows) throw std::out_of_range("rows of the picture are missing");
        kernels.rows_of_samples(source.samples + (row - source.first_row) * source.width * source.stride, source.stride, rows.data(),
                                map.planes, pitch, source.width);
        for (std::size_t p = 0; p < map.planes; ++p)
            for (std::size_t x = source.width; x < width; ++x) rows.data()[p * pitch + x] = rows.data()[p * pitch + mirrored(x, source.width)];
        root.push(rows.data(), pitch);
    }
    root.finish();
}

}  // namespace laconic
