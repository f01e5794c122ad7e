// Packets: every layout and type, chunks, batches and threads; damage of every bit and byte.
#include "packets.hpp"

#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

constexpr std::size_t no_chunks = max_chunk;

// The tables of a layout: one for all, one a row, one a symbol.
struct Tables {
    std::vector<std::uint8_t> indices;
    bool by_symbol;

    Layout layout(std::size_t count) const {
        return by_symbol ? Layout{count, nullptr, 0, indices.data()} : Layout{count, indices.data(), indices.size(), nullptr};
    }
};

Tables random_layout(Random& random, std::size_t count, const TableSet& set) {
    if (below(random, 3) == 0) return {random_indices(random, count, set), true};
    std::vector<std::size_t> rows;
    for (std::size_t n = 1; n <= std::max<std::size_t>(1, count); ++n)
        if (count % n == 0) rows.push_back(n);
    return {random_indices(random, rows[below(random, rows.size())], set), false};
}

void check_packets(Random& random, ValueType type, std::size_t count, std::size_t num_items, std::size_t chunk) {
    const TableSet set = random_tables(random);
    const Tables tables = random_layout(random, count, set);
    const Layout layout = tables.layout(count);
    const Bytes values = typed_values(random, random_integers(random, count * num_items, 1 + below(random, 60)), type, 0.5F);
    const Input input{values.data(), type, 0.5F};
    const std::string what = std::to_string(num_items) + " packets of " + std::to_string(count) + " " + name_of(type);
    const Outcome coded = same_outcome(what, [&] { return joined(packets_of(input, num_items, layout, set, chunk, 1)); });
    check(coded.good(), what + " are coded");
    const std::vector<Bytes> packets = packets_of(input, num_items, layout, set, chunk, 2);
    check(joined(packets) == coded.bytes, what + " are the same from two threads");
    for (const Bytes& packet : packets) check(packet_count(packet) == count, "a packet says how many symbols it has");

    const auto expected = values_of(*integers_of(values, type, 0.5F), type, 0.5F);
    for (const unsigned num_threads : {1U, 3U}) {
        const Outcome found =
            same_outcome(what, [&] { return values_of_packets(packets, layout, set, type, 0.5F, num_threads); });
        check(found.good() && found.bytes == *expected, what + " come back: " + found.fault);
    }
    const std::size_t item = below(random, num_items);
    const Bytes one = values_of_packets({packets[item]}, layout, set, type, 0.5F, 1);
    const std::size_t size = count * size_of(type);
    check(std::equal(one.begin(), one.end(), expected->begin() + static_cast<std::ptrdiff_t>(item * size)),
          "a packet of a batch decodes alone");
}

