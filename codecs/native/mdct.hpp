// The modified discrete cosine transform of lines with a sine window: blocks of `size` samples, a power of two, each window
// reaching half a block over both ends of its block. Blocks are folded into each other, then each has its DCT-IV, by a complex
// transform of half its size. All in float32 in one order of operations, many blocks side by side.
//
// Source: Princen, Bradley, "Analysis/synthesis filter bank design based on time domain aliasing cancellation", 1986.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <vector>

#include "simd.hpp"

namespace laconic {

class Mdct {
public:
    explicit Mdct(std::size_t size) : size_(size), rise_(size / 2), fall_(size / 2), turns_(size / 2), roots_(size / 4 + 1) {
        // Powers of the root of unity of order 16 size, by products of those of powers of two: no mathematical library, so
        // that they are the same on every machine.
        std::vector<Complex<double>> of_bits{{-1.0, 0.0}};  // half a turn, a quarter, ...
        while (of_bits.size() < static_cast<std::size_t>(std::bit_width(8 * size))) of_bits.push_back(half_angle(of_bits.back()));
        const auto power = [&](std::size_t j) {
            Complex<double> out{1.0, 0.0};
            for (std::size_t bit = 0; bit < of_bits.size(); ++bit)
                if (j >> bit & 1) out = product(out, of_bits[of_bits.size() - 1 - bit]);
            return out;
        };
        for (std::size_t i = 0; i < size / 2; ++i) {
            rise_[i] = static_cast<float>(power(2 * size + 4 * i + 2).im);
            fall_[i] = static_cast<float>(power(2 * size - 4 * i - 2).im);
            turns_[i] = narrow(power(8 * i + 1));
        }
        for (std::size_t i = 0; i < size / 4; ++i) roots_[i] = narrow(power(32 * i));
        scale_ = static_cast<float>(std::sqrt(2.0 / static_cast<double>(size)));
    }

    // A line of `num_blocks * size` samples -> coefficient k of block b at out[k * stride + b].
    void analyze(const float* line, std::size_t num_blocks, float* out, std::size_t stride) const {
        std::vector<float> folded(size_ * lanes), work(size_ * lanes);
        for (std::size_t first = 0; first < num_blocks; first += lanes) {
            const std::size_t count = std::min(lanes, num_blocks - first);
            std::fill(folded.begin(), folded.end(), 0.0F);
            for (std::size_t lane = 0; lane < count; ++lane) fold(line, first + lane, num_blocks, folded.data() + lane);
            transform(folded.data(), work.data());
            for (std::size_t k = 0; k < size_; ++k) std::copy_n(work.data() + k * lanes, count, out + k * stride + first);
        }
    }

    // The inverse.
    void synthesize(const float* in, std::size_t stride, std::size_t num_blocks, float* line) const {
        std::vector<float> folded(size_ * lanes), work(size_ * lanes);
        for (std::size_t first = 0; first < num_blocks; first += lanes) {
            const std::size_t count = std::min(lanes, num_blocks - first);
            std::fill(work.begin(), work.end(), 0.0F);
            for (std::size_t k = 0; k < size_; ++k) std::copy_n(in + k * stride + first, count, work.data() + k * lanes);
            transform(work.data(), folded.data());
            for (std::size_t lane = 0; lane < count; ++lane)
                for (std::size_t n = 0; n < size_; ++n) line[(first + lane) * size_ + n] = folded[n * lanes + lane];
        }
        for (std::size_t edge = 1; edge < num_blocks; ++edge) unfold(line + edge * size_);
    }

private:
    template <class T>
    struct Complex {
        T re, im;
    };
    static constexpr std::size_t lanes = 16;  // blocks side by side

    static Complex<double> half_angle(Complex<double> z) {
        const double re = std::sqrt((1.0 + z.re) / 2.0);
        return re == 0.0 ? Complex<double>{0.0, 1.0} : Complex<double>{re, z.im / (2.0 * re)};
    }
    static Complex<double> product(Complex<double> a, Complex<double> b) {
        return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    }
    static Complex<float> narrow(Complex<double> z) { return {static_cast<float>(z.re), static_cast<float>(z.im)}; }

