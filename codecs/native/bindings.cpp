// laconic.codecs._native: analysis and synthesis kernels for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "latent.hpp"
#include "low_levels.hpp"
#include "mdct.hpp"
#include "noise_fill.hpp"
#include "step_map.hpp"
#include "wavelet.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T, std::size_t dims>
using Array = nb::ndarray<T, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;

constexpr float max_low_gain = 65536.0F;  // so that no sum of 32-bit integers times gains is infinite

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

// (n, h, w) <-> (n, 4, h / 2, w / 2)
template <class Planes, class Bands>
void require_planes(const Planes& planes, const Bands& bands) {
    require(planes.shape(1) % 2 == 0 && planes.shape(2) % 2 == 0 && planes.shape(1) > 0 && planes.shape(2) > 0,
            "a plane needs an even height and width");
    require(bands.shape(0) == planes.shape(0) && bands.shape(1) == 4 && 2 * bands.shape(2) == planes.shape(1) &&
                2 * bands.shape(3) == planes.shape(2),
            "bands do not fit the planes");
}

// (n, t) <-> (n, 2, t / 2)
template <class Lines, class Bands>
void require_lines(const Lines& lines, const Bands& bands) {
    require(lines.shape(1) % 2 == 0 && lines.shape(1) > 0, "a line needs an even length");
    require(bands.shape(0) == lines.shape(0) && bands.shape(1) == 2 && 2 * bands.shape(2) == lines.shape(1),
            "bands do not fit the lines");
}

void py_split2(const Array<const float, 3>& planes, const Array<float, 4>& bands) {
    require_planes(planes, bands);
    const std::size_t height = planes.shape(1), width = planes.shape(2);
    nb::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < planes.shape(0); ++i)
        split_plane(planes.data() + i * height * width, bands.data() + i * height * width, height, width);
}

void py_merge2(const Array<const float, 4>& bands, const Array<float, 3>& planes) {
    require_planes(planes, bands);
    const std::size_t height = planes.shape(1), width = planes.shape(2);
    nb::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < planes.shape(0); ++i)
        merge_plane(bands.data() + i * height * width, planes.data() + i * height * width, height, width);
}

void py_split1(const Array<const float, 2>& lines, const Array<float, 3>& bands) {
    require_lines(lines, bands);
    const std::size_t length = lines.shape(1);
    nb::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < lines.shape(0); ++i) {
        float* out = bands.data() + i * length;
        split_line(lines.data() + i * length, out, out + length / 2, length / 2);
    }
}

void py_merge1(const Array<const float, 3>& bands, const Array<float, 2>& lines) {
    require_lines(lines, bands);
    const std::size_t length = lines.shape(1);
    nb::gil_scoped_release unlocked;
    std::vector<float> work(length);
    for (std::size_t i = 0; i < lines.shape(0); ++i) {
        std::copy(bands.data() + i * length, bands.data() + (i + 1) * length, work.begin());
        merge_line(work.data(), work.data() + length / 2, lines.data() + i * length, length / 2);
    }
}

// (n, t) <-> (size, n, t / size)
template <class Lines, class Coefficients>
Mdct checked_mdct(const Lines& lines, const Coefficients& coefficients) {
    const std::size_t size = coefficients.shape(0);
    require(std::has_single_bit(size) && size >= 2 && size <= 4096, "blocks need a power of two of samples, 2 to 4096");
    require(coefficients.shape(2) > 0, "a line needs at least one block");
    require(coefficients.shape(1) == lines.shape(0) && size * coefficients.shape(2) == lines.shape(1),
            "coefficients do not fit the lines");
    return Mdct(size);
}

void py_mdct(const Array<const float, 2>& lines, const Array<float, 3>& coefficients) {
    const Mdct mdct = checked_mdct(lines, coefficients);
    const std::size_t n = lines.shape(0), blocks = coefficients.shape(2);
    nb::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < n; ++i)
        mdct.analyze(lines.data() + i * lines.shape(1), blocks, coefficients.data() + i * blocks, n * blocks);
}

void py_inverse_mdct(const Array<const float, 3>& coefficients, const Array<float, 2>& lines) {
    const Mdct mdct = checked_mdct(lines, coefficients);
    const std::size_t n = lines.shape(0), blocks = coefficients.shape(2);
    nb::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < n; ++i)
        mdct.synthesize(coefficients.data() + i * blocks, n * blocks, blocks, lines.data() + i * lines.shape(1));
}

