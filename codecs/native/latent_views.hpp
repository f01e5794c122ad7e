// A latent as a network is to see it: a window of it, mirrored, at half the scale, in other colours, normalised, in the type of
// the batch. What moves bands are whole places, so that all of it but colours and scale is a copy.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "low_levels.hpp"
#include "simd.hpp"

namespace laconic {

enum class BatchType : std::uint8_t { float32, float16, bfloat16 };

inline std::size_t size_of(BatchType type) noexcept { return type == BatchType::float32 ? 4 : 2; }

// Rounded to the nearest, ties to even; too large ones become infinite.
inline std::uint16_t float16_of(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (bits >> 16) & 0x8000U, magnitude = bits & 0x7FFFFFFFU;
    // Below 2^-14 there are no more exponents: the sum has its last bit where that of a subnormal number is.
    const float subnormal = std::bit_cast<float>(magnitude) + 0.5F;
    const std::uint32_t small = std::bit_cast<std::uint32_t>(subnormal) - 0x3F000000U;
    const std::uint32_t usual = (magnitude + 0xC8000FFFU + ((magnitude >> 13) & 1U)) >> 13;
    const std::uint32_t large = magnitude > 0x7F800000U ? 0x7E00U : 0x7C00U;
    std::uint32_t out = magnitude < 0x38800000U ? small : usual;
    out = magnitude >= 0x477FF000U ? large : out;
    return static_cast<std::uint16_t>(sign | out);
}

inline std::uint16_t bfloat16_of(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
    return static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? (bits >> 16) | 0x40U : rounded);
}

inline float float_of_16(std::uint16_t value) noexcept {
    const std::uint32_t sign = (value & 0x8000U) * 65536U, magnitude = value & 0x7FFFU;
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24F;
    const std::uint32_t usual = (magnitude << 13) + (magnitude >= 0x7C00U ? 0x70000000U : 0x38000000U);
    return std::bit_cast<float>(sign | (magnitude < 0x400U ? std::bit_cast<std::uint32_t>(subnormal) : usual));
}

inline float float_of_bfloat16(std::uint16_t value) noexcept { return std::bit_cast<float>(std::uint32_t{value} << 16); }

LACONIC_CLONES inline void normalize_to_floats(const float* in, float* out, float factor, float summand, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = in[i] * factor + summand;
}
LACONIC_CLONES inline void normalize_to_float16(const float* in, std::uint16_t* out, float factor, float summand, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = float16_of(in[i] * factor + summand);
}
LACONIC_CLONES inline void normalize_to_bfloat16(const float* in, std::uint16_t* out, float factor, float summand, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = bfloat16_of(in[i] * factor + summand);
}

// in * factor + summand to `out`, from value `at` on.
inline void normalize_to(BatchType type, const float* in, void* out, std::size_t at, float factor, float summand, std::size_t n) noexcept {
    auto* const halves = static_cast<std::uint16_t*>(out) + (type == BatchType::float32 ? 0 : at);
    if (type == BatchType::float32)
        normalize_to_floats(in, static_cast<float*>(out) + at, factor, summand, n);
    else if (type == BatchType::float16)
        normalize_to_float16(in, halves, factor, summand, n);
    else
        normalize_to_bfloat16(in, halves, factor, summand, n);
}

// A batch of latents, (any, channels, height, width).
struct LatentBatchView {
    void* data;
    BatchType type;
    std::size_t channels, height, width;

    std::size_t place(std::size_t row) const noexcept { return row * channels * height * width; }
};

// How the channels of a latent belong together. Where its bands can be told apart, mirroring moves them by whole places:
// channel c at place p becomes channel `mirrored[c]` at place w - 1 - p, or, of those that lie between samples of the low ones
// (`lags`), w - 2 - p, and the last its own first place. At half the scale a channel is places 2 y + row, 2 x + column of
// channel `half_of[c]`, times a gain; the first `num_low` of these are split once more. `colors` (channels, colours) are those of its band and
// place. All of these are empty where bands are mixed.
struct LatentBands {
    std::vector<std::uint16_t> mirrored, half_of, colors;
    std::vector<std::uint8_t> lags, half_row, half_column;
    std::vector<float> half_gains;
    std::size_t num_low = 0, num_colors = 0;
};

// Of one latent. A window that reaches outside of it is 0 there, as the mean is.
struct LatentView {
    std::int32_t top = 0, left = 0;  // of the window, in places, after mirroring
    bool is_mirrored = false, is_half = false;
    const float* colors = nullptr;   // (colours, colours + 1) or null: a matrix, and what is added to the low channels
    const float* factors = nullptr;  // (channels) or null: what each is multiplied by
    // What of the window is 0 after normalisation: rows and columns, from the first to before the last.
    std::size_t erased_top = 0, erased_bottom = 0, erased_left = 0, erased_right = 0;
};

