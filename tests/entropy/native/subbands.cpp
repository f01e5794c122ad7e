// Profile best: networks beside 64-bit sums, rules that are refused, tiles there and back and damaged, choice of integers.
#include "subband_optimizer.hpp"
#include "subband_scene.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

// Bias and products, whose magnitudes together stay within 32 bits.
template <class Weight, class Value>
std::int64_t exact_sum(std::int64_t bias, const Weight* weights, const Value* values, std::size_t count) {
    std::int64_t sum = bias, magnitudes = std::abs(bias);
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t product = std::int64_t{weights[i]} * values[i];
        sum += product;
        magnitudes += std::abs(product);
    }
    check(magnitudes < std::int64_t{1} << 31, "no part of a sum leaves 32 bits");
    return sum;
}

std::vector<std::int32_t> exact_outputs(const NetworkWeights& net, int step_code, const std::uint8_t* inputs, std::size_t kind) {
    const std::int64_t above = step_code - 128, half = std::int64_t{1} << net.shifts[2] >> 1;
    const auto clip = [](std::int64_t n) { return std::clamp<std::int64_t>(n, 0, 255); };
    std::vector<std::int64_t> first(net.width), second(net.width);
    for (std::size_t u = 0; u < net.width; ++u)
        first[u] = clip(exact_sum(net.first_bias[kind * net.width + u] + above * net.first_step[u], &net.first[u * network_inputs], inputs, network_inputs) >> net.shifts[0]);
    for (std::size_t u = 0; u < net.width; ++u) second[u] = clip(exact_sum(net.second_bias[u], &net.second[u * net.width], first.data(), net.width) >> net.shifts[1]);
    std::vector<std::int32_t> outputs;
    for (std::size_t k = 0; k < network_outputs; ++k)
        outputs.push_back(static_cast<std::int32_t>(
            exact_sum(net.third_bias[kind * network_outputs + k] + above * net.third_step[k] + half, &net.third[k * net.width], second.data(), net.width) >> net.shifts[2]));
    return outputs;
}

void check_network(Random& random, const NetworkWeights& weights, int step_code, std::size_t count) {
    Bytes inputs(count * network_inputs), kinds(count);
    const bool is_full = below(random, 3) == 0;
    for (std::uint8_t& input : inputs) input = static_cast<std::uint8_t>(is_full ? 255 : random());
    for (std::uint8_t& kind : kinds) kind = static_cast<std::uint8_t>(below(random, weights.num_kinds));
    const StepNetwork network(weights, step_code);
    at_each_level([&](const Kernels& set) {
        std::vector<std::int32_t> outputs(4 * count);
        set.network(network.view(), inputs.data(), kinds.data(), count, outputs.data());
        for (std::size_t n = 0; n < count; ++n) {
            const std::vector<std::int32_t> expected = exact_outputs(weights, step_code, &inputs[n * network_inputs], kinds[n]);
            check(std::equal(expected.begin(), expected.end(), &outputs[4 * n]), "outputs are those of 64-bit sums");
        }
    });
}

void test_networks() {
    Random random(21);
    constexpr std::array<std::array<std::uint8_t, 3>, 5> shifts{{{0, 0, 0}, {8, 9, 11}, {24, 24, 24}, {14, 14, 23}, {21, 20, 1}}};
    for (std::size_t width = 16; width <= max_network_width; width += 16)
        for (const auto& shift : shifts)
            for (const Weights kind : {Weights::usual, Weights::largest, Weights::lowest, Weights::either}) {
                const NetworkWeights weights = random_network(random, width, 1 + below(random, 9), kind, shift);
                for (const int step_code : {0, 128, 255}) check_network(random, weights, step_code, below(random, 3) ? below(random, 10) : 64);
            }
}

