// Latents of many pictures at once for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "latent_rule.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T, std::size_t dims>
using Array = nb::ndarray<T, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
using Block = std::tuple<Array<const float, 2>, Array<const std::uint16_t, 1>, Array<const std::uint16_t, 1>>;

constexpr float max_step = 65536.0F;

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
               const Array<const float, 3>& low_shrink, const std::vector<Block>& blocks, const Array<const float, 1>& scale,
               const Array<const float, 1>& shift) {
    const std::size_t classes = low_inverse.shape(0), planes = low_shrink.shape(1);
    require(step >= 0.0F && step <= max_step, "the step is none");
    require(steps.shape(0) == shrink.shape(0) && std::all_of(steps.data(), steps.data() + steps.size(), [](float s) { return s >= 0.0F && s <= max_step; }),
            "every coded channel needs a step");
    require(classes >= 4 && classes % 3 == 1 && classes / 3 <= max_low_levels, "the number of classes fits no number of levels");
    const std::vector<float> gains = vector_of(low_inverse);
    require(std::ranges::all_of(gains, [](float gain) { return gain > 0.0F && gain <= max_step; }), "a gain is none");
    require(shrink.shape(1) == 3 && low_shrink.shape(0) == classes && low_shrink.shape(2) == 3 && planes >= 1 && planes <= shrink.shape(0),
            "shrinkage needs three values a channel");
    require(scale.shape(0) >= 1 && scale.shape(0) == shift.shape(0), "factors and summands differ in number");
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
    rule.scale = vector_of(scale);
    rule.shift = vector_of(shift);
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

// Of each of `values` (n, coded or more, h, w) for which it is `done`, the latent to row `rows` (n) of `out` (any, channels, h, w).
void apply_rule(const LatentRule& rule, const Array<const std::int32_t, 4>& values, const Array<const bool, 1>& done,
                const Array<const std::int64_t, 1>& rows, const Array<float, 4>& out) {
    const std::size_t count = values.shape(0), height = values.shape(2), width = values.shape(3);
    require(done.size() == count && rows.size() == count, "values and rows differ in number");
    require(values.shape(1) >= rule.num_coded() && out.shape(1) == rule.num_channels() && out.shape(2) == height && out.shape(3) == width && height > 0 &&
                width > 0,
            "values and latents do not fit");
    for (std::size_t i = 0; i < count; ++i) require(rows(i) >= 0 && static_cast<std::size_t>(rows(i)) < out.shape(0), "a row is outside of the latents");
    nb::gil_scoped_release unlocked;
    LatentRule::Scratch scratch(rule, width);
    const std::size_t in_size = values.shape(1) * height * width, out_size = rule.num_channels() * height * width;
    for (std::size_t i = 0; i < count; ++i)
        if (done.data()[i]) rule.apply(values.data() + i * in_size, out.data() + static_cast<std::size_t>(rows.data()[i]) * out_size, height, width, scratch);
}

}  // namespace

void bind_latents(nb::module_& m) {
    nb::class_<LatentRule>(m, "LatentRule")
        .def("__init__", &init_rule, nb::arg("step"), nb::arg("steps").noconvert(), nb::arg("shrink").noconvert(), nb::arg("low_inverse").noconvert(),
             nb::arg("low_shrink").noconvert(), nb::arg("blocks"), nb::arg("scale").noconvert(), nb::arg("shift").noconvert())
        .def("map_steps", &map_steps, nb::arg("step_code"), nb::arg("strength"), nb::arg("weights").noconvert(), nb::arg("factors").noconvert())
        .def("apply", &apply_rule, nb::arg("values").noconvert(), nb::arg("done").noconvert(), nb::arg("rows").noconvert(),
             nb::arg("out").noconvert());
}
