// laconic.entropy._native: the core for Python. Arrays are checked and passed on; no logic lives here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "channel_coder.hpp"
#include "context_coder.hpp"
#include "contexts.hpp"
#include "cost.hpp"
#include "dispatch.hpp"
#include "optimizer.hpp"
#include "packets.hpp"
#include "rans.hpp"
#include "picture_bindings.hpp"
#include "residual_bindings.hpp"
#include "subband_bindings.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyIn = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyOut = nb::ndarray<nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ints32 = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Frequencies = nb::ndarray<const std::uint16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Planes = nb::ndarray<std::int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using AnyPlanesIn = nb::ndarray<nb::ro, nb::ndim<3>, nb::device::cpu>;
using AnyPlanesOut = nb::ndarray<nb::ndim<3>, nb::device::cpu>;

template <class Array>
auto span_of(const Array& array) {
    return std::span(array.data(), array.size());
}

std::span<const std::uint8_t> span_of(const nb::bytes& bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.c_str()), bytes.size()};
}

ValueType type_of(nb::dlpack::dtype type) {
    if (type == nb::dtype<std::int8_t>()) return ValueType::int8;
    if (type == nb::dtype<std::int16_t>()) return ValueType::int16;
    if (type == nb::dtype<std::int32_t>()) return ValueType::int32;
    throw nb::type_error("values must be int8, int16 or int32");
}

// Packets also take floats; bfloat16, which numpy lacks, comes as uint16.
ValueType any_type_of(nb::dlpack::dtype type) {
    if (type == nb::dtype<float>()) return ValueType::float32;
    if (type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float) && type.bits == 16) return ValueType::float16;
    if (type == nb::dtype<std::uint16_t>()) return ValueType::bfloat16;
    return type_of(type);
}

// `index` is an int or an array of one uint8 for each value.
TableChoice choice_of(nb::handle index, std::size_t num_values, const TableSet& tables) {
    TableChoice choice;
    if (nb::isinstance<nb::int_>(index)) {
        const long long shared = nb::cast<long long>(index);
        if (shared < 0 || static_cast<std::size_t>(shared) >= tables.num_tables())
            throw nb::value_error("a table index is outside the table set");
        choice.shared = static_cast<std::uint8_t>(shared);
        return choice;
    }
    const auto each = span_of(nb::cast<Indices>(index, false));
    if (each.size() != num_values) throw nb::value_error("values and table indices differ in number");
    if (!tables.has_all(each)) throw nb::value_error("a table index is outside the table set");
    choice.each = each.data();
    return choice;
}

// `fronts`: for each message the numbers of values of its fronts, or nothing for a plain one.
nb::bytes encode(const TableSet& tables, const std::vector<AnyIn>& values, const std::vector<nb::object>& indices,
                 const std::vector<int>& marks, const std::vector<Bytes>& fronts, unsigned lanes, std::uint16_t tail) {
    if (!valid_lanes(lanes)) throw nb::value_error("lanes must be 4, 8, 16, 32 or 64");
    if (values.size() != indices.size() || values.size() != marks.size() || values.size() != fronts.size())
        throw nb::value_error("values, indices, marks and fronts differ in number");
    std::vector<Message> messages;
    for (std::size_t m = 0; m < values.size(); ++m) {
        const std::size_t count = values[m].size();
        messages.push_back({{values[m].data(), type_of(values[m].dtype())}, count, choice_of(indices[m], count, tables), std::nullopt});
        messages.back().fronts = span_of(fronts[m]);
        if (fronts[m].size() > 0) {
            const auto sizes = span_of(fronts[m]);
            const bool small = std::all_of(sizes.begin(), sizes.end(), [](std::uint8_t size) { return size <= front_lanes; });
            if (!small || std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}) != count || messages.back().tables.each == nullptr)
                throw nb::value_error("fronts must have 64 values at most, all in all those of the message, and a table each");
        }
        if (marks[m] >= 0) messages.back().mark = static_cast<std::uint16_t>(marks[m]);
    }
    std::vector<std::uint8_t> bytes;
    {
        nb::gil_scoped_release unlocked;
        bytes = encode_messages(messages, tables, lanes, tail);
    }
    return nb::bytes(bytes.data(), bytes.size());
}

