// Latents of many pictures at once for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "latent_reader.hpp"
#include "latent_rule.hpp"
#include "latent_views.hpp"
#include "picture_source.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T, std::size_t dims>
using Array = nb::ndarray<T, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
using Block = std::tuple<Array<const float, 2>, Array<const std::uint16_t, 1>, Array<const std::uint16_t, 1>>;

constexpr float max_step = 65536.0F;
constexpr std::size_t max_channels = 65536;

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

template <class Values>
auto vector_of(const Values& array) {
    return std::vector<std::remove_const_t<typename Values::Scalar>>(array.data(), array.data() + array.size());
}

// Every channel is to be made, and of channels that there are.
void require_blocks(const LatentRule& rule) {
    std::vector<bool> is_made(rule.num_channels(), rule.blocks.empty());
    for (const LatentBlock& block : rule.blocks) {
        require(block.matrix.size() == block.coded.size() * block.channels.size(), "a block does not fit its channels");
        for (const std::uint16_t c : block.coded) require(c < rule.num_coded(), "a block is of a channel that is not coded");
        for (const std::uint16_t c : block.channels) {
            require(c < rule.num_channels(), "a block makes a channel that there is not");
            is_made[c] = true;
        }
    }
    require(std::ranges::all_of(is_made, [](bool made) { return made; }), "a channel is not made");
    require(!rule.blocks.empty() || rule.num_channels() <= rule.num_coded(), "there are fewer coded channels than channels");
}

void init_rule(LatentRule* self, float step, const Array<const float, 1>& steps, const Array<const float, 2>& shrink, const Array<const float, 1>& low_inverse,
               const Array<const float, 3>& low_shrink, const std::vector<Block>& blocks, std::size_t num_channels) {
    const std::size_t classes = low_inverse.shape(0), planes = low_shrink.shape(1);
    require(step >= 0.0F && step <= max_step, "the step is none");
    require(steps.shape(0) == shrink.shape(0) && std::all_of(steps.data(), steps.data() + steps.size(), [](float s) { return s >= 0.0F && s <= max_step; }),
            "every coded channel needs a step");
    require(classes >= 4 && classes % 3 == 1 && classes / 3 <= max_low_levels, "the number of classes fits no number of levels");
    const std::vector<float> gains = vector_of(low_inverse);
    require(std::ranges::all_of(gains, [](float gain) { return gain > 0.0F && gain <= max_step; }), "a gain is none");
    require(shrink.shape(1) == 3 && low_shrink.shape(0) == classes && low_shrink.shape(2) == 3 && planes >= 1 && planes <= shrink.shape(0),
            "shrinkage needs three values a channel");
    require(num_channels >= 1 && num_channels <= max_channels, "there are no channels");
    LatentRule rule;
    rule.step = step;
    rule.steps = vector_of(steps);
    rule.shrink = vector_of(shrink);
    rule.low_inverse = vector_of(low_inverse);
    rule.low_shrink = vector_of(low_shrink);
    rule.low_levels = classes / 3;
    rule.num_planes = planes;
    for (const auto& [matrix, coded, channels] : blocks) {
        require(matrix.shape(0) == channels.size() && matrix.shape(1) == coded.size(), "a block does not fit its channels");
        rule.blocks.push_back({vector_of(matrix), vector_of(coded), vector_of(channels)});
    }
    rule.num_made = num_channels;
    require_blocks(rule);
    new (self) LatentRule(std::move(rule));
}

// Steps differ from place to place by a map of this strength.
void map_steps(LatentRule& rule, int step_code, int strength, const Array<const std::uint32_t, 1>& weights, const Array<const float, 1>& factors) {
    require(step_code >= 0 && step_code <= 255 && strength >= 1 && strength <= 15, "a step or strength is none");
    require(weights.size() <= 9 && std::all_of(weights.data(), weights.data() + weights.size(), [](std::uint32_t w) { return w <= 256; }),
            "at most nine channels may count, by up to 4");
    require(factors.size() == rule.factors.size(), "exponents have 33 factors");
    rule.step_code = step_code;
    rule.strength = strength;
    rule.weights = vector_of(weights);
    std::copy(factors.data(), factors.data() + factors.size(), rule.factors.begin());
}

// A batch (n, channels, h, w) of float32, of float16, or of uint16, which stands for bfloat16.
using Batch = nb::ndarray<nb::ndim<4>, nb::c_contig, nb::device::cpu>;

LatentBatchView batch_view_of(const Batch& batch) {
    LatentBatchView out{batch.data(), BatchType::float32, batch.shape(1), batch.shape(2), batch.shape(3)};
    if (batch.dtype() == nb::dtype<std::uint16_t>())
        out.type = BatchType::bfloat16;
    else if (batch.dtype().code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float) && batch.dtype().bits == 16 && batch.dtype().lanes == 1)
        out.type = BatchType::float16;
    else
        require(batch.dtype() == nb::dtype<float>(), "a batch is of float32, float16 or uint16");
    return out;
}