void test_round_trips() {
    Random random(31);
    for (const ValueType type : all_types)
        for (const std::size_t count : {0, 1, 2, 5, 60, 64, 100, 1000, 2049, 12'000}) {
            check_packets(random, type, count, 1, no_chunks);
            check_packets(random, type, count, 1 + below(random, 20), no_chunks);
            if (count > 1)
                check_packets(random, type, count, 1 + below(random, 3),
                              1 + count / (2 + below(random, std::min<std::size_t>(count - 1, 40))));
        }
    check_packets(random, ValueType::int8, 300'000, 1, no_chunks);
    check_packets(random, ValueType::int8, 300'000, 1, 65'536);
    check_packets(random, ValueType::float32, 200'000, 2, 1 << 14);
}

// One bit an array, next to nothing, and what is all escapes: from no words at all to three a symbol.
void test_extreme_tables() {
    Random random(32);
    const TableSet set = TableParts{{0, 1000}, {2, 2}, {65535, 1, 1, 65535}}.set();
    for (const std::uint8_t table : {std::uint8_t{0}, std::uint8_t{1}})
        for (const std::size_t count : {1, 3, 64, 1000, 40'000})
            for (const std::size_t rarity : {1, 3, 100'000}) {
                const Layout layout{count, &table, 1, nullptr};
                std::vector<std::int32_t> integers = random_integers(random, count, rarity);
                if (rarity > 1)
                    for (std::int32_t& integer : integers) integer = integer > 20 || integer < -20 ? integer : 0;
                const Bytes values = typed_values(random, integers, ValueType::int32, 1);
                const Outcome found = same_outcome("an extreme table", [&] {
                    return values_of_packets(packets_of({values.data(), ValueType::int32}, 1, layout, set, no_chunks, 1),
                                             layout, set, ValueType::int32, 1, 1);
                });
                check(found.bytes == values, "packets of extreme tables come back");
            }
}

// Forms that the encoder chooses: all numbers of lanes, with and without CRC.
void test_forms() {
    for (std::size_t lane_code = 0; lane_code < 5; ++lane_code) {
        const std::uint64_t bytes = lane_code == 0 ? 0 : bytes_for_lanes[lane_code - 1];
        const Form form = form_of(10'000'000, 8 * bytes);
        check(form.lanes == 4U << lane_code, "lanes follow from the bytes that are expected");
        check(form.has_crc == (bytes >= crc_bytes), "large streams have a CRC");
        check(form.folded <= max_folded_per_lane * form.lanes, "not too many symbols are folded");
    }
    check(form_of(0, 0).folded == 0 && form_of(7, 0).folded == 7, "not more than all symbols are folded");
}

// Some small packets: alone, chunked, with CRC.
struct Sample {
    TableSet set;
    Tables tables;
    std::size_t count;
    Bytes values, packet;

    Layout layout() const { return tables.layout(count); }
    Bytes decode(const Bytes& bytes) const { return values_of_packets({bytes}, layout(), set, ValueType::int16, 1, 1); }
};

std::vector<Sample> samples() {
    Random random(33);
    std::vector<Sample> all;
    for (const std::size_t count : {0, 1, 40, 400, 6000})
        for (const std::size_t parts : {1, 3}) {
            if (count < 10 && parts > 1) continue;
            Sample sample{random_tables(random, 3, 20, 60), {}, count, {}, {}};
            sample.tables = random_layout(random, count, sample.set);
            std::vector<std::int32_t> integers = random_integers(random, count, 20);
            for (std::int32_t& integer : integers) integer = static_cast<std::int16_t>(integer);
            sample.values = typed_values(random, integers, ValueType::int16, 1);
            const std::size_t chunk = parts == 1 ? no_chunks : count / parts;
            sample.packet = packets_of({sample.values.data(), ValueType::int16}, 1, sample.layout(), sample.set, chunk, 1)[0];
            all.push_back(std::move(sample));
        }
    return all;
}

void test_cuts(const Sample& sample) {
    const std::size_t stride = 1 + sample.packet.size() / 400;
    for (std::size_t length = 0; length < sample.packet.size(); length += stride) {
        const Bytes cut(sample.packet.begin(), sample.packet.begin() + static_cast<std::ptrdiff_t>(length));
        check(!same_outcome("a cut packet", [&] { return sample.decode(cut); }).good(), "a cut packet is refused");
    }
    Bytes longer = sample.packet;
    longer.push_back(0);
    check(!same_outcome("a longer packet", [&] { return sample.decode(longer); }).good(), "a byte too many is refused");
}

// A flip may leave the values as they are (a second form of the same packet); other values must not come out.
void test_flips(const Sample& sample, std::size_t& harmless) {
    const std::size_t stride = 1 + sample.packet.size() / 300;
    for (std::size_t at = 0; at < sample.packet.size(); at += stride)
        for (unsigned bit = 0; bit < 8; ++bit) {
            Bytes flipped = sample.packet;
            flipped[at] ^= static_cast<std::uint8_t>(1U << bit);
            const Outcome found = same_outcome(
                "a flipped bit", [&] { return sample.decode(flipped); }, false);
            check(!found.good() || found.bytes == sample.values, "a flipped bit changes values unnoticed");
            harmless += found.good();
        }
}

void test_damage_of_packets() {
    std::size_t harmless = 0;
    for (const Sample& sample : samples()) {
        check(sample.decode(sample.packet) == sample.values, "the whole packet");
        test_cuts(sample);
        test_flips(sample, harmless);
    }
    std::printf("packets: %zu flipped bits were harmless and not noticed\n", harmless);
}

// Fields that no encoder writes, each with the message that names it.
void test_wrong_fields() {
    Random random(34);
    const TableSet set = random_tables(random, 1, 30, 30);
    const Bytes values = typed_values(random, random_integers(random, 90, 9), ValueType::int16, 1);
    const std::uint8_t table = 0;
    const Layout layout{90, &table, 1, nullptr};
    const auto decode = [&](const Bytes& packet) {
        return same_outcome("a wrong field", [&] { return values_of_packets({packet}, layout, set, ValueType::int16, 1, 1); })
            .fault;
    };
    const auto refused = [&](const Bytes& packet, const std::string& message) {
        const std::string fault = decode(packet);
        check(fault.find(message) != std::string::npos, "'" + fault + "' says '" + message + "'");
    };
    const auto head = [](std::initializer_list<std::uint64_t> numbers) {
        Bytes bytes;
        for (const std::uint64_t number : numbers) append_varint(bytes, number);
        return bytes;
    };
    const Bytes zeros(40);
    const auto with_zeros = [&](Bytes bytes) { return joined({bytes, zeros}); };
    refused({}, "truncated");
    refused(head({180}), "truncated");
    refused(with_zeros(head({182})), "91 symbols; 90 are expected");
    refused(with_zeros(head({2 * max_symbols + 2})), "at most");
    refused(with_zeros({0x80, 0x00}), "is no valid number");
    refused(with_zeros(Bytes(9, 0xFF)), "is no valid number");
    refused(with_zeros(head({181, 0})), "chunks of 0 symbols");
    refused(with_zeros(head({181, max_chunk + 1})), "the chunk size is");
    refused(with_zeros(head({181, 90})), "a wrong chunk size");
    refused(head({181, 1, 0, 0, 0}), "ends before its streams");
    refused(with_zeros(head({181, 45, 1000, 1})), "the length of a stream is 1000");
    refused(with_zeros(head({181, 45, 30, 30})), "truncated");
    refused(with_zeros(head({180, 5})), "the form 5");
    refused(with_zeros(head({180, 16})), "the form 16");
    refused(with_zeros(head({180, 0, 65})), "folded symbols is 65; at most 64");
    refused(with_zeros(head({180, 1, 91})), "folded symbols is 91; at most 90");
    refused(with_zeros(head({180, 8, 0})), "does not match its checksum");
    refused(with_zeros(head({180, 0, 0})), "a short state has four bytes");
    refused(with_zeros(head({180, 0, 0, 0x0F})), "a state is below 2^16");
    refused(with_zeros(head({180, 0, 0, 0x1F})), "a lane that is not there has a state");
    const Bytes whole = packets_of({values.data(), ValueType::int16}, 1, layout, set, 45, 1)[0];
    check(decode(whole).empty(), "the whole packet");
    refused(joined({whole, {0}}), "goes on after its last stream");
}

// A packet may not ask for more memory or time than its bytes are worth.
void test_bombs() {
    Random random(35);
    const TableSet set = random_tables(random, 1, 30, 30);
    const std::uint8_t table = 0;
    for (const std::uint64_t head : {2 * max_symbols, 2 * max_symbols + 1}) {
        Bytes packet;
        append_varint(packet, head);
        append_varint(packet, 1);
        packet.resize(900);
        check(packet_count(packet) == max_symbols, "a packet claims 2^40 symbols");
        // The place for the values is the caller's business; here nothing may be written to it.
        const Layout layout{max_symbols, &table, 1, nullptr};
        const std::vector<std::span<const std::uint8_t>> packets{packet};
        const Outcome found = same_outcome("a bomb", [&] {
            decode_packets(packets, {nullptr, ValueType::int8}, layout, set, 1);
            return Bytes{};
        });
        check(!found.good(), "a bomb is refused");
    }
}

void test_refused_floats() {
    const TableSet set = TableParts{{0}, {2}, {65535, 1}}.set();
    const std::uint8_t table = 0;
    for (const std::size_t place : {0, 77, 4999}) {
        std::vector<float> values(5000, 1.0F);
        values[place] = std::numeric_limits<float>::quiet_NaN();
        for (const std::size_t chunk : {no_chunks, std::size_t{1000}}) {
            const Outcome found = same_outcome("NaN", [&] {
                return packets_of({values.data(), ValueType::float32}, 1, {5000, &table, 1, nullptr}, set, chunk, 2)[0];
            });
            check(found.fault.find("at place " + std::to_string(place) + " is no 32-bit integer") != std::string::npos,
                  found.fault);
        }
    }
}

}  // namespace

void test_packets() {
    test_forms();
    test_wrong_fields();
    test_bombs();
    test_refused_floats();
    test_extreme_tables();
    test_round_trips();
    test_damage_of_packets();
}

}  // namespace laconic::test