    // Sample n of block b goes to out[n * lanes]. The ends of the line have nothing to be folded with.
    void fold(const float* line, std::size_t b, std::size_t num_blocks, float* out) const {
        const float* block = line + b * size_;
        const std::size_t half = size_ / 2;
        for (std::size_t i = 0; i < half; ++i) {
            const float before = block[i], after = block[size_ - 1 - i];
            out[i * lanes] = b == 0 ? before : rise_[i] * before + fall_[i] * *(block - 1 - i);
            out[(size_ - 1 - i) * lanes] = b + 1 == num_blocks ? after : rise_[i] * after - fall_[i] * block[size_ + i];
        }
    }

    // Both sides of an edge between blocks.
    LACONIC_CLONES void unfold(float* edge) const {
        for (std::size_t i = 0; i < size_ / 2; ++i) {
            const float before = *(edge - 1 - i), after = edge[i];
            edge[i] = rise_[i] * after - fall_[i] * before;
            *(edge - 1 - i) = rise_[i] * before + fall_[i] * after;
        }
    }

    // DCT-IV of `lanes` blocks, sample n of a block at in[n * lanes]; `in` is used as scratch.
    LACONIC_CLONES void transform(float* in, float* out) const {
        const std::size_t points = size_ / 2;
        float* re = in;  // of point i at i * lanes; the first half of the scratch, so what is read is copied before
        float* im = in + points * lanes;
        const int bits = std::countr_zero(points);
        for (std::size_t i = 0; i < points; ++i) {
            std::size_t to = 0;
            for (int bit = 0; bit < bits; ++bit) to |= (i >> bit & 1) << (bits - 1 - bit);
            const float* even = in + 2 * i * lanes;
            const float* odd = in + (size_ - 1 - 2 * i) * lanes;
            turn(even, odd, turns_[i], out + to * lanes, out + (points + to) * lanes);
        }
        std::copy_n(out, size_ * lanes, in);
        for (std::size_t half = 1; half < points; half *= 2)
            for (std::size_t start = 0; start < points; start += 2 * half)
                for (std::size_t j = 0; j < half; ++j) {
                    const std::size_t a = (start + j) * lanes, b = a + half * lanes;
                    butterfly(re + a, im + a, re + b, im + b, roots_[j * (points / 2 / half)]);
                }
        for (std::size_t i = 0; i < points; ++i) {
            float* even = out + 2 * i * lanes;
            float* odd = out + (size_ - 1 - 2 * i) * lanes;
            turn(re + i * lanes, im + i * lanes, turns_[i], even, odd);
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                even[lane] = even[lane] * scale_;
                odd[lane] = odd[lane] * -scale_;
            }
        }
    }

    // (a + i b) times the conjugate of `by`.
    static inline __attribute__((always_inline)) void turn(const float* a, const float* b, Complex<float> by, float* re, float* im) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            const float x = a[lane], y = b[lane];
            re[lane] = x * by.re + y * by.im;
            im[lane] = y * by.re - x * by.im;
        }
    }
    static inline __attribute__((always_inline)) void butterfly(float* are, float* aim, float* bre, float* bim, Complex<float> by) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            const float x = bre[lane] * by.re + bim[lane] * by.im, y = bim[lane] * by.re - bre[lane] * by.im;
            bre[lane] = are[lane] - x;
            bim[lane] = aim[lane] - y;
            are[lane] = are[lane] + x;
            aim[lane] = aim[lane] + y;
        }
    }

    std::size_t size_;
    std::vector<float> rise_, fall_;  // the window beyond an edge, and as far before it
    std::vector<Complex<float>> turns_, roots_;
    float scale_ = 0;
};

}  // namespace laconic