class LatentViewWriter {
public:
    LatentViewWriter(const LatentBands& bands, const std::vector<float>& scale, const std::vector<float>& shift) : bands_{bands}, scale_{scale}, shift_{shift} {}

    // `latent` (as many channels as are needed, height, width), which is used as scratch, to row `row` of `out`.
    void write(float* latent, std::size_t height, std::size_t width, const LatentView& view, const LatentBatchView& out, std::size_t row) {
        out_size_ = out.height * out.width;
        window_.resize(out.channels * out_size_);
        if (view.is_half) {
            halve(latent, height, width, out.channels);
            latent = half_.data();
            height = num_even(height);
            width = num_even(width);
        }
        const Window window = window_of(view, height, width, out);
        for (std::size_t c = 0; c < out.channels; ++c) cut(latent, height, width, c, view, window, out.width);
        for (std::size_t c = 0; c < out.channels; ++c) {
            const float* values = view.colors == nullptr ? window_.data() + c * out_size_ : colored(c, view.colors);
            const std::size_t at = out.place(row) + c * out_size_;
            const float factor = view.factors == nullptr ? scale_[c] : view.factors[c] * scale_[c];
            if (window.is_whole)
                normalize_to(out.type, values, out.data, at, factor, shift_[c], out_size_);
            else
                normalize_inside(values, factor, shift_[c], window, out, at);
            erase(view, out, at);
        }
    }

private:
    // Rows and columns of the output that are inside of the latent.
    struct Window {
        std::size_t top, bottom, left, right;
        bool is_whole;
    };

    static Window window_of(const LatentView& view, std::size_t height, std::size_t width, const LatentBatchView& out) noexcept {
        const auto inside = [](std::int64_t first, std::size_t size, std::size_t count) {
            const std::int64_t begin = std::clamp<std::int64_t>(-first, 0, static_cast<std::int64_t>(count));
            const std::int64_t end = std::clamp<std::int64_t>(static_cast<std::int64_t>(size) - first, begin, static_cast<std::int64_t>(count));
            return std::array{static_cast<std::size_t>(begin), static_cast<std::size_t>(end)};
        };
        const auto [top, bottom] = inside(view.top, height, out.height);
        const auto [left, right] = inside(view.left, width, out.width);
        return {top, bottom, left, right, top == 0 && left == 0 && bottom == out.height && right == out.width};
    }

    // The latent of the same signal at half the scale.
    void halve(float* latent, std::size_t height, std::size_t width, std::size_t channels) {
        constexpr std::array<float, 4> gains{1.0F, 1.0F, 1.0F, 1.0F};
        const std::size_t half_height = num_even(height), half_width = num_even(width), n = half_height * half_width;
        for (std::size_t c = 0; c < bands_.num_low; ++c) analyze_low(latent + c * height * width, height, width, 1, gains.data());
        half_.assign(channels * n, 0.0F);
        for (std::size_t c = 0; c < channels; ++c) {
            const float* const in = latent + bands_.half_of[c] * height * width;
            float* const out = half_.data() + c * n;
            const float gain = bands_.half_gains[c];
            const std::size_t first_row = bands_.half_row[c], first_column = bands_.half_column[c];
            for (std::size_t y = first_row, i = 0; y < height; y += 2, ++i)
                for (std::size_t x = first_column, j = 0; x < width; x += 2, ++j) out[i * half_width + j] = in[y * width + x] * gain;
        }
    }

    // Channel `c` of the window.
    LACONIC_CLONES void cut(const float* latent, std::size_t height, std::size_t width, std::size_t c, const LatentView& view, const Window& window,
             std::size_t out_width) noexcept {
        const std::size_t n = height * width, count = window.right - window.left;
        const float* const plane = latent + (view.is_mirrored ? bands_.mirrored[c] : c) * n;
        const float* const own = latent + c * n;
        const std::size_t first = static_cast<std::size_t>(static_cast<std::int64_t>(window.left) + view.left);
        for (std::size_t y = window.top; y < window.bottom; ++y) {
            const std::size_t from = static_cast<std::size_t>(static_cast<std::int64_t>(y) + view.top) * width;
            float* const to = window_.data() + c * out_size_ + y * out_width + window.left;
            if (!view.is_mirrored) {
                std::memcpy(to, plane + from + first, count * sizeof(float));
                continue;
            }
            const std::size_t lag = bands_.lags[c], inside = std::min(count, width - lag - std::min(width - lag, first));
            const float* const last = plane + from + (width - 1 - lag) - first;
            for (std::size_t x = 0; x < inside; ++x) to[x] = *(last - x);
            if (inside < count) to[inside] = own[from];
        }
    }