// Factors and summands of channels, and how channels belong together.
struct LatentNorm {
    std::vector<float> scale, shift;
    LatentBands bands;

    void require_batch(const LatentBatchView& out) const { require(out.channels == scale.size(), "the batch has other channels"); }
};

void init_norm(LatentNorm* self, const Array<const float, 1>& scale, const Array<const float, 1>& shift) {
    require(scale.shape(0) >= 1 && scale.shape(0) == shift.shape(0), "factors and summands differ in number");
    new (self) LatentNorm{vector_of(scale), vector_of(shift), {}};
}

// `mirrored` (channels, 2): channel and lag; `halved` (channels, 3): channel, row and column; `half_gains` (channels); `colors` (channels, colours).
void set_bands(LatentNorm& norm, const Array<const std::uint16_t, 2>& mirrored, const Array<const std::uint16_t, 2>& halved,
               const Array<const float, 1>& half_gains, const Array<const std::uint16_t, 2>& colors, std::size_t num_low) {
    const std::size_t count = norm.scale.size();
    require(mirrored.shape(0) == count && halved.shape(0) == count && colors.shape(0) == count && mirrored.shape(1) == 2 && halved.shape(1) == 3 &&
                half_gains.shape(0) == count && num_low <= count,
            "bands are of other channels");
    LatentBands bands;
    bands.num_low = num_low;
    bands.half_gains = vector_of(half_gains);
    bands.num_colors = colors.shape(1);
    for (std::size_t c = 0; c < count; ++c) {
        require(mirrored(c, 0) < count && mirrored(c, 1) <= 1 && halved(c, 0) < count && halved(c, 1) <= 1 && halved(c, 2) <= 1, "a band is of a channel that there is not");
        bands.mirrored.push_back(mirrored(c, 0));
        bands.lags.push_back(static_cast<std::uint8_t>(mirrored(c, 1)));
        bands.half_of.push_back(halved(c, 0));
        bands.half_row.push_back(static_cast<std::uint8_t>(halved(c, 1)));
        bands.half_column.push_back(static_cast<std::uint8_t>(halved(c, 2)));
        bool is_own = bands.num_colors == 0;
        for (std::size_t k = 0; k < bands.num_colors; ++k) {
            require(colors(c, k) < count, "a colour is of a channel that there is not");
            bands.colors.push_back(colors(c, k));
            is_own = is_own || colors(c, k) == c;
        }
        require(is_own, "a channel is none of its colours");
    }
    norm.bands = std::move(bands);
}

using Windows = std::optional<Array<const std::int32_t, 2>>;
using Colors = std::optional<Array<const float, 3>>;
using Factors = std::optional<Array<const float, 2>>;

// `windows` (n, 8): top, left, whether mirrored, whether at half the scale, and the first and last row and column of what is
// erased; `colors` (n, colours, colours + 1) and `factors` (n, channels), or none. Without windows there are no views.
std::vector<LatentView> views_of(const LatentNorm& norm, std::size_t count, const Windows& windows, const Colors& colors, const Factors& factors) {
    constexpr std::int32_t farthest = 1 << 24;
    require(windows || (!colors && !factors), "a view has a window");
    if (!windows) return {};
    const std::size_t size = norm.bands.num_colors, channels = norm.scale.size();
    require(windows->shape(0) == count && windows->shape(1) == 8, "a window has eight numbers, a file one window");
    require(!colors || (size > 0 && colors->shape(0) == count && colors->shape(1) == size && colors->shape(2) == size + 1), "colours do not fit the bands");
    require(!factors || (factors->shape(0) == count && factors->shape(1) == channels), "factors do not fit the channels");
    std::vector<LatentView> views;
    for (std::size_t i = 0; i < count; ++i) {
        const auto window = [&](std::size_t k) { return (*windows)(i, k); };
        require(std::abs(window(0)) <= farthest && std::abs(window(1)) <= farthest, "a window is too far away");
        require((window(2) == 0 && window(3) == 0) || !norm.bands.mirrored.empty(), "bands are not told apart");
        const auto edge = [&](std::size_t k) { return static_cast<std::size_t>(std::max(window(k), 0)); };
        views.push_back({window(0), window(1), window(2) != 0, window(3) != 0, colors ? colors->data() + i * size * (size + 1) : nullptr,
                         factors ? factors->data() + i * channels : nullptr, edge(4), edge(5), edge(6), edge(7)});
    }
    return views;
}

