// The fixed-point transform for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <stdexcept>

#include "fixed_analysis.hpp"
#include "fixed_dispatch.hpp"
#include "fixed_synthesis.hpp"
#include "step_map.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T, std::size_t dims>
using Array = nb::ndarray<T, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
using Matrix16 = Array<const std::int16_t, 2>;
using Samples8 = Array<const std::uint8_t, 3>;

constexpr std::size_t places_in_step = 8;
constexpr std::size_t max_factor = 8;  // rows of a band to a place, as far as kernels go
constexpr std::size_t max_side = std::size_t{1} << 40;
constexpr float max_scale = 65536.0F, max_shrink = 1024.0F;  // whose product is an int32

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

// Places in a leaf's packets of the pairs that analysis collects: neighbours in a row of the band, or planes where the band
// has one row a place.
std::vector<std::array<std::size_t, 2>> pairs_of_packets(std::size_t planes, std::size_t factor) {
    std::vector<std::array<std::size_t, 2>> pairs;
    for (std::size_t p = 0; factor == 1 && p < planes; p += 2) pairs.push_back({p, p + 1});
    for (std::size_t i = 0; factor > 1 && i < factor; ++i)
        for (std::size_t p = 0; p < planes; ++p)
            for (std::size_t j = 0; j < factor; j += 2) pairs.push_back({(i * factor + j) * planes + p, (i * factor + j + 1) * planes + p});
    return pairs;
}

bool all_of(const Array<const float, 2>& values, const auto& holds) {
    return std::all_of(values.data(), values.data() + values.shape(0) * values.shape(1), holds);
}

void init_map(FixedMap* self, std::size_t planes, std::size_t depth) {
    require(planes >= 1 && planes <= 4 && depth >= 1 && depth <= 4, "1 to 4 planes and a depth of 1 to 4 are supported");
    auto* map = new (self) FixedMap;
    map->planes = planes;
    map->depth = depth;
}

// Children must be added before they are used.
void add_node(FixedMap& map, std::size_t depth, const std::array<int, 4>& children) {
    require(depth < map.depth, "the node is too deep");
    map.nodes.push_back({depth, children});
}

void add_leaf(FixedMap& map, std::size_t depth, const Matrix16& analysis, unsigned analysis_bits, const Matrix16& synthesis,
              unsigned synthesis_bits, const std::vector<std::uint16_t>& channels) {
    require(depth >= 1 && depth <= map.depth && (std::size_t{1} << (map.depth - depth)) <= max_factor, "the leaf is too coarse or fine");
    FixedLeaf leaf;
    leaf.depth = depth;
    leaf.factor = std::size_t{1} << (map.depth - depth);
    const std::size_t n = leaf.size = map.planes * leaf.factor * leaf.factor;
    require(analysis.shape(0) == n && analysis.shape(1) == n && synthesis.shape(0) == n && synthesis.shape(1) == n && channels.size() == n,
            "the matrices do not fit the leaf");
    require(analysis_bits <= 15 && synthesis_bits <= 15, "fraction bits are at most 15");
    leaf.analysis_bits = analysis_bits;
    leaf.synthesis_bits = synthesis_bits;
    leaf.channels = channels;
    for (const auto& [one, other] : pairs_of_packets(map.planes, leaf.factor))
        for (std::size_t r = 0; r < n; ++r) {
            const auto low = static_cast<std::uint16_t>(analysis.data()[r * n + one]);
            const auto high = static_cast<std::uint16_t>(other < n ? analysis.data()[r * n + other] : 0);
            leaf.analysis.push_back(static_cast<std::int32_t>(std::uint32_t{low} | std::uint32_t{high} << 16));
        }
    leaf.synthesis.resize(n * n);
    for (std::size_t packet = 0; packet < n; ++packet)
        for (std::size_t c = 0; c < n; ++c) leaf.synthesis[c * n + packet] = synthesis.data()[packet * n + c];
    map.num_channels += n;
    map.leaves.push_back(std::move(leaf));
}