    // Channel `c` in other colours.
    const float* colored(std::size_t c, const float* matrix) {
        const std::size_t count = bands_.num_colors;
        const std::uint16_t* const group = bands_.colors.data() + c * count;
        const auto own = static_cast<std::size_t>(std::find(group, group + count, c) - group);
        const float* const factors = matrix + own * (count + 1);
        mixed_.assign(out_size_, c < bands_.num_low ? factors[count] : 0.0F);
        for (std::size_t k = 0; k < count; ++k) add_scaled_values(window_.data() + group[k] * out_size_, mixed_.data(), factors[k], out_size_);
        return mixed_.data();
    }

    LACONIC_CLONES static void add_scaled_values(const float* in, float* out, float factor, std::size_t n) noexcept {
        for (std::size_t i = 0; i < n; ++i) out[i] += factor * in[i];
    }

    void normalize_inside(const float* values, float factor, float summand, const Window& window, const LatentBatchView& out, std::size_t at) const noexcept {
        std::memset(static_cast<std::uint8_t*>(out.data) + at * size_of(out.type), 0, out_size_ * size_of(out.type));
        for (std::size_t y = window.top; y < window.bottom; ++y) {
            const std::size_t place = y * out.width + window.left;
            normalize_to(out.type, values + place, out.data, at + place, factor, summand, window.right - window.left);
        }
    }

    static void erase(const LatentView& view, const LatentBatchView& out, std::size_t at) noexcept {
        const std::size_t bottom = std::min(view.erased_bottom, out.height), right = std::min(view.erased_right, out.width);
        if (view.erased_left >= right) return;
        for (std::size_t y = view.erased_top; y < bottom; ++y) {
            const std::size_t place = at + y * out.width + view.erased_left;
            std::memset(static_cast<std::uint8_t*>(out.data) + place * size_of(out.type), 0, (right - view.erased_left) * size_of(out.type));
        }
    }

    const LatentBands& bands_;
    const std::vector<float>& scale_;
    const std::vector<float>& shift_;
    std::size_t out_size_ = 0;
    std::vector<float> half_, window_, mixed_;
};

// Two values (n) of one batch, each the other's partner: own `weight` of itself and the rest of the other.
template <class T, class ToFloat, class FromFloat>
inline void mix_values(T* a, T* b, float weight, std::size_t n, ToFloat to_float, FromFloat from_float) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const float x = to_float(a[i]), y = to_float(b[i]);
        a[i] = from_float(weight * x + (1.0F - weight) * y);
        b[i] = from_float(weight * y + (1.0F - weight) * x);
    }
}
LACONIC_CLONES inline void mix_floats(float* a, float* b, float weight, std::size_t n) noexcept {
    const auto same = [](float value) { return value; };
    mix_values(a, b, weight, n, same, same);
}
LACONIC_CLONES inline void mix_float16(std::uint16_t* a, std::uint16_t* b, float weight, std::size_t n) noexcept {
    mix_values(a, b, weight, n, float_of_16, float16_of);
}
LACONIC_CLONES inline void mix_bfloat16(std::uint16_t* a, std::uint16_t* b, float weight, std::size_t n) noexcept {
    mix_values(a, b, weight, n, float_of_bfloat16, bfloat16_of);
}

// Rows [top, bottom) and columns [left, right) of every channel.
struct LatentBox {
    std::size_t top, bottom, left, right;
};

// Mixes each latent of a batch of `count` with that as far from the other end, inside of a box.
inline void mix_batch(const LatentBatchView& out, std::size_t count, float weight, const LatentBox& box) noexcept {
    const std::size_t width = box.right - box.left;
    const auto mix = [&](std::size_t a, std::size_t b, std::size_t n) {
        auto* const halves = static_cast<std::uint16_t*>(out.data);
        if (out.type == BatchType::float32)
            mix_floats(static_cast<float*>(out.data) + a, static_cast<float*>(out.data) + b, weight, n);
        else if (out.type == BatchType::float16)
            mix_float16(halves + a, halves + b, weight, n);
        else
            mix_bfloat16(halves + a, halves + b, weight, n);
    };
    const bool is_whole = width == out.width && box.bottom - box.top == out.height;
    for (std::size_t i = 0, j = count; i + 1 < j; ++i) {
        const std::size_t first = out.place(i), second = out.place(--j);
        if (is_whole) {
            mix(first, second, out.place(1));
            continue;
        }
        for (std::size_t c = 0; c < out.channels; ++c)
            for (std::size_t y = box.top; y < box.bottom; ++y) {
                const std::size_t at = (c * out.height + y) * out.width + box.left;
                mix(first + at, second + at, width);
            }
    }
}

}  // namespace laconic