void py_project(const Array<const float, 2>& matrix, const Array<const float, 2>& in, const Array<float, 2>& out) {
    require(matrix.shape(1) == in.shape(0) && matrix.shape(0) == out.shape(0) && in.shape(1) == out.shape(1),
            "matrix, input and output do not fit");
    nb::gil_scoped_release unlocked;
    project(matrix.data(), in.data(), out.data(), matrix.shape(0), matrix.shape(1), in.shape(1));
}

template <class T>
void py_quantize(const Array<const float, 2>& in, const Array<T, 2>& out, float inverse_step,
                 const Array<const float, 2>& thresholds) {
    require(in.shape(0) == out.shape(0) && in.shape(1) == out.shape(1), "input and output differ in shape");
    require(thresholds.shape(0) == in.shape(0) && thresholds.shape(1) == 2, "thresholds need two values a channel");
    const std::size_t n = in.shape(1);
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < in.shape(0); ++c)
        quantize(in.data() + c * n, out.data() + c * n, inverse_step, thresholds.data()[2 * c], thresholds.data()[2 * c + 1], n);
}

void py_dequantize(const Array<const std::int32_t, 2>& in, const Array<float, 2>& out, const Array<const float, 1>& steps,
                   const Array<const float, 2>& shrink) {
    require(in.shape(0) == out.shape(0) && in.shape(1) == out.shape(1), "input and output differ in shape");
    require(shrink.shape(0) == in.shape(0) && shrink.shape(1) == 3, "shrinkage needs three values a channel");
    require(steps.shape(0) == in.shape(0), "every channel needs a step");
    const std::size_t n = in.shape(1);
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < in.shape(0); ++c)
        dequantize(in.data() + c * n, out.data() + c * n, steps.data()[c], shrink.data() + c * 3, n);
}

// The exponents (h, w) of places, of values (channels, h, w) whose channels from `first` on count by `weights`.
template <class T>
void py_step_exponents(const Array<const T, 3>& values, std::size_t first, const Array<const std::uint32_t, 1>& weights, int step_code, int strength,
                       const Array<std::int8_t, 2>& out, const std::optional<Array<std::uint8_t, 2>>& classes) {
    constexpr std::uint32_t max_weight = 256;
    require(first <= values.shape(0) && weights.size() <= values.shape(0) - first, "the map is of channels that are not there");
    require(weights.size() <= 9 && std::all_of(weights.data(), weights.data() + weights.size(), [](std::uint32_t w) { return w <= max_weight; }),
            "at most nine channels may count, by up to 4");
    require(step_code >= 0 && step_code <= 255 && strength >= 0 && strength <= 15, "a step or strength is none");
    require(out.shape(0) == values.shape(1) && out.shape(1) == values.shape(2), "exponents and values differ in shape");
    require(!classes || (classes->shape(0) == values.shape(1) && classes->shape(1) == values.shape(2)), "classes and values differ in shape");
    const StepMapRule rule{step_code, strength, first, weights.data(), weights.size()};
    nb::gil_scoped_release unlocked;
    step_exponents(values.data(), values.shape(1), values.shape(2), rule, out.data(), classes ? classes->data() : nullptr);
}

// Coefficients (channels, h, w) times `gains` (channels) and, from channel `first_mapped` on, times that of `factors` (33) which
// the exponent (h, w) of a place says; in place.
void py_scale(const Array<float, 3>& values, const std::optional<Array<const float, 1>>& gains, const std::optional<Array<const std::int8_t, 2>>& exponents,
              const Array<const float, 1>& factors, std::size_t first_mapped) {
    require(!gains || gains->shape(0) >= values.shape(0), "every channel needs a gain");
    require(factors.size() == step_weights.size(), "exponents have 33 factors");
    require(!exponents || (exponents->shape(0) == values.shape(1) && exponents->shape(1) == values.shape(2)), "exponents and values differ in shape");
    const std::size_t n = values.shape(1) * values.shape(2);
    if (exponents)
        require(std::all_of(exponents->data(), exponents->data() + n, [](int e) { return e >= -max_exponent && e <= max_exponent; }),
                "an exponent is none");
    nb::gil_scoped_release unlocked;
    std::vector<float> of_places(exponents ? n : 0);
    if (exponents) factors_of_places(exponents->data(), factors.data(), of_places.data(), n);
    for (std::size_t c = 0; c < values.shape(0); ++c) {
        if (gains) scale_all(values.data() + c * n, gains->data()[c], n);
        if (exponents && c >= first_mapped) scale_places(values.data() + c * n, of_places.data(), n);
    }
}

