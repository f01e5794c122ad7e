// Decodes any bytes as a tile in profile small, or takes them as symbols, encodes these and decodes the stream.
//
//   input = lanes | which tables | shape of tables | rules (u16) | passes | features | height | width | cut | mode | bytes
//
// rules: seed of all weights. passes: their number - 1 in the low two bits, the rest says how many channels they have.
// mode: 1 takes the bytes as symbols; else 16 repairs nothing; 32 ends the stream where the input ends, else it goes on.
#include "context_scene.hpp"
#include "target.hpp"

namespace laconic::fuzz {

namespace {

inline constexpr std::size_t as_symbols = 1, unrepaired = 16, cut_off = 32, num_choices = 11, max_symbols = 6000;

// Numbers of channels by one byte.
std::vector<std::size_t> pass_sizes(std::size_t choice) {
    constexpr std::array<std::size_t, 8> counts{1, 2, 3, 7, 16, 22, 40, 64};
    std::vector<std::size_t> sizes;
    for (std::size_t pass = 0; pass <= choice % 4; ++pass) sizes.push_back(counts[(choice / 4 + 3 * pass * (choice / 32 + 1)) % counts.size()]);
    return sizes;
}

ContextScene scene_of(Choices& choices, unsigned lanes, std::size_t num_tables) {
    Random random(choices.word());
    const std::vector<std::size_t> sizes = pass_sizes(choices.byte());
    const std::size_t num_features = choices.below(max_features + 1);
    ContextScene scene{random_rules(random, sizes, num_features, num_tables), {}, {}, 0, lanes};
    for (std::size_t c = 0; c < scene.num_channels(); ++c) scene.base.push_back(static_cast<std::uint16_t>(random_weight(random, 1 << 10)));
    const std::size_t places = max_symbols / scene.num_channels();
    scene.grid.height = choices.byte() % (std::min<std::size_t>(places, 70) + 1);
    scene.grid.width = choices.byte() % (places / std::max<std::size_t>(scene.grid.height, 1) % 131 + 1);
    scene.cut = choices.byte() % (scene.num_channels() + 1);
    return scene;
}

void try_symbols(const ContextScene& scene, std::span<const std::uint8_t> bytes, const TableSet& tables) {
    std::vector<std::int32_t> planes(scene.num_channels() * scene.grid.size());
    for (std::size_t i = 0; i < std::min(planes.size(), bytes.size()); ++i) {
        const auto value = static_cast<std::int8_t>(bytes[i]);
        planes[i] = value > 120 ? value << 20 : value == -128 ? std::numeric_limits<std::int32_t>::min() : value;
    }
    const Bytes stream = same_outcome("a tile", [&] { return scene.encode(planes, tables); }).bytes;
    const Outcome found = same_outcome("a tile", [&] { return scene.decode(stream, tables); });
    check(found.good() && found.bytes == ContextScene::decoded(planes, scene.mark, scene.tail), "a tile comes back: " + found.fault);
}

}  // namespace

Bytes make_seed(std::size_t number) {
    Random random(5000 + number);
    constexpr std::array<std::size_t, 10> heights{1, 2, 3, 5, 9, 17, 33, 64, 0, 1}, widths{1, 3, 2, 64, 4, 1, 5, 2, 4, 17};
    const std::size_t shape = 8 * (number % 8) + (number / 3) % 8, mode = (number % 5 == 0 ? as_symbols : 0) | cut_off;
    Bytes input = choices({number % 5, number, shape, number, 0, number * 37 % 256, number % 9, heights[number % 10],
                           widths[number / 2 % 10], number * 11 % 100, mode});
    Choices again(input);
    const unsigned lanes = lanes_of(again);
    const TableSet& tables = tables_of(again);
    const ContextScene scene = scene_of(again, lanes, tables.num_tables());
    const std::size_t count = scene.num_channels() * scene.grid.size();
    Bytes rest;
    if ((mode & as_symbols) != 0) {
        for (std::size_t i = 0; i < std::min<std::size_t>(count, 600); ++i)
            rest.push_back(static_cast<std::uint8_t>(below(random, 6) ? below(random, 3) : random()));
    } else {
        std::vector<std::int32_t> planes = random_integers(random, std::min<std::size_t>(count, 700), 30);
        planes.resize(count);
        rest = scene.encode(planes, tables);
    }
    input.insert(input.end(), rest.begin(), rest.end());
    return input;
}

}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace laconic;
    using namespace laconic::fuzz;
    Choices choices({data, size});
    const unsigned lanes = lanes_of(choices);
    const TableSet& tables = tables_of(choices);
    const ContextScene scene = scene_of(choices, lanes, tables.num_tables());
    const std::size_t mode = choices.byte();
    if ((mode & as_symbols) != 0) {
        try_symbols(scene, choices.rest(), tables);
        return 0;
    }
    const std::size_t enough = 4 * lanes + 4 * scene.num_channels() * scene.grid.size() + 4;
    Bytes stream = Stretch(choices.rest()).take((mode & cut_off) != 0 ? choices.rest().size() : std::max(choices.rest().size(), enough));
    if ((mode & unrepaired) == 0) repair_states(stream, lanes);
    stream.shrink_to_fit();
    same_outcome("a tile", [&] { return scene.decode(stream, tables); });
    return 0;
}