using Levels = nb::ndarray<const std::uint16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Flat = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> vector_of(const Flat<T>& array) {
    return {array.data(), array.data() + array.size()};
}

void check_contexts(const ContextRules& rules, const TableSet& tables, const Levels& base, std::size_t num_channels, std::size_t first,
                    std::size_t last) {
    if (!tables.has_all(rules.table_map)) throw nb::value_error("the table map names a table outside the table set");
    if (base.size() != rules.num_channels()) throw nb::value_error("base levels do not fit the channels of the rules");
    if (first > last || last > num_channels || last > rules.num_channels()) throw nb::value_error("channels do not fit the planes and the rules");
}

nb::tuple coded_symbols_of(const ContextRules& rules, const TableSet& tables, const Levels& base, const Planes& planes, std::size_t first,
                           std::size_t last) {
    check_contexts(rules, tables, base, planes.shape(0), first, last);
    auto* const coded = new CodedSymbols;
    const nb::capsule owner(coded, [](void* pointer) noexcept { delete static_cast<CodedSymbols*>(pointer); });
    {
        nb::gil_scoped_release unlocked;
        *coded = coded_symbols(rules, span_of(base), planes.data(), {planes.shape(1), planes.shape(2)}, first, last);
    }
    const auto array_of = [&](auto& vector) {
        return nb::ndarray<nb::numpy, std::remove_reference_t<decltype(vector[0])>, nb::ndim<1>>(vector.data(), {vector.size()}, owner);
    };
    return nb::make_tuple(array_of(coded->values), array_of(coded->tables), array_of(coded->fronts));
}

using Coefficients = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Shrink = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class Symbol>
void optimize_contexts(const ContextRules& rules, const TableSet& tables, const CostTables& costs, const Levels& base,
                       const Coefficients& coefficients, float inverse_step, const Shrink& shrink,
                       const nb::ndarray<Symbol, nb::ndim<3>, nb::c_contig, nb::device::cpu>& planes, std::size_t num_fixed, float price,
                       unsigned num_sweeps) {
    const std::size_t d = planes.shape(0);
    check_contexts(rules, tables, base, d, 0, d);
    if (coefficients.shape(0) != d || coefficients.shape(1) != planes.shape(1) || coefficients.shape(2) != planes.shape(2) ||
        shrink.shape(0) != d || shrink.shape(1) != 3)
        throw nb::value_error("coefficients, shrinkage and planes differ in shape");
    if (planes.size() / std::max<std::size_t>(d, 1) >= 1U << 30) throw nb::value_error("a plane may have fewer than 2^30 places");
    nb::gil_scoped_release unlocked;
    const ContextCosts prices(rules, tables, costs);
    TileOptimizer(rules, prices, span_of(base), {planes.shape(1), planes.shape(2)})
        .run({coefficients.data(), inverse_step, shrink.data(), price}, planes.data(), num_fixed, d, num_sweeps);
}

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

// Places of a row must follow each other.
template <class Array>
ValueType type_of_planes(const Array& planes) {
    const ValueType type = type_of(planes.dtype());
    require(type != ValueType::int8, "planes must be int16 or int32");
    require(planes.size() == 0 || planes.shape(2) <= 1 || planes.stride(2) == 1, "the values of a row must follow each other");
    return type;
}

ChannelTarget target_of(Decoder* decoder, const AnyPlanesOut& planes) {
    return {decoder, {planes.data(), type_of_planes(planes)}, planes.shape(0), {planes.shape(1), planes.shape(2)}, planes.stride(0), planes.stride(1)};
}

PlanesView view_of(const AnyPlanesIn& planes) {
    return {{planes.data(), type_of_planes(planes)}, planes.shape(0), {planes.shape(1), planes.shape(2)}, planes.stride(0), planes.stride(1)};
}

