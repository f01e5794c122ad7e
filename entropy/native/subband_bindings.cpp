// The subbands of pictures for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "subband_bindings.hpp"
#include "subband_optimizer.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T>
using Flat = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
using Planes = nb::ndarray<const std::int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> vector_of(const Flat<T>& array) {
    return {array.data(), array.data() + array.size()};
}

void init_network(NetworkWeights* self, std::size_t width, std::size_t num_kinds, const Flat<std::int8_t>& first, const Flat<std::int8_t>& second,
                  const Flat<std::int8_t>& third, const Flat<std::int32_t>& first_bias, const Flat<std::int32_t>& second_bias,
                  const Flat<std::int32_t>& third_bias, const Flat<std::int32_t>& first_step, const Flat<std::int32_t>& third_step,
                  const Flat<std::uint8_t>& shifts) {
    NetworkWeights weights{width, num_kinds, vector_of(first), vector_of(second), vector_of(third), vector_of(first_bias),
                           vector_of(second_bias), vector_of(third_bias), vector_of(first_step), vector_of(third_step), vector_of(shifts)};
    weights.check();
    new (self) NetworkWeights(std::move(weights));
}

void init_rules(SubbandRules* self, std::size_t num_colors, std::size_t depth, std::size_t low_levels, const std::vector<const NetworkWeights*>& networks,
                const Flat<std::uint8_t>& table_map, const Flat<std::uint8_t>& quiet_tables) {
    SubbandRules rules{{num_colors, depth, low_levels}, {}, vector_of(table_map), vector_of(quiet_tables)};
    for (const NetworkWeights* network : networks) rules.networks.push_back(*network);
    rules.check();
    new (self) SubbandRules(std::move(rules));
}

void load(SubbandTile& tile, const Planes& planes, std::size_t first, std::size_t last) {
    check_subbands(tile, planes.shape(0), planes.shape(1), planes.shape(2), first, last);
    nb::gil_scoped_release unlocked;
    load_subbands(tile, planes.data(), first, last);
}

template <class Code>
nb::tuple coded(const SubbandTile& tile, const StepSubbandRules& rules, const TableSet& tables, std::size_t first, std::size_t last, Code code) {
    check_tables(rules, tables);
    check_subbands(tile, tile.layout().num_channels(), tile.grid().height, tile.grid().width, first, last);
    auto* const symbols = new CodedSymbols;
    const nb::capsule owner(symbols, [](void* pointer) noexcept { delete static_cast<CodedSymbols*>(pointer); });
    {
        nb::gil_scoped_release unlocked;
        *symbols = code();
    }
    const auto array_of = [&](auto& vector) {
        return nb::ndarray<nb::numpy, std::remove_reference_t<decltype(vector[0])>, nb::ndim<1>>(vector.data(), {vector.size()}, owner);
    };
    return nb::make_tuple(array_of(symbols->values), array_of(symbols->tables), array_of(symbols->fronts));
}

nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<2>> inputs(const SubbandTile& tile, std::size_t level, std::size_t kind) {
    if (level > tile.layout().num_levels() || kind >= tile.layout().num_kinds(level)) throw nb::value_error("there is no such subband");
    const Subband& band = tile.band(level, kind);
    const std::size_t count = band.height() * band.width();
    auto* const bytes = new std::uint8_t[count * network_inputs]();
    const nb::capsule owner(bytes, [](void* pointer) noexcept { delete[] static_cast<std::uint8_t*>(pointer); });
    const SubbandContext context(tile, level, kind);
    for (std::size_t i = 0; i < count; ++i) context.inputs(i / band.width(), i % band.width(), bytes + i * network_inputs);
    return {bytes, {count, network_inputs}, owner};
}

nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>> symbols(const SubbandTile& tile, std::size_t level, std::size_t kind) {
    if (level > tile.layout().num_levels() || kind >= tile.layout().num_kinds(level)) throw nb::value_error("there is no such subband");
    const Subband& band = tile.band(level, kind);
    auto* const values = new std::int32_t[band.height() * band.width() + 1];
    const nb::capsule owner(values, [](void* pointer) noexcept { delete[] static_cast<std::int32_t*>(pointer); });
    for (std::size_t y = 0; y < band.height(); ++y)
        for (std::size_t x = 0; x < band.width(); ++x) values[y * band.width() + x] = band.symbol(band.at(y, x));
    return {values, {band.height(), band.width()}, owner};
}

nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<3>> tables_of(const SubbandTile& tile, const StepSubbandRules& rules, const TableSet& tables) {
    check_tables(rules, tables);
    const std::size_t d = tile.layout().num_channels(), size = tile.grid().size();
    auto* const indices = new std::uint8_t[d * size]();
    const nb::capsule owner(indices, [](void* pointer) noexcept { delete[] static_cast<std::uint8_t*>(pointer); });
    for (const SubbandStage& stage : subband_stages(tile.layout(), 0, d))
        SubbandWalk(tile, rules, stage).run([&](const FrontSymbols& s) {
            for (std::size_t i = 0; i < s.count; ++i) indices[tile.plane_place(stage.level, s.kind[i], s.y[i], s.x[i])] = s.table[i];
        });
    return {indices, {d, tile.grid().height, tile.grid().width}, owner};
}

nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<3>> followings(const SubbandRules& rules, const Planes& sizes) {
    const std::size_t d = rules.layout.num_channels(), h = sizes.shape(1), w = sizes.shape(2);
    if (sizes.shape(0) != d || h == 0 || w == 0 || h > max_tile_side || w > max_tile_side) throw nb::value_error("planes do not fit the rules");
    SubbandTile ahead(rules.layout, {h, w});
    auto* const steps = new std::uint8_t[d * h * w]();
    const nb::capsule owner(steps, [](void* pointer) noexcept { delete[] static_cast<std::uint8_t*>(pointer); });
    const std::vector<SubbandStage> stages = subband_stages(rules.layout, 0, d);
    for (const SubbandStage& stage : stages)
        if (stage.level > 0) load_stage(ahead, sizes.data(), stage);
    for (const SubbandStage& stage : stages)
        if (stage.level > 0)
            for_places(ahead, stage, [&](std::size_t level, std::size_t kind, std::size_t y, std::size_t x) {
                steps[ahead.plane_place(level, kind, y, x)] = static_cast<std::uint8_t>(SubbandOptimizer::following(ahead, level, kind, y, x));
            });
    return {steps, {d, h, w}, owner};
}

using Coefficients = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Floats = Flat<float>;
using MutablePlanes = nb::ndarray<std::int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

ChosenSubbands optimize(const StepSubbandRules& rules, const TableSet& tables, const CostTables& costs, const Coefficients& coefficients, float inverse_step,
              const Floats& shrink, const Floats& low_shrink, float price, const Flat<std::int32_t>& later_costs, const MutablePlanes& planes,
                        const std::optional<Planes>& likely, const ChosenSubbands* begun, std::size_t first, std::size_t last) {
    check_tables(rules, tables);
    const SubbandLayout& layout = rules.rules().layout;
    const std::size_t d = planes.shape(0), h = planes.shape(1), w = planes.shape(2);
    if (h == 0 || w == 0 || h > max_tile_side || w > max_tile_side || d > layout.num_channels()) throw nb::value_error("planes do not fit the rules");
    if (coefficients.shape(0) != d || coefficients.shape(1) != h || coefficients.shape(2) != w || shrink.size() != 3 * d ||
        low_shrink.size() != 3 * layout.num_colors * (1 + num_orientations * layout.low_levels) || later_costs.size() != 3 * num_followings * tables.num_tables())
        throw nb::value_error("coefficients, shrinkage, costs and planes differ in shape");
    if (first > last || last > d || (first > 0) != (begun != nullptr)) throw nb::value_error("there are no such channels to choose");
    if (begun != nullptr && (!(begun->tile.layout() == layout) || begun->tile.grid().height != h || begun->tile.grid().width != w))
        throw nb::value_error("what is begun does not fit the planes");
    if (likely && (likely->shape(0) != d || likely->shape(1) != h || likely->shape(2) != w)) throw nb::value_error("likely planes differ in shape");
    nb::gil_scoped_release unlocked;
    ChosenSubbands chosen{SubbandTile(layout, {h, w})};
    if (begun != nullptr) {
        chosen.stages = begun->stages;
        load_subbands(chosen.tile, planes.data(), 0, first);
    }
    SubbandOptimizer(rules, tables, costs, {coefficients.data(), inverse_step, shrink.data(), low_shrink.data(), price, later_costs.data(),
                                             likely ? likely->data() : nullptr})
        .run(chosen, planes.data(), first, last, d);
    return chosen;
}

}  // namespace

