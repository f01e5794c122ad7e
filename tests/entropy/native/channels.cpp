// Channels of tiles: the same streams as those of messages, from int16 and int32, alone and side by side, whole and damaged.
#include "channel_coder.hpp"

#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

constexpr std::size_t margin = 3;  // places between the rows of a tile, those of another one

// Planes in larger ones.
struct Scene {
    ValueType type;
    std::size_t count;
    Grid grid;
    Bytes memory;
    std::vector<std::int32_t> integers;

    Scene(Random& random, ValueType value_type, std::size_t num_channels, Grid shape)
        : type{value_type}, count{num_channels}, grid{shape}, memory(num_channels * shape.height * row_bytes(), std::uint8_t{0x55}) {
        for (std::size_t c = 0; c < count; ++c) {
            std::vector<std::int32_t> plane = random_integers(random, grid.size(), 1 + below(random, 50));
            for (std::int32_t& value : plane) value = below(random, 4) == 0 ? 0 : type == ValueType::int16 ? static_cast<std::int16_t>(value) : value;
            if (below(random, 3) == 0) std::fill(plane.begin(), plane.end(), 0);
            integers.insert(integers.end(), plane.begin(), plane.end());
        }
        for (std::size_t row = 0; row < count * grid.height; ++row)
            for (std::size_t x = 0; x < grid.width; ++x) {
                const std::int32_t value = integers[row * grid.width + x];  // the first bytes are the lower ones
                std::memcpy(&memory[row * row_bytes() + x * size_of(type)], &value, size_of(type));
            }
    }

    std::size_t row_bytes() const { return (grid.width + margin) * size_of(type); }
    std::ptrdiff_t row_step() const { return static_cast<std::ptrdiff_t>(grid.width + margin); }
    std::ptrdiff_t plane_step() const { return row_step() * static_cast<std::ptrdiff_t>(grid.height); }
    PlanesView view() const { return {{memory.data(), type}, count, grid, plane_step(), row_step()}; }
};

Bytes encoded(const Scene& scene, const TableSet& tables, std::span<const std::uint8_t> indices, unsigned lanes) {
    const CostTables costs(tables);
    const TilePlanes tile{scene.view(), {{nullptr, ValueType::int32}, 0, scene.grid, 0, 0}};
    const auto symbols = std::move(channel_symbols({&tile, 1}, tables, costs, indices)[0]);
    for (std::size_t c = 0; c < scene.count; ++c) {
        const std::span plane(&scene.integers[c * scene.grid.size()], scene.grid.size());
        check(symbols->cost(c) == costs.total(plane, tables, {indices[c]}), "the length of a channel");
        check(symbols->is_used(c) == std::any_of(plane.begin(), plane.end(), [](std::int32_t v) { return v != 0; }), "whether it is 0");
    }
    const ChannelSymbols::Group groups[] = {{0, 1, std::uint16_t{77}}, {1, scene.count, std::nullopt}};
    return symbols->encode(groups, lanes, 5);
}

Bytes expected_stream(const Scene& scene, const TableSet& tables, std::span<const std::uint8_t> indices, unsigned lanes) {
    std::vector<Message> messages;
    for (std::size_t c = 0; c < scene.count; ++c)
        messages.push_back({{&scene.integers[c * scene.grid.size()], ValueType::int32}, scene.grid.size(), {indices[c]}});
    messages[0].mark = 77;
    return encode_messages(messages, tables, lanes, 5);
}

// The streams of scenes, decoded side by side into their memory, which is returned.
Bytes decoded(std::span<const Scene> scenes, std::span<const Bytes> streams, const TableSet& tables, std::span<const std::uint8_t> indices,
              unsigned lanes) {
    std::vector<std::unique_ptr<Decoder>> decoders;
    std::vector<Bytes> memory;
    for (std::size_t s = 0; s < scenes.size(); ++s) {
        memory.emplace_back(scenes[s].memory.size(), std::uint8_t{0x55});
        decoders.push_back(std::make_unique<Decoder>(streams[s], lanes));
    }
    const auto decode = [&](std::size_t first, std::size_t last) {
        std::vector<ChannelTarget> targets;
        for (std::size_t s = 0; s < scenes.size(); ++s) {
            const Output output{memory[s].data(), scenes[s].type};
            targets.push_back({decoders[s].get(), output.moved(static_cast<std::ptrdiff_t>(first) * scenes[s].plane_step()),
                               std::min(last, scenes[s].count) - first, scenes[s].grid, scenes[s].plane_step(), scenes[s].row_step()});
        }
        decode_channels(targets, tables, indices.subspan(first, last - first));
    };
    decode(0, 1);
    for (const auto& decoder : decoders) decoder->read_mark();
    decode(1, indices.size());
    for (const auto& decoder : decoders) decoder->finish();
    return joined(memory);
}

void test_tiles() {
    Random random(21);
    for (const unsigned lanes : all_lanes)
        for (const ValueType type : {ValueType::int16, ValueType::int32})
            for (const std::size_t num_tiles : {1, 2, 5, 23}) {
                const TableSet tables = random_tables(random);
                const std::vector<std::uint8_t> indices = random_indices(random, 4, tables);
                std::vector<Scene> scenes;
                std::vector<Bytes> streams, memory;
                for (std::size_t s = 0; s < num_tiles; ++s) {
                    const Grid grid = s % 5 < 3 ? Grid{9, 16} : Grid{1 + below(random, 20), 1 + below(random, 70)};
                    const Scene& scene = scenes.emplace_back(random, type, 1 + below(random, 4), grid);
                    const std::span chosen = std::span(indices).first(scene.count);
                    const Outcome stream = same_outcome("channels", [&] { return encoded(scene, tables, chosen, lanes); });
                    check(stream.bytes == expected_stream(scene, tables, chosen, lanes), "channels are coded as messages are");
                    streams.push_back(stream.bytes);
                    streams.back().shrink_to_fit();
                    memory.push_back(scene.memory);
                }
                const auto decode = [&] { return decoded(scenes, streams, tables, indices, lanes); };
                check(same_outcome("tiles side by side", decode).bytes == joined(memory), "tiles come back, and nothing around them");
                Bytes& damaged = streams[below(random, num_tiles)];
                damaged.resize(below(random, damaged.size()));
                damaged.shrink_to_fit();
                check(!same_outcome("a cut tile", decode, false).good(), "a cut stream is refused");
                for (std::uint8_t& byte : damaged) byte = static_cast<std::uint8_t>(random());
                same_outcome("a tile of random bytes", decode, false);
            }
}

void test_sums_of_costs() {
    Random random(22);
    for (std::size_t size = 2; size <= 256; ++size) {
        std::vector<std::uint32_t> costs(256);
        for (std::uint32_t& cost : costs) cost = static_cast<std::uint32_t>(below(random, 1U << 24));
        std::vector<std::uint8_t> entries(below(random, 300));
        std::uint64_t expected = 0;
        for (std::uint8_t& entry : entries) expected += costs[entry = static_cast<std::uint8_t>(below(random, size))];
        at_each_level([&](const Kernels& set) {
            check(set.convert.sum_costs(entries.data(), entries.size(), costs.data(), size) == expected, "a sum of costs");
        });
    }
}

}  // namespace

void test_channels() {
    test_sums_of_costs();
    test_tiles();
}

}  // namespace laconic::test
