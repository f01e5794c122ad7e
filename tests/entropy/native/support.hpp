// What the C++ tests and the fuzz targets share: checks, random tables and values, plain references, and running the same
// work with every set of kernels.
//
// Arrays are allocated at their exact size, so that one element too many is an error of the address sanitizer.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocks.hpp"
#include "dispatch.hpp"
#include "errors.hpp"
#include "packets.hpp"
#include "rans.hpp"
#include "tables.hpp"

namespace laconic::test {

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

inline constexpr std::array<unsigned, 5> all_lanes{4, 8, 16, 32, 64};
inline constexpr std::array<ValueType, 6> all_types{ValueType::int8,    ValueType::int16,   ValueType::int32,
                                                    ValueType::float32, ValueType::float16, ValueType::bfloat16};
inline constexpr std::array<const char*, 6> type_names{"int8", "int16", "int32", "float32", "float16", "bfloat16"};

inline const char* name_of(ValueType type) { return type_names[static_cast<std::size_t>(type)]; }
inline bool is_float(ValueType type) { return type >= ValueType::float32; }

// Aborts, so that a debugger or a fuzzer sees where.
[[noreturn]] inline void fail(const std::string& what) {
    std::fprintf(stderr, "failed with the kernels %s: %s\n", kernels().name, what.c_str());
    std::abort();
}

inline void check(bool condition, const std::string& what) {
    if (!condition) fail(what);
}

inline std::size_t below(Random& random, std::size_t end) { return static_cast<std::size_t>(random() % end); }

// Tables as the constructor of a set takes them.
struct TableParts {
    std::vector<std::int32_t> firsts, sizes;
    std::vector<std::uint16_t> frequencies;
    TableSet set() const { return {firsts, sizes, frequencies}; }
};

// A table of `size` entries; some entries have a frequency of 1 only.
inline void add_table(TableParts& parts, Random& random, std::size_t size, bool is_far) {
    constexpr std::array<std::int32_t, 4> far{-(1 << 30), 1 << 30, 100000, 32767};
    parts.firsts.push_back(is_far ? far[below(random, far.size())] : -static_cast<std::int32_t>(below(random, size)));
    parts.sizes.push_back(static_cast<std::int32_t>(size));
    std::uint32_t left = probability_sum - static_cast<std::uint32_t>(size);
    std::vector<std::uint16_t> frequencies(size, 1);
    for (std::size_t i = 0; i < size && left > 0; ++i) {
        const auto more = static_cast<std::uint32_t>(below(random, left / 2 + 1));
        frequencies[i] = static_cast<std::uint16_t>(frequencies[i] + more);
        left -= more;
    }
    frequencies.back() = static_cast<std::uint16_t>(frequencies.back() + left);
    std::shuffle(frequencies.begin(), frequencies.end(), random);
    parts.frequencies.insert(parts.frequencies.end(), frequencies.begin(), frequencies.end());
}

// In half of the sets some tables are far from 0; the coder has another way for these.
inline TableSet random_tables(Random& random, std::size_t count, std::size_t lowest_size, std::size_t highest_size) {
    TableParts parts;
    const bool some_far = below(random, 2) != 0;
    for (std::size_t t = 0; t < count; ++t)
        add_table(parts, random, lowest_size + below(random, highest_size - lowest_size + 1),
                  some_far && below(random, 4) == 0);
    return parts.set();
}

// 1 to 8 tables of 2 to 256 entries.
inline TableSet random_tables(Random& random) { return random_tables(random, 1 + below(random, 8), 2, 256); }

inline std::vector<std::uint8_t> random_indices(Random& random, std::size_t count, const TableSet& tables) {
    std::vector<std::uint8_t> indices(count);
    for (std::uint8_t& index : indices) index = static_cast<std::uint8_t>(below(random, tables.num_tables()));
    return indices;
}

// Plain references.

inline float float_of_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline std::uint32_t bits_of_float(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

// The integer nearest to a value, halves to even.
inline double round_half_even(double value) {
    const double down = std::floor(value);
    const double rest = value - down;
    if (rest != 0.5) return rest < 0.5 ? down : down + 1;
    return std::fmod(down, 2) == 0 ? down : down + 1;
}

inline double value_of_float16(std::uint16_t half) {
    const int exponent = (half >> 10) & 31;
    const double fraction = half & 0x3FF;
    const double sign = (half & 0x8000) != 0 ? -1 : 1;
    if (exponent == 31)
        return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

// A small float format by its fraction bits and lowest and highest exponent. NaN is not asked for.
inline std::uint32_t round_to_format(double value, int fraction_bits, int lowest, int highest) {
    const double magnitude = std::fabs(value);
    const std::uint32_t infinity = static_cast<std::uint32_t>(highest - lowest + 2) << fraction_bits;
    if (std::isinf(magnitude)) return infinity;
    if (magnitude == 0) return 0;
    const int exponent = std::max(std::ilogb(magnitude), lowest);
    // 2^fraction_bits steps from one power of two to the next; below the lowest the steps stay as they are there, so that
    // fields follow each other and a carry out of the fraction is right.
    const auto steps = static_cast<std::uint32_t>(round_half_even(std::ldexp(magnitude, fraction_bits - exponent)));
    const std::uint32_t bits = (static_cast<std::uint32_t>(exponent - lowest) << fraction_bits) + steps;
    return std::min(bits, infinity);
}

inline std::uint16_t float16_of(float value) {
    return static_cast<std::uint16_t>((std::signbit(value) ? 0x8000U : 0U) | round_to_format(value, 10, -14, 15));
}

inline std::uint16_t bfloat16_of(float value) {
    return static_cast<std::uint16_t>((std::signbit(value) ? 0x8000U : 0U) | round_to_format(value, 7, -126, 127));
}

template <class T>
T at(const Bytes& values, std::size_t i) {
    T value;
    std::memcpy(&value, values.data() + i * sizeof(T), sizeof(T));
    return value;
}

template <class T>
void set_at(Bytes& values, std::size_t i, T value) {
    std::memcpy(values.data() + i * sizeof(T), &value, sizeof(T));
}

inline float float_at(const Bytes& values, ValueType type, std::size_t i) {
    if (type == ValueType::float32) return at<float>(values, i);
    const auto half = at<std::uint16_t>(values, i);
    return type == ValueType::float16 ? static_cast<float>(value_of_float16(half))
                                      : float_of_bits(static_cast<std::uint32_t>(half) << 16);
}

// The integers that values stand for; nothing where one is none.
inline std::optional<std::vector<std::int32_t>> integers_of(const Bytes& values, ValueType type, float step) {
    std::vector<std::int32_t> integers(values.size() / size_of(type));
    for (std::size_t i = 0; i < integers.size(); ++i) {
        if (type == ValueType::int8) integers[i] = at<std::int8_t>(values, i);
        if (type == ValueType::int16) integers[i] = at<std::int16_t>(values, i);
        if (type == ValueType::int32) integers[i] = at<std::int32_t>(values, i);
        if (!is_float(type)) continue;
        const float scaled = float_at(values, type, i) * (1.0F / step);
        const double rounded = round_half_even(scaled);
        if (!(rounded >= -2147483648.0 && rounded <= 2147483647.0)) return std::nullopt;
        integers[i] = static_cast<std::int32_t>(rounded);
    }
    return integers;
}

// What decoding gives for integers; nothing where one does not fit the type.
inline std::optional<Bytes> values_of(const std::vector<std::int32_t>& integers, ValueType type, float step) {
    Bytes values(integers.size() * size_of(type));
    for (std::size_t i = 0; i < integers.size(); ++i) {
        const std::int32_t integer = integers[i];
        const float value = static_cast<float>(integer) * step;
        switch (type) {
            case ValueType::int8:
                if (integer < -128 || integer > 127) return std::nullopt;
                set_at(values, i, static_cast<std::int8_t>(integer));
                break;
            case ValueType::int16:
                if (integer < -32768 || integer > 32767) return std::nullopt;
                set_at(values, i, static_cast<std::int16_t>(integer));
                break;
            case ValueType::int32: set_at(values, i, integer); break;
            case ValueType::float32: set_at(values, i, value); break;
            case ValueType::float16: set_at(values, i, float16_of(value)); break;
            case ValueType::bfloat16: set_at(values, i, bfloat16_of(value)); break;
        }
    }
    return values;
}

// Integers as values of a type that stand for them; what does not fit is cut down, and floats are spread around the multiples
// of `step` that they are rounded to.
inline Bytes typed_values(Random& random, const std::vector<std::int32_t>& integers, ValueType type, float step) {
    Bytes values(integers.size() * size_of(type));
    for (std::size_t i = 0; i < integers.size(); ++i) {
        constexpr std::array<float, 4> spread{0.0F, 0.25F, -0.375F, 0.5F};
        const float value = (static_cast<float>(integers[i]) + spread[below(random, spread.size())]) * step;
        switch (type) {
            case ValueType::int8: set_at(values, i, static_cast<std::int8_t>(integers[i])); break;
            case ValueType::int16: set_at(values, i, static_cast<std::int16_t>(integers[i])); break;
            case ValueType::int32: set_at(values, i, integers[i]); break;
            case ValueType::float32: set_at(values, i, value); break;
            case ValueType::float16: set_at(values, i, float16_of(std::fmod(value, 60000.0F))); break;
            case ValueType::bfloat16: set_at(values, i, bfloat16_of(std::fmod(value, 1e9F * step))); break;
        }
    }
    return values;
}

// Mostly small integers, with escapes narrow and wide: one in `rarity` is far out.
inline std::vector<std::int32_t> random_integers(Random& random, std::size_t count, std::size_t rarity) {
    constexpr std::array<std::int32_t, 8> edges{
        std::numeric_limits<std::int32_t>::min(), 2147483520, 32767, -32768, 32766, -32767, 127, -128};
    std::vector<std::int32_t> integers(count);
    for (std::int32_t& integer : integers) {
        integer = static_cast<std::int32_t>(below(random, 41)) - 20;
        if (below(random, rarity) != 0) continue;
        integer = below(random, 2) ? edges[below(random, edges.size())] : static_cast<std::int32_t>(below(random, 1 << 12));
    }
    return integers;
}

// What comes of some work: bytes, or the message of an exception with its kind.
struct Outcome {
    Bytes bytes;
    std::string fault;

    bool good() const { return fault.empty(); }
    bool operator==(const Outcome&) const = default;
};

template <class Work>
Outcome outcome_of(Work work) {
    constexpr std::array<const char*, 4> kinds{"truncated: ", "corrupt: ", "checksum: ", "misfit: "};
    try {
        return {work(), {}};
    } catch (const StreamError& error) {
        return {{}, kinds[static_cast<std::size_t>(error.fault())] + std::string(error.what())};
    } catch (const std::invalid_argument& error) {
        return {{}, std::string("refused: ") + error.what()};
    }
}

// Runs `work(kernels)` with every set of kernels of this machine, the portable one first; the fastest stays in use.
template <class Work>
void at_each_level(Work work) {
    for (const Kernels* set : available_kernels()) {
        use_kernels(set->name);
        work(*set);
    }
}

// The outcome of work that has to have the same at every level: bytes, or the message with kind and place. Where several
// streams run in lock-step and more than one is damaged, the first to be noticed depends on how many run together, so that
// `same_fault` has to be false; then only failing has to agree.
template <class Work>
Outcome same_outcome(const std::string& what, Work work, bool same_fault = true) {
    std::optional<Outcome> first;
    at_each_level([&](const Kernels&) {
        const Outcome found = outcome_of(work);
        if (!first) first = found;
        const bool same = same_fault || found.good() ? found == *first : first->good() == found.good();
        if (!same) fail(what + " differs from the portable kernels: '" + found.fault + "' instead of '" + first->fault + "'");
    });
    return *first;
}

// Packets in one piece each.
inline std::vector<Bytes> packets_of(const Input& input, std::size_t num_items, const Layout& layout, const TableSet& tables,
                                     std::size_t chunk, unsigned num_threads) {
    const Packets encoded = encode_packets(input, num_items, layout, tables, chunk, num_threads);
    std::vector<Bytes> packets;
    std::vector<std::uint8_t*> places;
    for (std::size_t item = 0; item < num_items; ++item) packets.emplace_back(encoded.size(item));
    for (Bytes& packet : packets) places.push_back(packet.data());
    encoded.write(places, num_threads);
    return packets;
}

inline Bytes joined(const std::vector<Bytes>& parts) {
    Bytes all;
    for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

// The values of packets of one layout, one after the other.
inline Bytes values_of_packets(const std::vector<Bytes>& packets, const Layout& layout, const TableSet& tables, ValueType type,
                               float step, unsigned num_threads) {
    Bytes values(packets.size() * layout.count * size_of(type));
    const std::vector<std::span<const std::uint8_t>> spans(packets.begin(), packets.end());
    decode_packets(spans, {values.data(), type, step}, layout, tables, num_threads);
    return values;
}

}  // namespace laconic::test
