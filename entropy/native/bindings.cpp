// laconic.entropy._native: the core for Python. Arrays are checked and passed on; no logic lives here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contexts.hpp"
#include "cost.hpp"
#include "crc32c.hpp"
#include "rans.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyIn = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyOut = nb::ndarray<nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ints32 = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<const std::uint16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
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

Values values_of(const AnyIn& array) {
    const std::size_t n = array.size();
    if (array.dtype() == nb::dtype<std::int8_t>()) return std::span(static_cast<const std::int8_t*>(array.data()), n);
    if (array.dtype() == nb::dtype<std::int16_t>()) return std::span(static_cast<const std::int16_t*>(array.data()), n);
    if (array.dtype() == nb::dtype<std::int32_t>()) return std::span(static_cast<const std::int32_t*>(array.data()), n);
    throw nb::type_error("values must be int8, int16 or int32");
}

// `index` is an int or an array of one uint8 for each value.
TableChoice choice_of(nb::handle index, std::size_t num_values, const TableSet& tables) {
    TableChoice choice;
    if (nb::isinstance<nb::int_>(index)) {
        const long long shared = nb::cast<long long>(index);
        if (shared < 0 || shared > 255) throw nb::value_error("a table index is outside 0 to 255");
        choice.shared = static_cast<std::uint8_t>(shared);
    } else {
        choice.each = span_of(nb::cast<Indices>(index, false));
        if (choice.each.size() != num_values) throw nb::value_error("values and table indices differ in number");
        if (num_values == 0) return choice;
    }
    if (!choice.fits(tables.num_tables())) throw nb::value_error("a table index is outside the table set");
    return choice;
}

nb::bytes encode(const TableSet& tables, const std::vector<AnyIn>& values, const std::vector<nb::object>& indices,
                 const std::vector<int>& marks, unsigned lanes, std::uint16_t tail) {
    if (!valid_lanes(lanes)) throw nb::value_error("lanes must be 4, 8, 16, 32 or 64");
    if (values.size() != indices.size() || values.size() != marks.size())
        throw nb::value_error("values, indices and marks differ in number");
    std::vector<Message> messages;
    for (std::size_t m = 0; m < values.size(); ++m) {
        messages.push_back({values_of(values[m]), choice_of(indices[m], values[m].size(), tables), std::nullopt});
        if (marks[m] >= 0) messages.back().mark = static_cast<std::uint16_t>(marks[m]);
    }
    std::vector<std::uint8_t> bytes;
    {
        nb::gil_scoped_release unlocked;
        bytes = Encoder(tables, lanes, tail).encode(messages);
    }
    return nb::bytes(bytes.data(), bytes.size());
}

template <class F>
void visit_output(const AnyOut& array, F&& f) {
    const std::size_t n = array.size();
    if (array.dtype() == nb::dtype<std::int8_t>()) return f(std::span(static_cast<std::int8_t*>(array.data()), n));
    if (array.dtype() == nb::dtype<std::int16_t>()) return f(std::span(static_cast<std::int16_t*>(array.data()), n));
    if (array.dtype() == nb::dtype<std::int32_t>()) return f(std::span(static_cast<std::int32_t*>(array.data()), n));
    throw nb::type_error("values must be int8, int16 or int32");
}

// Keeps the bytes alive that it reads from.
class PyDecoder {
public:
    PyDecoder(nb::bytes bytes, unsigned lanes) : bytes_{std::move(bytes)}, decoder_{span_of(bytes_), checked(lanes)} {}

    void decode_into(const AnyOut& values, const TableSet& tables, nb::handle index) {
        const TableChoice choice = choice_of(index, values.size(), tables);
        visit_output(values, [&](auto span) {
            nb::gil_scoped_release unlocked;
            decoder_.decode(span, tables, choice);
        });
    }

    std::uint16_t read_mark() { return decoder_.read_mark(); }
    std::uint16_t finish() const { return decoder_.finish(); }

private:
    static unsigned checked(unsigned lanes) {
        if (!valid_lanes(lanes)) throw nb::value_error("lanes must be 4, 8, 16, 32 or 64");
        return lanes;
    }

    nb::bytes bytes_;
    Decoder decoder_;
};

std::uint64_t ideal_cost(const TableSet& tables, const CostTables& costs, const AnyIn& values, nb::handle index) {
    const TableChoice choice = choice_of(index, values.size(), tables);
    const Values typed = values_of(values);
    nb::gil_scoped_release unlocked;
    return std::visit([&](auto span) { return costs.total(span, tables, choice); }, typed);
}

Grid grid_of(std::size_t height, std::size_t width) { return {height, width}; }

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

}  // namespace

NB_MODULE(_native, m) {
    static nb::exception<StreamError> corrupt(m, "StreamError", PyExc_ValueError);
    static nb::exception<StreamError> truncated(m, "StreamTruncated", corrupt.ptr());
    nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
        try {
            std::rethrow_exception(pointer);
        } catch (const StreamError& error) {
            PyErr_SetString((error.fault() == Fault::truncated ? truncated : corrupt).ptr(), error.what());
        }
    });

    m.def("crc32c", [](nb::bytes data, std::uint32_t seed) {
        const auto bytes = span_of(data);
        nb::gil_scoped_release unlocked;
        return crc32c(bytes, seed);
    }, nb::arg("data"), nb::arg("seed") = 0);
    m.def("crc32c_array", [](const Bytes& data) {
        nb::gil_scoped_release unlocked;
        return crc32c(span_of(data));
    }, nb::arg("data").noconvert());

    nb::class_<TableSet>(m, "TableSet")
        .def("__init__", [](TableSet* self, const Ints32& firsts, const Ints32& sizes, const Words& frequencies) {
            new (self) TableSet(span_of(firsts), span_of(sizes), span_of(frequencies));
        }, nb::arg("firsts").noconvert(), nb::arg("sizes").noconvert(), nb::arg("frequencies").noconvert());
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
