// Heads of .lcn pictures of the usual kind: of one tile, 8-bit, without alpha, groups by channels, with no section but the
// number of stored channels (SPEC.md, sections 6 and 7). Of everything else, and of whatever is damaged, there is nothing here
// but a no: the reader in Python (container.py) reads it, or says what is wrong with it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dispatch.hpp"

namespace laconic {

// Reads bytes from the front; once something is lacking, or is no number of up to four bytes, `is_good` is false and all that
// is read is 0.
class HeadCursor {
public:
    explicit HeadCursor(std::span<const std::uint8_t> bytes) noexcept : bytes_{bytes} {}

    bool is_good() const noexcept { return is_good_; }
    bool is_at_end() const noexcept { return at_ == bytes_.size(); }
    std::size_t position() const noexcept { return at_; }
    std::span<const std::uint8_t> since(std::size_t start) const noexcept { return bytes_.subspan(start, at_ - start); }

    std::span<const std::uint8_t> take(std::size_t count) noexcept {
        if (!is_good_ || count > bytes_.size() - at_) {
            is_good_ = false;
            return {};
        }
        at_ += count;
        return bytes_.subspan(at_ - count, count);
    }

    // Little-endian.
    std::uint32_t number(std::size_t num_bytes) noexcept {
        std::uint32_t value = 0, shift = 0;
        for (const std::uint8_t byte : take(num_bytes)) {
            value |= static_cast<std::uint32_t>(byte) << shift;
            shift += 8;
        }
        return value;
    }

    // LEB128 in its shortest form.
    std::uint32_t varint() noexcept {
        std::uint32_t value = 0;
        for (unsigned shift = 0; shift < 28 && is_good_; shift += 7) {
            const std::uint32_t byte = number(1);
            value |= (byte & 0x7FU) << shift;
            if (byte >= 0x80U) continue;
            is_good_ = is_good_ && (byte > 0 || shift == 0);
            return is_good_ ? value : 0;
        }
        is_good_ = false;
        return 0;
    }

private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
    bool is_good_ = true;
};

inline constexpr std::uint16_t usual_tuning = 256;  // of files that say nothing of it

struct PictureHead {
    std::array<std::uint8_t, 4> fingerprint;
    std::uint8_t profile;
    std::uint8_t step_code;
    bool is_joined;              // one segment holds all groups
    std::size_t height, width;   // pixels
    std::uint16_t tuning = usual_tuning;
    std::size_t num_stored = 0;  // channels; 0 for all of the model
};

inline constexpr std::uint64_t max_head_pixels = std::uint64_t{1} << 24;  // one tile has no more

// The sections up to their end. Returns false where there are others than that of the stored channels.
inline bool read_head_sections(HeadCursor& cursor, PictureHead& head) noexcept {
    constexpr std::uint32_t stored_channels = 1;
    const std::size_t start = cursor.position();
    for (std::uint32_t number = cursor.varint(); number != 0; number = cursor.varint()) {
        if (number != stored_channels || head.num_stored != 0) return false;
        const std::size_t length = cursor.varint(), begin = cursor.position();
        head.num_stored = cursor.varint();
        if (head.num_stored == 0 || cursor.position() - begin != length) return false;
    }
    const std::span<const std::uint8_t> sections = cursor.since(start);
    return kernels().crc32c(sections.data(), sections.size(), 0) == cursor.number(4) && cursor.is_good();
}

// Moves the cursor to the first segment.
inline std::optional<PictureHead> read_picture_head(HeadCursor& cursor) noexcept {
    constexpr std::array<std::uint8_t, 5> magic_and_version{0x8B, 'L', 'C', 'N', 1};
    constexpr std::uint32_t has_sections = 1, joined = 2, tuned = 128, image = 1;
    if (!std::ranges::equal(cursor.take(magic_and_version.size()), magic_and_version)) return std::nullopt;
    const std::uint32_t flags = cursor.number(1), kind = cursor.number(1);
    if ((flags & ~(has_sections | joined | tuned)) != 0 || (kind & 15U) != image) return std::nullopt;
    PictureHead head{};
    head.is_joined = (flags & joined) != 0;
    head.profile = static_cast<std::uint8_t>(kind >> 4);
    const std::span<const std::uint8_t> fingerprint = cursor.take(head.fingerprint.size());
    std::ranges::copy(fingerprint, head.fingerprint.begin());
    head.step_code = static_cast<std::uint8_t>(cursor.number(1));
    head.width = cursor.varint();
    head.height = cursor.varint();
    if ((flags & tuned) != 0) head.tuning = static_cast<std::uint16_t>(cursor.number(1));
    const std::span<const std::uint8_t> fixed = cursor.since(0);
    const std::uint32_t crc = kernels().crc32c(fixed.data(), fixed.size(), 0) & 0xFFFFU;
    if (cursor.number(2) != crc || !cursor.is_good()) return std::nullopt;
    if (head.width == 0 || head.height == 0 || std::uint64_t{head.width} * head.height > max_head_pixels) return std::nullopt;
    if ((flags & has_sections) != 0 && !read_head_sections(cursor, head)) return std::nullopt;
    return head;
}

struct PictureSegment {
    std::span<const std::uint8_t> payload;
    unsigned lanes;
    bool has_crc;
    std::size_t num_channels;
};

// The next segment, of this number below 128, if it is whole.
inline std::optional<PictureSegment> read_picture_segment(HeadCursor& cursor, std::uint8_t number) noexcept {
    constexpr std::uint32_t max_lanes_code = 4;
    const std::size_t start = cursor.position();
    const std::uint32_t word = cursor.varint(), lanes_code = word & 7U;
    PictureSegment segment{{}, 4U << lanes_code, (word & 8U) != 0, cursor.varint()};
    if (!cursor.is_good() || lanes_code > max_lanes_code || (segment.num_channels == 0 && word != 0)) return std::nullopt;
    const std::span<const std::uint8_t> head = cursor.since(start);
    const std::uint32_t crc = segment.has_crc ? cursor.number(4) : 0;
    segment.payload = cursor.take(word >> 4);
    if (!cursor.is_good()) return std::nullopt;
    if (segment.has_crc) {
        // The number goes in first, so that segments cannot change places.
        const std::uint32_t of_head = kernels().crc32c(head.data(), head.size(), kernels().crc32c(&number, 1, 0));
        if (kernels().crc32c(segment.payload.data(), segment.payload.size(), of_head) != crc) return std::nullopt;
    }
    return segment;
}

}  // namespace laconic
