// Blocks of values in the caller's type <-> entries of tables.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "dispatch.hpp"
#include "errors.hpp"
#include "tables.hpp"

namespace laconic {

// Symbols that are converted and coded at a time: a few streams of this size stay in the first-level cache.
inline constexpr std::size_t block_size = 2048;
static_assert(block_size % max_lanes == 0);

// The same where kernels take or give the values themselves, and nothing is kept between: a call costs some time, too.
inline constexpr std::size_t direct_block_size = 8 * block_size;

// How far before their use int8 values are brought closer.
inline constexpr std::ptrdiff_t fetch_distance = 2048;

enum class ValueType { int8, int16, int32, float32, float16, bfloat16 };

inline constexpr std::uint32_t zigzag(std::int32_t value) noexcept {
    return (static_cast<std::uint32_t>(value) << 1) ^ (value < 0 ? 0xFFFFFFFFU : 0U);
}

inline constexpr std::int32_t unzigzag(std::uint32_t code) noexcept {
    return static_cast<std::int32_t>((code >> 1) ^ (0U - (code & 1U)));
}

inline constexpr std::size_t size_of(ValueType type) noexcept {
    return type == ValueType::int8 ? 1 : type == ValueType::int32 || type == ValueType::float32 ? 4 : 2;
}

// Table of each symbol of a run: one for all of them, or one each.
struct TableChoice {
    std::uint8_t shared = 0;
    const std::uint8_t* each = nullptr;

    std::size_t operator[](std::size_t i) const noexcept { return each == nullptr ? shared : each[i]; }
    TableChoice from(std::size_t i) const noexcept { return {shared, each == nullptr ? nullptr : each + i}; }
};

// Values to code. Floats are divided by `step` (multiplied by its inverse) and rounded, halves to even.
struct Input {
    const void* data;
    ValueType type;
    float step = 1.0F;

    template <class T>
    const T* as(std::size_t at) const noexcept {
        return static_cast<const T*>(data) + at;
    }

    // `ints` receives `count` values from place `at` on. Throws std::invalid_argument for a float that is no int32.
    void read(std::size_t at, std::size_t count, std::int32_t* ints) const {
        const Conversions& convert = kernels().convert;
        float floats[block_size];
        switch (type) {
            case ValueType::int8: return convert.widen_int8(as<std::int8_t>(at), count, ints);
            case ValueType::int16: return convert.widen_int16(as<std::int16_t>(at), count, ints);
            case ValueType::int32: std::copy_n(as<std::int32_t>(at), count, ints); return;
            case ValueType::float32: return quantize(as<float>(at), at, count, ints);
            case ValueType::float16: convert.widen_float16(as<std::uint16_t>(at), count, floats); break;
            case ValueType::bfloat16: convert.widen_bfloat16(as<std::uint16_t>(at), count, floats); break;
        }
        quantize(floats, at, count, ints);
    }

    std::int32_t value(std::size_t at) const {
        if (type == ValueType::int8) return *as<std::int8_t>(at);
        std::int32_t one;
        read(at, 1, &one);
        return one;
    }

    const char* address(std::size_t at) const noexcept { return static_cast<const char*>(data) + at * size_of(type); }

private:
    void quantize(const float* values, std::size_t at, std::size_t count, std::int32_t* ints) const {
        const float scale = 1.0F / step;
        if (kernels().convert.quantize(values, count, scale, ints)) return;
        for (std::size_t i = 0; i < count; ++i) {
            // Beyond 2^24 floats are integers, so rounding in double is exact.
            const double rounded = std::nearbyint(static_cast<double>(values[i] * scale));
            if (!(rounded >= std::numeric_limits<std::int32_t>::min() && rounded <= std::numeric_limits<std::int32_t>::max()))
                throw std::invalid_argument("value " + std::to_string(values[i]) + " at place " + std::to_string(at + i) +
                                            " is no 32-bit integer when divided by the step " + std::to_string(step));
            ints[i] = static_cast<std::int32_t>(rounded);
        }
    }
};

// Where decoded values go. Floats are the integer times `step`.
struct Output {
    void* data;
    ValueType type;
    float step = 1.0F;

    template <class T>
    T* as(std::size_t at) const noexcept {
        return static_cast<T*>(data) + at;
    }

    const char* address(std::size_t at) const noexcept { return static_cast<const char*>(data) + at * size_of(type); }

    // The same from another place on.
    Output moved(std::ptrdiff_t by) const noexcept {
        return {static_cast<char*>(data) + by * static_cast<std::ptrdiff_t>(size_of(type)), type, step};
    }

