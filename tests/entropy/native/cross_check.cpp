// Codes fixed pseudo-random values in every way there is and prints a CRC-32C of the bytes and of what they decode to, one
// line for each kind of values: two machines, or two compilers, that print the same write the same files. `make check-aarch64`
// runs it under an emulator.
//
// Values are made of integers and exact float operations only. On each machine every instruction set that it has is tried;
// a difference between these ends the program.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "context_coder.hpp"
#include "dispatch.hpp"
#include "packets.hpp"
#include "rans.hpp"
#include "subband_optimizer.hpp"
#include "tables.hpp"

#include "../../../codecs/native/fixed_dispatch.hpp"
#include "../../codecs/native/fixed_scene.hpp"

using namespace laconic;

namespace {

using Bytes = std::vector<std::uint8_t>;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "failed: %s\n", what.c_str());
    std::exit(1);
}

// SplitMix64 (Steele, Lea and Flood 2014), as the libraries' generators need not agree.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_{seed} {}

    std::uint64_t bits() noexcept {
        std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15U;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
        return mixed ^ (mixed >> 31);
    }

    std::size_t below(std::size_t end) noexcept { return static_cast<std::size_t>(bits() % end); }

    // Mostly small, now and then as large as `limit`.
    std::int32_t value(std::int32_t limit) noexcept {
        const auto magnitude = static_cast<std::int32_t>(below(static_cast<std::size_t>(below(400) == 0 ? limit : 1 << below(7))));
        return bits() % 2 ? magnitude : -magnitude;
    }

private:
    std::uint64_t state_;
};

TableSet make_tables(Random& random, std::size_t count) {
    std::vector<std::int32_t> firsts, sizes;
    std::vector<std::uint16_t> frequencies;
    for (std::size_t t = 0; t < count; ++t) {
        const std::size_t size = 2 + random.below(t % 3 == 0 ? 255 : 40);
        std::vector<std::uint32_t> all(size, 1);
        std::uint32_t left = probability_sum - static_cast<std::uint32_t>(size);
        for (std::size_t entry = 0; entry < size; ++entry) {
            const auto more = static_cast<std::uint32_t>(random.below(left / 4 + 1));
            all[(entry + size / 2) % size] += more;
            left -= more;
        }
        all[size / 2] += left;
        firsts.push_back(-static_cast<std::int32_t>(random.below(size)));
        sizes.push_back(static_cast<std::int32_t>(size));
        for (const std::uint32_t frequency : all) frequencies.push_back(static_cast<std::uint16_t>(frequency));
    }
    return {firsts, sizes, frequencies};
}

template <class T>
void append(Bytes& bytes, T value) {
    std::uint8_t raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.insert(bytes.end(), raw, raw + sizeof value);
}

// An array in memory, and what it is to decode to.
struct Values {
    ValueType type;
    float step;
    Bytes bytes;
    std::vector<std::int32_t> ints;
};

Values make_values(Random& random, ValueType type, float step, std::size_t count) {
    Values values{type, step, {}, {}};
    for (std::size_t i = 0; i < count; ++i) {
        std::int32_t value = random.value(type == ValueType::int8 ? 128 : type == ValueType::int16 ? 32768 : 1 << 30);
        float number = static_cast<float>(value % 5000) * 0.25F * step;  // halves between integers are frequent
        switch (type) {
            case ValueType::int8: append(values.bytes, static_cast<std::int8_t>(value)); break;
            case ValueType::int16: append(values.bytes, static_cast<std::int16_t>(value)); break;
            case ValueType::int32: append(values.bytes, value); break;
            case ValueType::float32:
                if (value % 97 == 0) number = static_cast<float>(value / 64);  // also beyond what one addition rounds
                append(values.bytes, number);
                break;
            case ValueType::float16: {
                std::uint16_t half;
                portable_kernels.convert.narrow_float16(&number, 1, &half);
                portable_kernels.convert.widen_float16(&half, 1, &number);
                append(values.bytes, half);
                break;
            }
            case ValueType::bfloat16: {
                std::uint16_t half;
                portable_kernels.convert.narrow_bfloat16(&number, 1, &half);
                portable_kernels.convert.widen_bfloat16(&half, 1, &number);
                append(values.bytes, half);
                break;
            }
        }
        if (type >= ValueType::float32) {
            const float scaled = number * (1.0F / step);
            value = static_cast<std::int32_t>(std::nearbyint(static_cast<double>(scaled)));
        }
        values.ints.push_back(value);
    }
    return values;
}

