// Prediction, contexts and costs: integer rules that are the same for all kernels. And the CRC, which is not.
#include "contexts.hpp"

#include <string_view>

#include "context_scene.hpp"
#include "cost.hpp"
#include "crc32c.hpp"
#include "optimizer.hpp"
#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

std::uint32_t crc_bit_by_bit(std::span<const std::uint8_t> bytes) {
    std::uint32_t crc = ~0U;
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) ? 0x82F63B78U : 0U);
    }
    return ~crc;
}

Bytes random_bytes(Random& random, std::size_t size) {
    Bytes data(size);
    for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(random());
    return data;
}

void test_crc() {
    const std::string_view digits = "123456789";
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(digits.data()), digits.size());
    Random random(3);
    at_each_level([&](const Kernels& set) {
        check(set.crc32c(bytes.data(), bytes.size(), 0) == 0xE3069283U, "the check value of CRC-32C");
        check(set.crc32c(nullptr, 0, 0) == 0, "the CRC of nothing");
        check(set.crc32c(nullptr, 0, 0x12345678U) == 0x12345678U, "nothing leaves a CRC as it is");
        const auto check_size = [&](std::size_t size) {
            const Bytes data = random_bytes(random, size);
            const std::uint32_t slow = crc_bit_by_bit(data);
            check(set.crc32c(data.data(), size, 0) == slow, "the CRC of " + std::to_string(size) + " bytes");
            const std::size_t cut = below(random, size + 1);
            const std::uint32_t first = set.crc32c(data.data(), cut, 0);
            check(set.crc32c(data.data() + cut, size - cut, first) == slow, "a CRC in two parts");
        };
        // The fast forms take many bytes at a time, each its own way.
        for (std::size_t size = 0; size < 1100; ++size) check_size(size);
        for (int repeat = 0; repeat < 100; ++repeat) check_size(below(random, 40'000));
    });
}

void test_prediction_of_extremes() {
    Random random(4);
    constexpr std::array<std::uint32_t, 6> extremes{0, 1, 0xFFFFFFFFU, 0x80000000U, 0x7FFFFFFFU, 0x80000001U};
    for (const Grid grid : {Grid{1, 1}, Grid{1, 9}, Grid{9, 1}, Grid{13, 17}, Grid{2, 40}, Grid{17, 16}, Grid{18, 15}, Grid{34, 33}, Grid{0, 0}})
        for (int repeat = 0; repeat < 50; ++repeat) {
            std::vector<std::int32_t> plane(grid.size()), residuals(grid.size());
            for (std::int32_t& value : plane)
                value = static_cast<std::int32_t>(repeat % 2 ? extremes[below(random, extremes.size())] : static_cast<std::uint32_t>(random()));
            std::optional<std::vector<std::int32_t>> first;
            at_each_level([&](const Kernels&) {
                prediction_residuals([&](std::size_t y) { return &plane[y * grid.width]; }, residuals.data(), grid);
                if (!first) first = residuals;
                check(residuals == *first, "residuals are the same at all levels");
                undo_prediction(residuals.data(), grid);
                check(plane == residuals, "prediction is undone");
            });
        }
}

void test_wrong_rules_are_refused() {
    Random random(11);
    constexpr std::array<std::size_t, 2> sizes{3, 64};
    const ContextRules rules = random_rules(random, sizes, 2, 5);
    const auto refused = [&](auto change) {
        ContextRules changed = rules;
        change(changed);
        return !outcome_of([&] { return changed.check(), Bytes{}; }).good();
    };
    check(!refused([](ContextRules&) {}), "valid rules");
    check(refused([](ContextRules& r) { r.pass_ends.clear(); }), "no pass");
    check(refused([](ContextRules& r) { r.pass_ends = {67}; }), "a pass of 67 channels");
    check(refused([](ContextRules& r) { r.pass_ends = {3, 3, 67}; }), "a pass of no channels");
    check(refused([](ContextRules& r) { r.pass_ends = {3, 2, 66}; }), "pass ends that descend");
    check(refused([](ContextRules& r) { r.num_features = 9; }), "nine features");
    check(refused([](ContextRules& r) { r.num_features = 3; }), "features without weights");
    check(refused([](ContextRules& r) { r.neighbour_weights.pop_back(); }), "too few neighbour weights");
    check(refused([](ContextRules& r) { r.lean_weights.push_back(0); }), "too many lean weights");
    check(refused([](ContextRules& r) { r.feature_weights.pop_back(); }), "too few feature weights");
    check(refused([](ContextRules& r) { r.own_weights.pop_back(); }), "too few own weights");
    check(refused([](ContextRules& r) { r.ring_weights.pop_back(); }), "too few ring weights");
    check(refused([](ContextRules& r) { r.table_map.pop_back(); }), "too small a map");
    check(refused([](ContextRules& r) { std::fill_n(r.neighbour_weights.end() - 6, 6, std::uint8_t{87}); }), "neighbour weights of 522");
    check(refused([](ContextRules& r) { std::fill_n(r.lean_weights.end() - 4, 4, std::int8_t{-64}); }), "lean weights of 256");
    check(refused([](ContextRules& r) { std::fill_n(r.lean_weights.end() - 2, 2, std::int8_t{-128}); }), "lean weights of -128");
}

// What the optimiser makes of integers that need not be near the coefficients.
template <class Symbol>
std::vector<Symbol> choice(const ContextScene& scene, const TableSet& tables, const std::vector<float>& coefficients, std::vector<Symbol> planes) {
    const CostTables costs(tables);
    const ContextCosts prices(scene.rules, tables, costs);
    const std::vector<float> shrink(3 * scene.num_channels(), 0.0625F);
    TileOptimizer(scene.rules, prices, scene.base, scene.grid)
        .run({coefficients.data(), 0.5F, shrink.data(), 0.125F}, planes.data(), scene.cut, scene.num_channels(), 2);
    return planes;
}

void check_choice(Random& random, const ContextScene& scene, const TableSet& tables, std::size_t rarity) {
    const std::vector<std::int32_t> planes = random_integers(random, scene.num_channels() * scene.grid.size(), rarity);
    std::vector<std::int16_t> narrow(planes.size());
    std::vector<float> coefficients(planes.size());
    for (std::size_t i = 0; i < planes.size(); ++i) {
        narrow[i] = static_cast<std::int16_t>(std::clamp(planes[i], -32767, 32767));
        const float size = below(random, 4) ? 2.0F : 1e3F;
        coefficients[i] = below(random, 50) == 0 ? -3e38F : static_cast<float>(narrow[i]) * 2 + size * static_cast<float>(below(random, 1000)) / 1000 - size / 2;
    }
    same_outcome("chosen integers", [&] {
        const std::vector<std::int32_t> chosen = choice(scene, tables, coefficients, planes);
        for (std::size_t i = 0; i < planes.size(); ++i) {
            const float magnitude = std::min(std::abs(coefficients[i] * 0.5F), 1073741824.0F);
            const auto nearest = static_cast<std::int32_t>(magnitude + 0.5F);
            const bool stays = i < scene.cut * scene.grid.size() || planes[i] == 0;
            check(stays ? chosen[i] == planes[i] : std::abs(chosen[i]) == nearest || std::abs(chosen[i]) == std::max(nearest - 1, 0),
                  "integers are the nearest, one below, or what they were");
        }
        Bytes all(4 * planes.size());
        if (!planes.empty()) std::memcpy(all.data(), chosen.data(), all.size());
        return all;
    });
    same_outcome("chosen 16-bit integers", [&] {
        const std::vector<std::int16_t> chosen = choice(scene, tables, coefficients, narrow);
        Bytes all(2 * narrow.size());
        if (!narrow.empty()) std::memcpy(all.data(), chosen.data(), all.size());
        return all;
    });
}

void check_scene(Random& random, const ContextScene& scene, const TableSet& tables, std::size_t rarity) {
    std::vector<std::int32_t> planes = random_integers(random, scene.num_channels() * scene.grid.size(), rarity);
    const std::vector<std::int32_t> before = planes;
    same_outcome("symbols in coding order", [&] {
        const CodedSymbols coded = scene.code(planes, scene.cut, scene.num_channels());
        std::size_t count = 0;
        for (const std::uint8_t size : coded.fronts) {
            check(size > 0 && size <= front_lanes, "fronts have 1 to 64 symbols");
            count += size;
        }
        check(count == coded.values.size() && count == coded.tables.size(), "fronts have all symbols");
        check(tables.has_all(coded.tables), "tables are those of the set");
        Bytes all(4 * count);
        if (count > 0) std::memcpy(all.data(), coded.values.data(), all.size());
        all.insert(all.end(), coded.tables.begin(), coded.tables.end());
        all.insert(all.end(), coded.fronts.begin(), coded.fronts.end());
        return all;
    });
    check(planes == before, "coding leaves its input alone");
    const Bytes stream = same_outcome("a tile", [&] { return scene.encode(planes, tables); }).bytes;
    const Outcome found = same_outcome("a tile", [&] { return scene.decode(stream, tables); });
    check(found.good() && found.bytes == ContextScene::decoded(planes, scene.mark, scene.tail), "a tile comes back: " + found.fault);

    for (int repeat = 0; repeat < 4; ++repeat) {
        Bytes damaged = stream;
        for (std::size_t i = below(random, 3); i > 0; --i) damaged[below(random, damaged.size())] ^= static_cast<std::uint8_t>(random());
        if (repeat == 3) damaged.resize(below(random, damaged.size()));
        damaged.shrink_to_fit();
        same_outcome("a damaged tile", [&] { return scene.decode(damaged, tables); });
    }
    Bytes noise = random_bytes(random, 4 * scene.lanes + below(random, 4 * planes.size() + 1) / 2 * 2);
    for (unsigned lane = 0; lane < scene.lanes; ++lane) noise[4 * lane + 2] |= 1;
    same_outcome("noise", [&] { return scene.decode(noise, tables); });
}

void test_tiles() {
    Random random(6);
    constexpr std::array<Grid, 14> grids{{{1, 1}, {1, 2}, {1, 9}, {9, 1}, {2, 2}, {5, 2}, {4, 3}, {3, 4}, {7, 5}, {11, 13}, {2, 40}, {40, 2}, {0, 3}, {3, 0}}};
    constexpr std::array<std::size_t, 9> counts{1, 2, 3, 5, 9, 16, 21, 33, 64};
    for (const Grid grid : grids)
        for (int repeat = 0; repeat < 4; ++repeat) {
            std::vector<std::size_t> sizes(1 + below(random, 3));
            for (std::size_t& size : sizes) size = counts[below(random, counts.size())];
            const TableSet tables = random_tables(random);
            const ContextScene scene = random_scene(random, sizes, grid, tables.num_tables());
            check_scene(random, scene, tables, repeat % 2 ? 4 : 300);
            check_choice(random, scene, tables, repeat % 2 ? 4 : 300);
        }
}

void test_costs() {
    for (std::uint32_t f = 1; f < probability_sum; ++f) {
        const double bits = 16 - std::log2(static_cast<double>(f));
        if (std::abs(cost_of_frequency(f) / 65536.0 - bits) >= 1.0 / 16384) fail("cost of frequency " + std::to_string(f));
        check(f == 1 || cost_of_frequency(f) <= cost_of_frequency(f - 1), "costs descend");
    }
    Random random(5);
    const TableSet tables = random_tables(random);
    const CostTables costs(tables);
    const std::vector<std::int32_t> values{5, 40000, -40000};
    std::uint64_t expected = 0;
    for (const std::int32_t value : values) {
        const std::uint32_t entry = TableSet::entry_of(tables[0], value);
        expected += cost_of_frequency(tables.frequency(0, entry));
        if (entry == tables[0].size - 1) expected += (zigzag(value) < wide_escape ? 16ULL : 48ULL) << 16;
    }
    check(costs.total(std::span(values), tables, {}) == expected, "costs are those of entries and escape words");
}

}  // namespace

void test_contexts() {
    test_crc();
    test_prediction_of_extremes();
    test_wrong_rules_are_refused();
    test_tiles();
    test_costs();
}

}  // namespace laconic::test
