// Random context rules, and the planes of a tile coded by them in two groups.
#pragma once

#include "context_coder.hpp"
#include "support.hpp"

namespace laconic::test {

// Numbers from 0 to `highest` that sum to `left` at most.
inline std::vector<std::size_t> random_parts(Random& random, std::size_t count, std::size_t highest, std::size_t left) {
    std::vector<std::size_t> parts(count);
    for (std::size_t& part : parts) {
        part = below(random, std::min(highest, left) + 1);
        left -= part;
    }
    std::shuffle(parts.begin(), parts.end(), random);
    return parts;
}

// One of these, or any number below `end`.
inline std::size_t random_weight(Random& random, std::size_t end) {
    switch (below(random, 4)) {
        case 0: return 0;
        case 1: return end - 1;
        case 2: return below(random, 20);
        default: return below(random, end);
    }
}

// Passes of these numbers of channels. Weights reach from nothing to the most that is allowed.
inline ContextRules random_rules(Random& random, std::span<const std::size_t> sizes, std::size_t num_features, std::size_t num_tables) {
    ContextRules rules{};
    rules.num_features = num_features;
    std::size_t d = 0;
    for (const std::size_t size : sizes) rules.pass_ends.push_back(static_cast<std::uint32_t>(d += size));
    for (std::size_t c = 0; c < d; ++c) {
        for (const std::size_t part : random_parts(random, 6, 255, below(random, 3) ? max_neighbour_sum : 40))
            rules.neighbour_weights.push_back(static_cast<std::uint8_t>(part));
        for (const std::size_t part : random_parts(random, 4, 127, below(random, 3) ? max_lean_sum : 40))
            rules.lean_weights.push_back(static_cast<std::int8_t>(below(random, 2) ? part : 0 - part));
    }
    for (std::size_t i = 0; i < d * num_features; ++i)
        rules.feature_weights.push_back(static_cast<std::uint16_t>(random_weight(random, 1 << 16)));
    for (std::size_t i = 0; i < sizes.size() * num_features * d; ++i) {
        rules.own_weights.push_back(static_cast<std::uint8_t>(random_weight(random, 256)));
        rules.ring_weights.push_back(static_cast<std::uint8_t>(random_weight(random, 256)));
    }
    for (std::size_t i = 0; i < num_leans * num_levels; ++i)
        rules.table_map.push_back(static_cast<std::uint8_t>(below(random, num_tables)));
    rules.check();
    return rules;
}

// Channels 0 .. cut - 1 of a tile are the first group, with a mark; the others follow.
struct ContextScene {
    ContextRules rules;
    std::vector<std::uint16_t> base;
    Grid grid;
    std::size_t cut;
    unsigned lanes;

    static constexpr std::uint16_t mark = 0xBEEF, tail = 0x1234;

    std::size_t num_channels() const { return rules.num_channels(); }

    CodedSymbols code(std::vector<std::int32_t>& planes, std::size_t first, std::size_t last) const {
        return coded_symbols(rules, base, planes.data(), grid, first, last);
    }

    Bytes encode(std::vector<std::int32_t> planes, const TableSet& tables) const {
        const std::array<CodedSymbols, 2> groups{code(planes, 0, cut), code(planes, cut, num_channels())};
        std::vector<Message> messages;
        for (const CodedSymbols& group : groups) {
            const TableChoice each{0, group.tables.data()};
            messages.push_back({{group.values.data(), ValueType::int32}, group.values.size(), each, std::nullopt, group.fronts});
        }
        messages[0].mark = mark;
        return encode_messages(messages, tables, lanes, tail);
    }

    // The planes, the mark and the tail.
    Bytes decode(const Bytes& stream, const TableSet& tables) const {
        Decoder decoder(stream, lanes);
        std::vector<std::int32_t> planes(num_channels() * grid.size());
        decode_symbols(decoder, rules, tables, base, planes.data(), grid, 0, cut);
        const std::uint16_t found_mark = decoder.read_mark();
        decode_symbols(decoder, rules, tables, base, planes.data(), grid, cut, num_channels());
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

inline ContextScene random_scene(Random& random, std::span<const std::size_t> sizes, Grid grid, std::size_t num_tables) {
    ContextScene scene{random_rules(random, sizes, below(random, max_features + 1), num_tables), {}, grid, 0, 4};
    scene.lanes = all_lanes[below(random, all_lanes.size())];
    scene.cut = below(random, scene.num_channels() + 1);
    constexpr std::array<std::uint16_t, 5> levels{0, 15, 16, 300, 65535};
    for (std::size_t c = 0; c < scene.num_channels(); ++c)
        scene.base.push_back(below(random, 2) ? levels[below(random, levels.size())] : static_cast<std::uint16_t>(below(random, 600)));
    return scene;
}

}  // namespace laconic::test