void residuals_into(const AnyPlanesIn& planes, const Planes& residuals) {
    const PlanesView view = view_of(planes);
    require(view.count == residuals.shape(0) && view.grid.height == residuals.shape(1) && view.grid.width == residuals.shape(2),
            "planes differ in shape");
    nb::gil_scoped_release unlocked;
    residuals_of_planes(view, residuals.data());
}

std::vector<bool> widen_planes_into(const AnyPlanesIn& planes, const Planes& wide) {
    const PlanesView view = view_of(planes);
    require(view.count == wide.shape(0) && view.grid.height == wide.shape(1) && view.grid.width == wide.shape(2), "planes differ in shape");
    nb::gil_scoped_release unlocked;
    return widen_planes(view, wide.data());
}

void undo_prediction_of(const Planes& planes) {
    nb::gil_scoped_release unlocked;
    const Grid grid{planes.shape(1), planes.shape(2)};
    for (std::size_t c = 0; c < planes.shape(0); ++c) undo_prediction(planes.data() + c * grid.size(), grid);
}

bool put_predicted_into(const Planes& residuals, const AnyPlanesOut& planes) {
    const ChannelTarget target = target_of(nullptr, planes);
    require(target.count == residuals.shape(0) && target.grid.height == residuals.shape(1) && target.grid.width == residuals.shape(2),
            "planes differ in shape");
    nb::gil_scoped_release unlocked;
    return put_predicted(residuals.data(), target);
}

std::vector<std::unique_ptr<ChannelSymbols>> channel_symbols_of(const TableSet& tables, const CostTables& costs,
                                                                const std::vector<std::vector<AnyPlanesIn>>& runs, const Indices& indices) {
    require(tables.has_all(span_of(indices)), "a table index is outside the table set");
    std::vector<TilePlanes> tiles;
    for (const std::vector<AnyPlanesIn>& tile : runs) {
        TilePlanes views;
        std::size_t count = 0;
        for (const AnyPlanesIn& run : tile) count += views.emplace_back(view_of(run)).count;
        require(count == indices.size(), "table indices do not fit the planes");
        tiles.push_back(std::move(views));
    }
    nb::gil_scoped_release unlocked;
    return channel_symbols(tiles, tables, costs, span_of(indices));
}

nb::bytes encode_channels(const ChannelSymbols& symbols, const std::vector<std::pair<std::size_t, std::size_t>>& bounds,
                          const std::vector<std::uint16_t>& marks, unsigned lanes, std::uint16_t tail) {
    require(valid_lanes(lanes), "lanes must be 4, 8, 16, 32 or 64");
    require(marks.empty() || marks.size() + 1 == bounds.size(), "there must be no marks, or one for each group but the last");
    std::vector<ChannelSymbols::Group> groups;
    for (const auto& [first, last] : bounds) {
        require(first <= last && last <= symbols.num_channels(), "a group has channels that there are not");
        groups.push_back({first, last, std::nullopt});
    }
    for (std::size_t g = 0; g < marks.size(); ++g) groups[g].mark = marks[g];
    std::vector<std::uint8_t> bytes;
    {
        nb::gil_scoped_release unlocked;
        bytes = symbols.encode(groups, lanes, tail);
    }
    return nb::bytes(bytes.data(), bytes.size());
}

// Keeps the bytes alive that it reads from.
class PyDecoder {
public:
    PyDecoder(nb::bytes bytes, unsigned lanes) : bytes_{std::move(bytes)}, decoder_{span_of(bytes_), checked(lanes)} {}

    void decode_into(const AnyOut& values, const TableSet& tables, nb::handle index) {
        const std::size_t count = values.size();
        const TableChoice choice = choice_of(index, count, tables);
        const Output output{values.data(), type_of(values.dtype())};
        nb::gil_scoped_release unlocked;
        decoder_.decode(output, count, tables, choice);
    }

    Decoder& decoder() noexcept { return decoder_; }

    void decode_contexts(const ContextRules& rules, const TableSet& tables, const Levels& base, const Planes& planes, std::size_t first,
                         std::size_t last) {
        check_contexts(rules, tables, base, planes.shape(0), first, last);
        nb::gil_scoped_release unlocked;
        decode_symbols(decoder_, rules, tables, span_of(base), planes.data(), {planes.shape(1), planes.shape(2)}, first, last);
    }

