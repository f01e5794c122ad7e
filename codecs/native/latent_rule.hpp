// From the coded integers of a picture's first channels to the values of a latent's: what `Latent.dequantize` does for one
// picture, to the bit.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "latent.hpp"
#include "low_levels.hpp"
#include "step_map.hpp"

namespace laconic {

LACONIC_CLONES inline void floats_of_low(const std::int16_t* in, float* out, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]) * (1.0F / low_values_in_unit);
}

// `matrix` (channels, coded) makes these channels of the latent of those that are coded.
struct LatentBlock {
    std::vector<float> matrix;
    std::vector<std::uint16_t> coded;
    std::vector<std::uint16_t> channels;
};

class LatentRule {
public:
    float step = 0.0F;                   // of the low levels
    std::vector<float> steps;            // (coded channels)
    std::vector<float> shrink;           // (coded channels, 3)
    std::vector<float> low_inverse;      // (classes)
    std::vector<float> low_shrink;       // (classes, planes, 3)
    std::size_t low_levels = 0, num_planes = 0;
    std::vector<LatentBlock> blocks;     // which together make all channels; empty: they are those that are coded
    std::size_t num_made = 0;            // channels of the latent
    // The map of steps of places, of strength 0 where there is none: `weights` of the channels after the first `num_planes`.
    int step_code = 0, strength = 0;
    std::vector<std::uint32_t> weights;
    std::array<float, 2 * max_exponent + 1> factors{};  // of steps at each exponent

    std::size_t first_mapped() const noexcept { return num_planes + weights.size(); }

    std::size_t num_coded() const noexcept { return shrink.size() / 3; }
    std::size_t num_channels() const noexcept { return num_made; }
    LowRule low_rule() const noexcept { return {low_levels, num_planes, step, low_inverse.data(), low_shrink.data()}; }

    // Memory for one picture of a width at a time.
    struct Scratch {
        Scratch(const LatentRule& rule, std::size_t width) : low_rows{low_row_rules(rule.low_rule(), 0, rule.num_planes, width)} {}
        LowRowRule low_rows;
        std::vector<std::int16_t> low;
        std::vector<float> points, made;
        std::vector<std::int8_t> exponents;
        std::vector<float> of_places;  // empty where steps differ nowhere
    };

    // `values` (coded channels, h, w) -> the channels (h, w), piece by piece, as they are made: `put(c, begin, count, points)`.
    // A piece is so small that all that it is made of stays in the nearest cache.
    template <class Put>
    void apply(const std::int32_t* values, std::size_t height, std::size_t width, Scratch& scratch, const Put& put) const {
        const std::size_t n = height * width;
        scratch.low.resize(num_planes * n);
        synthesize_low_planes(values, scratch.low.data(), num_planes, height, width, low_rule(), scratch.low_rows, 0);
        find_factors(values, height, width, scratch);
        for (std::size_t begin = 0; begin < n; begin += piece_size) {
            const Piece piece{values, n, begin, std::min(piece_size, n - begin)};
            if (blocks.empty()) {
                scratch.points.resize(piece_size);
                for (std::size_t c = 0; c < num_channels(); ++c) {
                    points_of(c, piece, scratch, scratch.points.data());
                    put(c, piece.begin, piece.count, scratch.points.data());
                }
            }
            for (const LatentBlock& block : blocks) project_block(block, piece, scratch, put);
        }
    }

private:
    static constexpr std::size_t piece_size = 256;  // places

    struct Piece {
        const std::int32_t* values;  // of all places
        std::size_t n, begin, count;

        // Room for so many values; whole registers go through `project` faster than single values.
        std::size_t stride() const noexcept { return (count + 31) / 32 * 32; }
    };

    template <class Put>
    void project_block(const LatentBlock& block, const Piece& piece, Scratch& scratch, const Put& put) const {
        const std::size_t stride = piece.stride();
        scratch.points.resize(std::max(scratch.points.size(), block.coded.size() * piece_size));
        scratch.made.resize(std::max(scratch.made.size(), block.channels.size() * piece_size));
        for (std::size_t i = 0; i < block.coded.size(); ++i) {
            float* const points = scratch.points.data() + i * stride;
            points_of(block.coded[i], piece, scratch, points);
            std::fill(points + piece.count, points + stride, 0.0F);
        }
        project(block.matrix.data(), scratch.points.data(), scratch.made.data(), block.channels.size(), block.coded.size(), stride);
        for (std::size_t i = 0; i < block.channels.size(); ++i) put(block.channels[i], piece.begin, piece.count, scratch.made.data() + i * stride);
    }

    void points_of(std::size_t c, const Piece& piece, const Scratch& scratch, float* out) const noexcept {
        const std::size_t at = c * piece.n + piece.begin;
        if (c < num_planes) {
            floats_of_low(scratch.low.data() + at, out, piece.count);
            return;
        }
        dequantize(piece.values + at, out, steps[c], shrink.data() + 3 * c, piece.count);
        if (!scratch.of_places.empty() && c >= first_mapped()) scale_places(out, scratch.of_places.data() + piece.begin, piece.count);
    }

    void find_factors(const std::int32_t* values, std::size_t height, std::size_t width, Scratch& scratch) const {
        if (strength == 0 || num_coded() <= first_mapped()) return;
        scratch.exponents.resize(height * width);
        scratch.of_places.resize(height * width);
        step_exponents(values, height, width, {step_code, strength, num_planes, weights.data(), weights.size()}, scratch.exponents.data());
        factors_of_places(scratch.exponents.data(), factors.data(), scratch.of_places.data(), height * width);
    }
};

}  // namespace laconic