void require_complete(const FixedMap& map) {
    require(!map.nodes.empty() && map.nodes.front().depth == 0, "the map has no root");
    for (std::size_t i = 0; i < map.nodes.size(); ++i)
        for (const int child : map.nodes[i].children) {
            const std::size_t below = map.nodes[i].depth + 1;
            const auto node = static_cast<std::size_t>(child), leaf = static_cast<std::size_t>(~child);
            require(child >= 0 ? node > i && node < map.nodes.size() && map.nodes[node].depth == below
                               : leaf < map.leaves.size() && map.leaves[leaf].depth == below,
                    "a child of a node is not there");
        }
    for (const FixedLeaf& leaf : map.leaves)
        for (const std::uint16_t channel : leaf.channels) require(channel < map.num_channels, "a channel is not there");
}

// Rows `first` to `last` - 1 of the latent of a picture of `height` rows, of which `samples` (rows, w, c) are those from
// `first_row` on; they are written to `tiles`, (d, ., .) each, of `side` places, in raster order.
template <class T>
LatentOut latent_out(const FixedMap& map, const Samples8& samples, std::size_t height, std::size_t first, std::size_t last, std::size_t side,
                     const std::vector<Array<T, 3>>& tiles) {
    require_complete(map);
    const std::size_t f = map.factor();
    require(samples.shape(0) > 0 && samples.shape(1) > 0 && samples.shape(2) >= map.planes && samples.shape(2) <= 4,
            "samples do not fit the map");
    require(height <= max_side && first < last && last <= (height + f - 1) / f, "the latent has no such rows");
    // Kernels take up to 128 places at a time, which must not go on into the next tile.
    require(side >= places_in_step && std::has_single_bit(side), "tiles have sides that are powers of two, of 8 or more");
    LatentOut out{first, last, side, (samples.shape(1) + f - 1) / f, {}};
    std::size_t number = 0;
    for (std::size_t y = 0; y < last - first; y += side)
        for (std::size_t x = 0; x < out.places; x += side, ++number) {
            require(number < tiles.size() && tiles[number].shape(0) == map.num_channels &&
                        tiles[number].shape(1) == std::min(side, last - first - y) && tiles[number].shape(2) == std::min(side, out.places - x),
                    "the tiles do not fit the samples");
            out.tiles.push_back(tiles[number].data());
        }
    require(number == tiles.size(), "there are too many tiles");
    return out;
}

using LowCoefficients = std::optional<Array<float, 3>>;

// Where the channels of the first leaf go instead, in rows from `first` on: (channels, rows, places), apart from the tiles.
std::optional<LatentOut> low_out(const FixedMap& map, const Samples8& samples, std::size_t height, const LowCoefficients& low, std::size_t first) {
    if (!low) return std::nullopt;
    const std::size_t f = map.factor(), places = (samples.shape(1) + f - 1) / f, rows = low->shape(1);
    require(low->shape(0) == map.leaves.front().size && low->shape(2) == places && rows > 0 && first <= (height + f - 1) / f &&
                rows <= (height + f - 1) / f - first,
            "the low coefficients do not fit the samples");
    for (const std::uint16_t channel : map.leaves.front().channels) require(channel < low->shape(0), "the low channels are not the first");
    return LatentOut{first, first + rows, max_side, places, {low->data()}};
}

// Analysis into tiles, and into `low` where it is there.
void analyze(const FixedMap& map, const SampleRows& source, const LatentOut& out, LatentWriter& writer, const std::optional<LatentOut>& low) {
    if (!low) return analyze_fixed(fixed_kernels(), map, source, {out, writer});
    CoefficientWriter low_writer{fixed_kernels(), *low};
    analyze_fixed(fixed_kernels(), map, source, {out, writer, &*low, &low_writer});
}

void py_coefficients(const FixedMap& map, const Samples8& samples, std::size_t first_row, std::size_t height, std::size_t first,
                     std::size_t last, std::size_t side, const std::vector<Array<float, 3>>& tiles, const LowCoefficients& low,
                     std::size_t low_first) {
    const LatentOut out = latent_out(map, samples, height, first, last, side, tiles);
    const std::optional<LatentOut> apart = low_out(map, samples, height, low, low_first);
    const SampleRows source{samples.data(), samples.shape(0), samples.shape(1), samples.shape(2), first_row, height};
    nb::gil_scoped_release unlocked;
    CoefficientWriter writer{fixed_kernels(), out};
    analyze(map, source, out, writer, apart);
}