    void decode_subbands(SubbandTile& tile, const StepSubbandRules& rules, const TableSet& tables, const Planes& planes, std::size_t first,
                         std::size_t last) {
        check_tables(rules, tables);
        check_subbands(tile, planes.shape(0), planes.shape(1), planes.shape(2), first, last);
        nb::gil_scoped_release unlocked;
        laconic::decode_subbands(decoder_, tile, rules, tables, first, last, planes.data());
    }

    std::uint16_t read_mark() { return decoder_.read_mark(); }
    std::uint16_t finish() { return decoder_.finish(); }

private:
    static unsigned checked(unsigned lanes) {
        if (!valid_lanes(lanes)) throw nb::value_error("lanes must be 4, 8, 16, 32 or 64");
        return lanes;
    }

    nb::bytes bytes_;
    Decoder decoder_;
};

// Planes of one type; those of a decoder have as many channels of `indices`, from the first on, as are to be decoded.
void decode_channels_into(const std::vector<PyDecoder*>& decoders, const std::vector<AnyPlanesOut>& planes, const TableSet& tables,
                          const Indices& indices) {
    require(decoders.size() == planes.size(), "decoders and planes differ in number");
    require(tables.has_all(span_of(indices)), "a table index is outside the table set");
    std::vector<ChannelTarget> targets;
    for (std::size_t i = 0; i < planes.size(); ++i) {
        require(planes[i].shape(0) <= indices.size() && planes[i].dtype() == planes[0].dtype(), "planes do not fit the table indices or each other");
        targets.push_back(target_of(&decoders[i]->decoder(), planes[i]));
    }
    nb::gil_scoped_release unlocked;
    decode_channels(targets, tables, span_of(indices));
}

std::uint64_t ideal_cost(const TableSet& tables, const CostTables& costs, const AnyIn& values, nb::handle index) {
    const std::size_t count = values.size();
    const TableChoice choice = choice_of(index, count, tables);
    const void* data = values.data();
    const ValueType type = type_of(values.dtype());
    nb::gil_scoped_release unlocked;
    if (type == ValueType::int8) return costs.total(std::span(static_cast<const std::int8_t*>(data), count), tables, choice);
    if (type == ValueType::int16) return costs.total(std::span(static_cast<const std::int16_t*>(data), count), tables, choice);
    return costs.total(std::span(static_cast<const std::int32_t*>(data), count), tables, choice);
}

// Into `out` (tables, values) what each value costs by each table, in 2^-16 bit.
void symbol_costs(const TableSet& tables, const CostTables& costs, const Ints32& values,
                  const nb::ndarray<std::uint32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>& out) {
    if (out.shape(0) != tables.num_tables() || out.shape(1) != values.size()) throw nb::value_error("costs must be (tables, values)");
    for (std::size_t t = 0; t < out.shape(0); ++t)
        for (std::size_t i = 0; i < out.shape(1); ++i) out(t, i) = costs.of(values.data()[i], tables, t);
}

using AnyShapeIn = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using AnyShapeOut = nb::ndarray<nb::c_contig, nb::device::cpu>;
using IndicesOfAnyShape = nb::ndarray<const std::uint8_t, nb::c_contig, nb::device::cpu>;

// Where tables go over items of some shape; keeps the numbers that the layout points to.
class ItemLayout {
public:
    // `index` is a number for all, or an array over the leading axes of an item, which are those of `shape` from `axis` on.
    template <class Array>
    ItemLayout(const Array& values, std::size_t axis, nb::handle index, const TableSet& tables) {
        layout.count = 1;
        for (std::size_t a = axis; a < values.ndim(); ++a) layout.count *= values.shape(a);
        if (nb::isinstance<nb::int_>(index)) {
            long long number = 0;
            if (!nb::try_cast(index, number, false) || number < 0 || number > 255)
                throw nb::value_error("a table index is outside 0 to 255");
            single_ = static_cast<std::uint8_t>(number);
            use({&single_, 1}, false, tables);
            return;
        }
        if (!nb::try_cast(index, numbers_, false)) throw nb::type_error("table indices must be an int or a uint8 array");
        bool leads = numbers_.ndim() + axis <= values.ndim();
        for (std::size_t a = 0; leads && a < numbers_.ndim(); ++a) leads = numbers_.shape(a) == values.shape(axis + a);
        if (!leads) throw nb::value_error("the shape of the table indices does not lead that of the values");
        use({numbers_.data(), numbers_.size()}, numbers_.size() == layout.count, tables);
    }