// Noise where values (channels, h, w) are 0, in `points`, by `largest` (channels, classes) in signal units; the first place is
// (top, left) of the picture.
void py_fill(const Array<const std::int32_t, 3>& values, const Array<const std::uint8_t, 2>& classes, const Array<const float, 2>& largest,
             std::uint32_t seed, std::size_t top, std::size_t left, const Array<float, 3>& points) {
    const std::size_t height = values.shape(1), width = values.shape(2);
    require(points.shape(0) == values.shape(0) && points.shape(1) == height && points.shape(2) == width, "points and values differ in shape");
    require(classes.shape(0) == height && classes.shape(1) == width && largest.shape(0) >= values.shape(0) && largest.shape(1) == num_activity_classes,
            "the classes do not fit the values");
    require(std::all_of(classes.data(), classes.data() + classes.size(), [](std::uint8_t c) { return c < num_activity_classes; }), "a class is none");
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < values.shape(0); ++c) {
        const float* const of_channel = largest.data() + c * num_activity_classes;
        if (std::all_of(of_channel, of_channel + num_activity_classes, [](float a) { return a == 0.0F; })) continue;
        for (std::size_t y = 0; y < height; ++y) {
            const std::size_t at = (c * height + y) * width;
            fill_points(values.data() + at, classes.data() + y * width, of_channel, noise_key(seed, c, top + y), left, points.data() + at, width);
        }
    }
}

template <class T>
void bind_step_exponents(nb::module_& m) {
    m.def("step_exponents", &py_step_exponents<T>, nb::arg("values").noconvert(), nb::arg("first"), nb::arg("weights").noconvert(),
          nb::arg("step_code"), nb::arg("strength"), nb::arg("out").noconvert(), nb::arg("classes").noconvert() = nb::none());
}

template <class Samples, class Planes>
Extent extent_of(const Samples& samples, const Planes& planes) {
    require(planes.shape(0) <= samples.shape(2) && planes.shape(1) >= samples.shape(0) && planes.shape(2) >= samples.shape(1),
            "planes do not fit the samples");
    return {samples.shape(0), samples.shape(1), planes.shape(1), planes.shape(2), samples.shape(2)};
}

// Fills as many planes as there are; later channels (alpha) are left alone.
template <class T>
void py_planes(const Array<const T, 3>& samples, const Array<float, 3>& planes, float peak) {
    const Extent extent = extent_of(samples, planes);
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < planes.shape(0); ++c)
        plane_of_samples(samples.data() + c, planes.data() + c * extent.padded_height * extent.padded_width, extent, peak);
}

template <class T>
void py_samples(const Array<const float, 3>& planes, const Array<T, 3>& samples, float peak) {
    const Extent extent = extent_of(samples, planes);
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < planes.shape(0); ++c)
        samples_of_plane(planes.data() + c * extent.padded_height * extent.padded_width, samples.data() + c, extent, peak);
}

// 1 + 3 levels classes
std::size_t low_levels_of(std::size_t classes) {
    require(classes >= 4 && classes % 3 == 1 && classes / 3 <= max_low_levels, "the number of classes fits no number of levels");
    return classes / 3;
}

template <class Values>
bool are_gains(const Values& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(values.data()[i] > 0.0F && values.data()[i] <= max_low_gain)) return false;
    return true;
}

void py_analyze_low(const Array<float, 3>& planes, const Array<const float, 1>& gains) {
    const std::size_t levels = low_levels_of(gains.shape(0)), height = planes.shape(1), width = planes.shape(2);
    require(height > 0 && width > 0, "a plane is empty");
    require(are_gains(gains), "a gain is none");
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < planes.shape(0); ++c) analyze_low(planes.data() + c * height * width, height, width, levels, gains.data());
}

template <class T>
void py_synthesize_low(const Array<const T, 3>& values, const Array<std::int16_t, 3>& out, float step, const Array<const float, 3>& shrink,
                       const Array<const float, 1>& inverse, std::size_t skipped) {
    const LowRule rule{low_levels_of(inverse.shape(0)), shrink.shape(1), step, inverse.data(), shrink.data()};
    const std::size_t height = values.shape(1), width = values.shape(2), side = std::size_t{1} << std::min(skipped, max_low_levels);
    require(height > 0 && width > 0, "a plane is empty");
    require(are_gains(inverse) && step >= 0.0F && step <= max_low_gain, "a gain or step is none");
    require(shrink.shape(0) == inverse.shape(0) && values.shape(0) <= rule.planes && shrink.shape(2) == 3,
            "shrinkage needs three values a class and plane");
    require(skipped <= rule.levels && out.shape(0) == values.shape(0) && out.shape(1) == (height + side - 1) / side &&
                out.shape(2) == (width + side - 1) / side,
            "input and output do not fit");
    nb::gil_scoped_release unlocked;
    for (std::size_t c = 0; c < values.shape(0); ++c)
        synthesize_low_planes(values.data() + c * height * width, out.data() + c * out.shape(1) * out.shape(2), 1, height, width, rule,
                              low_row_rules(rule, c, 1, width), skipped);
}

