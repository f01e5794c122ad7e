// The two targets that decode streams differ in their tables only: one for all symbols, or one each.
//
//   input = lanes | which tables | shape of tables | value type | mode | count (u16) | bytes of the streams
//
// mode: number of streams - 1 in the low four bits; 16 repairs nothing; 32 cuts the stream off where the input ends, else it
// goes on; 64 reads a lone stream as `Decoder` does, message by message.
#pragma once

#include "lockstep.hpp"
#include "target.hpp"

namespace laconic::fuzz {

inline constexpr std::size_t unrepaired = 16, cut_off = 32, by_message = 64;

inline void decode_input(std::span<const std::uint8_t> input, bool indexed) {
    Choices choices(input);
    const unsigned lanes = lanes_of(choices);
    const TableSet& tables = tables_of(choices);
    const ValueType type = type_of(choices);
    const std::size_t mode = choices.byte(), count = choices.word() % 5000;
    const std::size_t num_streams = mode % 16 + 1;
    Stretch stretch(choices.rest());

    // Streams take turns: the first has the first of the bytes.
    std::vector<Bytes> streams;
    for (std::size_t s = 0; s < num_streams; ++s) {
        const std::size_t own = choices.rest().size() / num_streams;
        const std::size_t enough = 4 * lanes + 2 * count + 6 * (count / 4);
        Bytes& stream = streams.emplace_back(stretch.take((mode & cut_off) != 0 ? own : std::max(own, enough)));
        if ((mode & unrepaired) == 0 || num_streams > 1 || (mode & by_message) == 0) repair_states(stream, lanes);
        stream.shrink_to_fit();
    }
    // Indices follow from the choices alone, so that they stay while the streams change.
    const std::vector<std::uint8_t> indices = indices_of(input, count * num_streams, tables);
    Lockstep scene{lanes, type, 0.5F, {}};
    for (std::size_t s = 0; s < num_streams; ++s) {
        const auto t = static_cast<std::uint8_t>((lanes <= 16 ? 0 : s) % tables.num_tables());
        const std::size_t own_count = (mode & by_message) != 0 ? count : count - std::min(count, 3 * s);
        scene.runs.push_back(
            {s * count, own_count, indexed ? TableChoice{0, indices.data() + s * count} : TableChoice{t, nullptr}});
    }
    if (num_streams > 1 || (mode & by_message) == 0) {
        same_outcome("streams side by side", [&] { return decode_lockstep(scene, streams, tables); });
        return;
    }
    same_outcome("a stream", [&] {
        Decoder decoder(streams[0], lanes);
        Bytes values(count * size_of(type));
        const std::size_t first = count / 3 / lanes * lanes;
        decoder.decode({values.data(), type, 0.5F}, first, tables, scene.runs[0].tables);
        decoder.decode({values.data() + first * size_of(type), type, 0.5F}, count - first, tables,
                       scene.runs[0].tables.from(first));
        append_u32(values, decoder.read_mark());
        append_u32(values, decoder.finish());
        return values;
    });
}

// Streams that an encoder wrote, of many forms.
inline Bytes decode_seed(std::size_t number, bool indexed) {
    Random random(1000 + number);
    constexpr std::array<std::size_t, 12> counts{0, 3, 64, 65, 200, 300, 130, 32, 16, 128, 100, 7};
    constexpr std::array<std::size_t, 6> stream_counts{1, 1, 4, 8, 2, 16};
    const std::size_t lane_code = number % 5, count = number == 1 ? 2200 : counts[number / 5 % counts.size()];
    const std::size_t num_streams = number == 1 ? 1 : stream_counts[number % 6];
    const std::size_t shape = 8 * (number % 8) + (number / 2) % 8;
    const std::size_t mode = (num_streams - 1) | (number % 4 == 0 && num_streams == 1 ? by_message : 0) | cut_off;
    const Bytes head = joined({choices({lane_code, number, shape, number % 6, mode}), word_choice(count)});
    Choices again(head);
    const unsigned lanes = lanes_of(again);
    const TableSet& tables = tables_of(again);
    const ValueType type = type_of(again);
    const std::vector<std::uint8_t> indices = indices_of(head, count * num_streams, tables);
    Bytes input = head;
    std::vector<Bytes> streams;
    for (std::size_t s = 0; s < num_streams; ++s) {
        const auto t = static_cast<std::uint8_t>((lanes <= 16 ? 0 : s) % tables.num_tables());
        const Bytes values = typed_values(random, random_integers(random, count, 12), type, 0.5F);
        const Message message{{values.data(), type, 0.5F},
                              count,
                              indexed ? TableChoice{0, indices.data() + s * count} : TableChoice{t, nullptr},
                              std::uint16_t{9}};
        streams.push_back(encode_messages({&message, 1}, tables, lanes, 3));
    }
    std::size_t longest = 0;
    for (const Bytes& stream : streams) longest = std::max(longest, stream.size());
    for (Bytes& stream : streams) {
        if (num_streams > 1) stream.resize(longest, 0x55);
        input.insert(input.end(), stream.begin(), stream.end());
    }
    return input;
}

}  // namespace laconic::fuzz
