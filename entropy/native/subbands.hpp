// The subbands of a picture's latent on grids of their own, in one tile (SPEC.md, section 4.4).
//
// A tile has h by w places and P colours. Level l = depth .. 1 has three subbands a colour, of f h by f w symbols with
// f = 2^(depth - l): vertically high, horizontally high, both; their symbols are f * f channels each, by place in a block.
// The first P channels hold the low band and the subbands of further levels in the order of in-place lifting.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "context_network.hpp"
#include "contexts.hpp"

namespace laconic {

inline constexpr std::size_t max_colors = 3;
inline constexpr std::size_t num_orientations = 3;
inline constexpr std::size_t max_depth = 4;
inline constexpr std::size_t max_low_levels = 3;
inline constexpr std::size_t num_step_bands = 32;
// What outputs of a network choose among: a scale, by quarters of an octave, a lean, and a shape.
inline constexpr std::int32_t num_scales = 48;
inline constexpr std::int32_t num_network_leans = 4;
inline constexpr std::int32_t num_shapes = 3;
inline constexpr std::size_t num_choices = static_cast<std::size_t>(num_scales * num_network_leans * num_shapes);

// Which channels a picture's tile has.
struct SubbandLayout {
    std::size_t num_colors;
    std::size_t depth;       // levels whose subbands are channels of their own
    std::size_t low_levels;  // further ones, in the first channels

    std::size_t num_levels() const noexcept { return depth + low_levels; }
    std::size_t num_channels() const noexcept { return num_colors << (2 * depth); }
    std::size_t side(std::size_t level) const noexcept { return std::size_t{1} << (depth - level); }  // f
    // First channel of a level up to `depth`.
    std::size_t first_channel(std::size_t level) const noexcept { return num_colors << (2 * (depth - level)); }
    // Kinds of symbols in a level, 0 being the low band: colour by colour, orientation by orientation.
    std::size_t num_kinds(std::size_t level) const noexcept { return level == 0 ? num_colors : num_orientations * num_colors; }
    bool operator==(const SubbandLayout&) const = default;
};

// The rules of one model: a network for the low band and for each level, tables by its outputs, (levels + 1, scales, leans,
// shapes), and tables, by level, kind and step band, for where all around is 0: (levels + 1, most kinds, 32).
struct SubbandRules {
    SubbandLayout layout;
    std::vector<NetworkWeights> networks;
    std::vector<std::uint8_t> table_map;
    std::vector<std::uint8_t> quiet_tables;

    // Throws std::invalid_argument where the parts do not fit together; nothing later checks them again.
    void check() const {
        if (layout.num_colors < 1 || layout.num_colors > max_colors || layout.depth < 1 || layout.depth > max_depth ||
            layout.low_levels > max_low_levels)
            invalid("1 to 3 colours, 1 to 4 levels and up to 3 low levels are supported");
        if (networks.size() != layout.num_levels() + 1) invalid("there must be a network for each level and one for the low band");
        for (std::size_t level = 0; level < networks.size(); ++level) {
            networks[level].check();
            if (networks[level].num_kinds != layout.num_kinds(level)) invalid("a network has other kinds than its level");
        }
        if (table_map.size() != networks.size() * num_choices ||
            quiet_tables.size() != networks.size() * layout.num_kinds(1) * num_step_bands)
            invalid("an array has the wrong shape");
    }

private:
    [[noreturn]] static void invalid(const char* what) { throw std::invalid_argument(std::string("subband rules: ") + what); }
};

// floor(16 log2(1 + n)), linear between powers of two, of sums up to eight magnitudes.
inline constexpr std::size_t max_code_argument = 8 * 255;
inline const std::array<std::uint8_t, max_code_argument + 1> log_codes = [] {
    std::array<std::uint8_t, max_code_argument + 1> codes{};
    for (std::uint32_t n = 0; n < codes.size(); ++n) {
        unsigned top = 0;
        while ((n + 1) >> (top + 1) != 0) ++top;
        codes[n] = static_cast<std::uint8_t>(16 * top + ((16 * (n + 1)) >> top) - 16);
    }
    return codes;
}();

inline std::uint8_t log_code(std::uint32_t n) noexcept { return log_codes[std::min<std::uint32_t>(n, max_code_argument)]; }
inline std::uint32_t magnitude_of(std::int32_t symbol) noexcept {
    const auto bits = static_cast<std::uint32_t>(symbol);
    return symbol < 0 ? 0U - bits : bits;
}
inline constexpr std::uint8_t zero_sign = 128;
inline std::uint8_t sign_code(std::int32_t symbol) noexcept { return static_cast<std::uint8_t>(zero_sign + 24 * std::clamp(symbol, -5, 5)); }

// Zeros that take no memory until they are written to, as far as the system has such.
template <class T>
class ZeroArray {
public:
    ZeroArray() = default;
    explicit ZeroArray(std::size_t size) : size_{size}, data_{static_cast<T*>(std::calloc(size, sizeof(T)))} {
        if (data_ == nullptr && size > 0) throw std::bad_alloc();
    }
    T& operator[](std::size_t i) noexcept { return data_.get()[i]; }
    const T& operator[](std::size_t i) const noexcept { return data_.get()[i]; }
    T* data() noexcept { return data_.get(); }
    const T* data() const noexcept { return data_.get(); }
    void clear() noexcept { std::fill_n(data_.get(), size_, T{0}); }

private:
    struct Free {
        void operator()(T* pointer) const noexcept { std::free(pointer); }
    };
    std::size_t size_ = 0;
    std::unique_ptr<T[], Free> data_;
};

// One subband with a frame of zeros, so that all places have all neighbours.
class Subband {
public:
    Subband(std::size_t height, std::size_t width)
        : height_{height}, width_{width}, stride_{width + before + after}, magnitudes_(size()), signs_(size()), rings_(size()), symbols_(size()) {}