    ItemLayout(const ItemLayout&) = delete;
    ItemLayout& operator=(const ItemLayout&) = delete;

    Layout layout;

private:
    void use(std::span<const std::uint8_t> numbers, bool by_symbol, const TableSet& tables) {
        if (!tables.has_all(numbers)) throw nb::value_error("a table index is outside the table set");
        if (by_symbol) {
            layout.each = numbers.data();
        } else {
            layout.rows = numbers.data();
            layout.num_rows = numbers.size();
        }
    }

    std::uint8_t single_ = 0;
    IndicesOfAnyShape numbers_;
};

void check_options(float step, unsigned num_threads) {
    if (!(std::isnormal(step) && step > 0)) throw nb::value_error("a step must be a number above 0 in the range of float32");
    if (num_threads < 1 || num_threads > 1024) throw nb::value_error("the number of threads must be 1 to 1024");
}

// The packets of `values`: one, or with `is_batch` one for each item along the first axis.
nb::list encode_packets_of(const TableSet& tables, const AnyShapeIn& values, nb::handle index, bool is_batch, float step,
                           std::size_t chunk, unsigned num_threads) {
    check_options(step, num_threads);
    if (chunk == 0 || chunk > max_chunk) throw nb::value_error("a chunk must have 1 to 2^30 symbols");
    const Input input{values.data(), any_type_of(values.dtype()), step};
    const ItemLayout items(values, is_batch ? 1 : 0, index, tables);
    const std::size_t num_items = is_batch ? values.shape(0) : 1;
    const Packets packets = [&] {
        nb::gil_scoped_release unlocked;
        return encode_packets(input, num_items, items.layout, tables, chunk, num_threads);
    }();
    nb::list list;
    std::vector<std::uint8_t*> places;
    for (std::size_t item = 0; item < packets.num_items(); ++item) {
        const nb::bytes bytes(nullptr, packets.size(item));
        places.push_back(reinterpret_cast<std::uint8_t*>(PyBytes_AS_STRING(bytes.ptr())));
        list.append(bytes);
    }
    {
        nb::gil_scoped_release unlocked;
        packets.write(places, num_threads);
    }
    return list;
}

void decode_packets_into(const TableSet& tables, const nb::list& packets, const AnyShapeOut& values, nb::handle index,
                         bool is_batch, float step, unsigned num_threads) {
    check_options(step, num_threads);
    const Output output{values.data(), any_type_of(values.dtype()), step};
    const ItemLayout items(values, is_batch ? 1 : 0, index, tables);
    if (packets.size() != (is_batch ? values.shape(0) : 1)) throw nb::value_error("packets and items differ in number");
    std::vector<std::span<const std::uint8_t>> all;
    all.reserve(packets.size());
    for (const nb::handle packet : packets) {
        if (!nb::isinstance<nb::bytes>(packet)) throw nb::type_error("a packet must be bytes");
        all.push_back(span_of(nb::borrow<nb::bytes>(packet)));
    }
    nb::gil_scoped_release unlocked;
    decode_packets(all, output, items.layout, tables, num_threads);
}

}  // namespace