template <class T>
void py_integers(const FixedMap& map, const Samples8& samples, std::size_t first_row, std::size_t height, std::size_t first, std::size_t last,
                 std::size_t side, const std::vector<Array<T, 3>>& tiles, float inverse_step, const Array<const float, 2>& thresholds,
                 const LowCoefficients& low, std::size_t low_first) {
    require(thresholds.shape(0) == map.num_channels && thresholds.shape(1) == 2, "thresholds need two values a channel");
    require(inverse_step >= 0.0F && all_of(thresholds, [](float t) { return t >= 0.0F; }), "a step or threshold is none");
    const LatentOut out = latent_out(map, samples, height, first, last, side, tiles);
    const std::optional<LatentOut> apart = low_out(map, samples, height, low, low_first);
    const SampleRows source{samples.data(), samples.shape(0), samples.shape(1), samples.shape(2), first_row, height};
    nb::gil_scoped_release unlocked;
    IntegerWriter<T> writer{fixed_kernels(), out, inverse_step, reinterpret_cast<const Thresholds*>(thresholds.data())};
    analyze(map, source, out, writer, apart);
}

// Of rows of exponents, rounded up to whole blocks.
std::vector<std::int16_t> weights_of_places(const std::int8_t* exponents, std::size_t rows, std::size_t columns) {
    const std::size_t pitch = round_up(columns);
    std::vector<std::int16_t> weights(rows * pitch);
    for (std::size_t y = 0; y < rows; ++y)
        for (std::size_t x = 0; x < columns; ++x)
            weights[y * pitch + x] = step_weight(std::clamp<int>(exponents[y * columns + x], -max_exponent, max_exponent));
    return weights;
}

// Places `row` to `row` + `num_rows` - 1 of `values` (d, h', w') -> the rectangle `out` (h, w, c) at 2^-level of the size, whose
// corner is (y, x) from that of the places. `low` stands for the first channels of `values`, in units of `low_scale`. Later channels of `out` are left alone.
template <class T>
void py_synthesize(const FixedMap& map, const Array<const T, 3>& values, std::size_t row, std::size_t num_rows, unsigned row_bits,
                   const Array<const float, 1>& scales, const Array<const float, 2>& shrink, std::size_t level, const Array<std::uint8_t, 3>& out, std::size_t y, std::size_t x,
                   const std::optional<Array<const std::int16_t, 3>>& low, float low_scale,
                   const std::optional<Array<const std::int8_t, 2>>& exponents, std::size_t first_mapped,
                   const std::optional<Array<const std::uint8_t, 2>>& classes, const std::optional<Array<const std::int16_t, 2>>& largest,
                   std::uint32_t seed, std::size_t top, std::size_t left) {
    require_complete(map);
    require(values.shape(0) <= map.num_channels && num_rows > 0 && num_rows <= values.shape(1) &&
                row <= values.shape(1) - num_rows && values.shape(2) > 0,
            "the latent has no such rows");
    require(shrink.shape(0) >= values.shape(0) && shrink.shape(1) == 3, "shrinkage needs three values a channel");
    require(scales.shape(0) >= values.shape(0) && std::all_of(scales.data(), scales.data() + scales.size(), [](float s) { return s >= 0.0F && s <= max_scale; }) &&
                all_of(shrink, [](float s) { return std::fabs(s) <= max_shrink; }),
            "a step or its shrinkage is none");
    require(!exponents || (exponents->shape(0) == values.shape(1) && exponents->shape(1) == values.shape(2)), "the exponents do not fit the latent");
    require(level <= map.depth, "the scale is too small");
    require(row_bits <= row_fraction_bits, "rows have at most 6 fraction bits");
    const std::size_t side = map.factor() >> level;
    const std::size_t height = num_rows * side, width = values.shape(2) * side;
    require(out.shape(2) >= map.planes && out.shape(2) <= 4 && out.shape(0) <= height && y <= height - out.shape(0) &&
                out.shape(1) <= width && x <= width - out.shape(1),
            "the samples do not fit the latent");
    require(!low || (low->shape(0) <= values.shape(0) && low->shape(1) == values.shape(1) && low->shape(2) == values.shape(2)),
            "the low values do not fit the others");
    require(low_scale >= 0.0F && low_scale <= max_scale, "the scale of low values is none");
    require(classes.has_value() == largest.has_value(), "noise needs the classes of places and what they mean");
    if (classes) {
        require(classes->shape(0) == values.shape(1) && classes->shape(1) == values.shape(2) && largest->shape(0) >= values.shape(0) &&
                    largest->shape(1) == num_activity_classes,
                "the classes do not fit the latent");
        require(std::all_of(classes->data(), classes->data() + classes->size(), [](std::uint8_t c) { return c < num_activity_classes; }),
                "a class is none");
    }
    LatentPart part{values.data() + row * values.shape(2), sizeof(T) == 4, values.shape(0), num_rows, values.shape(2),
                          values.shape(1) * values.shape(2), values.shape(2), row_bits, scales.data(), shrink.data()};
    if (low) {
        part.low = low->data() + row * values.shape(2);
        part.num_low = low->shape(0);
        part.low_scale = low_scale;
    }
    if (classes) {
        part.classes = classes->data() + row * values.shape(2);
        part.largest = largest->data();
        part.seed = seed;
        part.top = top + row;
        part.left = left;
    }
    const SampleOut place{out.data(), out.shape(1) * out.shape(2), out.shape(2), x, y, out.shape(1), out.shape(0)};
    nb::gil_scoped_release unlocked;
    std::vector<std::int16_t> weights;
    if (exponents) {
        weights = weights_of_places(exponents->data() + row * values.shape(2), num_rows, values.shape(2));
        part.weights = weights.data();
        part.first_weighted = first_mapped;
    }
    synthesize_fixed(fixed_kernels(), map, part, level, place);
}

