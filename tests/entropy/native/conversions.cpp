// The conversions of every set of kernels against plain references: all lengths that leave a remainder, all edge values.
#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

std::vector<std::size_t> lengths() {
    std::vector<std::size_t> all;
    for (std::size_t count = 0; count <= 70; ++count) all.push_back(count);
    for (const std::size_t count : {127, 128, 129, 1000, 2047, 2048}) all.push_back(count);
    return all;
}

// Tables of any size and place, those with int8 values only among them.
TableSet tables_for_conversion(Random& random) { return random_tables(random, 1 + below(random, 256), 2, 256); }

void test_entries(const Kernels& set, Random& random) {
    for (const std::size_t count : lengths()) {
        const TableSet tables = tables_for_conversion(random);
        const std::vector<std::int32_t> values = random_integers(random, count, 1 + below(random, 50));
        const std::vector<std::uint8_t> indices = random_indices(random, count, tables);
        std::vector<std::uint8_t> entries(count);
        bool escaped = false, expected = false;
        if (tables.fit_int16()) {
            escaped = set.convert.entries_by_index(values.data(), indices.data(), count, tables.bounds(), entries.data());
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint32_t entry = TableSet::entry_of(tables[indices[i]], values[i]);
                check(entries[i] == entry, "entries by index");
                expected |= entry == tables[indices[i]].size - 1;
            }
            check(escaped == expected, "whether some of them are escapes");
        }

        const std::size_t t = below(random, tables.num_tables());
        const auto last = static_cast<std::uint8_t>(tables[t].size - 1);
        escaped = set.convert.entries_of(values.data(), count, tables[t].first, last, entries.data());
        expected = false;
        for (std::size_t i = 0; i < count; ++i) {
            check(entries[i] == TableSet::entry_of(tables[t], values[i]), "entries of one table");
            expected |= entries[i] == last;
        }
        check(escaped == expected, "whether some are escapes");
    }
}

void test_entries_of_bytes(const Kernels& set, Random& random) {
    std::vector<std::int8_t> values(256);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int8_t>(i);
    std::vector<std::uint8_t> entries(256);
    for (std::int32_t first = -128; first <= 127; ++first)
        for (const std::int32_t size : {2, 3, 17, 128, 129, 255, 256}) {
            if (first + size - 2 > 127) continue;
            const TableSet::Table table{first, static_cast<std::uint32_t>(size)};
            const std::size_t count = 256 - below(random, 4);
            const bool escaped =
                set.convert.entries_of_bytes(values.data(), count, first, static_cast<std::uint8_t>(size - 1), entries.data());
            bool expected = false;
            for (std::size_t i = 0; i < count; ++i) {
                check(entries[i] == TableSet::entry_of(table, values[i]), "entries of bytes");
                expected |= entries[i] == static_cast<std::uint32_t>(size - 1);
            }
            check(escaped == expected, "whether some bytes are escapes");
            std::vector<std::int8_t> back(count);
            set.convert.bytes_of(entries.data(), count, first, back.data());
            for (std::size_t i = 0; i < count; ++i) check(entries[i] == size - 1 || back[i] == values[i], "bytes of entries");
        }
}

void test_values(const Kernels& set, Random& random) {
    for (const std::size_t count : lengths()) {
        const TableSet tables = tables_for_conversion(random);
        const std::vector<std::uint8_t> indices = random_indices(random, count, tables);
        std::vector<std::uint8_t> entries(count);
        for (std::uint8_t& entry : entries) entry = static_cast<std::uint8_t>(random());
        std::vector<std::int32_t> values(count);
        set.convert.values_by_index(entries.data(), indices.data(), count, tables.firsts(), values.data());
        for (std::size_t i = 0; i < count; ++i) check(values[i] == tables[indices[i]].first + entries[i], "values by index");
        set.convert.values_of(entries.data(), count, tables[0].first, values.data());
        for (std::size_t i = 0; i < count; ++i) check(values[i] == tables[0].first + entries[i], "values of one table");
    }
}

template <class T, class Widen, class Narrow>
void test_width(Widen widen, Narrow narrow, Random& random) {
    constexpr std::int32_t lowest = std::numeric_limits<T>::min(), highest = std::numeric_limits<T>::max();
    for (const std::size_t count : lengths()) {
        std::vector<T> values(count), back(count);
        for (T& value : values) value = static_cast<T>(random());
        std::vector<std::int32_t> wide(count);
        widen(values.data(), count, wide.data());
        for (std::size_t i = 0; i < count; ++i) check(wide[i] == values[i], "widening keeps values");
        check(narrow(wide.data(), count, back.data()) && back == values, "narrowing undoes it");
        for (const std::int32_t wrong : {lowest - 1, highest + 1, std::numeric_limits<std::int32_t>::min(), 1 << 30}) {
            if (count == 0) continue;
            std::vector<std::int32_t> misfit = wide;
            misfit[below(random, count)] = wrong;
            check(!narrow(misfit.data(), count, back.data()), "what does not fit is refused");
        }
    }
}