void test_wrong_rules_are_refused() {
    Random random(22);
    const SubbandRules rules = random_subband_rules(random, {3, 2, 1}, 5, 32);
    const auto refused = [&](auto change) {
        SubbandRules changed = rules;
        change(changed);
        return !outcome_of([&] { return changed.check(), Bytes{}; }).good();
    };
    check(!refused([](SubbandRules&) {}), "valid rules");
    check(refused([](SubbandRules& r) { r.layout.num_colors = 0; }), "no colour");
    check(refused([](SubbandRules& r) { r.layout.num_colors = 4; }), "four colours");
    check(refused([](SubbandRules& r) { r.layout.depth = 0; }), "no level");
    check(refused([](SubbandRules& r) { r.layout.depth = 5; }), "five levels");
    check(refused([](SubbandRules& r) { r.layout.low_levels = 4; }), "four low levels");
    check(refused([](SubbandRules& r) { r.networks.pop_back(); }), "a network too few");
    check(refused([](SubbandRules& r) { std::swap(r.networks[0], r.networks[1]); }), "kinds of another level");
    check(refused([](SubbandRules& r) { r.table_map.pop_back(); }), "too small a map");
    check(refused([](SubbandRules& r) { r.quiet_tables.push_back(0); }), "too many quiet tables");
    check(refused([](SubbandRules& r) { r.networks[0].width = 24; }), "a width of 24");
    check(refused([](SubbandRules& r) { r.networks[0].width = 144; }), "a width of 144");
    check(refused([](SubbandRules& r) { r.networks[1].first.pop_back(); }), "too few weights");
    check(refused([](SubbandRules& r) { r.networks[1].first_bias[0] = max_network_bias + 1; }), "too large a bias");
    check(refused([](SubbandRules& r) { r.networks[1].second_bias[0] = std::numeric_limits<std::int32_t>::min(); }), "the lowest bias");
    check(refused([](SubbandRules& r) { r.networks[1].third_step[0] = -max_step_weight - 1; }), "too low a step");
    check(refused([](SubbandRules& r) { r.networks[1].shifts[2] = 25; }), "a shift of 25");
}

void check_scene(Random& random, const SubbandScene& scene, const TableSet& tables, std::size_t rarity) {
    const std::vector<std::int32_t> planes = random_integers(random, scene.num_channels() * scene.grid.size(), rarity);
    same_outcome("symbols in coding order", [&] {
        Bytes all;
        std::size_t count = 0;
        for (const CodedSymbols& coded : scene.code(planes)) {
            std::size_t in_fronts = 0;
            for (const std::uint8_t size : coded.fronts) {
                check(size > 0 && size <= front_lanes, "messages have 1 to 64 symbols");
                in_fronts += size;
            }
            check(in_fronts == coded.values.size() && in_fronts == coded.tables.size(), "messages have all symbols");
            for (const std::int32_t value : coded.values) append_u32(all, static_cast<std::uint32_t>(value));
            all.insert(all.end(), coded.tables.begin(), coded.tables.end());
            count += in_fronts;
        }
        check(count == planes.size(), "all places are coded");
        return all;
    });
    const Bytes stream = same_outcome("a tile", [&] { return scene.encode(planes, tables); }).bytes;
    const Outcome found = same_outcome("a tile", [&] { return scene.decode(stream, tables); });
    const Bytes expected = SubbandScene::decoded(planes, scene.mark, scene.tail);
    check(found.good() && found.bytes == expected, "a tile comes back: " + found.fault);

    // A tile that was decoded into holds what is in the way of no other stream.
    SubbandTile used(scene.rules.layout, scene.grid);
    std::vector<std::int32_t> again(planes.size());
    for (int repeat = 0; repeat < 5; ++repeat) {
        Bytes damaged = stream;
        for (std::size_t i = 1 + below(random, 3); i > 0; --i) damaged[below(random, damaged.size())] ^= static_cast<std::uint8_t>(random());
        if (repeat == 3) damaged.resize(below(random, damaged.size()));
        if (repeat == 4) {
            damaged.resize(4 * scene.lanes + below(random, 4 * planes.size() + 1) / 2 * 2);
            for (std::uint8_t& byte : damaged) byte = static_cast<std::uint8_t>(random());
        }
        damaged.shrink_to_fit();
        if (repeat > 1 && damaged.size() >= 4 * scene.lanes)
            for (unsigned lane = 0; lane < scene.lanes; ++lane) damaged[4 * lane + 2] |= 1;
        const Outcome alone = same_outcome("a damaged tile", [&] { return scene.decode(damaged, tables); });
        check(alone == outcome_of([&] { return scene.decode(damaged, tables, used, again); }), "a tile can be used again");
        check(outcome_of([&] { return scene.decode(stream, tables, used, again); }) == found, "a tile can be read again");
    }
}

