// Resizing for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>

#include "resample.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

using Picture = nb::ndarray<std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;
using ConstPicture = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

constexpr std::size_t most_side = std::size_t{1} << 24;  // of which float has every whole number

void resample_picture(const ConstPicture& source, const Picture& target, float left, float top, float right, float bottom) {
    const std::size_t height = source.shape(0), width = source.shape(1), out_height = target.shape(0), out_width = target.shape(1);
    if (height == 0 || width == 0 || out_height == 0 || out_width == 0 || height > most_side || width > most_side || out_height > most_side ||
        out_width > most_side)
        throw nb::value_error("a picture has no pixels, or too many in a row");
    if (!(left >= 0.0F && top >= 0.0F && left < right && top < bottom && right <= static_cast<float>(width) && bottom <= static_cast<float>(height)))
        throw nb::value_error("the box is not within the picture");
    nb::gil_scoped_release unlocked;
    resample(source.data(), height, width, {left, top, right, bottom}, target.data(), out_height, out_width);
}

}  // namespace

void bind_resample(nb::module_& m) {
    m.def("resample", &resample_picture, nb::arg("source").noconvert(), nb::arg("target").noconvert(), nb::arg("left"), nb::arg("top"), nb::arg("right"),
          nb::arg("bottom"));
}
