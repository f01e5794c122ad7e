// What a network sees of a symbol's surroundings (SPEC.md, section 4.4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "subbands.hpp"

namespace laconic {

// The surroundings of the symbols of one kind: subbands that are known already, null where there are none.
class SubbandContext {
public:
    SubbandContext(const SubbandTile& tile, std::size_t level, std::size_t kind) : level_{level}, own_{&tile.band(level, kind)} {
        const SubbandLayout& layout = tile.layout();
        if (level == 0) {
            values_ = &tile.low_values(kind);
            for (std::size_t c = 0; c < kind; ++c) colors_[c] = {&tile.band(0, c), nullptr, nullptr};
            return;
        }
        const std::size_t color = kind / num_orientations, orientation = kind % num_orientations, first = color * num_orientations;
        const auto others = [&](std::size_t of_level, std::size_t of_color) {
            const std::size_t one = orientation == 0 ? 1 : 0, two = orientation == 2 ? 1 : 2;
            return std::array<const Subband*, 2>{&tile.band(of_level, of_color + one), &tile.band(of_level, of_color + two)};
        };
        for (std::size_t o = 0; o < orientation; ++o) earlier_[o] = &tile.band(level, first + o);
        for (std::size_t c = 0; c < color; ++c) {
            const auto two = others(level, c * num_orientations);
            colors_[c] = {&tile.band(level, c * num_orientations + orientation), two[0], two[1]};
        }
        if (level == layout.num_levels()) {
            values_ = &tile.low_values(color);
            return;
        }
        const auto two = others(level + 1, first);
        parent_ = {&tile.band(level + 1, kind), two[0], two[1]};
        if (level + 1 < layout.num_levels()) grandparent_ = &tile.band(level + 2, kind);
    }

    const Subband& own() const noexcept { return *own_; }

    // The `network_inputs` of place (y, x). Returns false, and leaves the later ones alone, where all around is 0.
    bool inputs(std::size_t y, std::size_t x, std::uint8_t* to) const noexcept {
        const std::size_t at = own_->at(y, x), stride = own_->stride();
        const std::uint8_t* const m = own_->magnitudes() + at;
        // What is not 0 is gathered on the way: bytes that were just stored one by one are slow to load together.
        std::uint32_t left = 0, above = 0;
        std::uint64_t second = 0;
        std::memcpy(&left, m - 3, 3);
        std::memcpy(&above, m - stride - 2, 4);
        std::memcpy(&second, m - 2 * stride - 2, 5);
        std::memcpy(to, &left, 3);
        to[3] = *(m - 3 * stride);
        std::memcpy(to + 4, &above, 4);
        std::memcpy(to + 8, &second, 5);
        std::size_t parent = nowhere;
        std::uint64_t any = left | above | second | to[3] | put_coarser(y, x, to, parent);
        for (std::size_t o = 0; o < 2; ++o) any |= put_one(earlier_[o], y, x, to + 15 + 2 * o);
        for (std::size_t c = 0; c < 2; ++c) any |= put_one(colors_[c][0], y, x, to + 19 + 2 * c);
        if (any == 0) return false;
        put_rest(y, x, at, parent, to);
        return true;
    }

private:
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    // Returns what is not 0 where any is.
    static unsigned put_two(std::uint8_t* to, std::uint8_t first, std::uint8_t second) noexcept {
        to[0] = first;
        to[1] = second;
        return unsigned{first} | second;
    }

    static unsigned put_one(const Subband* band, std::size_t y, std::size_t x, std::uint8_t* to) noexcept {
        if (band == nullptr || !band->has(y, x)) return put_two(to, 0, 0);
        const std::size_t place = band->at(y, x);
        return put_two(to, band->magnitudes()[place], band->ring_code(place));
    }

    // Of the parent, or of the values of the low band; sets the place there.
    unsigned put_coarser(std::size_t y, std::size_t x, std::uint8_t* to, std::size_t& parent) const noexcept {
        const Subband& coarser = values_ != nullptr ? *values_ : *parent_[0];
        const std::size_t down = values_ != nullptr ? y : y / 2, right = values_ != nullptr ? x : x / 2;
        if (!coarser.has(down, right)) return put_two(to + 13, 0, 0);
        const std::size_t at = parent = coarser.at(down, right);
        if (values_ == nullptr) return put_two(to + 13, coarser.magnitudes()[at], coarser.ring_code(at));
        const std::size_t stride = coarser.stride();
        if (level_ == 0) {
            const std::int32_t corner = coarser.symbol(at - stride - 1);
            return put_two(to + 13, difference_code(coarser.symbol(at - 1), corner), difference_code(coarser.symbol(at - stride), corner));
        }
        return put_two(to + 13, difference_code(coarser.symbol(at - stride), coarser.symbol(at + stride)),
                       difference_code(coarser.symbol(at + 1), coarser.symbol(at - 1)));
    }

