// laconic.entropy._native: the core for Python. Arrays are checked and passed on; no logic lives here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "context_coder.hpp"
#include "contexts.hpp"
#include "cost.hpp"
#include "dispatch.hpp"
#include "optimizer.hpp"
#include "packets.hpp"
#include "rans.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyIn = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyOut = nb::ndarray<nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ints32 = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Frequencies = nb::ndarray<const std::uint16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Plane = nb::ndarray<std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using ConstPlane = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

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
using Planes = nb::ndarray<std::int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

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

using Ratios = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Shrink = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

Grid grid_of(const Planes& planes) { return {planes.shape(1), planes.shape(2)}; }

void check_ratios(const Planes& planes, const Ratios& ratios, const Shrink& shrink) {
    const std::size_t d = planes.shape(0);
    if (ratios.shape(0) != d || ratios.shape(1) != planes.shape(1) || ratios.shape(2) != planes.shape(2) || shrink.shape(0) != d ||
        shrink.shape(1) != 3)
        throw nb::value_error("ratios, shrinkage and planes differ in shape");
}

void optimize_contexts_of(const ContextRules& rules, const TableSet& tables, const CostTables& costs, const Levels& base, const Ratios& ratios,
                          const Shrink& shrink, const Planes& planes, std::size_t num_fixed, float price, unsigned num_sweeps) {
    const std::size_t d = planes.shape(0);
    check_contexts(rules, tables, base, d, 0, d);
    check_ratios(planes, ratios, shrink);
    nb::gil_scoped_release unlocked;
    optimize_contexts(rules, {tables, costs, price}, span_of(base), ratios.data(), shrink.data(), planes.data(), grid_of(planes), num_fixed,
                      d, num_sweeps);
}

void optimize_static_of(const TableSet& tables, const CostTables& costs, const Indices& index, const Ratios& ratios, const Shrink& shrink,
                        const Planes& planes, std::size_t num_fixed, float price) {
    check_ratios(planes, ratios, shrink);
    if (index.size() < planes.shape(0) || !tables.has_all(span_of(index))) throw nb::value_error("table indices do not fit");
    nb::gil_scoped_release unlocked;
    optimize_static({tables, costs, price}, span_of(index), ratios.data(), shrink.data(), planes.data(), grid_of(planes), num_fixed,
                    planes.shape(0));
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

    void decode_contexts(const ContextRules& rules, const TableSet& tables, const Levels& base, const Planes& planes, std::size_t first,
                         std::size_t last) {
        check_contexts(rules, tables, base, planes.shape(0), first, last);
        nb::gil_scoped_release unlocked;
        decode_symbols(decoder_, rules, tables, span_of(base), planes.data(), {planes.shape(1), planes.shape(2)}, first, last);
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

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
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
    nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
        try {
            std::rethrow_exception(pointer);
        } catch (const StreamError& error) {
            const auto& type = error.fault() == Fault::truncated ? truncated : error.fault() == Fault::checksum ? checksum : corrupt;
            PyErr_SetString(type.ptr(), error.what());
        }
    });

    m.def("crc32c", [](nb::bytes data, std::uint32_t seed) {
        const auto bytes = span_of(data);
        nb::gil_scoped_release unlocked;
        return kernels().crc32c(bytes.data(), bytes.size(), seed);
    }, nb::arg("data"), nb::arg("seed") = 0);
    m.def("crc32c_array", [](const Bytes& data) {
        nb::gil_scoped_release unlocked;
        return kernels().crc32c(data.data(), data.size(), 0);
    }, nb::arg("data").noconvert());

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
    m.def("ideal_cost", &ideal_cost, nb::arg("tables"), nb::arg("costs"), nb::arg("values").noconvert(), nb::arg("index"));
    nb::class_<PyDecoder>(m, "Decoder")
        .def(nb::init<nb::bytes, unsigned>(), nb::arg("data"), nb::arg("lanes"))
        .def("decode_into", &PyDecoder::decode_into, nb::arg("values").noconvert(), nb::arg("tables"), nb::arg("index"))
        .def("decode_contexts", &PyDecoder::decode_contexts, nb::arg("rules"), nb::arg("tables"), nb::arg("base").noconvert(),
             nb::arg("planes").noconvert(), nb::arg("first"), nb::arg("last"))
        .def("read_mark", &PyDecoder::read_mark)
        .def("finish", &PyDecoder::finish);

    m.def("prediction_residuals", [](const ConstPlane& plane, const Plane& residuals) {
        require(plane.shape(0) == residuals.shape(0) && plane.shape(1) == residuals.shape(1), "planes differ in shape");
        nb::gil_scoped_release unlocked;
        prediction_residuals(reinterpret_cast<const std::uint32_t*>(plane.data()),
                             reinterpret_cast<std::uint32_t*>(residuals.data()), {plane.shape(0), plane.shape(1)});
    }, nb::arg("plane").noconvert(), nb::arg("residuals").noconvert());
    m.def("undo_prediction", [](const Plane& plane) {
        nb::gil_scoped_release unlocked;
        undo_prediction(reinterpret_cast<std::uint32_t*>(plane.data()), {plane.shape(0), plane.shape(1)});
    }, nb::arg("plane").noconvert());

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
    m.def("optimize_contexts", &optimize_contexts_of, nb::arg("rules"), nb::arg("tables"), nb::arg("costs"), nb::arg("base").noconvert(),
          nb::arg("ratios").noconvert(), nb::arg("shrink").noconvert(), nb::arg("planes").noconvert(), nb::arg("num_fixed"),
          nb::arg("price"), nb::arg("num_sweeps"));
    m.def("optimize_static", &optimize_static_of, nb::arg("tables"), nb::arg("costs"), nb::arg("index").noconvert(),
          nb::arg("ratios").noconvert(), nb::arg("shrink").noconvert(), nb::arg("planes").noconvert(), nb::arg("num_fixed"),
          nb::arg("price"));
    m.def("coded_symbols", &coded_symbols_of, nb::arg("rules"), nb::arg("tables"), nb::arg("base").noconvert(),
          nb::arg("planes").noconvert(), nb::arg("first"), nb::arg("last"));
}