    std::size_t height() const noexcept { return height_; }
    std::size_t width() const noexcept { return width_; }
    std::size_t stride() const noexcept { return stride_; }
    std::size_t at(std::size_t y, std::size_t x) const noexcept { return (y + above) * stride_ + x + before; }
    bool has(std::size_t y, std::size_t x) const noexcept { return y < height_ && x < width_; }

    // By `at`: codes of the magnitudes, of the signs, and of the sums of the magnitudes of eight neighbours.
    const std::uint8_t* magnitudes() const noexcept { return magnitudes_.data(); }
    std::uint8_t sign(std::size_t place) const noexcept { return static_cast<std::uint8_t>(zero_sign + signs_[place]); }
    std::uint8_t ring_code(std::size_t place) const noexcept { return log_codes[rings_[place]]; }
    std::int32_t symbol(std::size_t place) const noexcept { return symbols_[place]; }

    // Once for each place after `clear`.
    void put(std::size_t place, std::int32_t symbol) noexcept {
        if (symbol == 0) return;
        is_clear_ = false;
        symbols_[place] = symbol;
        const std::uint32_t magnitude = std::min<std::uint32_t>(magnitude_of(symbol), 255);
        magnitudes_[place] = log_codes[magnitude];
        signs_[place] = static_cast<std::int8_t>(sign_code(symbol) - zero_sign);
        const auto more = static_cast<std::uint16_t>(magnitude);
        std::uint16_t* const ring = rings_.data() + place;
        const auto row = static_cast<std::ptrdiff_t>(stride_);
        for (const std::ptrdiff_t neighbour : {-row - 1, -row, -row + 1, std::ptrdiff_t{-1}, std::ptrdiff_t{1}, row - 1, row, row + 1})
            ring[neighbour] = static_cast<std::uint16_t>(ring[neighbour] + more);
    }

    // Zeros again. Returns whether there was anything else.
    bool clear() noexcept {
        if (is_clear_) return false;
        is_clear_ = true;
        magnitudes_.clear();
        signs_.clear();
        rings_.clear();
        symbols_.clear();
        return true;
    }

private:
    static constexpr std::size_t above = 3, below = 1, before = 4, after = 4;
    std::size_t size() const noexcept { return (height_ + above + below) * stride_; }

