// Random rules of subbands, and the planes of a tile coded by them in two groups.
#pragma once

#include "subband_coder.hpp"
#include "support.hpp"

namespace laconic::test {

// What weights and biases are drawn from.
enum class Weights { usual, largest, lowest, either };

inline std::int64_t random_number(Random& random, Weights kind, std::int64_t lowest, std::int64_t highest, std::int64_t usual) {
    switch (kind) {
        case Weights::largest: return highest;
        case Weights::lowest: return lowest;
        case Weights::either: return below(random, 2) ? lowest : highest;
        default: return static_cast<std::int64_t>(below(random, static_cast<std::size_t>(2 * usual + 1))) - usual;
    }
}

inline NetworkWeights random_network(Random& random, std::size_t width, std::size_t num_kinds, Weights kind, std::array<std::uint8_t, 3> shifts) {
    const auto weights = [&](std::size_t count) {
        std::vector<std::int8_t> all(count);
        for (std::int8_t& weight : all) weight = static_cast<std::int8_t>(random_number(random, kind, -128, 127, 127));
        return all;
    };
    const auto biases = [&](std::size_t count, std::int32_t most, std::int32_t usual) {
        std::vector<std::int32_t> all(count);
        for (std::int32_t& bias : all) bias = static_cast<std::int32_t>(random_number(random, kind, -most, most, usual));
        return all;
    };
    NetworkWeights network{width,
                           num_kinds,
                           weights(width * network_inputs),
                           weights(width * width),
                           weights(network_outputs * width),
                           biases(num_kinds * width, max_network_bias, 20000),
                           biases(width, max_network_bias, 20000),
                           biases(num_kinds * network_outputs, max_network_bias, 20000),
                           biases(width, max_step_weight, 200),
                           biases(network_outputs, max_step_weight, 200),
                           {shifts.begin(), shifts.end()}};
    network.check();
    return network;
}

// Networks whose outputs reach all that they choose among, and now and then one of the largest weights.
inline SubbandRules random_subband_rules(Random& random, const SubbandLayout& layout, std::size_t num_tables, std::size_t max_width) {
    SubbandRules rules{layout, {}, {}, {}};
    for (std::size_t level = 0; level <= layout.num_levels(); ++level) {
        const bool is_usual = below(random, 8) != 0;
        const Weights kind = is_usual ? Weights::usual : static_cast<Weights>(1 + below(random, 3));
        const auto third = static_cast<std::uint8_t>(is_usual ? 10 + below(random, 4) : below(random, max_network_shift + 1));
        rules.networks.push_back(random_network(random, 16 * (1 + below(random, max_width / 16)), layout.num_kinds(level), kind, {8, 9, third}));
    }
    const auto numbers = [&](std::size_t count) {
        std::vector<std::uint8_t> all(count);
        for (std::uint8_t& number : all) number = static_cast<std::uint8_t>(below(random, num_tables));
        return all;
    };
    rules.table_map = numbers(rules.networks.size() * num_choices);
    rules.quiet_tables = numbers(rules.networks.size() * layout.num_kinds(1) * num_step_bands);
    rules.check();
    return rules;
}

// A layout by one number.
inline SubbandLayout layout_of(std::size_t number) {
    return {1 + number % max_colors, 1 + number / max_colors % max_depth, number / (max_colors * max_depth) % (max_low_levels + 1)};
}

// Where groups may end.
inline std::vector<std::size_t> subband_ends(const SubbandLayout& layout) {
    std::vector<std::size_t> ends{0, layout.num_colors};
    for (std::size_t level = layout.depth; level > 0; --level)
        for (std::size_t k = 0; k < layout.num_kinds(level); ++k) ends.push_back(ends.back() + layout.side(level) * layout.side(level));
    return ends;
}

// Channels 0 .. cut - 1 of a tile are the first group, with a mark; the others follow.
struct SubbandScene {
    SubbandRules rules;
    int step_code;
    Grid grid;
    std::size_t cut;
    unsigned lanes;

    static constexpr std::uint16_t mark = 0xBEEF, tail = 0x1234;

    std::size_t num_channels() const { return rules.layout.num_channels(); }

    std::array<CodedSymbols, 2> code(const std::vector<std::int32_t>& planes) const {
        const StepSubbandRules step(rules, step_code);
        SubbandTile tile(rules.layout, grid);
        load_subbands(tile, planes.data(), 0, num_channels());
        return {coded_subbands(tile, step, 0, cut), coded_subbands(tile, step, cut, num_channels())};
    }

    Bytes encode(const std::vector<std::int32_t>& planes, const TableSet& tables) const {
        const std::array<CodedSymbols, 2> groups = code(planes);
        std::vector<Message> messages;
        for (const CodedSymbols& group : groups)
            messages.push_back({{group.values.data(), ValueType::int32}, group.values.size(), TableChoice{0, group.tables.data()}, std::nullopt, group.fronts});
        messages[0].mark = mark;
        return encode_messages(messages, tables, lanes, tail);
    }

    Bytes decode(const Bytes& stream, const TableSet& tables) const {
        SubbandTile tile(rules.layout, grid);
        std::vector<std::int32_t> planes(num_channels() * grid.size());
        return decode(stream, tables, tile, planes);
    }

    // Into a tile and planes that may have been decoded into before. The planes, the mark and the tail.
    Bytes decode(const Bytes& stream, const TableSet& tables, SubbandTile& tile, std::vector<std::int32_t>& planes) const {
        const StepSubbandRules step(rules, step_code);
        Decoder decoder(stream, lanes);
        decode_subbands(decoder, tile, step, tables, 0, cut, planes.data());
        const std::uint16_t found_mark = decoder.read_mark();
        decode_subbands(decoder, tile, step, tables, cut, num_channels(), planes.data());
        return decoded(planes, found_mark, decoder.finish());
    }

    static Bytes decoded(const std::vector<std::int32_t>& planes, std::uint16_t found_mark, std::uint16_t found_tail) {
        Bytes all(planes.size() * 4);
        if (!planes.empty()) std::memcpy(all.data(), planes.data(), all.size());
        append_u32(all, found_mark);
        append_u32(all, found_tail);
        return all;
    }
};

}  // namespace laconic::test