NB_MODULE(_native, m) {
    // Table sets live in modules and caches until the interpreter ends; that is no leak.
    nb::set_leak_warnings(false);
    if (const char* wanted = std::getenv("LACONIC_SIMD"); wanted != nullptr && kernels().name != std::string_view(wanted)) {
        std::string names;
        for (const Kernels* set : available_kernels()) names += std::string(names.empty() ? "" : ", ") + set->name;
        throw nb::import_error(("LACONIC_SIMD is " + std::string(wanted) + "; this machine has " + names + ": set one or none").c_str());
    }
    static nb::exception<StreamError> corrupt(m, "StreamError", PyExc_ValueError);
    static nb::exception<StreamError> truncated(m, "StreamTruncated", corrupt.ptr());
    static nb::exception<StreamError> checksum(m, "StreamChecksum", corrupt.ptr());
    static nb::exception<StreamError> misfit(m, "StreamMisfit", corrupt.ptr());
    nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
        try {
            std::rethrow_exception(pointer);
        } catch (const StreamError& error) {
            const auto& type = error.fault() == Fault::truncated  ? truncated
                               : error.fault() == Fault::checksum ? checksum
                               : error.fault() == Fault::misfit   ? misfit
                                                                  : corrupt;
            PyErr_SetString(type.ptr(), error.what());
        }
    });

    m.def("crc32c", [](nb::bytes data, std::uint32_t seed) {
        const auto bytes = span_of(data);
        nb::gil_scoped_release unlocked;
        return kernels().crc32c(bytes.data(), bytes.size(), seed);
    }, nb::arg("data"), nb::arg("seed") = 0);
    m.def("crc32c_planes", [](const AnyPlanesIn& planes, std::uint32_t seed) {
        const PlanesView view = view_of(planes);
        nb::gil_scoped_release unlocked;
        return crc32c_of_planes(view, seed);
    }, nb::arg("planes").noconvert(), nb::arg("seed") = 0);

    nb::class_<TableSet>(m, "TableSet")
        .def("__init__", [](TableSet* self, const Ints32& firsts, const Ints32& sizes, const Frequencies& frequencies) {
            new (self) TableSet(span_of(firsts), span_of(sizes), span_of(frequencies));
        }, nb::arg("firsts").noconvert(), nb::arg("sizes").noconvert(), nb::arg("frequencies").noconvert());
    m.def("encode_packets", &encode_packets_of, nb::arg("tables"), nb::arg("values").noconvert(), nb::arg("index"),
          nb::arg("is_batch"), nb::arg("step"), nb::arg("chunk"), nb::arg("num_threads"));
    m.def("decode_packets", &decode_packets_into, nb::arg("tables"), nb::arg("packets"), nb::arg("values").noconvert(),
          nb::arg("index"), nb::arg("is_batch"), nb::arg("step"), nb::arg("num_threads"));
    m.def("packet_count", [](const nb::bytes& packet) { return packet_count(span_of(packet)); }, nb::arg("packet"));

    m.def("simd_levels", [] {
        std::vector<std::string> names;
        for (const Kernels* set : available_kernels()) names.emplace_back(set->name);
        return names;
    });
    m.def("simd_level", [] { return std::string(kernels().name); });
    m.def("use_simd", [](const std::string& name) { return use_kernels(name); }, nb::arg("name"));

    nb::class_<CostTables>(m, "CostTables").def(nb::init<const TableSet&>());

    m.def("encode", &encode, nb::arg("tables"), nb::arg("values"), nb::arg("indices"), nb::arg("marks"),
          nb::arg("fronts").noconvert(), nb::arg("lanes"), nb::arg("tail"));
    m.def("symbol_costs", &symbol_costs, nb::arg("tables"), nb::arg("costs"), nb::arg("values").noconvert(), nb::arg("out").noconvert());
    m.def("ideal_cost", &ideal_cost, nb::arg("tables"), nb::arg("costs"), nb::arg("values").noconvert(), nb::arg("index"));
    nb::class_<PyDecoder>(m, "Decoder")
        .def(nb::init<nb::bytes, unsigned>(), nb::arg("data"), nb::arg("lanes"))
        .def("decode_into", &PyDecoder::decode_into, nb::arg("values").noconvert(), nb::arg("tables"), nb::arg("index"))
        .def("decode_contexts", &PyDecoder::decode_contexts, nb::arg("rules"), nb::arg("tables"), nb::arg("base").noconvert(),
             nb::arg("planes").noconvert(), nb::arg("first"), nb::arg("last"))
        .def("decode_subbands", &PyDecoder::decode_subbands, nb::arg("tile"), nb::arg("rules"), nb::arg("tables"), nb::arg("planes").noconvert(),
             nb::arg("first"), nb::arg("last"))
        .def("read_mark", &PyDecoder::read_mark)
        .def("finish", &PyDecoder::finish);

    m.def("decode_channels", &decode_channels_into, nb::arg("decoders"), nb::arg("planes").noconvert(), nb::arg("tables"),
          nb::arg("indices").noconvert());

    m.def("prediction_residuals", &residuals_into, nb::arg("planes").noconvert(), nb::arg("residuals").noconvert());
    m.def("widen_planes", &widen_planes_into, nb::arg("planes").noconvert(), nb::arg("wide").noconvert());
    m.def("put_predicted", &put_predicted_into, nb::arg("residuals").noconvert(), nb::arg("planes").noconvert());
    m.def("undo_prediction", &undo_prediction_of, nb::arg("planes").noconvert());

    m.def("channel_symbols", &channel_symbols_of, nb::arg("tables"), nb::arg("costs"), nb::arg("runs"),
          nb::arg("indices").noconvert());
    // Borrows its tables, which the caller keeps.
    nb::class_<ChannelSymbols>(m, "ChannelSymbols")
        .def("costs", [](const ChannelSymbols& symbols) {
            std::vector<std::uint64_t> costs;
            for (std::size_t c = 0; c < symbols.num_channels(); ++c) costs.push_back(symbols.cost(c));
            return costs;
        })
        .def("last_used", [](const ChannelSymbols& symbols, std::size_t first, std::size_t last) {
            require(last <= symbols.num_channels(), "there are not so many channels");
            while (last > first && !symbols.is_used(last - 1)) --last;
            return last;
        }, nb::arg("first"), nb::arg("last"))
        .def("encode", &encode_channels, nb::arg("bounds"), nb::arg("marks"), nb::arg("lanes"), nb::arg("tail"));

    bind_subbands(m);
    nb::class_<ContextRules>(m, "ContextRules")
        .def("__init__", [](ContextRules* self, const std::vector<std::uint32_t>& pass_ends, std::size_t num_features,
                            const Flat<std::uint8_t>& neighbour_weights, const Flat<std::int8_t>& lean_weights,
                            const Flat<std::uint16_t>& feature_weights, const Flat<std::uint8_t>& own_weights,
                            const Flat<std::uint8_t>& ring_weights, const Flat<std::uint8_t>& table_map) {
            ContextRules rules{pass_ends, num_features, vector_of(neighbour_weights), vector_of(lean_weights), vector_of(feature_weights),
                               vector_of(own_weights), vector_of(ring_weights), vector_of(table_map)};
            rules.check();
            new (self) ContextRules(std::move(rules));
        }, nb::arg("pass_ends"), nb::arg("num_features"), nb::arg("neighbour_weights").noconvert(), nb::arg("lean_weights").noconvert(),
           nb::arg("feature_weights").noconvert(), nb::arg("own_weights").noconvert(), nb::arg("ring_weights").noconvert(),
           nb::arg("table_map").noconvert());
    const auto define_optimizer = [&](auto optimize) {
        m.def("optimize_contexts", optimize, nb::arg("rules"), nb::arg("tables"), nb::arg("costs"), nb::arg("base").noconvert(),
              nb::arg("coefficients").noconvert(), nb::arg("inverse_step"), nb::arg("shrink").noconvert(), nb::arg("planes").noconvert(),
              nb::arg("num_fixed"), nb::arg("price"), nb::arg("num_sweeps"));
    };
    define_optimizer(&optimize_contexts<std::int32_t>);
    define_optimizer(&optimize_contexts<std::int16_t>);
    m.def("coded_symbols", &coded_symbols_of, nb::arg("rules"), nb::arg("tables"), nb::arg("base").noconvert(),
          nb::arg("planes").noconvert(), nb::arg("first"), nb::arg("last"));
    bind_pictures(m);
    bind_residuals(m);
}