    // Returns false where a value does not fit the type.
    bool write(std::size_t at, std::size_t count, const std::int32_t* ints) const noexcept {
        const Conversions& convert = kernels().convert;
        float floats[block_size];
        switch (type) {
            case ValueType::int8: return convert.narrow_int8(ints, count, as<std::int8_t>(at));
            case ValueType::int16: return convert.narrow_int16(ints, count, as<std::int16_t>(at));
            case ValueType::int32: std::copy_n(ints, count, as<std::int32_t>(at)); return true;
            case ValueType::float32: convert.dequantize(ints, count, step, as<float>(at)); return true;
            case ValueType::float16:
                convert.dequantize(ints, count, step, floats);
                convert.narrow_float16(floats, count, as<std::uint16_t>(at));
                return true;
            case ValueType::bfloat16:
                convert.dequantize(ints, count, step, floats);
                convert.narrow_bfloat16(floats, count, as<std::uint16_t>(at));
                return true;
        }
        return true;
    }
};

// Whether kernels can take int8 values for entries, and entries for values: they differ by the table's first value only.
inline bool codes_as_bytes(ValueType type, const TableSet& tables, const TableChoice& choice) noexcept {
    return choice.each == nullptr && type == ValueType::int8 && tables.fits_int8(choice.shared);
}

// Calls `use(place)` for the escaped ones among `entries`, in order.
template <class Use>
void for_escapes(const TableSet& tables, const TableChoice& choice, std::size_t count, const std::uint8_t* entries, Use use) {
    if (choice.each != nullptr) {
        const std::uint32_t* lasts = tables.lasts();
        for (std::size_t i = 0; i < count; ++i)
            if (entries[i] == lasts[choice.each[i]]) use(i);
        return;
    }
    const int last = *tables.escape_entries(choice.shared);
    const std::uint8_t* at = entries;
    while ((at = static_cast<const std::uint8_t*>(std::memchr(at, last, count - static_cast<std::size_t>(at - entries)))) != nullptr)
        use(static_cast<std::size_t>(at++ - entries));
}

// Entries of `count` values from place `at` on; codes of the escaped ones go to `codes` in order. Returns how many.
inline std::size_t entries_of_block(const Input& input, const TableSet& tables, const TableChoice& choice, std::size_t at,
                                    std::size_t count, std::uint8_t* entries, std::uint32_t* codes) {
    const Conversions& convert = kernels().convert;
    std::size_t num_codes = 0;
    if (codes_as_bytes(input.type, tables, choice)) {
        const std::int8_t* bytes = input.as<std::int8_t>(at);
        const TableSet::Table& table = tables[choice.shared];
        if (convert.entries_of_bytes(bytes, count, table.first, static_cast<std::uint8_t>(table.size - 1), entries))
            for_escapes(tables, choice, count, entries, [&](std::size_t i) { codes[num_codes++] = zigzag(bytes[i]); });
        return num_codes;
    }
    std::int32_t ints[block_size];
    input.read(at, count, ints);
    bool escaped = false;
    if (choice.each != nullptr && tables.fit_int16()) {
        escaped = convert.entries_by_index(ints, choice.each, count, tables.bounds(), entries);
    } else if (choice.each != nullptr) {
        for (std::size_t i = 0; i < count; ++i) {
            entries[i] = static_cast<std::uint8_t>(TableSet::entry_of(tables[choice.each[i]], ints[i]));
            escaped = escaped || entries[i] == tables.lasts()[choice.each[i]];
        }
    } else {
        const TableSet::Table& table = tables[choice.shared];
        escaped = convert.entries_of(ints, count, table.first, static_cast<std::uint8_t>(table.size - 1), entries);
    }
    if (escaped) for_escapes(tables, choice, count, entries, [&](std::size_t i) { codes[num_codes++] = zigzag(ints[i]); });
    return num_codes;
}

[[noreturn]] inline void misfit(std::int32_t value, std::size_t position) {
    throw StreamError(Fault::misfit, position, "value " + std::to_string(value) + " does not fit the result type");
}

// Values of `count` entries to place `at` on; `codes` has those of the escaped ones. Throws StreamError, with
// `position`, where a value does not fit the output.
inline void values_of_block(const Output& output, const TableSet& tables, const TableChoice& choice, std::size_t at,
                            std::size_t count, const std::uint8_t* entries, const std::uint32_t* codes, bool escaped,
                            std::size_t position) {
    const Conversions& convert = kernels().convert;
    if (codes_as_bytes(output.type, tables, choice)) {
        std::int8_t* bytes = output.as<std::int8_t>(at);
        convert.bytes_of(entries, count, tables[choice.shared].first, bytes);
        if (!escaped) return;
        return for_escapes(tables, choice, count, entries, [&](std::size_t i) {
            const std::int32_t value = unzigzag(*codes++);
            if (value < -128 || value > 127) misfit(value, position);
            bytes[i] = static_cast<std::int8_t>(value);
        });
    }
    if (choice.each == nullptr && output.type == ValueType::int16 && tables.fits_int16(choice.shared)) {
        std::int16_t* shorts = output.as<std::int16_t>(at);
        convert.shorts_of(entries, count, tables[choice.shared].first, shorts);
        if (!escaped) return;
        return for_escapes(tables, choice, count, entries, [&](std::size_t i) {
            const std::int32_t value = unzigzag(*codes++);
            if (value < -32768 || value > 32767) misfit(value, position);
            shorts[i] = static_cast<std::int16_t>(value);
        });
    }
    std::int32_t scratch[block_size];
    std::int32_t* const ints = output.type == ValueType::int32 ? output.as<std::int32_t>(at) : scratch;
    if (choice.each == nullptr)
        convert.values_of(entries, count, tables[choice.shared].first, ints);
    else
        convert.values_by_index(entries, choice.each, count, tables.firsts(), ints);
    if (escaped) for_escapes(tables, choice, count, entries, [&](std::size_t i) { ints[i] = unzigzag(*codes++); });
    if (output.type == ValueType::int32 || output.write(at, count, ints)) return;
    const std::int32_t bound = output.type == ValueType::int8 ? 128 : 32768;
    for (std::size_t i = 0; i < count; ++i)
        if (ints[i] < -bound || ints[i] >= bound) misfit(ints[i], position);
}

}  // namespace laconic