    std::size_t height_ = 0, width_ = 0, stride_ = 0;
    bool is_clear_ = true;
    ZeroArray<std::uint8_t> magnitudes_;
    ZeroArray<std::int8_t> signs_;  // codes less that of zero
    ZeroArray<std::uint16_t> rings_;
    ZeroArray<std::int32_t> symbols_;
};

// The subbands of one tile. Of the low band the residuals of its prediction are coded, and its values are kept beside them.
class SubbandTile {
public:
    SubbandTile(const SubbandLayout& layout, Grid grid) : layout_{layout}, grid_{grid} {
        bands_.resize(layout.num_levels() + 1);
        Grid low = grid;
        for (std::size_t level = layout.depth + 1; level <= layout.num_levels(); ++level) {
            const Grid half{(low.height + 1) / 2, (low.width + 1) / 2};
            add(level, low.height - half.height, half.width, half.height, low.width - half.width, low.height - half.height, low.width - half.width);
            low = half;
        }
        for (std::size_t level = 1; level <= layout.depth; ++level) {
            const std::size_t height = grid.height * layout.side(level), width = grid.width * layout.side(level);
            add(level, height, width, height, width, height, width);
        }
        for (std::size_t c = 0; c < layout.num_colors; ++c) {
            bands_[0].emplace_back(low.height, low.width);
            values_.emplace_back(low.height, low.width);
        }
    }

    SubbandTile(const SubbandTile&) = delete;
    SubbandTile(SubbandTile&&) = default;

    const SubbandLayout& layout() const noexcept { return layout_; }
    Grid grid() const noexcept { return grid_; }
    Subband& band(std::size_t level, std::size_t kind) noexcept { return bands_[level][kind]; }
    const Subband& band(std::size_t level, std::size_t kind) const noexcept { return bands_[level][kind]; }
    // Values of the low band, by colour.
    const Subband& low_values(std::size_t color) const noexcept { return values_[color]; }

    // What the median predicts of the low band at a place of it.
    std::int32_t predicted(std::size_t color, std::size_t place) const noexcept {
        const Subband& values = values_[color];
        const std::int32_t left = values.symbol(place - 1), up = values.symbol(place - values.stride()), corner = values.symbol(place - values.stride() - 1);
        const auto [low, high] = std::minmax(left, up);
        if (corner >= high) return low;
        if (corner <= low) return high;
        return wrapped_sum(left, static_cast<std::uint32_t>(up) - static_cast<std::uint32_t>(corner));
    }

    // Makes a subband zeros again, as it must be before it is put. Returns whether there was anything else.
    bool clear(std::size_t level, std::size_t kind) noexcept {
        const bool had_values = level == 0 && values_[kind].clear();
        return bands_[level][kind].clear() || had_values;
    }

    // Once for each place: a symbol of a subband, or a residual of the low band. Returns the value that channels hold.
    std::int32_t put(std::size_t level, std::size_t kind, std::size_t place, std::int32_t symbol) noexcept {
        bands_[level][kind].put(place, symbol);
        if (level > 0) return symbol;
        const std::int32_t value = wrapped_sum(symbol, static_cast<std::uint32_t>(predicted(kind, place)));
        values_[kind].put(place, value);
        return value;
    }

    // Where a symbol stands in planes (d, h, w).
    std::size_t plane_place(std::size_t level, std::size_t kind, std::size_t y, std::size_t x) const noexcept {
        if (level > 0 && level <= layout_.depth) {
            const std::size_t bits = layout_.depth - level, side = layout_.side(level);
            const std::size_t channel = layout_.first_channel(level) + (kind << (2 * bits)) + (y & (side - 1)) * side + (x & (side - 1));
            return (channel * grid_.height + (y >> bits)) * grid_.width + (x >> bits);
        }
        const std::size_t k = level == 0 ? layout_.low_levels : level - layout_.depth;
        const std::size_t orientation = level == 0 ? num_orientations : kind % num_orientations, color = level == 0 ? kind : kind / num_orientations;
        const std::size_t down = orientation == 0 || orientation == 2, right = orientation == 1 || orientation == 2;
        const std::size_t row = level == 0 ? y << k : (2 * y + down) << (k - 1), column = level == 0 ? x << k : (2 * x + right) << (k - 1);
        return (color * grid_.height + row) * grid_.width + column;
    }

private:
    void add(std::size_t level, std::size_t h0, std::size_t w0, std::size_t h1, std::size_t w1, std::size_t h2, std::size_t w2) {
        for (std::size_t c = 0; c < layout_.num_colors; ++c) {
            bands_[level].emplace_back(h0, w0);
            bands_[level].emplace_back(h1, w1);
            bands_[level].emplace_back(h2, w2);
        }
    }

    SubbandLayout layout_;
    Grid grid_;
    std::vector<std::vector<Subband>> bands_;
    std::vector<Subband> values_;
};

}  // namespace laconic
