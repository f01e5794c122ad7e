// RGB pictures resized by Lanczos' filter of three lobes, to the bit as Pillow does it (Resample.c): weights in double,
// rounded to 22 binary digits, sums in integers, rows first, both passes rounded to bytes. Integer sums have no order, so the
// lanes below give what Pillow's loops give.
//
// The horizontal pass takes `lanes` rows together, turned so that what is beside each other in memory is the same place of
// all of them:  row r, pixel x, colour c  ->  turned[x][c][r].
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "simd.hpp"

namespace laconic {

struct ResampleWeights {
    static constexpr int digits = 32 - 8 - 2;
    static constexpr double lobes = 3.0;

    std::size_t most = 0;             // weights of one place
    std::vector<std::size_t> first;   // of each place, the first of the samples that it is made of
    std::vector<std::size_t> count;   // and how many
    std::vector<std::int32_t> weight; // `most` for each place

    // Of `out` places of the box [begin, end) among `in` samples; Pillow's box is of float.
    ResampleWeights(std::size_t in, float begin, float end, std::size_t out) : first(out), count(out) {
        const double scale = static_cast<double>(end - begin) / static_cast<double>(out);
        const double filter_scale = std::max(scale, 1.0), support = lobes * filter_scale;
        most = 2 * static_cast<std::size_t>(std::ceil(support)) + 1;
        weight.assign(out * most, 0);
        std::vector<double> exact(most);
        for (std::size_t x = 0; x < out; ++x) {
            const double center = static_cast<double>(begin) + (static_cast<double>(x) + 0.5) * scale;
            const int low = std::max(static_cast<int>(center - support + 0.5), 0);
            const int high = std::min(static_cast<int>(center + support + 0.5), static_cast<int>(in));
            first[x] = static_cast<std::size_t>(low);
            count[x] = static_cast<std::size_t>(std::max(high - low, 0));
            double sum = 0.0;
            for (std::size_t k = 0; k < count[x]; ++k) {
                exact[k] = lanczos((static_cast<double>(k) + low - center + 0.5) * (1.0 / filter_scale));
                sum += exact[k];
            }
            for (std::size_t k = 0; k < count[x]; ++k) weight[x * most + k] = rounded(sum != 0.0 ? exact[k] / sum : exact[k]);
        }
    }

private:
    static double sinc(double x) noexcept {
        if (x == 0.0) return 1.0;
        x *= std::numbers::pi;
        return std::sin(x) / x;
    }

    static double lanczos(double x) noexcept { return x >= -lobes && x < lobes ? sinc(x) * sinc(x / lobes) : 0.0; }

    static std::int32_t rounded(double value) noexcept {
        const double scaled = value * (1 << digits);
        return static_cast<std::int32_t>(value < 0 ? scaled - 0.5 : scaled + 0.5);
    }
};

constexpr std::size_t resample_lanes = 16;  // rows of the horizontal pass

// sums[i] += source[i] * weight
inline void add_weighted(std::int32_t* sums, const std::uint8_t* source, std::int32_t weight, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) sums[i] += source[i] * weight;
}

inline std::uint8_t byte_of(std::int32_t sum) noexcept {
    return static_cast<std::uint8_t>(std::clamp(sum >> ResampleWeights::digits, 0, 255));
}

// `rows` rows of 3 * width bytes -> rows of 3 * out bytes.
LACONIC_CLONES inline void resample_rows(const std::uint8_t* source, std::size_t rows, std::size_t width, const ResampleWeights& weights,
                                         std::uint8_t* target, std::vector<std::uint8_t>& turned) noexcept {
    constexpr std::size_t lanes = resample_lanes, block = 3 * lanes;
    const std::size_t out = weights.first.size();
    for (std::size_t top = 0; top < rows; top += lanes) {
        const std::size_t some = std::min(lanes, rows - top);
        for (std::size_t r = 0; r < some; ++r) {
            const std::uint8_t* row = source + (top + r) * 3 * width;
            for (std::size_t i = 0; i < 3 * width; ++i) turned[i * lanes + r] = row[i];
        }
        for (std::size_t x = 0; x < out; ++x) {
            std::array<std::int32_t, block> sums;
            sums.fill(1 << (ResampleWeights::digits - 1));
            const std::uint8_t* from = turned.data() + weights.first[x] * block;
            const std::int32_t* weight = weights.weight.data() + x * weights.most;
            for (std::size_t k = 0; k < weights.count[x]; ++k) add_weighted(sums.data(), from + k * block, weight[k], block);
            for (std::size_t c = 0; c < 3; ++c)
                for (std::size_t r = 0; r < some; ++r) target[((top + r) * out + x) * 3 + c] = byte_of(sums[c * lanes + r]);
        }
    }
}

// One row of `n` bytes from `count` rows that follow each other.
LACONIC_CLONES inline void resample_row(const std::uint8_t* source, std::size_t count, const std::int32_t* weight, std::size_t n, std::int32_t* sums,
                                        std::uint8_t* target) noexcept {
    std::fill_n(sums, n, 1 << (ResampleWeights::digits - 1));
    for (std::size_t k = 0; k < count; ++k) add_weighted(sums, source + k * n, weight[k], n);
    for (std::size_t i = 0; i < n; ++i) target[i] = byte_of(sums[i]);
}

struct ResampleBox {
    float left, top, right, bottom;
};

// (height, width, 3) bytes -> (out_height, out_width, 3) of the box. Where a side needs no change, Pillow leaves out its pass,
// which then changes nothing.
inline void resample(const std::uint8_t* source, std::size_t height, std::size_t width, const ResampleBox& box, std::uint8_t* target,
                     std::size_t out_height, std::size_t out_width) {
    const ResampleWeights across(width, box.left, box.right, out_width), down(height, box.top, box.bottom, out_height);
    const std::size_t first = down.first.front(), rows = down.first.back() + down.count.back() - first, n = 3 * out_width;
    std::vector<std::uint8_t> turned(3 * width * resample_lanes), narrow(rows * n);
    resample_rows(source + first * 3 * width, rows, width, across, narrow.data(), turned);
    std::vector<std::int32_t> sums(n);
    for (std::size_t y = 0; y < out_height; ++y)
        resample_row(narrow.data() + (down.first[y] - first) * n, down.count[y], down.weight.data() + y * down.most, n, sums.data(), target + y * n);
}

}  // namespace laconic
