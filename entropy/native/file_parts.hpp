// Parts of some files, read one after the other into one piece of memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

namespace laconic {

struct FilePart {
    std::size_t file;  // its number
    std::uint64_t offset;
    std::size_t length;
};

class FileParts {
public:
    // Each file is open while its parts are read. A part that cannot be read in whole is empty.
    FileParts(std::span<const std::filesystem::path> files, std::span<const FilePart> parts) : spans_(parts.size()) {
        std::size_t total = 0;
        for (const FilePart& part : parts) total += part.length;
        bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(total);
        std::vector<std::size_t> order(parts.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(parts[i].file, parts[i].offset); });
        std::uint8_t* to = bytes_.get();
        std::filebuf file;
        std::size_t open = files.size();
        for (const std::size_t i : order) {
            if (parts[i].file != open) {
                file.close();
                file.pubsetbuf(nullptr, 0);
                file.open(files[open = parts[i].file], std::ios::in | std::ios::binary);
            }
            if (read(file, parts[i], to)) spans_[i] = {to, parts[i].length};
            to += parts[i].length;
        }
    }

    std::span<const std::span<const std::uint8_t>> spans() const noexcept { return spans_; }

private:
    static bool read(std::filebuf& file, const FilePart& part, std::uint8_t* to) {
        const auto offset = static_cast<std::streamoff>(part.offset);
        const auto length = static_cast<std::streamsize>(part.length);
        try {
            return file.is_open() && file.pubseekpos(offset, std::ios::in) == std::streampos(offset) &&
                   file.sgetn(reinterpret_cast<char*>(to), length) == length;
        } catch (const std::ios_base::failure&) {  // as libstdc++ says what the system could not read
            return false;
        }
    }

    std::unique_ptr<std::uint8_t[]> bytes_;
    std::vector<std::span<const std::uint8_t>> spans_;
};

}  // namespace laconic
