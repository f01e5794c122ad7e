// Streams: round trips, the same bytes and values from all kernels, streams side by side.
#include "lockstep.hpp"
#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

void test_zigzag() {
    constexpr std::array<std::int32_t, 7> values{
        0, -1, 1, -2, 32767, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()};
    constexpr std::array<std::uint32_t, 7> codes{0, 1, 2, 3, 65534, 0xFFFFFFFEU, 0xFFFFFFFFU};
    for (std::size_t i = 0; i < values.size(); ++i)
        check(zigzag(values[i]) == codes[i] && unzigzag(codes[i]) == values[i], "zigzag of " + std::to_string(values[i]));
}

void test_wrong_tables_are_refused() {
    const auto refused = [](std::vector<std::int32_t> firsts, std::vector<std::int32_t> sizes, std::vector<std::uint16_t> f) {
        return !outcome_of([&] { return TableSet(firsts, sizes, f), Bytes{}; }).good();
    };
    constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
    check(!refused({0}, {2}, {65535, 1}), "a table of two entries is valid");
    check(refused({}, {}, {}), "no table");
    check(refused({0}, {2, 2}, {65535, 1, 65535, 1}), "two sizes of one table");
    check(refused({0}, {1}, {65535}), "one entry");
    check(refused({0}, {-5}, {65535, 1}), "a negative size");
    check(refused({0}, {lowest}, {65535, 1}), "the lowest size");
    check(refused({0}, {3}, {65535, 1}), "too few frequencies");
    check(refused({0}, {2}, {65535, 1, 1}), "too many frequencies");
    check(refused({0}, {2}, {65535, 2}), "a sum too high");
    check(refused({0}, {2}, {65534, 1}), "a sum too low");
    check(refused({0}, {3}, {65535, 0, 1}), "a frequency of 0");
    check(refused({lowest}, {2}, {65535, 1}), "a first value too low");
    check(refused({(1 << 30) + 1}, {2}, {65535, 1}), "a first value too high");
    check(refused(std::vector<std::int32_t>(257, 0), std::vector<std::int32_t>(257, 2), {}), "257 tables");
}

void test_tables_know_their_indices() {
    Random random(8);
    const TableSet tables = random_tables(random, 7, 2, 9);
    for (std::size_t count = 0; count < 70; ++count) {
        std::vector<std::uint8_t> indices = random_indices(random, count, tables);
        check(tables.has_all(indices), "indices in the set");
        if (count == 0) continue;
        indices[below(random, count)] = 7;
        check(!tables.has_all(indices), "one index outside the set");
    }
}

// Two messages with their tables, marks and a tail in one stream; the first one also in parts, of full rounds.
void check_messages(Random& random, ValueType type, unsigned lanes, std::size_t count) {
    const TableSet tables = random_tables(random);
    const Bytes first = typed_values(random, random_integers(random, count, 6), type, 0.5F);
    const Bytes second = typed_values(random, random_integers(random, 1 + below(random, 90), 6), ValueType::int32, 1);
    const std::vector<std::uint8_t> indices = random_indices(random, count, tables);
    const TableChoice choice =
        below(random, 2) ? TableChoice{0, indices.data()} : TableChoice{random_indices(random, 1, tables)[0], nullptr};
    const auto mark = static_cast<std::uint16_t>(random()), tail = static_cast<std::uint16_t>(random());
    const std::array<Message, 2> messages{Message{{first.data(), type, 0.5F}, count, choice, mark},
                                          Message{{second.data(), ValueType::int32}, second.size() / 4, {}}};
    const std::string what = std::to_string(count) + " of " + name_of(type) + " on " + std::to_string(lanes) + " lanes";
    const Outcome stream = same_outcome(what, [&] { return encode_messages(messages, tables, lanes, tail); });
    check(stream.good(), "valid values are coded: " + stream.fault);

    const Bytes exact(stream.bytes);
    same_outcome(what, [&] {
        Decoder decoder(exact, lanes);
        Bytes found(first.size()), rest(second.size());
        const std::size_t part = below(random, count + 1) / lanes * lanes;
        decoder.decode({found.data(), type, 0.5F}, part, tables, choice);
        decoder.decode({found.data() + part * size_of(type), type, 0.5F}, count - part, tables, choice.from(part));
        check(decoder.read_mark() == mark, "the mark comes back");
        decoder.decode({rest.data(), ValueType::int32}, rest.size() / 4, tables, {});
        check(decoder.finish() == tail, "the tail comes back");
        check(rest == second, "the second message comes back");
        check(found == values_of(*integers_of(first, type, 0.5F), type, 0.5F), "values come back: " + what);
        return found;
    });
}

void test_messages() {
    Random random(1);
    for (const unsigned lanes : all_lanes)
        for (const std::size_t count : {0, 1, 3, 4, 63, 64, 65, 500, 2047, 2048, 2049, 6000})
            for (const ValueType type : all_types)
                for (int repeat = 0; repeat < 2; ++repeat) check_messages(random, type, lanes, count);
}

