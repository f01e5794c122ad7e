// The fixed-point transform of 8-bit pictures (SPEC.md, section 9.2): samples -> 9/7 packets -> projection -> integers, and back,
// over the whole picture, a line at a time. Data and matrices have 16 bits, sums 32; every machine finds the same numbers.
//
// A node of the packet tree takes the rows of its band one after the other. Each row is split into a low and a high half;
// the halves of eight rows are kept, over which the vertical lifting runs as soon as the rows that it needs are there. What
// it has finished goes on to the four bands below. A leaf collects the rows of one row of the latent and projects them.
// Synthesis is the mirror image and pulls rows where analysis pushes them.
//
// Part of a picture: rows and columns of the latent beyond the part are given as a margin; what the margin's missing
// neighbours spoil stays inside it, because a place depends on `margin` places around it at most.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <vector>

#include "fixed_kernels.hpp"
#include "latent.hpp"

namespace laconic {

inline constexpr std::size_t margin = 4;          // latent places
inline constexpr std::size_t lane_block = 32;     // places and samples that kernels may go beyond a row's end
inline constexpr unsigned row_fraction_bits = 6;  // of samples and bands, in levels

// Asks for memory that is needed soon: rows of the latent lie as far apart as no processor guesses.
inline void fetch(const void* at, std::size_t bytes) noexcept {
    for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(at) + i);
}

inline std::size_t round_up(std::size_t n) noexcept { return (n + lane_block - 1) / lane_block * lane_block; }

// Zeroed memory on the boundary of a cache line.
template <class T>
class Buffer {
public:
    explicit Buffer(std::size_t n) : data_{static_cast<T*>(::operator new[](n * sizeof(T), alignment))} { std::memset(data_.get(), 0, n * sizeof(T)); }
    T* data() const noexcept { return data_.get(); }

private:
    static constexpr std::align_val_t alignment{64};
    struct Release {
        void operator()(T* at) const noexcept { ::operator delete[](at, alignment); }
    };
    std::unique_ptr<T[], Release> data_;
};

// One leaf of the tree: `size` = planes * factor^2 packets of a place against as many latent channels.
struct FixedLeaf {
    std::size_t depth = 0;
    std::size_t factor = 1;                // rows and columns of the band to a place
    std::size_t size = 0;
    std::vector<std::int32_t> analysis;    // pairs of columns: [pair][row]
    std::vector<std::int16_t> synthesis;   // [channel of the leaf][packet]
    unsigned analysis_bits = 0;            // fraction bits of the matrices' entries
    unsigned synthesis_bits = 0;
    std::vector<std::uint16_t> channels;   // latent channel of each row of the analysis

    std::size_t num_pairs() const noexcept { return (size + 1) / 2; }
};

// What a model says of the transform.
struct FixedMap {
    struct Node {
        std::size_t depth = 0;
        std::array<int, 4> children{};  // a node, or ~leaf
    };

    std::size_t planes = 1;
    std::size_t depth = 1;
    std::size_t num_channels = 0;
    std::vector<Node> nodes;  // the first is the root
    std::vector<FixedLeaf> leaves;

    std::size_t factor() const noexcept { return std::size_t{1} << depth; }
};

// Eight rows of all planes, each as a low and a high half with room for neighbours at both ends.
class SplitRows {
public:
    static constexpr std::size_t num_rows = 8;

    SplitRows(const FixedKernels& kernels, std::size_t planes, std::size_t width)
        : kernels_{kernels},
          planes_{planes},
          half_{width / 2},
          half_pitch_{round_up(half_) + 2 * lane_block},
          rows_{num_rows * planes * 2 * half_pitch_} {}

    std::size_t half() const noexcept { return half_; }
    std::size_t pitch() const noexcept { return 2 * half_pitch_; }  // from plane to plane
    std::int16_t* low(std::size_t row, std::size_t plane = 0) const noexcept {
        return rows_.data() + ((row % num_rows) * planes_ + plane) * pitch() + lane_block;
    }
    std::int16_t* high(std::size_t row, std::size_t plane = 0) const noexcept { return low(row, plane) + half_pitch_; }

    // Horizontal lifting of one row.
    void analyze(std::size_t row) const noexcept {
        for (std::size_t p = 0; p < planes_; ++p) kernels_.analyze_line(low(row, p), high(row, p), half_);
    }
    void synthesize(std::size_t row) const noexcept {
        for (std::size_t p = 0; p < planes_; ++p) kernels_.synthesize_line(low(row, p), high(row, p), half_);
    }

    // The vertical lifting that rows of pair i allow, or undo; of pairs 3 and on.
    void lift_rows(std::size_t i) const noexcept { kernels_.lift_rows(pairs_before(i), planes_ * pitch()); }
    void unlift_rows(std::size_t i) const noexcept { kernels_.unlift_rows(pairs_before(i), planes_ * pitch()); }

