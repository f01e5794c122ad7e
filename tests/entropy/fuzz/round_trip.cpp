// Encodes any values, as streams side by side or as packets, and decodes them: the same bytes at every level, and the values
// that the plain references say.
//
//   input = lanes | which tables | shape of tables | value type | mode | layout | chunk | values
//
// mode: bits 0 and 1 say how bytes become values; 4 packets instead of streams; 8 two threads; the rest is the step of
// floats. layout: low four bits number of streams or packets - 1, then rows, or a table for each symbol. chunk: low four bits
// number of chunks; the upper two repeat the values, so that a short input can be a long array.
#include "lockstep.hpp"
#include "target.hpp"

namespace laconic::fuzz {

namespace {

enum class Style { raw, near_zero, small, constant };

struct Case {
    ValueType type;
    float step;
    Bytes values;

    std::size_t count() const { return values.size() / size_of(type); }
    Input input() const { return {values.data(), type, step}; }
};

constexpr std::size_t max_values = 50'000;

Case make_case(std::span<const std::uint8_t> bytes, ValueType type, Style style, float step) {
    if (style == Style::raw)
        return {type, step, Bytes(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(bytes.size() % size_of(type)))};
    std::vector<std::int32_t> integers;
    for (const std::uint8_t byte : bytes) {
        const auto value = static_cast<std::int8_t>(byte);
        const std::int32_t escape = byte >= 0xFC ? (byte == 0xFF ? 1 << 28 : 300) : 0;
        integers.push_back(style == Style::constant ? escape : style == Style::small ? value / 16 : value + escape);
    }
    Random random(bytes.size());  // where floats lie between two integers
    return {type, step, typed_values(random, integers, type, step)};
}

void try_streams(const Case& scene_values, const TableSet& tables, std::span<const std::uint8_t> input, unsigned lanes,
                 std::size_t layout) {
    const std::size_t num_streams = layout % 16 + 1, count = scene_values.count() / num_streams;
    const bool indexed = (layout & 16) != 0;
    const std::vector<std::uint8_t> indices = indices_of(input, scene_values.count(), tables);
    Lockstep scene{lanes, scene_values.type, scene_values.step, {}};
    for (std::size_t s = 0; s < num_streams; ++s) {
        const auto t = static_cast<std::uint8_t>((lanes <= 16 ? 0 : s) % tables.num_tables());
        scene.runs.push_back(
            {s * count, count, indexed ? TableChoice{0, indices.data() + s * count} : TableChoice{t, nullptr}});
    }
    const auto integers = integers_of(scene_values.values, scene_values.type, scene_values.step);
    const Outcome coded = same_outcome("streams", [&] { return joined(encode_lockstep(scene, scene_values.values, tables)); });
    if (!coded.good()) return check(!integers, "valid values are coded: " + coded.fault);
    const std::vector<Bytes> streams = encode_lockstep(scene, scene_values.values, tables);
    const Outcome found = same_outcome("streams", [&] { return decode_lockstep(scene, streams, tables); });
    if (!integers) return;  // of what does not divide into the streams
    const auto expected = values_of(*integers, scene_values.type, scene_values.step);
    const auto size = static_cast<std::ptrdiff_t>(num_streams * count * size_of(scene_values.type));
    check(found.good() && expected && std::equal(expected->begin(), expected->begin() + size, found.bytes.begin()),
          "streams come back");
    if (num_streams > 1) return;
    const TableChoice choice = scene.runs[0].tables;
    const Message message{scene_values.input(), count, choice, std::uint16_t{77}};
    const Bytes stream = same_outcome("a message", [&] { return encode_messages({&message, 1}, tables, lanes, 5); }).bytes;
    Decoder decoder(stream, lanes);
    Bytes values(scene_values.values.size());
    decoder.decode({values.data(), scene_values.type, scene_values.step}, count, tables, choice);
    check(values == expected && decoder.read_mark() == 77 && decoder.finish() == 5, "a message comes back");
}

void try_packets(const Case& scene, const TableSet& tables, std::span<const std::uint8_t> input, std::size_t layout_choice,
                 std::size_t chunk_choice, unsigned num_threads) {
    const std::size_t num_items = layout_choice % 16 + 1;
    const std::size_t num_rows = layout_choice / 16 % 8 * 3 + 1;
    const bool by_symbol = layout_choice >= 128;
    const std::size_t available = scene.count() / num_items, count = by_symbol ? available : available / num_rows * num_rows;
    const std::vector<std::uint8_t> indices = indices_of(input, by_symbol ? count : num_rows, tables);
    const Layout layout =
        by_symbol ? Layout{count, nullptr, 0, indices.data()} : Layout{count, indices.data(), num_rows, nullptr};
    const std::size_t chunk = chunk_choice % 64 == 0 ? max_chunk : 1 + count / (1 + chunk_choice % 16);
    const auto size = static_cast<std::ptrdiff_t>(num_items * count * size_of(scene.type));
    const auto integers = integers_of(Bytes(scene.values.begin(), scene.values.begin() + size), scene.type, scene.step);
    // Several values may be refused, each by another thread or group.
    const auto encode = [&] { return packets_of(scene.input(), num_items, layout, tables, chunk, num_threads); };
    const Outcome coded = same_outcome(
        "packets", [&] { return joined(encode()); }, false);
    check(coded.good() == integers.has_value(), "which values are refused: " + coded.fault);
    if (!integers) return;
    const std::vector<Bytes> packets = encode();
    const Outcome found = same_outcome(
        "packets", [&] { return values_of_packets(packets, layout, tables, scene.type, scene.step, num_threads); });
    check(found.good() && found.bytes == values_of(*integers, scene.type, scene.step), "packets come back: " + found.fault);
}

}  // namespace

Bytes make_seed(std::size_t number) {
    Random random(2000 + number);
    constexpr std::array<std::size_t, 10> sizes{0, 1, 7, 100, 500, 1100, 40, 300, 2200, 4200};
    const std::size_t shape = 8 * (number % 8) + (number / 2) % 8;
    const std::size_t mode = number % 4 | (number % 8 < 5 ? 4 : 0) | (number % 11 == 0 ? 8 : 0) | 16 * (number % 7);
    const std::size_t layout = (number % 3 == 0 ? below(random, 16) : 0) | 16 * below(random, 16);
    Bytes input =
        choices({number / 2, number, shape, number % 6, mode, layout, number % 4 == 0 ? number % 64 : 64 * (number % 8)});
    const std::size_t size = sizes[number / 4 % sizes.size()];
    for (std::size_t i = 0; i < size; ++i)
        input.push_back(static_cast<std::uint8_t>(below(random, 8) ? below(random, 5) : random()));
    return input;
}

}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace laconic::fuzz;
    constexpr std::array<float, 4> steps{0.5F, 1.0F, 0.1F, 1000.0F};
    const std::span<const std::uint8_t> input{data, size};
    Choices choices(input);
    const unsigned lanes = lanes_of(choices);
    const laconic::TableSet& tables = tables_of(choices);
    const laconic::ValueType type = type_of(choices);
    const std::size_t mode = choices.byte(), layout = choices.byte(), chunk = choices.byte();
    Bytes bytes;
    for (std::size_t repeat = 0; repeat <= chunk / 64 * 4; ++repeat)
        bytes.insert(bytes.end(), choices.rest().begin(), choices.rest().end());
    bytes.resize(std::min(bytes.size(), max_values));
    const Case scene = make_case(bytes, type, static_cast<Style>(mode % 4), steps[mode / 16 % 4]);
    if ((mode & 4) != 0) try_packets(scene, tables, input, layout, chunk, (mode & 8) != 0 ? 2 : 1);
    else try_streams(scene, tables, input, lanes, layout);
    return 0;
}
