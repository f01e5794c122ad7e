// A filter that learns from each sample, of 16-bit integers: normalised least mean squares (SPEC.md, section 9.11).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fixed_dispatch.hpp"

namespace laconic {

inline constexpr std::int16_t limited16(std::int64_t value) noexcept {
    return static_cast<std::int16_t>(std::clamp<std::int64_t>(value, -32768, 32767));
}

class SoundFilter {
public:
    // `taps` is a multiple of 16.
    SoundFilter(std::size_t taps, unsigned step) : taps_{taps}, step_{step}, weights_(taps), history_(2 * taps) {}

    std::int32_t predict() const noexcept { return kernels_->dot16(weights_.data(), &history_[at_], taps_) >> 15; }

    // `value` was predicted, and missed by `error`.
    void learn(std::int16_t value, std::int16_t error) noexcept {
        const std::int64_t rate = std::int64_t{error} * step_ * (1 << 20) / (energy_ + static_cast<std::int64_t>(256 * taps_));
        kernels_->add_scaled16(weights_.data(), &history_[at_], static_cast<std::int16_t>(std::clamp<std::int64_t>(rate, -32767, 32767)), taps_);
        const std::int16_t oldest = history_[at_ + taps_ - 1];
        energy_ += value * value - oldest * oldest;
        at_ = at_ == 0 ? taps_ - 1 : at_ - 1;
        history_[at_] = history_[at_ + taps_] = value;  // twice, so that the last `taps` values always stand in a row
    }

private:
    const FixedKernels* kernels_ = &fixed_kernels();
    std::size_t taps_;
    unsigned step_;
    std::vector<std::int16_t> weights_, history_;  // of the newest value first, from `at_` on
    std::size_t at_ = 0;
    std::int64_t energy_ = 0;  // of the history
};

}  // namespace laconic