    void put_rest(std::size_t y, std::size_t x, std::size_t at, std::size_t parent, std::uint8_t* to) const noexcept {
        std::memset(to + 23, 0, 8);
        if (parent != nowhere) {
            if (values_ != nullptr)
                put_low(parent, to);
            else
                put_family(y, x, parent, to);
        }
        for (std::size_t c = 0; c < 2; ++c) to[29 + c] = color_code(c, y, x);
        const std::uint8_t* const s = own_->signs() + at;
        to[31] = s[-1];
        std::memcpy(to + 32, s - own_->stride() - 1, 3);
        to[35] = values_ != nullptr ? (level_ > 0 && parent != nowhere ? bend_code(parent, values_->stride()) : 128)
                                    : parent != nowhere ? parent_[0]->signs()[parent] : 128;
        for (std::size_t o = 0; o < 2; ++o) to[36 + o] = sign_at(earlier_[o], y, x);
        for (std::size_t c = 0; c < 2; ++c) to[38 + c] = sign_at(colors_[c][0], y, x);
    }

    // Of the values of the low band around a place.
    void put_low(std::size_t at, std::uint8_t* to) const noexcept {
        const std::size_t stride = values_->stride();
        if (level_ == 0) {
            to[23] = difference_code(values_->symbol(at - stride), values_->symbol(at - stride + 1));
            return;
        }
        to[23] = log_code(difference(values_->symbol(at - stride), values_->symbol(at + stride)) +
                          difference(values_->symbol(at + 1), values_->symbol(at - 1)));
        to[24] = bend_code(at, 1);
    }

    // Of the parent's two other orientations, the grandparent, and the parent's neighbours that are nearest.
    void put_family(std::size_t y, std::size_t x, std::size_t at, std::uint8_t* to) const noexcept {
        to[23] = std::max(magnitude_at(parent_[1], y / 2, x / 2), magnitude_at(parent_[2], y / 2, x / 2));
        if (grandparent_ != nullptr) put_one(grandparent_, y / 4, x / 4, to + 24);
        const std::uint8_t* const m = parent_[0]->magnitudes() + at;
        const auto stride = static_cast<std::ptrdiff_t>(parent_[0]->stride());
        const std::ptrdiff_t down = y % 2 == 0 ? -stride : stride, right = x % 2 == 0 ? -1 : 1;
        to[26] = m[down];
        to[27] = m[right];
        to[28] = m[down + right];
    }

    std::uint8_t color_code(std::size_t c, std::size_t y, std::size_t x) const noexcept {
        if (level_ == 0) return colors_[c][0] == nullptr ? 128 : sign_code(colors_[c][0]->symbol(colors_[c][0]->at(y, x)) >> 3);
        if (colors_[c][0] == nullptr) return 0;
        return std::max(magnitude_at(colors_[c][1], y, x), magnitude_at(colors_[c][2], y, x));
    }

    // How the values bend in the direction of `step`.
    std::uint8_t bend_code(std::size_t at, std::size_t step) const noexcept {
        const std::int64_t bend = std::int64_t{values_->symbol(at - step)} + values_->symbol(at + step) - 2 * std::int64_t{values_->symbol(at)};
        return sign_code(static_cast<std::int32_t>(std::clamp<std::int64_t>(bend >> 1, -5, 5)));
    }

    static std::uint8_t magnitude_at(const Subband* band, std::size_t y, std::size_t x) noexcept {
        return band->has(y, x) ? band->magnitudes()[band->at(y, x)] : std::uint8_t{0};
    }
    static std::uint8_t sign_at(const Subband* band, std::size_t y, std::size_t x) noexcept {
        return band != nullptr && band->has(y, x) ? band->signs()[band->at(y, x)] : std::uint8_t{128};
    }
    static std::uint32_t difference(std::int32_t one, std::int32_t other) noexcept {
        return static_cast<std::uint32_t>(std::min<std::int64_t>(std::abs(std::int64_t{one} - other), max_code_argument));
    }
    static std::uint8_t difference_code(std::int32_t one, std::int32_t other) noexcept { return log_code(difference(one, other)); }

    std::size_t level_;
    const Subband* own_;
    const Subband* values_ = nullptr;  // of the low band, for itself and the coarsest level
    std::array<const Subband*, 3> parent_{};
    const Subband* grandparent_ = nullptr;
    std::array<const Subband*, 2> earlier_{};                // orientations
    std::array<std::array<const Subband*, 3>, 2> colors_{};  // the same subband of earlier colours, and the two other orientations
};

}  // namespace laconic
