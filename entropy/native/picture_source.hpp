// Integers of many small pictures for another extension module of the same build, which is given one of these in a capsule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic {

inline constexpr char picture_source_name[] = "laconic.PictureSource";

class PictureSource {
public:
    virtual ~PictureSource() = default;

    virtual std::size_t num_files() const noexcept = 0;
    virtual std::size_t height() const noexcept = 0;    // of the planes
    virtual std::size_t width() const noexcept = 0;
    virtual std::size_t capacity() const noexcept = 0;  // planes of each file, of which the last may mean nothing

    // The files of these numbers into planes (n, capacity, height, width); `done` (n) says of which. From any thread.
    virtual void decode(std::span<const std::int64_t> numbers, std::int32_t* planes, bool* done) const = 0;
};

}  // namespace laconic