// One checksum over everything that is coded and decoded, and the lane codes of packets that are one stream.
class Sum {
public:
    void add_packet(std::span<const std::uint8_t> packet) noexcept {
        add(packet);
        if (packet[0] % 2 != 0) return;
        const auto head_end = std::find_if(packet.begin(), packet.end(), [](std::uint8_t byte) { return byte < 0x80; });
        lane_codes_ |= 1U << (head_end[1] & 7U);
    }

    bool has_all_lanes() const noexcept { return lane_codes_ == 0x1F; }

    void add(std::span<const std::uint8_t> bytes) noexcept {
        crc_ = kernels().crc32c(bytes.data(), bytes.size(), crc_);
        count_ += bytes.size();
    }

    void print(const char* name) const { std::printf("%-10s %08x of %zu bytes\n", name, crc_, count_); }

    bool operator==(const Sum&) const = default;

private:
    std::uint32_t crc_ = 0;
    std::size_t count_ = 0;
    unsigned lane_codes_ = 0;
};

std::vector<Bytes> encode(const Values& values, std::size_t num_items, const Layout& layout, const TableSet& tables, std::size_t chunk) {
    const Input input{values.bytes.data(), values.type, values.step};
    const Packets packets = encode_packets(input, num_items, layout, tables, chunk, 1);
    std::vector<Bytes> all;
    std::vector<std::uint8_t*> places;
    for (std::size_t item = 0; item < num_items; ++item) all.emplace_back(packets.size(item));
    for (Bytes& packet : all) places.push_back(packet.data());
    packets.write(places, 1);
    return all;
}

void code_packets(Sum& sum, const Values& values, std::size_t num_items, const Layout& layout, const TableSet& tables, std::size_t chunk) {
    const std::vector<Bytes> packets = encode(values, num_items, layout, tables, chunk);
    for (const Bytes& packet : packets) sum.add_packet(packet);
    const std::vector<std::span<const std::uint8_t>> spans(packets.begin(), packets.end());
    std::vector<std::int32_t> ints(values.ints.size());
    decode_packets(spans, {ints.data(), ValueType::int32}, layout, tables, 1);
    if (ints != values.ints) fail("values do not come back");
    for (const ValueType type : {ValueType::float32, ValueType::float16, ValueType::bfloat16}) {
        Bytes floats(values.ints.size() * (type == ValueType::float32 ? 4 : 2));
        decode_packets(spans, {floats.data(), type, values.step}, layout, tables, 1);
        sum.add(floats);
    }
}

void code_stream(Sum& sum, const Values& values, const TableSet& tables, std::span<const std::uint8_t> each, unsigned lanes) {
    const Input input{values.bytes.data(), values.type};
    const std::size_t count = values.ints.size();
    const Message messages[] = {{input, count, {0, each.data()}, std::uint16_t{0xBEEF}}, {input, count / 3, {1, nullptr}}};
    const Bytes stream = encode_messages(messages, tables, lanes, 0x1234);
    sum.add(stream);
    Decoder decoder(stream, lanes);
    std::vector<std::int32_t> ints(count);
    decoder.decode({ints.data(), ValueType::int32}, count, tables, {0, each.data()});
    if (ints != values.ints || decoder.read_mark() != 0xBEEF) fail("a message does not come back");
    decoder.decode({ints.data(), ValueType::int32}, count / 3, tables, {1, nullptr});
    if (ints != values.ints || decoder.finish() != 0x1234) fail("a second message does not come back");
}

Sum all_of(ValueType type) {
    Random random(static_cast<std::uint64_t>(type) + 1);
    Sum sum;
    constexpr float steps[] = {1.0F, 0.1F, 3.7F};
    for (std::size_t round = 0; round < 3; ++round) {
        const TableSet tables = make_tables(random, round == 0 ? 2 : 60);
        const float step = type >= ValueType::float32 ? steps[round] : 1.0F;
        for (const std::size_t row : {0, 1, 5, 63, 64, 65, 300, 700, 1000, 9000}) {
            const std::size_t num_rows = row == 9000 && round == 2 ? 40 : 1 + random.below(5), count = row * num_rows;
            std::vector<std::uint8_t> rows(num_rows), each(count);
            for (std::uint8_t& table : rows) table = static_cast<std::uint8_t>(random.below(tables.num_tables()));
            for (std::uint8_t& table : each) table = static_cast<std::uint8_t>(random.below(tables.num_tables()));
            const Layout layouts[] = {{count, rows.data(), 1, nullptr}, {count, rows.data(), num_rows, nullptr}, {count, nullptr, 0, each.data()}};
            const Values values = make_values(random, type, step, count);
            for (const Layout& layout : layouts)
                for (const std::size_t chunk : {max_chunk, std::size_t{700}, std::size_t{30000}})
                    if (chunk > 700 || count < 20000) code_packets(sum, values, 1, layout, tables, chunk);
            if (row > 1000) continue;
            const std::size_t num_items = 1 + random.below(20);
            const Values batch = make_values(random, type, step, count * num_items);
            for (const Layout& layout : layouts) code_packets(sum, batch, num_items, layout, tables, max_chunk);
            if (type >= ValueType::float32) continue;
            for (unsigned lanes = min_lanes; lanes <= max_lanes; lanes *= 2) code_stream(sum, values, tables, each, lanes);
        }
    }
    return sum;
}