template <class T>
void bind_integers(nb::module_& m) {
    m.def("fixed_integers", &py_integers<T>, nb::arg("map"), nb::arg("samples").noconvert(), nb::arg("first_row"), nb::arg("height"),
          nb::arg("first"), nb::arg("last"), nb::arg("side"), nb::arg("tiles").noconvert(), nb::arg("inverse_step"),
          nb::arg("thresholds").noconvert(), nb::arg("low").noconvert() = nb::none(), nb::arg("low_first") = 0);
    m.def("fixed_samples", &py_synthesize<T>, nb::arg("map"), nb::arg("values").noconvert(), nb::arg("row"), nb::arg("num_rows"),
          nb::arg("row_bits"), nb::arg("scales").noconvert(), nb::arg("shrink").noconvert(), nb::arg("level"), nb::arg("out").noconvert(), nb::arg("y"), nb::arg("x"),
          nb::arg("low").noconvert() = nb::none(), nb::arg("low_scale") = 0.0F, nb::arg("exponents").noconvert() = nb::none(),
          nb::arg("first_mapped") = 0, nb::arg("classes").noconvert() = nb::none(), nb::arg("largest").noconvert() = nb::none(),
          nb::arg("seed") = 0, nb::arg("top") = 0, nb::arg("left") = 0);
}

}  // namespace

void bind_fixed(nb::module_& m) {
    nb::class_<FixedMap>(m, "FixedMap")
        .def("__init__", &init_map, nb::arg("planes"), nb::arg("depth"))
        .def("add_node", &add_node, nb::arg("depth"), nb::arg("children"))
        .def("add_leaf", &add_leaf, nb::arg("depth"), nb::arg("analysis").noconvert(), nb::arg("analysis_bits"),
             nb::arg("synthesis").noconvert(), nb::arg("synthesis_bits"), nb::arg("channels"));
    m.def("fixed_coefficients", &py_coefficients, nb::arg("map"), nb::arg("samples").noconvert(), nb::arg("first_row"), nb::arg("height"),
          nb::arg("first"), nb::arg("last"), nb::arg("side"), nb::arg("tiles").noconvert(), nb::arg("low").noconvert() = nb::none(), nb::arg("low_first") = 0);
    bind_integers<std::int16_t>(m);
    bind_integers<std::int32_t>(m);
    m.def("use_simd", [](const std::string& name) { return use_fixed_kernels(name); }, nb::arg("name"));
    m.attr("MARGIN") = margin;
}
