// Lossless prediction of sounds for Python. Arrays are checked and passed on.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sound_prediction.hpp"

namespace nb = nanobind;
using namespace laconic;

namespace {

template <class T>
using Samples = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Line = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

PredictionRules rules_of(unsigned forget, const Line<std::uint8_t>& steps) {
    if (forget < 1 || forget > max_forget) throw nb::value_error("forget must be 1 to 96");
    if (steps.size() != filter_taps.size()) throw nb::value_error("there must be three steps");
    return {forget, {steps.data()[0], steps.data()[1], steps.data()[2]}};
}

std::vector<ChannelRules> channels_of(const Line<std::uint8_t>& bits, const Line<std::int8_t>& shifts, std::size_t count) {
    if (count == 0 || bits.size() != count || shifts.size() != count) throw nb::value_error("there must be bits and a shift for each channel, and a channel");
    std::vector<ChannelRules> channels;
    for (std::size_t c = 0; c < count; ++c) {
        channels.push_back({bits.data()[c], shifts.data()[c]});
        if (channels[c].bits < 1 || channels[c].bits > max_sound_bits) throw nb::value_error("samples must have 1 to 24 bits");
        if (channels[c].shift < min_filter_shift || channels[c].shift > max_filter_shift) throw nb::value_error("shifts must be -12 to 12");
    }
    return channels;
}

void residuals(const Samples<const std::int32_t>& samples, const Samples<std::int32_t>& out, unsigned forget, const Line<std::uint8_t>& steps,
               const Line<std::uint8_t>& bits, const Line<std::int8_t>& shifts) {
    const PredictionRules rules = rules_of(forget, steps);
    const auto channels = channels_of(bits, shifts, samples.shape(0));
    if (out.shape(0) != samples.shape(0) || out.shape(1) != samples.shape(1)) throw nb::value_error("samples and residuals differ in shape");
    nb::gil_scoped_release unlocked;
    residuals_of_sound(rules, channels, samples.shape(1), samples.data(), out.data());
}

bool restore(const Samples<std::int32_t>& values, unsigned forget, const Line<std::uint8_t>& steps, const Line<std::uint8_t>& bits,
             const Line<std::int8_t>& shifts) {
    const PredictionRules rules = rules_of(forget, steps);
    const auto channels = channels_of(bits, shifts, values.shape(0));
    nb::gil_scoped_release unlocked;
    return sound_of_residuals(rules, channels, values.shape(1), values.data());
}

void correlate(const Line<std::int32_t>& samples, const nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& sums) {
    if (samples.size() > std::size_t{1} << 16) throw nb::value_error("there are more than 65536 samples");
    nb::gil_scoped_release unlocked;
    autocorrelate({samples.data(), samples.size()}, {sums.data(), sums.size()});
}

}  // namespace

void bind_sound(nb::module_& m) {
    m.def("sound_residuals", &residuals, nb::arg("samples").noconvert(), nb::arg("residuals").noconvert(), nb::arg("forget"),
          nb::arg("steps").noconvert(), nb::arg("bits").noconvert(), nb::arg("shifts").noconvert());
    m.def("restore_sound", &restore, nb::arg("values").noconvert(), nb::arg("forget"), nb::arg("steps").noconvert(), nb::arg("bits").noconvert(),
          nb::arg("shifts").noconvert());
    m.def("autocorrelate", &correlate, nb::arg("samples").noconvert(), nb::arg("sums").noconvert());
}
