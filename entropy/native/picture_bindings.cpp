// Many small pictures at once for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "file_parts.hpp"
#include "picture_bindings.hpp"
#include "picture_decoder.hpp"
#include "picture_source.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T, std::size_t dims>
using Array = nb::ndarray<T, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;

using Bytes = std::span<const std::uint8_t>;

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

template <class T>
std::vector<T> vector_of(const Array<const T, 1>& array) {
    return {array.data(), array.data() + array.size()};
}

Bytes span_of(const nb::bytes& bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.c_str()), bytes.size()}; }

// The bytes of some files or of their heads: those of Python, or read from where they are.
class PictureFiles {
public:
    explicit PictureFiles(const nb::list& files) {
        for (const nb::handle file : files) {
            kept_.push_back(nb::cast<nb::bytes>(file));
            spans_.push_back(span_of(kept_.back()));
        }
    }

    PictureFiles(const std::vector<nb::bytes>& paths, const Array<const std::int64_t, 1>& file, const Array<const std::int64_t, 1>& offset,
                 const Array<const std::int64_t, 1>& length) {
        constexpr std::int64_t max_offset = std::int64_t{1} << 60, max_length = std::int64_t{1} << 32;
        require(file.size() == offset.size() && file.size() == length.size(), "files, offsets and lengths differ in number");
        std::vector<std::filesystem::path> names(paths.size());
        std::vector<FilePart> parts;
        for (std::size_t i = 0; i < file.size(); ++i) {
            const std::int64_t number = file(i);
            require(number >= 0 && static_cast<std::size_t>(number) < names.size(), "a file has a number that there is not");
            const nb::bytes& path = paths[static_cast<std::size_t>(number)];
            const auto* const first = reinterpret_cast<const char8_t*>(path.c_str());
            if (names[static_cast<std::size_t>(number)].empty()) names[static_cast<std::size_t>(number)] = std::u8string(first, first + path.size());
            require(offset(i) >= 0 && offset(i) <= max_offset && length(i) >= 0 && length(i) <= max_length, "a part is no part of a file");
            parts.push_back({static_cast<std::size_t>(number), static_cast<std::uint64_t>(offset(i)), static_cast<std::size_t>(length(i))});
        }
        nb::gil_scoped_release unlocked;
        parts_.emplace(names, parts);
        spans_.assign(parts_->spans().begin(), parts_->spans().end());
    }

    PictureFiles(const PictureFiles&) = delete;
    PictureFiles& operator=(const PictureFiles&) = delete;

    std::span<const Bytes> spans() const noexcept { return spans_; }

private:
    std::vector<nb::bytes> kept_;
    std::optional<FileParts> parts_;
    std::vector<Bytes> spans_;
};

// (n, 5): profile, step code, height, width and tuning (256: the usual one) of each, 0 for what is not read here.
nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>> heads_of(const PictureFiles& files) {
    constexpr std::size_t columns = 5;
    const std::size_t count = files.spans().size();
    auto* const numbers = new std::vector<std::int32_t>;
    const nb::capsule owner(numbers, [](void* pointer) noexcept { delete static_cast<std::vector<std::int32_t>*>(pointer); });
    {
        nb::gil_scoped_release unlocked;
        for (const Bytes bytes : files.spans()) {
            HeadCursor cursor(bytes);
            const PictureHead head = read_picture_head(cursor).value_or(PictureHead{});
            for (const std::size_t number : {std::size_t{head.profile}, std::size_t{head.step_code}, head.height, head.width, std::size_t{head.tuning}})
                numbers->push_back(static_cast<std::int32_t>(number));
        }
    }
    return {numbers->data(), {count, columns}, owner};
}

// The fields of `rules` are set one after the other: a constructor of so many arguments says nothing.
void init_rules(PictureRules* self, const nb::bytes& fingerprint, unsigned profile, unsigned step_code, unsigned tuning, unsigned depth,
                const std::vector<std::size_t>& group_ends, unsigned low_levels, const Array<const std::uint8_t, 2>& places, std::size_t num_planes) {
    require(fingerprint.size() == 4 && step_code <= 255 && tuning <= usual_tuning && depth <= 8 && (profile == 1 || profile == 2), "a number of the model is none");
    require(!group_ends.empty() && group_ends.size() < 128 && std::ranges::is_sorted(group_ends) && group_ends.front() > 0, "the groups do not ascend");
    require(low_levels >= 1 && low_levels <= 4 && places.shape(0) == std::size_t{1} << (2 * low_levels) && places.shape(1) == 2 && num_planes >= 1 &&
                num_planes <= group_ends.front(),
            "the low channels do not fit their levels");
    auto* const rules = new (self) PictureRules{};
    std::copy_n(span_of(fingerprint).data(), 4, rules->fingerprint.begin());
    rules->profile = static_cast<PictureRules::Profile>(profile);
    rules->step_code = static_cast<std::uint8_t>(step_code);
    rules->tuning = static_cast<std::uint16_t>(tuning);
    rules->depth = depth;
    rules->group_ends = group_ends;
    rules->low_levels = low_levels;
    rules->num_planes = num_planes;
    for (std::size_t i = 0; i < places.shape(0); ++i) {
        require(places(i, 0) < 1U << low_levels && places(i, 1) < 1U << low_levels, "a place is outside of its block");
        rules->places.push_back({places(i, 0), places(i, 1)});
    }
}