template <class T>
std::vector<T> weights(Random& random, std::size_t count, std::size_t end) {
    std::vector<T> all(count);
    for (T& weight : all) weight = static_cast<T>(random.below(8) == 0 ? end - 1 : random.below(random.below(3) == 0 ? end : end / 30 + 2));
    return all;
}

ContextRules make_rules(Random& random, std::vector<std::uint32_t> pass_ends, std::size_t num_features, std::size_t num_tables) {
    const std::size_t d = pass_ends.back(), cross = pass_ends.size() * num_features * d;
    ContextRules rules{pass_ends, num_features, weights<std::uint8_t>(random, 6 * d, 87), weights<std::int8_t>(random, 4 * d, 64),
                       weights<std::uint16_t>(random, num_features * d, 65536), weights<std::uint8_t>(random, cross, 256),
                       weights<std::uint8_t>(random, cross, 256), weights<std::uint8_t>(random, num_leans * num_levels, num_tables)};
    for (std::int8_t& weight : rules.lean_weights)
        if (random.bits() % 2) weight = static_cast<std::int8_t>(-weight);
    rules.check();
    return rules;
}

template <class T, class Allocator>
void add_values(Sum& sum, const std::vector<T, Allocator>& values) {
    Bytes bytes;
    for (const T value : values) append(bytes, value);
    sum.add(bytes);
}

void code_tile(Sum& sum, Random& random, Grid grid, unsigned lanes) {
    const TableSet tables = make_tables(random, 60);
    const ContextRules rules = make_rules(random, {3, 12, 48, 112}, random.below(max_features + 1), tables.num_tables());
    const std::vector<std::uint16_t> base = weights<std::uint16_t>(random, rules.num_channels(), 20000);
    std::vector<std::int32_t> planes(rules.num_channels() * grid.size()), found(planes.size());
    for (std::int32_t& value : planes) value = random.value(1 << 30);
    const CodedSymbols coded = coded_symbols(rules, base, planes.data(), grid, 0, rules.num_channels());
    add_values(sum, coded.values);
    add_values(sum, coded.tables);
    add_values(sum, coded.fronts);
    const Message message{{coded.values.data(), ValueType::int32}, coded.values.size(), {0, coded.tables.data()}, std::nullopt, coded.fronts};
    const Bytes stream = encode_messages({&message, 1}, tables, lanes, 0x1234);
    sum.add(stream);
    Decoder decoder(stream, lanes);
    decode_symbols(decoder, rules, tables, base, found.data(), grid, 0, rules.num_channels());
    if (found != planes || decoder.finish() != 0x1234) fail("a tile does not come back");
}

