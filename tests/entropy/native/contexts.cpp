// Prediction, contexts and costs: integer rules that are the same for all kernels. And the CRC, which is not.
#include "contexts.hpp"

#include <string_view>

#include "cost.hpp"
#include "crc32c.hpp"
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
    for (const Grid grid : {Grid{1, 1}, Grid{1, 9}, Grid{9, 1}, Grid{13, 17}, Grid{0, 0}})
        for (int repeat = 0; repeat < 50; ++repeat) {
            std::vector<std::uint32_t> plane(grid.size()), residuals(grid.size());
            for (std::uint32_t& value : plane)
                value = repeat % 2 ? extremes[below(random, extremes.size())] : static_cast<std::uint32_t>(random());
            prediction_residuals(plane.data(), residuals.data(), grid);
            undo_prediction(residuals.data(), grid);
            check(plane == residuals, "prediction is undone");
        }
}

void test_activities_of_extremes() {
    for (const Grid grid : {Grid{1, 1}, Grid{1, 9}, Grid{9, 1}, Grid{5, 7}}) {
        const std::vector<std::uint8_t> own(3, 255), ring(3, 255);
        std::vector<std::int32_t> coded(3 * grid.size(), std::numeric_limits<std::int32_t>::min());
        std::vector<std::uint8_t> buckets(grid.size(), 99);
        activity_buckets(coded.data(), own, ring, grid, buckets.data());
        for (std::size_t y = 0; y < grid.height; ++y)
            for (std::size_t x = 0; x < grid.width; ++x) {
                const std::size_t rows = std::min(y + 2, grid.height) - (y ? y - 1 : 0);
                const std::size_t columns = std::min(x + 2, grid.width) - (x ? x - 1 : 0);
                const auto activity = static_cast<std::uint32_t>(3 * 255 * 15 * rows * columns);
                check(buckets[y * grid.width + x] == bucket_of(activity), "every place in reach counts 15");
            }
        std::vector<std::uint8_t> lookup(2 * num_buckets), indices(2 * grid.size());
        for (std::size_t i = 0; i < lookup.size(); ++i) lookup[i] = static_cast<std::uint8_t>(i);
        index_plane(buckets, lookup.data(), 2, indices.data());
        check(indices.back() == num_buckets + buckets.back(), "the second channel has its own row");
    }
}

void test_buckets() {
    check(bucket_of(0) == 0 && bucket_of(7) == 0 && bucket_of(8) == 1 && bucket_of(11) == 1 && bucket_of(12) == 2,
          "low buckets");
    check(bucket_of(16) == 3 && bucket_of(24) == 4 && bucket_of(1U << 18) == 31 && bucket_of(~0U) == 31, "high buckets");
    for (std::uint32_t a = 1; a < 100'000; ++a) check(bucket_of(a) >= bucket_of(a - 1), "buckets ascend");
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
    test_activities_of_extremes();
    test_buckets();
    test_costs();
}

}  // namespace laconic::test