void check_lockstep(Random& random, const Lockstep& scene, const TableSet& tables, std::size_t rarity) {
    const Bytes values = typed_values(random, random_integers(random, scene.num_values(), rarity), scene.type, scene.step);
    const std::string what = std::to_string(scene.runs.size()) + " streams of " + std::to_string(scene.runs[0].count) + " " +
                             name_of(scene.type) + " on " + std::to_string(scene.lanes) + " lanes";
    // Alone and with the portable kernels is how it has to be.
    use_kernels("portable");
    std::vector<Bytes> alone;
    for (const Run& run : scene.runs)
        alone.push_back(encode_lockstep({scene.lanes, scene.type, scene.step, {run}}, values, tables)[0]);
    const Outcome coded = same_outcome(what, [&] { return joined(encode_lockstep(scene, values, tables)); });
    check(coded.bytes == joined(alone), what + " are coded as if alone");
    const auto expected = values_of(*integers_of(values, scene.type, scene.step), scene.type, scene.step);
    const Outcome decoded =
        same_outcome(what, [&] { return decode_lockstep(scene, encode_lockstep(scene, values, tables), tables); });
    check(decoded.good(), what + " can be decoded");
    // Runs leave gaps between them, where nothing is written.
    for (const Run& run : scene.runs) {
        const std::size_t size = size_of(scene.type);
        const auto begin = static_cast<std::ptrdiff_t>(run.begin * size),
                   end = static_cast<std::ptrdiff_t>((run.begin + run.count) * size);
        check(std::equal(expected->begin() + begin, expected->begin() + end, decoded.bytes.begin() + begin),
              what + " come back");
    }
}

Lockstep random_lockstep(Random& random, unsigned lanes, std::size_t num_streams, const TableSet& tables,
                         const std::vector<std::uint8_t>& indices, bool indexed) {
    Lockstep scene{lanes, all_types[below(random, all_types.size())], 0.25F, {}};
    const std::size_t count = below(random, 5000);
    const bool equal = below(random, 2) != 0;
    const auto shared = random_indices(random, 1, tables)[0];
    std::size_t begin = 0;
    for (std::size_t s = 0; s < num_streams; ++s) {
        const std::size_t own_count = equal ? count : below(random, count + 1);
        // Kernels for few lanes want one table for all streams.
        const std::uint8_t t = lanes <= 16 ? shared : random_indices(random, 1, tables)[0];
        scene.runs.push_back({begin, own_count, indexed ? TableChoice{0, indices.data() + begin} : TableChoice{t, nullptr}});
        begin += own_count + below(random, 3);
    }
    return scene;
}

void test_lockstep() {
    Random random(2);
    constexpr std::array<std::size_t, 6> top_sizes{16, 32, 64, 128, 256, 256};
    for (const unsigned lanes : all_lanes)
        for (std::size_t num_streams = 1; num_streams <= max_streams; ++num_streams)
            for (const bool indexed : {false, true}) {
                // Up to 4, 5, 6, 7 and 8 levels; some with tables of about one size only.
                const std::size_t top = top_sizes[below(random, top_sizes.size())];
                const TableSet tables = random_tables(random, 1 + below(random, 20), below(random, 2) ? 2 : top, top);
                const std::vector<std::uint8_t> indices = random_indices(random, 5002 * max_streams, tables);
                const Lockstep scene = random_lockstep(random, lanes, num_streams, tables, indices, indexed);
                check_lockstep(random, scene, tables, below(random, 2) ? 2 : 400);
            }
}

void test_every_table_size() {
    Random random(3);
    for (std::size_t size = 2; size <= 256; ++size) {
        const TableSet tables = random_tables(random, 1, size, size);
        const unsigned lanes = all_lanes[size % all_lanes.size()];
        for (const ValueType type : {ValueType::int8, ValueType::int32})
            check_lockstep(random, {lanes, type, 1, {{0, 300, {0, nullptr}}}}, tables, 10);
    }
}

void test_many_tables() {
    Random random(4);
    for (const std::size_t count : {1, 2, 3, 64, 255, 256}) {
        const TableSet tables = random_tables(random, count, 2, 256);
        for (const unsigned lanes : all_lanes) {
            const std::vector<std::uint8_t> indices = random_indices(random, 3000, tables);
            check_lockstep(random, {lanes, ValueType::int16, 1, {{0, 3000, {0, indices.data()}}}}, tables, 30);
        }
    }
}

// Symbols of frequency 1 and 65535: the longest and shortest codes, and the escape as one or the other.
void test_extreme_frequencies() {
    Random random(5);
    for (const bool escape_is_rare : {false, true}) {
        TableParts parts;
        parts.firsts = {0};
        parts.sizes = {2};
        parts.frequencies = escape_is_rare ? std::vector<std::uint16_t>{65535, 1} : std::vector<std::uint16_t>{1, 65535};
        const TableSet tables = parts.set();
        for (const unsigned lanes : all_lanes)
            for (const ValueType type : {ValueType::int8, ValueType::int32, ValueType::float16})
                for (const std::size_t rarity : {1, 2, 1000})
                    check_lockstep(random, {lanes, type, 1, {{0, 4200, {0, nullptr}}}}, tables, rarity);
    }
}

void test_reversal() {
    Random random(6);
    for (std::size_t count = 0; count < 200; ++count) {
        std::vector<std::uint16_t> words(count);
        for (std::uint16_t& word : words) word = static_cast<std::uint16_t>(random());
        at_each_level([&](const Kernels& set) {
            Bytes bytes(2 * count);
            set.reverse_words(words.data(), count, bytes.data());
            for (std::size_t i = 0; i < count; ++i) check(load_word(&bytes[2 * i]) == words[count - 1 - i], "words in reverse");
        });
    }
}

void test_costs_of_kernels() {
    at_each_level([](const Kernels& set) {
        for (const Cost cost : {set.decoding_cost, set.encoding_cost})
            for (const unsigned lanes : all_lanes)
                for (const unsigned levels : {0U, 4U, 5U, 6U, 7U, 8U})
                    check(cost(lanes, 1, levels) > 0, "there is a kernel for one stream, whatever its form");
    });
}

}  // namespace

void test_streams() {
    test_zigzag();
    test_wrong_tables_are_refused();
    test_tables_know_their_indices();
    test_reversal();
    test_costs_of_kernels();
    test_messages();
    test_lockstep();
    test_every_table_size();
    test_many_tables();
    test_extreme_frequencies();
}

}  // namespace laconic::test