    // A step of the vertical lifting, all planes and both halves at once.
    void lift(Step step, std::size_t target, std::size_t one, std::size_t other) const noexcept {
        kernels_.lift(step, start(target), start(one), start(other), planes_ * pitch());
    }
    void unlift(Step step, std::size_t target, std::size_t one, std::size_t other) const noexcept {
        kernels_.unlift(step, start(target), start(one), start(other), planes_ * pitch());
    }

private:
    LiftedRows pairs_before(std::size_t i) const noexcept {
        LiftedRows rows{};
        for (std::size_t k = 0; k < 4; ++k) {
            rows.even[k] = start(2 * (i - k));
            rows.odd[k] = start(2 * (i - k) + 1);
        }
        return rows;
    }

    std::int16_t* start(std::size_t row) const noexcept { return rows_.data() + (row % num_rows) * planes_ * pitch(); }

    const FixedKernels& kernels_;
    std::size_t planes_, half_, half_pitch_;
    Buffer<std::int16_t> rows_;
};

inline constexpr std::size_t places_at_once = 128;  // sums of a leaf's rows for so many stay in the first cache

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
                 const LatentOut& out, LatentWriter& writer)
        : kernels_{kernels},
          planes_{map.planes},
          depth_{map.nodes[index].depth},
          rows_{kernels, map.planes, places << (map.depth - depth_)} {
        for (std::size_t band = 0; band < 4; ++band) {
            const int child = map.nodes[index].children[band];
            if (child >= 0)
                nodes_[band] = std::make_unique<AnalysisNode>(kernels, map, static_cast<std::size_t>(child), first_row, places, out, writer);
            else
                leaves_[band] = std::make_unique<AnalysisLeaf>(kernels, map, map.leaves[static_cast<std::size_t>(~child)], first_row,
                                                               places, out, writer);
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

// Rows `out.first` to `out.last` - 1 of the latent. `source` must hold the picture's rows for `margin` more on both sides, as
// far as the picture has them.
inline void analyze_fixed(const FixedKernels& kernels, const FixedMap& map, const SampleRows& source, const LatentOut& out, LatentWriter& writer) {
    const std::size_t factor = map.factor(), grid_height = (source.height + factor - 1) / factor;
    const std::size_t places = (source.width + factor - 1) / factor, width = places * factor;
    const std::size_t first = out.first - std::min(out.first, margin), last = std::min(grid_height, out.last + margin);
    const std::size_t pitch = round_up(width) + lane_block;
    Buffer<std::int16_t> rows{map.planes * pitch};
    AnalysisNode root{kernels, map, 0, first, places, out, writer};
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

// A part of the latent: `rows` x `columns` places of the first `channels`.
struct LatentPart {
    const void* values;  // int16 or int32
    bool is_wide;
    std::size_t channels, rows, columns;
    std::size_t channel_pitch, row_pitch;  // in values
    unsigned row_bits;                     // fraction bits of rows, in levels; coefficients have three less
    float scale;                           // step in the units of coefficients
    const float* shrink;                   // (channels, 3)
};

class SynthesisLeaf {
public:
    SynthesisLeaf(const FixedKernels& kernels, const FixedMap& map, const FixedLeaf& leaf, const LatentPart& part)
        : kernels_{kernels},
          leaf_{leaf},
          part_{part},
          planes_{map.planes},
          places_{part.columns},
          coefficients_{leaf.size * round_up(places_)},
          pairs_{leaf.num_pairs() * round_up(places_)},
          zeros_{std::max(round_up(places_), leaf.size)},
          matrix_{leaf.num_pairs() * leaf.size},
          sums_{leaf.size * places_at_once},
          pitch_{round_up(places_ * leaf.factor) + lane_block},
          rows_{leaf.factor * map.planes * pitch_},
          tables_{leaf.size * table_size} {
        for (std::size_t r = 0; r < leaf.size; ++r)
            if (leaf.channels[r] < part.channels) kernels.fill_table(dequantizer(r), tables_.data() + r * table_size);
    }

    std::size_t pitch() const noexcept { return pitch_; }

    // The next row of the band, all planes.
    const std::int16_t* next() {
        if (phase_ == 0) project();
        const std::int16_t* row = rows_.data() + phase_ * planes_ * pitch_;
        phase_ = (phase_ + 1) % leaf_.factor;
        return row;
    }

private:
    static constexpr std::size_t table_size = 32;

    Dequantizer dequantizer(std::size_t r) const noexcept {
        return {part_.scale, part_.shrink + 3 * leaf_.channels[r], tables_.data() + r * table_size};
    }

    bool dequantize(std::size_t r, std::int16_t* out) const {
        const std::size_t at = leaf_.channels[r] * part_.channel_pitch + row_ * part_.row_pitch;
        const std::size_t size = part_.is_wide ? 4 : 2;
        fetch(static_cast<const char*>(part_.values) + (at + part_.row_pitch) * size, places_ * size);
        return part_.is_wide ? kernels_.dequantize32(static_cast<const std::int32_t*>(part_.values) + at, dequantizer(r), out, places_)
                             : kernels_.dequantize16(static_cast<const std::int16_t*>(part_.values) + at, dequantizer(r), out, places_);
    }

    // Only channels that are not zero in this row count.
    void project() {
        const std::size_t pitch = round_up(places_);
        used_.clear();
        for (std::size_t r = 0; r < leaf_.size; ++r)
            if (leaf_.channels[r] < part_.channels && dequantize(r, coefficients_.data() + used_.size() * pitch))
                used_.push_back(r);
        ++row_;
        if (used_.empty()) {
            if (!is_zero_) std::memset(rows_.data(), 0, leaf_.factor * planes_ * pitch_ * sizeof(std::int16_t));
            is_zero_ = true;
            return;
        }
        is_zero_ = false;
        at_.clear();
        for (std::size_t k = 0; 2 * k < used_.size(); ++k) {
            const bool is_single = 2 * k + 1 == used_.size();
            const std::int16_t* column = leaf_.synthesis.data();
            kernels_.zip_pairs(column + used_[2 * k] * leaf_.size, is_single ? zeros_.data() : column + used_[2 * k + 1] * leaf_.size,
                               matrix_.data() + k * leaf_.size, leaf_.size);
            const std::int16_t* value = coefficients_.data() + 2 * k * pitch;
            kernels_.zip_pairs(value, is_single ? zeros_.data() : value + pitch, pairs_.data() + k * pitch, pitch);
            at_.push_back(pairs_.data() + k * pitch);
        }
        for (std::size_t p = 0; p < places_; p += places_at_once) multiply(p, std::min(places_at_once, places_ - p));
    }

    void multiply(std::size_t p, std::size_t n) {
        const std::size_t f = leaf_.factor;
        kernels_.multiply(matrix_.data(), leaf_.size, leaf_.size, at_.data(), at_.size(), sums_.data(), places_at_once, round_up(n));
        for (std::size_t i = 0; i < f; ++i)
            for (std::size_t plane = 0; plane < planes_; ++plane)
                kernels_.scatter(sums_.data() + (i * f * planes_ + plane) * places_at_once, planes_ * places_at_once, f, leaf_.synthesis_bits,
                                 rows_.data() + (i * planes_ + plane) * pitch_ + p * f, n);
        for (const std::int32_t*& pair : at_) pair += places_at_once;
    }

    const FixedKernels& kernels_;
    const FixedLeaf& leaf_;
    const LatentPart& part_;
    std::size_t planes_, places_, row_ = 0, phase_ = 0;
    Buffer<std::int16_t> coefficients_;
    Buffer<std::int32_t> pairs_;
    Buffer<std::int16_t> zeros_;
    Buffer<std::int32_t> matrix_;
    Buffer<std::int32_t> sums_;
    std::size_t pitch_;
    Buffer<std::int16_t> rows_;
    Buffer<std::int16_t> tables_;
    bool is_zero_ = true;
    std::vector<std::size_t> used_;
    std::vector<const std::int32_t*> at_;
};

class SynthesisNode {
public:
    // `grows`: its rows go on into the node above.
    SynthesisNode(const FixedKernels& kernels, const FixedMap& map, std::size_t index, const LatentPart& part, bool grows)
        : kernels_{kernels},
          planes_{map.planes},
          grows_{grows},
          num_pairs_{part.rows << (map.depth - map.nodes[index].depth - 1)},
          rows_{kernels, map.planes, part.columns << (map.depth - map.nodes[index].depth)},
          pitch_{round_up(2 * rows_.half()) + lane_block},
          row_{map.planes * pitch_} {
        for (std::size_t band = 0; band < 4; ++band) {
            const int child = map.nodes[index].children[band];
            if (child >= 0)
                nodes_[band] = std::make_unique<SynthesisNode>(kernels, map, static_cast<std::size_t>(child), part, true);
            else
                leaves_[band] = std::make_unique<SynthesisLeaf>(kernels, map, map.leaves[static_cast<std::size_t>(~child)], part);
        }
    }

    std::size_t pitch() const noexcept { return pitch_; }

    // The next row, all planes; it is valid until the next call.
    const std::int16_t* next() {
        const std::size_t k = count_++;
        while (num_finished_ <= k) pull();
        rows_.synthesize(k);
        for (std::size_t p = 0; p < planes_; ++p)
            kernels_.merge(rows_.low(k, p), rows_.high(k, p), row_.data() + p * pitch_, rows_.half(), grows_);
        return row_.data();
    }

private:
    static std::size_t even(std::size_t i) noexcept { return 2 * i; }
    static std::size_t odd(std::size_t i) noexcept { return 2 * i + 1; }

    // Takes the next pair of rows of all bands and undoes what can be undone; rows that no other needs any more are finished.
    void pull() {
        const std::size_t i = pulled_++;
        take(0, even(i), false);
        take(1, odd(i), false);
        take(2, even(i), true);
        take(3, odd(i), true);
        if (i > 1) {
            rows_.unlift_rows(i);
            num_finished_ = 2 * (i - 1);
            if (i + 1 == num_pairs_) flush(i);
            return;
        }
        rows_.unlift(Step::d, even(i), odd(i - (i > 0)), odd(i));
        if (i > 0) {
            rows_.unlift(Step::c, odd(i - 1), even(i - 1), even(i));
            rows_.unlift(Step::b, even(i - 1), odd(i - 1), odd(i - 1));
        }
        if (i + 1 == num_pairs_) flush(i);
    }

    void flush(std::size_t i) {
        rows_.unlift(Step::c, odd(i), even(i), even(i));
        rows_.unlift(Step::b, even(i), odd(i - (i > 0)), odd(i));
        if (i > 0) rows_.unlift(Step::a, odd(i - 1), even(i - 1), even(i));
        rows_.unlift(Step::a, odd(i), even(i), even(i));
        num_finished_ = 2 * num_pairs_;
    }

    void take(std::size_t band, std::size_t row, bool is_high) {
        const std::int16_t* from = nodes_[band] ? nodes_[band]->next() : leaves_[band]->next();
        const std::size_t pitch = nodes_[band] ? nodes_[band]->pitch() : leaves_[band]->pitch();
        for (std::size_t p = 0; p < planes_; ++p)
            std::memcpy(is_high ? rows_.high(row, p) : rows_.low(row, p), from + p * pitch, rows_.half() * sizeof(std::int16_t));
    }

    const FixedKernels& kernels_;
    std::size_t planes_;
    bool grows_;
    std::size_t num_pairs_;
    SplitRows rows_;
    std::size_t pitch_;
    Buffer<std::int16_t> row_;
    std::size_t count_ = 0, pulled_ = 0, num_finished_ = 0;
    std::array<std::unique_ptr<SynthesisNode>, 4> nodes_;
    std::array<std::unique_ptr<SynthesisLeaf>, 4> leaves_;
};

// A rectangle of samples of the picture at 2^-level of its size; `x`, `y` from the left and top of the part's first place.
struct SampleOut {
    std::uint8_t* samples;
    std::size_t row_pitch, stride;  // samples from row to row, from pixel to pixel
    std::size_t x, y, width, height;
};

namespace detail {

template <class Rows>
void write_rows(const FixedKernels& kernels, std::size_t planes, Rows& rows, unsigned bits, const SampleOut& out) {
    for (std::size_t y = 0; y < out.y + out.height; ++y) {
        const std::int16_t* row = rows.next();
        if (y >= out.y)
            kernels.samples_of_rows(row + out.x, bits, planes, rows.pitch(), out.samples + (y - out.y) * out.row_pitch, out.stride, out.width);
    }
}

// The rows of a low band as a small picture.
class LowRows {
public:
    LowRows(const FixedKernels& kernels, SynthesisLeaf& leaf, std::size_t planes)
        : kernels_{kernels}, leaf_{leaf}, size_{planes * leaf.pitch()}, row_{size_} {}
    std::size_t pitch() const noexcept { return leaf_.pitch(); }
    const std::int16_t* next() {
        kernels_.shrink(leaf_.next(), row_.data(), size_);
        return row_.data();
    }

private:
    const FixedKernels& kernels_;
    SynthesisLeaf& leaf_;
    std::size_t size_;
    Buffer<std::int16_t> row_;
};

}  // namespace detail

inline void synthesize_fixed(const FixedKernels& kernels, const FixedMap& map, const LatentPart& part, std::size_t level, const SampleOut& out) {
    int index = 0;
    for (std::size_t l = 0; l < level; ++l) {
        if (index < 0) throw std::out_of_range("the low band of the tree does not go down so far");
        index = map.nodes[static_cast<std::size_t>(index)].children[0];
    }
    if (index >= 0) {
        SynthesisNode rows{kernels, map, static_cast<std::size_t>(index), part, false};
        detail::write_rows(kernels, map.planes, rows, part.row_bits, out);
    } else {
        SynthesisLeaf leaf{kernels, map, map.leaves[static_cast<std::size_t>(~index)], part};
        detail::LowRows rows{kernels, leaf, map.planes};
        detail::write_rows(kernels, map.planes, rows, part.row_bits, out);
    }
}

}  // namespace laconic