// Files `numbers` of the source to rows `rows` of `out`, by views where there are some; `done` (rows of `out`) says of which.
void read_latents(const LatentRule& rule, const nb::capsule& capsule, const LatentNorm& norm, const Array<const std::int64_t, 1>& numbers,
                  const Array<const std::int64_t, 1>& rows, const Batch& batch, const Array<bool, 1>& done,
                  const Windows& windows, const Colors& colors, const Factors& factors, std::size_t num_threads) {
    require(PyCapsule_IsValid(capsule.ptr(), picture_source_name) != 0, "the source is none");
    const auto& source = *static_cast<const PictureSource*>(PyCapsule_GetPointer(capsule.ptr(), picture_source_name));
    const LatentBatchView out = batch_view_of(batch);
    norm.require_batch(out);
    const std::size_t count = numbers.size();
    require(rows.size() == count && done.size() == batch.shape(0), "files and rows differ in number");
    require(rule.num_channels() == out.channels && rule.num_coded() <= source.capacity(), "the rule does not fit the channels");
    require(windows || (out.height == source.height() && out.width == source.width()), "the batch has another grid");
    require(out.height > 0 && out.width > 0 && num_threads >= 1 && num_threads <= 256, "a size or number of threads is none");
    for (std::size_t i = 0; i < count; ++i) {
        require(numbers(i) >= 0 && static_cast<std::size_t>(numbers(i)) < source.num_files(), "a file has a number that there is not");
        require(rows(i) >= 0 && static_cast<std::size_t>(rows(i)) < done.size(), "a row is outside of the batch");
    }
    const std::vector<LatentView> views = views_of(norm, count, windows, colors, factors);
    nb::gil_scoped_release unlocked;
    const LatentReading reading{rule, source, norm.bands, norm.scale, norm.shift, {numbers.data(), count}, {rows.data(), count}, views, out, done.data()};
    LatentReader(reading).run(num_threads);
}

// One latent (channels, h, w), in signal units, to row `row` of `out`.
void view_latent(const LatentNorm& norm, const Array<const float, 3>& latent, const Batch& batch, std::size_t row,
                 const Windows& windows, const Colors& colors, const Factors& factors) {
    const LatentBatchView out = batch_view_of(batch);
    norm.require_batch(out);
    require(latent.shape(0) == out.channels && latent.size() > 0 && row < batch.shape(0), "the latent does not fit the batch");
    std::vector<LatentView> views = views_of(norm, 1, windows, colors, factors);
    if (views.empty()) views.emplace_back();
    nb::gil_scoped_release unlocked;
    std::vector<float> values(latent.data(), latent.data() + latent.size());
    LatentViewWriter(norm.bands, norm.scale, norm.shift).write(values.data(), latent.shape(1), latent.shape(2), views[0], out, row);
}

// `box`: rows and columns, from the first to before the last.
void mix_latents(const Batch& batch, float weight, const std::array<std::size_t, 4>& box) {
    const LatentBatchView out = batch_view_of(batch);
    const auto [top, bottom, left, right] = box;
    require(weight >= 0.0F && weight <= 1.0F, "a weight is none");
    require(top <= bottom && bottom <= out.height && left <= right && right <= out.width, "the box is outside of the latents");
    nb::gil_scoped_release unlocked;
    mix_batch(out, batch.shape(0), weight, {top, bottom, left, right});
}

}  // namespace

void bind_latents(nb::module_& m) {
    m.def("mix_latents", &mix_latents, nb::arg("out").noconvert(), nb::arg("weight"), nb::arg("box"));
    nb::class_<LatentNorm>(m, "LatentNorm")
        .def("__init__", &init_norm, nb::arg("scale").noconvert(), nb::arg("shift").noconvert())
        .def("set_bands", &set_bands, nb::arg("mirrored").noconvert(), nb::arg("halved").noconvert(), nb::arg("half_gains").noconvert(), nb::arg("colors").noconvert(), nb::arg("num_low"))
        .def("view", &view_latent, nb::arg("latent").noconvert(), nb::arg("out").noconvert(), nb::arg("row"), nb::arg("windows").noconvert().none() = nb::none(),
             nb::arg("colors").noconvert().none() = nb::none(), nb::arg("factors").noconvert().none() = nb::none());
    nb::class_<LatentRule>(m, "LatentRule")
        .def("__init__", &init_rule, nb::arg("step"), nb::arg("steps").noconvert(), nb::arg("shrink").noconvert(), nb::arg("low_inverse").noconvert(),
             nb::arg("low_shrink").noconvert(), nb::arg("blocks"), nb::arg("num_channels"))
        .def("map_steps", &map_steps, nb::arg("step_code"), nb::arg("strength"), nb::arg("weights").noconvert(), nb::arg("factors").noconvert())
        .def("read", &read_latents, nb::arg("source"), nb::arg("norm"), nb::arg("numbers").noconvert(), nb::arg("rows").noconvert(), nb::arg("out").noconvert(),
             nb::arg("done").noconvert(), nb::arg("windows").noconvert().none() = nb::none(), nb::arg("colors").noconvert().none() = nb::none(),
             nb::arg("factors").noconvert().none() = nb::none(), nb::arg("num_threads") = 1);
}
