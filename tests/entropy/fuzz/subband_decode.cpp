// Decodes any bytes as a tile in profile best, or takes them as symbols, encodes these and decodes the stream.
//
//   input = lanes | which tables | shape of tables | rules | layout | step | height | width | cut | mode | bytes
//
// rules: seed of small networks and maps. cut: after which subband. mode: 1 takes the bytes as symbols; else 16 repairs
// nothing; 32 ends the stream where the input ends, else it goes on.
#include "subband_scene.hpp"
#include "target.hpp"

namespace laconic::fuzz {

namespace {

inline constexpr std::size_t as_symbols = 1, unrepaired = 16, cut_off = 32, max_symbols = 4000;

SubbandScene scene_of(Choices& choices, unsigned lanes, std::size_t num_tables) {
    Random random(choices.byte());
    const SubbandLayout layout = layout_of(choices.byte());
    SubbandScene scene{random_subband_rules(random, layout, num_tables, 32), static_cast<int>(choices.byte()), {}, 0, lanes};
    const std::size_t places = max_symbols / layout.num_channels();
    scene.grid.height = 1 + choices.byte() % std::min<std::size_t>(places, 60);
    scene.grid.width = 1 + choices.byte() % std::min<std::size_t>(places / scene.grid.height, 100);
    const std::vector<std::size_t> ends = subband_ends(layout);
    scene.cut = ends[choices.below(ends.size())];
    return scene;
}

void try_symbols(const SubbandScene& scene, std::span<const std::uint8_t> bytes, const TableSet& tables) {
    std::vector<std::int32_t> planes(scene.num_channels() * scene.grid.size());
    for (std::size_t i = 0; i < std::min(planes.size(), bytes.size()); ++i) {
        const auto value = static_cast<std::int8_t>(bytes[i]);
        planes[i] = value > 120 ? value << 20 : value == -128 ? std::numeric_limits<std::int32_t>::min() : value;
    }
    const Bytes stream = same_outcome("a tile", [&] { return scene.encode(planes, tables); }).bytes;
    const Outcome found = same_outcome("a tile", [&] { return scene.decode(stream, tables); });
    check(found.good() && found.bytes == SubbandScene::decoded(planes, scene.mark, scene.tail), "a tile comes back: " + found.fault);
}

}  // namespace

Bytes make_seed(std::size_t number) {
    Random random(7000 + number);
    constexpr std::array<std::size_t, 10> heights{0, 1, 2, 4, 8, 16, 32, 3, 0, 5}, widths{0, 2, 1, 63, 3, 0, 4, 1, 16, 7};
    const std::size_t shape = 8 * (number % 8) + (number / 3) % 8, mode = (number % 5 == 0 ? as_symbols : 0) | cut_off;
    Bytes input = choices({number % 5, number, shape, number % 7, number * 11 % 48, number * 37 % 256, heights[number % 10],
                           widths[number / 2 % 10], number * 5 % 40, mode});
    Choices again(input);
    const unsigned lanes = lanes_of(again);
    const TableSet& tables = tables_of(again);
    const SubbandScene scene = scene_of(again, lanes, tables.num_tables());
    const std::size_t count = scene.num_channels() * scene.grid.size();
    Bytes rest;
    if ((mode & as_symbols) != 0) {
        for (std::size_t i = 0; i < std::min<std::size_t>(count, 600); ++i)
            rest.push_back(static_cast<std::uint8_t>(below(random, 6) ? below(random, 3) : random()));
    } else {
        std::vector<std::int32_t> planes = random_integers(random, std::min<std::size_t>(count, 600), 30);
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
    const SubbandScene scene = scene_of(choices, lanes, tables.num_tables());
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
