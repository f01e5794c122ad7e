// Residuals of sounds for Python. Arrays are checked and passed on.
#include "residual_bindings.hpp"

#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>

#include "residual_coder.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T>
using Residuals = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Starts = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const std::uint8_t> span_of(const nb::bytes& bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.c_str()), bytes.size()}; }

std::span<const std::uint8_t> checked_starts(const Starts& starts, std::size_t channels) {
    const std::span<const std::uint8_t> all(starts.data(), starts.size());
    const bool small = std::all_of(all.begin(), all.end(), [](std::uint8_t start) { return start <= max_start_log2; });
    if (channels == 0 || all.size() != channels || !small) throw nb::value_error("there must be a start for each channel, 0 to 40, and a channel");
    return all;
}

nb::tuple symbols(const Residuals<const std::int32_t>& residuals, const Starts& starts) {
    const auto all = checked_starts(starts, residuals.shape(0));
    auto* const found = new ResidualSymbols;
    const nb::capsule owner(found, [](void* pointer) noexcept { delete static_cast<ResidualSymbols*>(pointer); });
    {
        nb::gil_scoped_release unlocked;
        *found = symbols_of_residuals(residuals.data(), residuals.shape(1), all);
    }
    const auto array_of = [&](auto& vector) {
        return nb::ndarray<nb::numpy, std::remove_reference_t<decltype(vector[0])>, nb::ndim<1>>(vector.data(), {vector.size()}, owner);
    };
    return nb::make_tuple(array_of(found->values), array_of(found->tables), array_of(found->fronts),
                          nb::bytes(found->low_bits.data(), found->low_bits.size()));
}

std::uint16_t decode(const TableSet& tables, const nb::bytes& stream, const nb::bytes& low_bits, const Residuals<std::int32_t>& residuals,
                     const Starts& starts, unsigned lanes) {
    const auto all = checked_starts(starts, residuals.shape(0));
    if (!valid_lanes(lanes)) throw nb::value_error("lanes must be 4, 8, 16, 32 or 64");
    if (tables.num_tables() != num_residual_tables) throw nb::value_error("residuals take 96 tables");
    const auto words = span_of(stream), low = span_of(low_bits);
    nb::gil_scoped_release unlocked;
    return decode_residuals(words, low, residuals.data(), residuals.shape(1), all, tables, lanes);
}

}  // namespace

void bind_residuals(nb::module_& m) {
    m.def("residual_symbols", &symbols, nb::arg("residuals").noconvert(), nb::arg("starts").noconvert());
    m.def("decode_residuals", &decode, nb::arg("tables"), nb::arg("stream"), nb::arg("low_bits"), nb::arg("residuals").noconvert(),
          nb::arg("starts").noconvert(), nb::arg("lanes"));
}