// Subbands of random networks, their tiles there and back.
void code_subbands(Sum& sum, Random& random, SubbandLayout layout, Grid grid, unsigned lanes) {
    const TableSet tables = make_tables(random, 60);
    const auto signed_weights = [&]<class T>(T, std::size_t count, std::size_t end) {
        std::vector<T> all = weights<T>(random, count, end);
        for (T& weight : all)
            if (random.bits() % 2) weight = static_cast<T>(-weight);
        return all;
    };
    SubbandRules rules{layout, {}, {}, {}};
    for (std::size_t level = 0; level <= layout.num_levels(); ++level) {
        const std::size_t width = 16 * (1 + random.below(8)), kinds = layout.num_kinds(level);
        rules.networks.push_back({width, kinds, signed_weights(std::int8_t{}, width * network_inputs, 128), signed_weights(std::int8_t{}, width * width, 128),
                                  signed_weights(std::int8_t{}, 3 * width, 128), signed_weights(std::int32_t{}, kinds * width, 1 << 16),
                                  signed_weights(std::int32_t{}, width, 1 << 16), signed_weights(std::int32_t{}, kinds * 3, 1 << 16),
                                  signed_weights(std::int32_t{}, width, 1 << 9), signed_weights(std::int32_t{}, 3, 1 << 9), {7, 8, 11}});
    }
    rules.table_map = weights<std::uint8_t>(random, rules.networks.size() * num_choices, tables.num_tables());
    rules.quiet_tables = weights<std::uint8_t>(random, rules.networks.size() * layout.num_kinds(1) * num_step_bands, tables.num_tables());
    rules.check();
    const StepSubbandRules step(rules, static_cast<int>(random.below(256)));
    SubbandTile tile(layout, grid), empty(layout, grid);
    std::vector<std::int32_t> planes(layout.num_channels() * grid.size()), found(planes.size());
    for (std::int32_t& value : planes)
        if (random.bits() % 3) value = random.value(1 << 30);
    load_subbands(tile, planes.data(), 0, layout.num_channels());
    const CodedSymbols coded = coded_subbands(tile, step, 0, layout.num_channels());
    add_values(sum, coded.values);
    add_values(sum, coded.tables);
    add_values(sum, coded.fronts);
    const Message message{{coded.values.data(), ValueType::int32}, coded.values.size(), {0, coded.tables.data()}, std::nullopt, coded.fronts};
    const Bytes stream = encode_messages({&message, 1}, tables, lanes, 0x1234);
    sum.add(stream);
    Decoder decoder(stream, lanes);
    decode_subbands(decoder, empty, step, tables, 0, layout.num_channels(), found.data());
    if (found != planes || decoder.finish() != 0x1234) fail("a tile of subbands does not come back");
    std::vector<float> coefficients(planes.size());
    for (std::size_t i = 0; i < planes.size(); ++i) coefficients[i] = static_cast<float>(planes[i]) + static_cast<float>(random.below(1000)) / 1000 - 0.5F;
    const std::vector<float> shrink(3 * layout.num_channels(), 0.1F), low_shrink(3 * layout.num_colors * (1 + num_orientations * layout.low_levels), 0.2F);
    const std::vector<std::int32_t> later = signed_weights(std::int32_t{}, 3 * num_followings * tables.num_tables(), 1 << 15);
    ChosenSubbands chosen{SubbandTile(layout, grid)};
    SubbandOptimizer(step, tables, CostTables(tables), {coefficients.data(), 1.0F, shrink.data(), low_shrink.data(), 0.13F, later.data()})
        .run(chosen, planes.data(), 0, layout.num_channels(), layout.num_channels());
    add_values(sum, planes);
}

Sum all_subbands() {
    Random random(78);
    Sum sum;
    for (const SubbandLayout layout : {SubbandLayout{3, 3, 2}, SubbandLayout{1, 4, 0}, SubbandLayout{2, 1, 3}})
        for (const Grid grid : {Grid{1, 1}, Grid{7, 3}, Grid{9, 16}})
            for (unsigned lanes = min_lanes; lanes <= max_lanes; lanes *= 4) code_subbands(sum, random, layout, grid, lanes);
    return sum;
}

Sum all_tiles() {
    Random random(77);
    Sum sum;
    for (const Grid grid : {Grid{1, 1}, Grid{1, 40}, Grid{40, 1}, Grid{5, 2}, Grid{9, 3}, Grid{16, 16}, Grid{31, 45}})
        for (unsigned lanes = min_lanes; lanes <= max_lanes; lanes *= 2) code_tile(sum, random, grid, lanes);
    return sum;
}

// Coefficients, integers and samples of the fixed-point transform.
Sum all_pictures() {
    Sum sum;
    if (!use_fixed_kernels(kernels().name)) fail("the transform lacks kernels that the coder has");
    for (unsigned seed = 0; seed < 60; ++seed) {
        std::mt19937_64 random(seed);
        sum.add(test::FixedScene(random).everything(fixed_kernels()));
    }
    return sum;
}

// What `work` gives with every set of kernels.
template <class Work>
Sum same_sum(const char* name, Work work) {
    use_kernels(portable_kernels.name);
    const Sum expected = work();
    for (const Kernels* set : available_kernels()) {
        use_kernels(set->name);
        if (!(work() == expected)) fail(std::string(set->name) + " differs for " + name);
    }
    return expected;
}

}  // namespace

int main() {
    constexpr std::array names{"int8", "int16", "int32", "float32", "float16", "bfloat16"};
    for (std::size_t type = 0; type < names.size(); ++type) {
        const Sum sum = same_sum(names[type], [&] { return all_of(static_cast<ValueType>(type)); });
        if (!sum.has_all_lanes()) fail(std::string("not all numbers of lanes were used for ") + names[type]);
        sum.print(names[type]);
    }
    same_sum("contexts", all_tiles).print("contexts");
    same_sum("subbands", all_subbands).print("subbands");
    same_sum("pictures", all_pictures).print("pictures");
    for (const Kernels* set : available_kernels()) std::fprintf(stderr, "%s kernels agree\n", set->name);
    return 0;
}