// Fast quantisation takes magnitudes below 2^22; `Input` does the others.
void test_fast_quantization(const Kernels& set, Random& random) {
    constexpr float limit = 4194304.0F;
    for (const std::size_t count : lengths()) {
        std::vector<float> values(count);
        for (float& value : values) {
            const auto integer = static_cast<float>(static_cast<std::int32_t>(below(random, 1 << 22)) - (1 << 21));
            value = below(random, 2) ? integer / 2 : integer / 1024;
        }
        const float scale = below(random, 2) ? 1.0F : 0.37F;
        std::vector<std::int32_t> quantized(count);
        check(set.convert.quantize(values.data(), count, scale, quantized.data()), "small floats are quantised");
        for (std::size_t i = 0; i < count; ++i)
            check(quantized[i] == static_cast<std::int32_t>(round_half_even(values[i] * scale)),
                  "quantised to the nearest, halves to even");
        if (count == 0) continue;
        for (const float wrong :
             {limit, -limit, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), -1e30F}) {
            std::vector<float> large = values;
            large[below(random, count)] = wrong;
            check(!set.convert.quantize(large.data(), count, 1.0F, quantized.data()), "large floats are left to the caller");
        }
        values[below(random, count)] = std::nextafter(limit, 0.0F);
        check(set.convert.quantize(values.data(), count, 1.0F, quantized.data()), "the largest float below 2^22 is taken");
    }
}

void test_dequantization(const Kernels& set, Random& random) {
    for (const std::size_t count : lengths()) {
        const std::vector<std::int32_t> integers = random_integers(random, count, 3);
        std::vector<float> values(count);
        for (const float step : {1.0F, 0.5F, 0.1F, 3e38F, 1e-40F}) {
            set.convert.dequantize(integers.data(), count, step, values.data());
            for (std::size_t i = 0; i < count; ++i) {
                const float expected = static_cast<float>(integers[i]) * step;
                check(bits_of_float(values[i]) == bits_of_float(expected), "dequantised to the integer times the step");
            }
        }
    }
}

void test_every_half(const Kernels& set) {
    std::vector<std::uint16_t> halves(65536), back(65536);
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
    std::vector<float> values(halves.size());
    set.convert.widen_float16(halves.data(), halves.size(), values.data());
    for (std::size_t i = 0; i < halves.size(); ++i) {
        const double expected = value_of_float16(halves[i]);
        // What is no number need not stay apart, but must not look like one.
        if (std::isfinite(expected))
            check(bits_of_float(values[i]) == bits_of_float(static_cast<float>(expected)), "float16 to float32");
        else check(!std::isfinite(values[i]), "infinite float16 stays no number");
    }
    set.convert.narrow_float16(values.data(), halves.size(), back.data());
    for (std::size_t i = 0; i < halves.size(); ++i)
        if (std::isfinite(value_of_float16(halves[i]))) check(back[i] == halves[i], "float16 comes back from float32");
    set.convert.widen_bfloat16(halves.data(), halves.size(), values.data());
    for (std::size_t i = 0; i < halves.size(); ++i) check(bits_of_float(values[i]) == i << 16, "bfloat16 to float32");
    set.convert.narrow_bfloat16(values.data(), halves.size(), back.data());
    for (std::size_t i = 0; i < halves.size(); ++i)
        if (!std::isnan(values[i])) check(back[i] == halves[i], "bfloat16 comes back from float32");
}

// Around every float16 and bfloat16: the halves between two of them, and what is just beside those.
void test_narrowing(const Kernels& set, Random& random) {
    std::vector<float> values;
    const auto add_around = [&](float value) {
        values.push_back(value);
        values.push_back(std::nextafter(value, -std::numeric_limits<float>::infinity()));
        values.push_back(std::nextafter(value, std::numeric_limits<float>::infinity()));
    };
    for (std::uint32_t half = 0; half < 0x7C00; ++half) {
        const auto low = static_cast<float>(value_of_float16(static_cast<std::uint16_t>(half)));
        const float high =
            half == 0x7BFF ? 65536.0F : static_cast<float>(value_of_float16(static_cast<std::uint16_t>(half + 1)));
        add_around(low);
        add_around((low + high) / 2);
    }
    for (std::uint32_t half = 0; half < 0x7F80; half += 3) add_around(float_of_bits((half << 16) | 0x8000U));
    for (int i = 0; i < 100'000; ++i) {
        const float value = float_of_bits(static_cast<std::uint32_t>(random()));
        if (!std::isnan(value)) values.push_back(value);
    }
    for (std::size_t i = 0; i < values.size(); i += 2) values[i] = -values[i];
    std::vector<std::uint16_t> halves(values.size());
    set.convert.narrow_float16(values.data(), values.size(), halves.data());
    for (std::size_t i = 0; i < values.size(); ++i)
        if (halves[i] != float16_of(values[i])) fail("float32 to float16 of " + std::to_string(bits_of_float(values[i])));
    set.convert.narrow_bfloat16(values.data(), values.size(), halves.data());
    for (std::size_t i = 0; i < values.size(); ++i)
        if (halves[i] != bfloat16_of(values[i])) fail("float32 to bfloat16 of " + std::to_string(bits_of_float(values[i])));
}