void check_choice(Random& random, const SubbandScene& scene, const TableSet& tables, std::size_t rarity) {
    const std::size_t d = scene.num_channels();
    const SubbandLayout& layout = scene.rules.layout;
    const std::vector<std::int32_t> planes = random_integers(random, d * scene.grid.size(), rarity);
    std::vector<float> coefficients(planes.size());
    for (std::size_t i = 0; i < planes.size(); ++i)
        coefficients[i] = below(random, 50) == 0 ? -3e38F : 2 * static_cast<float>(planes[i]) + static_cast<float>(below(random, 1000)) / 500 - 1;
    const std::vector<float> shrink(3 * d, 0.0625F), low_shrink(3 * layout.num_colors * (1 + num_orientations * layout.low_levels), 0.0625F);
    std::vector<std::int32_t> later(3 * num_followings * tables.num_tables());
    for (std::int32_t& cost : later) cost = static_cast<std::int32_t>(below(random, 1 << 23)) - (1 << 22);
    const CostTables costs(tables);
    same_outcome("chosen integers", [&] {
        std::vector<std::int32_t> chosen = planes;
        const StepSubbandRules step(scene.rules, scene.step_code);
        ChosenSubbands found{SubbandTile(layout, scene.grid)};
        SubbandOptimizer(step, tables, costs, {coefficients.data(), 0.5F, shrink.data(), low_shrink.data(), 0.125F, later.data()}).run(found, chosen.data(), 0, d, d);
        SubbandTile tile(layout, scene.grid);
        load_subbands(tile, chosen.data(), 0, d);
        const CodedSymbols handed = found.coded(step, 0, d), coded = coded_subbands(tile, step, 0, d);
        check(handed.values == coded.values && handed.tables == coded.tables && handed.fronts == coded.fronts, "what is coded is handed over");
        Bytes all;
        for (std::size_t i = 0; i < planes.size(); ++i) {
            const std::int64_t less = std::abs(std::int64_t{planes[i]}) - std::abs(std::int64_t{chosen[i]});
            check(less >= 0 && less <= 2 && (chosen[i] == 0 || (chosen[i] < 0) == (planes[i] < 0)), "integers are nearer to 0, by two at most");
            append_u32(all, static_cast<std::uint32_t>(chosen[i]));
        }
        return all;
    });
}

void test_tiles() {
    Random random(23);
    constexpr std::array<Grid, 9> grids{{{1, 1}, {1, 2}, {3, 1}, {2, 2}, {5, 3}, {1, 17}, {7, 8}, {13, 2}, {9, 9}}};
    for (std::size_t number = 0; number < max_colors * max_depth * (max_low_levels + 1); ++number) {
        const SubbandLayout layout = layout_of(number);
        for (std::size_t repeat = 0; repeat < 2; ++repeat) {
            const Grid grid = layout.depth > 2 ? grids[(number + repeat) % 5] : grids[(number + 4 * repeat) % grids.size()];
            const TableSet tables = random_tables(random);
            const std::vector<std::size_t> ends = subband_ends(layout);
            const SubbandScene scene{random_subband_rules(random, layout, tables.num_tables(), 64), static_cast<int>(below(random, 256)), grid,
                                     ends[below(random, ends.size())], all_lanes[below(random, all_lanes.size())]};
            check_scene(random, scene, tables, repeat != 0 ? 4 : 300);
            check_choice(random, scene, tables, repeat != 0 ? 4 : 300);
        }
    }
}

void test_channels_end_with_subbands() {
    const SubbandLayout layout{3, 2, 1};
    const std::vector<std::size_t> ends = subband_ends(layout);
    const auto is_end = [&](std::size_t channel) { return std::find(ends.begin(), ends.end(), channel) != ends.end(); };
    for (std::size_t first = 0; first < layout.num_channels(); ++first)
        for (std::size_t last = first + 1; last <= layout.num_channels(); ++last) {
            const Outcome found = outcome_of([&] { return subband_stages(layout, first, last), Bytes{}; });
            check(found.good() == (is_end(first) && is_end(last)), "channels end with subbands");
        }
}

}  // namespace

void test_subbands() {
    test_networks();
    test_wrong_rules_are_refused();
    test_channels_end_with_subbands();
    test_tiles();
}

}  // namespace laconic::test
