// Linear prediction of a sound from its last samples, and those of another channel, whose weights follow from what was decoded
// already (SPEC.md, section 9.11): each 64 samples, the weights of least squares, of which older samples count less.
//
// Samples have at most 24 bits. So sums of 64 products are whole numbers below 2^53, which double holds exactly: in whatever
// order they are added, they are the same. The weights are the result of additions, multiplications and divisions of double one
// by one, in the order of the specification, and are rounded; with them predictions are exact again.
#pragma once

#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace laconic {

static_assert(std::numeric_limits<double>::is_iec559 && FLT_EVAL_METHOD == 0, "double must be that of IEEE 754, without more digits between");

inline constexpr std::size_t own_taps = 16, other_taps = 8;
inline constexpr std::size_t regression_block = 64;
inline constexpr std::size_t sound_history = 32;  // samples before the first that are read, as 0

class SoundRegression {
public:
    // `has_other`: there is another channel; `delay`: how many samples before this one its last is, 0 or 1.
    SoundRegression(bool has_other, std::size_t delay, double keep) noexcept
        : num_taps_{own_taps + (has_other ? other_taps : 0)}, delay_{delay}, keep_{keep} {}

    // In units of 2^-16. `own` and `other` point at this place of their channels.
    std::int64_t predict(const double* own, const double* other) const noexcept {
        double sum = dot<own_taps>(own_weights_.data(), own - own_taps);
        if (num_taps_ > own_taps) sum += dot<other_taps>(other_weights_.data(), other - delay_ - (other_taps - 1));
        return static_cast<std::int64_t>(sum);
    }

    // After a block: the places before `own` and `other`.
    void learn(const double* own, const double* other) noexcept {
        add_block(own, other);
        solve();
    }

private:
    static constexpr std::size_t num_lags = own_taps + 1;  // of the channel, the one that is predicted included
    static constexpr std::size_t size = num_lags + other_taps;
    using Row = std::array<double, size>;

    template <std::size_t taps>
    static double dot(const double* weights, const double* samples) noexcept {
        double sums[4]{};
        for (std::size_t i = 0; i < taps; i += 4)
            for (std::size_t k = 0; k < 4; ++k) sums[k] += weights[i + k] * samples[i + k];
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    // sums[j] += a block of one[t] with other[t - j], of places before `one` and `other`.
    template <std::size_t lags>
    static void correlate(const double* one, const double* other, double* sums) noexcept {
        double reversed[lags]{};
        for (std::size_t t = regression_block; t > 0; --t)
            for (std::size_t j = 0; j < lags; ++j) reversed[j] += *(one - t) * *(other - t - (lags - 1) + j);
        for (std::size_t j = 0; j < lags; ++j) sums[j] = reversed[lags - 1 - j];
    }

    // Products of a block, of which those of later lags follow from those before: all but one are the same.
    void add_block(const double* own, const double* other) noexcept {
        std::array<Row, size> block;
        const auto at = [&](std::size_t lag, std::ptrdiff_t back) {
            return lag < num_lags ? *(own - back - static_cast<std::ptrdiff_t>(lag)) : *(other - back - static_cast<std::ptrdiff_t>(delay_ + lag - num_lags));
        };
        const auto slide = [&](std::size_t i, std::size_t j) {
            constexpr auto length = static_cast<std::ptrdiff_t>(regression_block);
            block[i + 1][j + 1] = block[i][j] + at(i, length + 1) * at(j, length + 1) - at(i, 1) * at(j, 1);
        };
        correlate<num_lags>(own, own, block[0].data());
        for (std::size_t i = 0; i + 1 < num_lags; ++i)
            for (std::size_t j = i; j + 1 < num_lags; ++j) slide(i, j);
        if (num_taps_ > own_taps) {
            const double* const delayed = other - delay_;
            correlate<other_taps>(own, delayed, block[0].data() + num_lags);
            double first[num_lags];
            correlate<num_lags>(delayed, own, first);  // of the other's last sample with those of the channel
            for (std::size_t i = 1; i < num_lags; ++i) block[i][num_lags] = first[i];
            for (std::size_t i = 0; i + 1 < num_lags; ++i)
                for (std::size_t j = num_lags; j + 1 < size; ++j) slide(i, j);
            correlate<other_taps>(delayed, delayed, block[num_lags].data() + num_lags);
            for (std::size_t i = num_lags; i + 1 < size; ++i)
                for (std::size_t j = i; j + 1 < size; ++j) slide(i, j);
        }
        for (std::size_t i = 0; i <= num_taps_; ++i)
            for (std::size_t j = i; j <= num_taps_; ++j) sums_[i][j] = sums_[i][j] * keep_ + block[i][j];
    }

    // Gauss's elimination of a symmetric matrix, its upper half.
    void solve() noexcept {
        const std::size_t n = num_taps_;
        std::array<Row, size> rest, ratios;
        Row pivots, found;
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = i; j < n; ++j) rest[i][j] = sums_[i + 1][j + 1];
            rest[i][i] = rest[i][i] * (1.0 + 0x1p-22) + 1.0;
            found[i] = sums_[0][i + 1];
        }
        for (std::size_t k = 0; k < n; ++k) {
            const double least = (sums_[k + 1][k + 1] + 1.0) * 0x1p-30;
            pivots[k] = rest[k][k] > least ? rest[k][k] : least;
            for (std::size_t i = k + 1; i < n; ++i) ratios[k][i] = rest[k][i] / pivots[k];
            for (std::size_t j = k + 1; j < n; ++j)
                for (std::size_t i = j; i < n; ++i) rest[j][i] -= ratios[k][i] * rest[k][j];
            for (std::size_t i = k + 1; i < n; ++i) found[i] -= ratios[k][i] * found[k];
        }
        for (std::size_t i = 0; i < n; ++i) found[i] /= pivots[i];
        for (std::size_t k = n; k-- > 0;)
            for (std::size_t i = 0; i < k; ++i) found[i] -= ratios[i][k] * found[k];
        for (std::size_t i = 0; i < n; ++i) {
            // Whatever is no number is not within.
            const double weight = found[i] > -128.0 && found[i] < 128.0 ? std::floor(found[i] * 65536.0 + 0.5) : 0.0;
            (i < own_taps ? own_weights_[own_taps - 1 - i] : other_weights_[other_taps - 1 - (i - own_taps)]) = weight;
        }
    }

    std::size_t num_taps_;
    std::size_t delay_;
    double keep_;
    std::array<double, own_taps> own_weights_{};      // times 2^16, of the oldest sample first
    std::array<double, other_taps> other_weights_{};
    std::array<Row, size> sums_{};
};

}  // namespace laconic
