// The fixed-point transform of 8-bit pictures (SPEC.md, section 9.2): samples -> 9/7 packets -> projection -> integers
// (fixed_analysis.hpp), and back (fixed_synthesis.hpp), over the whole picture, a line at a time. Data and matrices have 16 bits,
// sums 32; every machine finds the same numbers.
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
#include <vector>

#include "fixed_kernels.hpp"

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

}  // namespace laconic
