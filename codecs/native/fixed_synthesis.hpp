// Latent -> samples: each node of the tree pulls rows from those below (fixed_rows.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "fixed_rows.hpp"
#include "noise_fill.hpp"

namespace laconic {

// A part of the latent: `rows` x `columns` places of the first `channels`.
struct LatentPart {
    const void* values;  // int16 or int32
    bool is_wide;
    std::size_t channels, rows, columns;
    std::size_t channel_pitch, row_pitch;  // in values
    unsigned row_bits;                     // fraction bits of rows, in levels; coefficients have three less
    const float* scales;                   // (channels), steps in the units of coefficients
    const float* shrink;                   // (channels, 3)
    // Synthesised values of the first `num_low` channels (low_levels.hpp), laid out as `values`; they stand for themselves.
    const std::int16_t* low = nullptr;
    std::size_t num_low = 0;
    float low_scale = 0.0F;
    // Weights of places (step_map.hpp), of rows that are rounded up to whole blocks, for channels from `first_weighted` on.
    const std::int16_t* weights = nullptr;
    std::size_t first_weighted = 0;
    // Noise in place of zeros (noise_fill.hpp), for channels of which `largest` (channels, classes), in the units of coefficients,
    // is not 0: `classes` are those of places, `top` and `left` is the first one's in the picture.
    const std::uint8_t* classes = nullptr;
    const std::int16_t* largest = nullptr;
    std::uint32_t seed = 0;
    std::size_t top = 0, left = 0;

    // null for none
    const std::int16_t* noise_of(std::size_t channel) const noexcept {
        if (classes == nullptr) return nullptr;
        const std::int16_t* const of_channel = largest + channel * num_activity_classes;
        return std::any_of(of_channel, of_channel + num_activity_classes, [](std::int16_t a) { return a != 0; }) ? of_channel : nullptr;
    }
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
          tables_{leaf.size * table_size},
          noises_(leaf.size) {
        for (std::size_t r = 0; r < leaf.size; ++r)
            if (leaf.channels[r] < part.channels) {
                kernels.fill_table(dequantizer(r), tables_.data() + r * table_size);
                noises_[r] = part.noise_of(leaf.channels[r]);
            }
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
        static constexpr float nothing[3]{};
        if (leaf_.channels[r] < part_.num_low) return {part_.low_scale, nothing, tables_.data() + r * table_size};
        return {part_.scales[leaf_.channels[r]], part_.shrink + 3 * leaf_.channels[r], tables_.data() + r * table_size};
    }

    bool dequantize(std::size_t r, std::int16_t* out) const {
        const std::size_t at = leaf_.channels[r] * part_.channel_pitch + row_ * part_.row_pitch;
        if (leaf_.channels[r] < part_.num_low) return kernels_.dequantize16(part_.low + at, dequantizer(r), out, places_);
        const std::size_t size = part_.is_wide ? 4 : 2;
        fetch(static_cast<const char*>(part_.values) + (at + part_.row_pitch) * size, places_ * size);
        return part_.is_wide ? kernels_.dequantize32(static_cast<const std::int32_t*>(part_.values) + at, dequantizer(r), out, places_)
                             : kernels_.dequantize16(static_cast<const std::int16_t*>(part_.values) + at, dequantizer(r), out, places_);
    }

    void fill(std::size_t r, std::int16_t* out) const {
        const std::size_t channel = leaf_.channels[r], at = channel * part_.channel_pitch + row_ * part_.row_pitch;
        const std::uint8_t* const classes = part_.classes + row_ * part_.columns;
        const std::uint32_t key = noise_key(part_.seed, channel, part_.top + row_);
        if (part_.is_wide)
            fill_row(static_cast<const std::int32_t*>(part_.values) + at, classes, noises_[r], key, part_.left, out, places_);
        else
            fill_row(static_cast<const std::int16_t*>(part_.values) + at, classes, noises_[r], key, part_.left, out, places_);
    }

    // Only channels that are not zero in this row count.
    void project() {
        const std::size_t pitch = round_up(places_);
        used_.clear();
        for (std::size_t r = 0; r < leaf_.size; ++r) {
            std::int16_t* const row = coefficients_.data() + used_.size() * pitch;
            if (leaf_.channels[r] >= part_.channels) continue;
            const bool is_used = dequantize(r, row), is_filled = noises_[r] != nullptr;
            if (!is_used && !is_filled) continue;
            if (!is_used) std::memset(row, 0, pitch * sizeof(std::int16_t));
            if (is_filled) fill(r, row);
            used_.push_back(r);
            if (part_.weights != nullptr && leaf_.channels[r] >= part_.first_weighted) kernels_.weigh(row, part_.weights + row_ * pitch, pitch);
        }
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
    std::vector<const std::int16_t*> noises_;
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