template <class T>
void bind_synthesize_low(nb::module_& m) {
    m.def("synthesize_low", &py_synthesize_low<T>, nb::arg("values").noconvert(), nb::arg("out").noconvert(), nb::arg("step"),
          nb::arg("shrink").noconvert(), nb::arg("inverse").noconvert(), nb::arg("skipped"));
}

}  // namespace

void bind_fixed(nb::module_& m);
void bind_latents(nb::module_& m);
void bind_resample(nb::module_& m);
void bind_sound(nb::module_& m);

NB_MODULE(_native, m) {
    bind_fixed(m);
    bind_latents(m);
    bind_resample(m);
    bind_sound(m);
    m.def("analyze_low", &py_analyze_low, nb::arg("planes").noconvert(), nb::arg("gains").noconvert());
    bind_synthesize_low<std::int16_t>(m);
    bind_synthesize_low<std::int32_t>(m);
    m.attr("LOW_MARGIN") = low_margin;
    m.attr("MAX_LOW_LEVELS") = max_low_levels;
    m.def("split2", &py_split2, nb::arg("planes").noconvert(), nb::arg("bands").noconvert());
    m.def("merge2", &py_merge2, nb::arg("bands").noconvert(), nb::arg("planes").noconvert());
    m.def("split1", &py_split1, nb::arg("lines").noconvert(), nb::arg("bands").noconvert());
    m.def("merge1", &py_merge1, nb::arg("bands").noconvert(), nb::arg("lines").noconvert());
    m.def("mdct", &py_mdct, nb::arg("lines").noconvert(), nb::arg("coefficients").noconvert());
    m.def("inverse_mdct", &py_inverse_mdct, nb::arg("coefficients").noconvert(), nb::arg("lines").noconvert());
    m.def("project", &py_project, nb::arg("matrix").noconvert(), nb::arg("values").noconvert(), nb::arg("out").noconvert());
    m.def("quantize", &py_quantize<std::int16_t>, nb::arg("values").noconvert(), nb::arg("out").noconvert(), nb::arg("inverse_step"),
          nb::arg("thresholds").noconvert());
    m.def("quantize", &py_quantize<std::int32_t>, nb::arg("values").noconvert(), nb::arg("out").noconvert(), nb::arg("inverse_step"),
          nb::arg("thresholds").noconvert());
    m.def("dequantize", &py_dequantize, nb::arg("values").noconvert(), nb::arg("out").noconvert(), nb::arg("steps").noconvert(),
          nb::arg("shrink").noconvert());
    bind_step_exponents<std::int16_t>(m);
    bind_step_exponents<std::int32_t>(m);
    m.def("scale_coefficients", &py_scale, nb::arg("values").noconvert(), nb::arg("gains").noconvert().none(),
          nb::arg("exponents").noconvert().none(), nb::arg("factors").noconvert(), nb::arg("first_mapped"));
    m.def("fill_points", &py_fill, nb::arg("values").noconvert(), nb::arg("classes").noconvert(), nb::arg("largest").noconvert(), nb::arg("seed"),
          nb::arg("top"), nb::arg("left"), nb::arg("points").noconvert());
    m.attr("MAX_EXPONENT") = max_exponent;
    m.def("planes_of_samples", &py_planes<std::uint8_t>, nb::arg("samples").noconvert(), nb::arg("planes").noconvert(),
          nb::arg("peak"));
    m.def("planes_of_samples", &py_planes<std::uint16_t>, nb::arg("samples").noconvert(), nb::arg("planes").noconvert(),
          nb::arg("peak"));
    m.def("samples_of_planes", &py_samples<std::uint8_t>, nb::arg("planes").noconvert(), nb::arg("samples").noconvert(),
          nb::arg("peak"));
    m.def("samples_of_planes", &py_samples<std::uint16_t>, nb::arg("planes").noconvert(), nb::arg("samples").noconvert(),
          nb::arg("peak"));
}