void bind_subbands(nb::module_& m) {
    nb::class_<NetworkWeights>(m, "NetworkWeights")
        .def("__init__", &init_network, nb::arg("width"), nb::arg("num_kinds"), nb::arg("first").noconvert(), nb::arg("second").noconvert(),
             nb::arg("third").noconvert(), nb::arg("first_bias").noconvert(), nb::arg("second_bias").noconvert(),
             nb::arg("third_bias").noconvert(), nb::arg("first_step").noconvert(), nb::arg("third_step").noconvert(), nb::arg("shifts").noconvert());
    nb::class_<SubbandRules>(m, "SubbandRules")
        .def("__init__", &init_rules, nb::arg("num_colors"), nb::arg("depth"), nb::arg("low_levels"), nb::arg("networks"),
             nb::arg("table_map").noconvert(), nb::arg("quiet_tables").noconvert());
    // Borrows its rules, which the caller keeps.
    nb::class_<StepSubbandRules>(m, "StepSubbandRules")
        .def("__init__", [](StepSubbandRules* self, const SubbandRules& rules, int step_code) {
            if (step_code < 0 || step_code > 255) throw nb::value_error("a step code is 0 to 255");
            new (self) StepSubbandRules(rules, step_code);
        }, nb::arg("rules"), nb::arg("step_code"));
    nb::class_<SubbandTile>(m, "SubbandTile")
        .def("__init__", [](SubbandTile* self, const SubbandRules& rules, std::size_t height, std::size_t width) {
            if (height == 0 || width == 0 || height > max_tile_side || width > max_tile_side) throw nb::value_error("a tile has 1 to 2^24 places a side");
            new (self) SubbandTile(rules.layout, {height, width});
        }, nb::arg("rules"), nb::arg("height"), nb::arg("width"))
        .def("load", &load, nb::arg("planes").noconvert(), nb::arg("first"), nb::arg("last"))
        .def("coded", [](const SubbandTile& tile, const StepSubbandRules& rules, const TableSet& tables, std::size_t first, std::size_t last) {
            return coded(tile, rules, tables, first, last, [&] { return coded_subbands(tile, rules, first, last); });
        }, nb::arg("rules"), nb::arg("tables"), nb::arg("first"), nb::arg("last"))
        .def("tables", &tables_of, nb::arg("rules"), nb::arg("tables"))
        .def("inputs", &inputs, nb::arg("level"), nb::arg("kind"))
        .def("symbols", &symbols, nb::arg("level"), nb::arg("kind"));
    nb::class_<ChosenSubbands>(m, "ChosenSubbands")
        .def("coded", [](const ChosenSubbands& chosen, const StepSubbandRules& rules, const TableSet& tables, std::size_t first, std::size_t last) {
            return coded(chosen.tile, rules, tables, first, last, [&] { return chosen.coded(rules, first, last); });
        }, nb::arg("rules"), nb::arg("tables"), nb::arg("first"), nb::arg("last"));
    m.def("subband_followings", &followings, nb::arg("rules"), nb::arg("sizes").noconvert());
    m.def("optimize_subbands", &optimize, nb::arg("rules"), nb::arg("tables"), nb::arg("costs"), nb::arg("coefficients").noconvert(),
          nb::arg("inverse_step"), nb::arg("shrink").noconvert(), nb::arg("low_shrink").noconvert(), nb::arg("price"),
          nb::arg("later_costs").noconvert(), nb::arg("planes").noconvert(), nb::arg("likely").noconvert().none(), nb::arg("begun").none(), nb::arg("first"), nb::arg("last"));
}
