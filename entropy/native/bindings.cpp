// laconic.entropy._native: the core for Python. Arrays are checked and passed on; no logic lives here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contexts.hpp"
#include "cost.hpp"
#include "dispatch.hpp"
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
using ConstPlanes = nb::ndarray<const std::int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using ByteOut1 = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ByteOut2 = nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using ByteIn2 = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

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

nb::bytes encode(const TableSet& tables, const std::vector<AnyIn>& values, const std::vector<nb::object>& indices,
                 const std::vector<int>& marks, unsigned lanes, std::uint16_t tail) {
    if (!valid_lanes(lanes)) throw nb::value_error("lanes must be 4, 8, 16, 32 or 64");
    if (values.size() != indices.size() || values.size() != marks.size())
        throw nb::value_error("values, indices and marks differ in number");
    std::vector<Message> messages;
    for (std::size_t m = 0; m < values.size(); ++m) {
        const std::size_t count = values[m].size();
        messages.push_back({{values[m].data(), type_of(values[m].dtype())}, count, choice_of(indices[m], count, tables), std::nullopt});
        if (marks[m] >= 0) messages.back().mark = static_cast<std::uint16_t>(marks[m]);
    }
    std::vector<std::uint8_t> bytes;
    {
        nb::gil_scoped_release unlocked;
        bytes = encode_messages(messages, tables, lanes, tail);
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

Grid grid_of(std::size_t height, std::size_t width) { return {height, width}; }

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
          nb::arg("lanes"), nb::arg("tail"));
    m.def("ideal_cost", &ideal_cost, nb::arg("tables"), nb::arg("costs"), nb::arg("values").noconvert(), nb::arg("index"));
    nb::class_<PyDecoder>(m, "Decoder")
        .def(nb::init<nb::bytes, unsigned>(), nb::arg("data"), nb::arg("lanes"))
        .def("decode_into", &PyDecoder::decode_into, nb::arg("values").noconvert(), nb::arg("tables"), nb::arg("index"))
        .def("read_mark", &PyDecoder::read_mark)
        .def("finish", &PyDecoder::finish);

    m.def("prediction_residuals", [](const ConstPlane& plane, const Plane& residuals) {
        require(plane.shape(0) == residuals.shape(0) && plane.shape(1) == residuals.shape(1), "planes differ in shape");
        nb::gil_scoped_release unlocked;
        prediction_residuals(reinterpret_cast<const std::uint32_t*>(plane.data()),
                             reinterpret_cast<std::uint32_t*>(residuals.data()), grid_of(plane.shape(0), plane.shape(1)));
    }, nb::arg("plane").noconvert(), nb::arg("residuals").noconvert());
    m.def("undo_prediction", [](const Plane& plane) {
        nb::gil_scoped_release unlocked;
        undo_prediction(reinterpret_cast<std::uint32_t*>(plane.data()), grid_of(plane.shape(0), plane.shape(1)));
    }, nb::arg("plane").noconvert());
    m.def("activity_buckets", [](const ConstPlanes& coded, const Bytes& own, const Bytes& ring, const ByteOut2& buckets) {
        require(own.size() <= coded.shape(0) && own.size() == ring.size(), "weights do not fit the channels");
        require(buckets.shape(0) == coded.shape(1) && buckets.shape(1) == coded.shape(2), "planes differ in shape");
        nb::gil_scoped_release unlocked;
        activity_buckets(coded.data(), span_of(own), span_of(ring), grid_of(coded.shape(1), coded.shape(2)), buckets.data());
    }, nb::arg("coded").noconvert(), nb::arg("own").noconvert(), nb::arg("ring").noconvert(), nb::arg("buckets").noconvert());
    m.def("index_plane", [](const Bytes& buckets, const ByteIn2& lookup, const ByteOut1& indices) {
        require(lookup.shape(1) == num_buckets, "a lookup needs 32 columns");
        require(indices.size() == lookup.shape(0) * buckets.size(), "indices do not fit channels times places");
        nb::gil_scoped_release unlocked;
        index_plane(span_of(buckets), lookup.data(), lookup.shape(0), indices.data());
    }, nb::arg("buckets").noconvert(), nb::arg("lookup").noconvert(), nb::arg("indices").noconvert());
}