void use_static(PictureRules& rules, const TableSet& tables, const Array<const std::uint8_t, 1>& indices) {
    require(rules.profile == PictureRules::Profile::fast && indices.size() == rules.num_low() + rules.num_channels() - rules.num_planes,
            "table indices do not fit the channels");
    rules.indices = vector_of(indices);
    require(tables.has_all(rules.indices), "a table index is outside the table set");
    rules.tables = &tables;
}

void use_contexts(PictureRules& rules, const TableSet& tables, const ContextRules& contexts, const Array<const std::uint16_t, 1>& base,
                  const ContextRules& low, const Array<const std::uint16_t, 1>& low_base) {
    require(rules.profile == PictureRules::Profile::small && contexts.num_channels() == rules.num_channels() && low.num_channels() == rules.num_low() &&
                base.size() == rules.num_channels() && low_base.size() == rules.num_low(),
            "contexts do not fit the channels");
    require(tables.has_all(contexts.table_map) && tables.has_all(low.table_map), "the table map names a table outside the table set");
    rules.tables = &tables;
    rules.contexts = &contexts;
    rules.low_contexts = &low;
    rules.base = vector_of(base);
    rules.low_base = vector_of(low_base);
}

// Channels 0 .. num_wanted - 1 of some files, all of one grid. Keeps what it borrows.
class DecodedPictures final : public PictureSource {
public:
    DecodedPictures(nb::object rules, nb::object files, std::size_t num_wanted, Grid grid)
        : kept_rules_{std::move(rules)},
          kept_files_{std::move(files)},
          rules_{nb::cast<const PictureRules&>(kept_rules_)},
          files_{nb::cast<const PictureFiles&>(kept_files_).spans()},
          num_wanted_{num_wanted},
          grid_{grid} {
        require(rules_.tables != nullptr, "the rules have no tables");
        require(num_wanted >= 1 && num_wanted <= rules_.num_channels(), "there are not so many channels");
        require(grid.height > 0 && grid.width > 0 && grid.size() <= max_head_pixels, "there is no such grid");
        capacity_ = *std::ranges::find_if(rules_.group_ends, [&](std::size_t end) { return end >= num_wanted; });
    }

    std::size_t num_files() const noexcept override { return files_.size(); }
    std::size_t height() const noexcept override { return grid_.height; }
    std::size_t width() const noexcept override { return grid_.width; }
    std::size_t capacity() const noexcept override { return capacity_; }

    void decode(std::span<const std::int64_t> numbers, std::int32_t* planes, bool* done) const override {
        PictureDecoder decoder(rules_, grid_, num_wanted_);
        std::vector<Bytes> chosen;
        std::vector<std::int32_t*> places;
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            chosen.push_back(files_[static_cast<std::size_t>(numbers[i])]);
            places.push_back(planes + i * capacity_ * grid_.size());
        }
        for (std::size_t i = 0; i < numbers.size(); i += PictureDecoder::max_items) {
            const std::size_t length = std::min(PictureDecoder::max_items, numbers.size() - i);
            decoder.run(std::span(chosen).subspan(i, length), std::span(places).subspan(i, length), done + i);
        }
    }

private:
    nb::object kept_rules_, kept_files_;
    const PictureRules& rules_;
    std::span<const Bytes> files_;
    std::size_t num_wanted_, capacity_;
    Grid grid_;
};

nb::capsule source_of_pictures(nb::handle rules, nb::handle files, std::size_t num_wanted, std::size_t height, std::size_t width) {
    PictureSource* const source = new DecodedPictures(nb::borrow(rules), nb::borrow(files), num_wanted, {height, width});
    return nb::capsule(source, picture_source_name, [](void* pointer) noexcept { delete static_cast<PictureSource*>(pointer); });
}

}  // namespace

void bind_pictures(nb::module_& m) {
    nb::class_<PictureFiles>(m, "PictureFiles")
        .def(nb::init<const nb::list&>(), nb::arg("files"))
        .def(nb::init<const std::vector<nb::bytes>&, const Array<const std::int64_t, 1>&, const Array<const std::int64_t, 1>&,
                      const Array<const std::int64_t, 1>&>(),
             nb::arg("paths"), nb::arg("file").noconvert(), nb::arg("offset").noconvert(), nb::arg("length").noconvert())
        .def("heads", &heads_of);
    nb::class_<PictureRules>(m, "PictureRules")
        .def("__init__", &init_rules, nb::arg("fingerprint"), nb::arg("profile"), nb::arg("step_code"), nb::arg("tuning"), nb::arg("depth"), nb::arg("group_ends"),
             nb::arg("low_levels"), nb::arg("places").noconvert(), nb::arg("num_planes"))
        .def("use_static", &use_static, nb::arg("tables"), nb::arg("indices").noconvert(), nb::keep_alive<1, 2>())
        .def("use_contexts", &use_contexts, nb::arg("tables"), nb::arg("contexts"), nb::arg("base").noconvert(), nb::arg("low"),
             nb::arg("low_base").noconvert(), nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>(), nb::keep_alive<1, 5>())
        .def("source", &source_of_pictures, nb::arg("files"), nb::arg("num_wanted"), nb::arg("height"), nb::arg("width"));
}
