// Samples of all channels of a stretch of a sound <-> what their prediction misses (SPEC.md, section 9.11).
//
// Of each channel, a regression on its last samples and those of the channel before it, then a cascade of filters on what
// this misses. Nothing is stored of them: both sides learn from the samples that they have.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sound_filter.hpp"
#include "sound_regression.hpp"

namespace laconic {

inline constexpr std::array<std::size_t, 3> filter_taps{256, 32, 16};
inline constexpr unsigned max_sound_bits = 24;
// So that in a stretch of 2^16 samples no sum falls below the smallest normal double, which some programs take for 0.
inline constexpr unsigned max_forget = 96;
inline constexpr int min_filter_shift = -12, max_filter_shift = 12;

struct PredictionRules {
    unsigned forget;  // of 256, what older samples lose with each block
    std::array<std::uint8_t, 3> steps;
};

struct ChannelRules {
    unsigned bits;  // of a sample
    int shift;      // of the filters, whose values are in units of 2^shift
};

class ChannelPrediction {
public:
    ChannelPrediction(const PredictionRules& rules, const ChannelRules& channel, bool has_other, std::size_t delay)
        : regression_(has_other, delay, (256.0 - rules.forget) / 256.0),
          filters_{SoundFilter(filter_taps[0], rules.steps[0]), SoundFilter(filter_taps[1], rules.steps[1]), SoundFilter(filter_taps[2], rules.steps[2])},
          shift_{static_cast<unsigned>(16 + channel.shift)},
          peak_{std::int64_t{1} << (channel.bits - 1)} {}

    std::int32_t predict(const double* own, const double* other) noexcept {
        linear_ = regression_.predict(own, other);
        std::int64_t sum = 0;
        for (std::size_t k = 0; k < filters_.size(); ++k) sum += parts_[k] = filters_[k].predict();
        const std::int64_t fine = linear_ + sum * (std::int64_t{1} << shift_) + 32768;
        return static_cast<std::int32_t>(std::clamp(fine >> 16, -peak_, peak_ - 1));
    }

    bool holds(std::int64_t sample) const noexcept { return sample >= -peak_ && sample < peak_; }

    // After the prediction, with what there was; a block may end with it.
    void learn(std::int32_t sample, const double* own, const double* other) noexcept {
        std::int16_t value = limited16((std::int64_t{sample} * 65536 - linear_ + (std::int64_t{1} << (shift_ - 1))) >> shift_);
        for (std::size_t k = 0; k < filters_.size(); ++k) {
            const std::int16_t error = limited16(std::int64_t{value} - parts_[k]);
            filters_[k].learn(value, error);
            value = error;
        }
        if (++num_learned_ % regression_block == 0) regression_.learn(own + 1, other + 1);
    }

private:
    SoundRegression regression_;
    std::array<SoundFilter, filter_taps.size()> filters_;
    std::array<std::int32_t, filter_taps.size()> parts_{};
    std::int64_t linear_ = 0;
    unsigned shift_;
    std::int64_t peak_;
    std::size_t num_learned_ = 0;
};

// Goes over a stretch of `length` samples from its start, with predictions in order: of each time all channels.
// `exchange(channel, time, prediction, rules)` tells the sample.
template <class Exchange>
void predict_sound(const PredictionRules& rules, std::span<const ChannelRules> channels, std::size_t length, Exchange exchange) {
    const std::size_t count = channels.size();
    std::vector<std::vector<double>> samples(count, std::vector<double>(sound_history + length + 1));
    std::vector<ChannelPrediction> predictions;
    predictions.reserve(count);
    for (std::size_t c = 0; c < count; ++c) predictions.emplace_back(rules, channels[c], count > 1, c == 0 ? 1 : 0);
    for (std::size_t t = 0; t < length; ++t)
        for (std::size_t c = 0; c < count; ++c) {
            double* const own = &samples[c][sound_history + t];
            const double* const other = &samples[count == 1 ? 0 : c == 0 ? 1 : c - 1][sound_history + t];
            const std::int32_t sample = exchange(c, t, predictions[c].predict(own, other), predictions[c]);
            *own = sample;
            predictions[c].learn(sample, own, other);
        }
}

// (channels, length) both.
inline void residuals_of_sound(const PredictionRules& rules, std::span<const ChannelRules> channels, std::size_t length, const std::int32_t* samples,
                               std::int32_t* residuals) {
    predict_sound(rules, channels, length, [&](std::size_t c, std::size_t t, std::int32_t prediction, const ChannelPrediction&) {
        const std::int32_t sample = samples[c * length + t];
        residuals[c * length + t] = sample - prediction;
        return sample;
    });
}

// In place. Returns false where a sample has more bits than the rules say: no encoder writes such residuals.
inline bool sound_of_residuals(const PredictionRules& rules, std::span<const ChannelRules> channels, std::size_t length, std::int32_t* residuals) {
    bool fits = true;
    predict_sound(rules, channels, length, [&](std::size_t c, std::size_t t, std::int32_t prediction, const ChannelPrediction& channel) {
        std::int64_t sample = std::int64_t{residuals[c * length + t]} + prediction;
        if (!channel.holds(sample)) {
            fits = false;
            sample = 0;
        }
        return residuals[c * length + t] = static_cast<std::int32_t>(sample);
    });
    return fits;
}

// sums[k] of products of samples `k` apart, which have at most 24 bits and are at most 2^16.
inline void autocorrelate(std::span<const std::int32_t> samples, std::span<std::int64_t> sums) noexcept {
    for (std::size_t k = 0; k < sums.size(); ++k) {
        sums[k] = 0;
        for (std::size_t t = k; t < samples.size(); ++t) sums[k] += std::int64_t{samples[t]} * samples[t - k];
    }
}

}  // namespace laconic