// `Input::read`, the whole way from a type to integers.
void test_reading(Random& random) {
    for (const ValueType type : all_types)
        for (const float step : {1.0F, 0.3F, 1e-4F, 128.0F})
            for (const std::size_t count : lengths()) {
                const Bytes values = typed_values(random, random_integers(random, count, 4), type, step);
                const auto expected = integers_of(values, type, step);
                std::vector<std::int32_t> found(count);
                const Outcome outcome = outcome_of([&] {
                    Input{values.data(), type, step}.read(0, count, found.data());
                    return Bytes{};
                });
                check(outcome.good() == expected.has_value(), std::string("which values are refused of ") + name_of(type));
                if (expected) check(found == *expected, std::string("integers of ") + name_of(type));
            }
}

void test_refusal() {
    const float infinity = std::numeric_limits<float>::infinity();
    constexpr float too_large = 2147483648.0F, largest = 2147483520.0F;
    const auto reads = [](ValueType type, std::uint32_t bits, float step) {
        const auto half = static_cast<std::uint16_t>(bits);
        std::int32_t found = 0;
        const void* data = type == ValueType::float32 ? static_cast<const void*>(&bits) : &half;
        const Outcome outcome = outcome_of([&] {
            Input{data, type, step}.read(0, 1, &found);
            return Bytes{};
        });
        check(outcome.good() || outcome.fault.find("is no 32-bit integer when divided by the step") != std::string::npos,
              "the message");
        return outcome.good();
    };
    for (const float wrong : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), too_large, -2147483904.0F, 1e30F})
        check(!reads(ValueType::float32, bits_of_float(wrong), 1), "a float that is no int32 is refused");
    for (const float right : {largest, -too_large, -0.0F, 1e-45F, 4194304.0F})
        check(reads(ValueType::float32, bits_of_float(right), 1), "a float that is an int32 is taken");
    for (const std::uint32_t wrong : {0x7C00U, 0xFC00U, 0x7E00U, 0x7C01U, 0xFFFFU})
        check(!reads(ValueType::float16, wrong, 1e6F), "a float16 that is no number is refused");
    check(reads(ValueType::float16, 0x7BFF, 1) && reads(ValueType::float16, 1, 1),
          "the largest and smallest float16 are taken");
    check(!reads(ValueType::float16, 0x7BFF, 1e-5F), "a float16 far above its step is refused");
    for (const std::uint32_t wrong : {0x7F80U, 0xFF80U, 0x7FC0U, 0x4F00U})
        check(!reads(ValueType::bfloat16, wrong, 1), "a bfloat16 that is no int32 is refused");
    check(reads(ValueType::bfloat16, 0xCF00, 1), "the bfloat16 of -2^31 is taken");
}

// `Output::write`, the whole way from integers to a type.
void test_writing(Random& random) {
    for (const ValueType type : all_types)
        for (const float step : {1.0F, 0.3F, 1e-4F, 1000.0F, 1e-8F})
            for (const std::size_t count : lengths()) {
                std::vector<std::int32_t> integers = random_integers(random, count, 2);
                if (below(random, 2) && type == ValueType::int8)
                    for (auto& integer : integers) integer = static_cast<std::int8_t>(integer);
                if (below(random, 2) && type == ValueType::int16)
                    for (auto& integer : integers) integer = static_cast<std::int16_t>(integer);
                const auto expected = values_of(integers, type, step);
                Bytes found(count * size_of(type));
                const bool good = Output{found.data(), type, step}.write(0, count, integers.data());
                check(good == expected.has_value(), std::string("which integers fit ") + name_of(type));
                if (expected) check(found == *expected, std::string("values of ") + name_of(type));
            }
}

}  // namespace

void test_conversions() {
    at_each_level([](const Kernels& set) {
        Random random(11);
        test_entries(set, random);
        test_entries_of_bytes(set, random);
        test_values(set, random);
        test_width<std::int8_t>(set.convert.widen_int8, set.convert.narrow_int8, random);
        test_width<std::int16_t>(set.convert.widen_int16, set.convert.narrow_int16, random);
        test_fast_quantization(set, random);
        test_dequantization(set, random);
        test_every_half(set);
        test_narrowing(set, random);
        test_reading(random);
        test_refusal();
        test_writing(random);
    });
}

}  // namespace laconic::test
