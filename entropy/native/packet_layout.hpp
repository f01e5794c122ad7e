// Where the symbols of a packet's chunks lie in its array, and which tables they have.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rans.hpp"

namespace laconic {

// How the tables go over an array: `rows` of equal length, with one table each; or one table for each symbol.
struct Layout {
    std::size_t count = 0;
    const std::uint8_t* rows = nullptr;  // tables of the rows
    std::size_t num_rows = 0;
    const std::uint8_t* each = nullptr;

    std::size_t row_length() const noexcept { return num_rows == 0 ? count : count / num_rows; }
};

// Cuts an array into chunks, and chunks into runs.
class Cutter {
public:
    Cutter(const Layout& layout, std::size_t chunk) : layout_{layout} {
        const std::size_t row = layout.row_length();
        unit_ = layout.count;
        length_ = layout.count;
        if (layout.count <= chunk) return;
        if (layout.each != nullptr || row >= chunk) {
            unit_ = layout.each != nullptr ? layout.count : row;
            length_ = chunk;
        } else {
            length_ = chunk / row * row;
        }
    }

    // Every unit, a row or the array, is cut into pieces of `length_`, the last of which may be shorter.
    std::size_t num_chunks() const noexcept { return layout_.count == 0 ? 1 : (layout_.count / unit_) * per_unit(); }

    struct Bounds {
        std::size_t begin, end;
    };

    Bounds chunk(std::size_t number) const noexcept {
        if (layout_.count == 0) return {0, 0};
        const std::size_t base = number / per_unit() * unit_;
        const std::size_t begin = base + number % per_unit() * length_;
        return {begin, std::min(begin + length_, base + unit_)};
    }

    // Runs of places begin .. end - 1 of the array; `offset` is where it lies among the values.
    std::vector<Run> runs(Bounds bounds, std::size_t offset) const {
        std::vector<Run> runs;
        if (layout_.each != nullptr) {
            if (bounds.begin < bounds.end)
                runs.push_back({offset + bounds.begin, bounds.end - bounds.begin, {0, layout_.each + bounds.begin}});
            return runs;
        }
        const std::size_t row = layout_.row_length();
        if (row > 0) runs.reserve((bounds.end - bounds.begin) / row + 2);
        for (std::size_t at = bounds.begin; at < bounds.end;) {
            const std::size_t number = at / row;
            const std::size_t end = std::min(bounds.end, (number + 1) * row);
            runs.push_back({offset + at, end - at, {layout_.rows[number], nullptr}});
            at = end;
        }
        return runs;
    }

private:
    std::size_t per_unit() const noexcept { return (unit_ + length_ - 1) / length_; }

    Layout layout_;
    std::size_t unit_;
    std::size_t length_;
};

}  // namespace laconic
