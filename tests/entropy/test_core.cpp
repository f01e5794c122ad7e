// Tests of the header-only core without Python: round trips, known values, and a mutator that feeds damaged streams to
// the decoder. Build with LACONIC_CPP_TESTS, which turns on the address and undefined-behaviour sanitizers.
//
// Each array is allocated at its exact size, so that one element too many is an error of the sanitizer.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contexts.hpp"
#include "cost.hpp"
#include "crc32c.hpp"
#include "rans.hpp"
#include "tables.hpp"

using namespace laconic;

namespace {

constexpr std::array<unsigned, 5> all_lanes{4, 8, 16, 32, 64};
using Random = std::mt19937_64;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "failed: %s\n", what.c_str());
    std::exit(1);
}

void check(bool condition, const std::string& what) {
    if (!condition) fail(what);
}

std::size_t below(Random& random, std::size_t end) { return std::size_t(random() % end); }

// A set of 1 to 8 tables of 2 to 256 entries; some far from 0, some with entries of frequency 1 only.
struct TableParts {
    std::vector<std::int32_t> firsts, sizes;
    std::vector<std::uint16_t> frequencies;
    TableSet set() const { return {firsts, sizes, frequencies}; }
};

TableParts random_tables(Random& random) {
    TableParts parts;
    const std::size_t count = 1 + below(random, 8);
    for (std::size_t t = 0; t < count; ++t) {
        const std::size_t size = 2 + below(random, 255);
        constexpr std::array<std::int32_t, 3> far{-(1 << 30), 1 << 30, 100000};
        parts.firsts.push_back(below(random, 4) ? -static_cast<std::int32_t>(below(random, size)) : far[below(random, 3)]);
        parts.sizes.push_back(static_cast<std::int32_t>(size));
        std::uint32_t left = probability_sum - static_cast<std::uint32_t>(size);
        std::vector<std::uint16_t> frequencies(size, 1);
        for (std::size_t i = 0; i < size && left; ++i) {
            const auto more = static_cast<std::uint32_t>(below(random, left / 2 + 1));
            frequencies[i] = static_cast<std::uint16_t>(frequencies[i] + more);
            left -= more;
        }
        frequencies.back() = static_cast<std::uint16_t>(frequencies.back() + left);
        std::shuffle(frequencies.begin(), frequencies.end(), random);
        parts.frequencies.insert(parts.frequencies.end(), frequencies.begin(), frequencies.end());
    }
    return parts;
}

template <class T>
std::vector<T> random_values(Random& random, std::size_t count) {
    constexpr std::int64_t lowest = std::numeric_limits<T>::min(), span = std::int64_t{1} << (8 * sizeof(T));
    std::vector<T> values(count);
    for (T& value : values) switch (below(random, 8)) {
            case 0: value = static_cast<T>(lowest + static_cast<std::int64_t>(below(random, static_cast<std::size_t>(span)))); break;
            case 1: value = std::numeric_limits<T>::min(); break;
            case 2: value = std::numeric_limits<T>::max(); break;
            default: value = static_cast<T>(static_cast<int>(below(random, 41)) - 20);
        }
    return values;
}

// Values with their tables, and a place to decode them to.
template <class T>
struct Run {
    std::vector<T> values, decoded;
    std::vector<std::uint8_t> each;
    std::uint8_t shared = 0;
    std::optional<std::uint16_t> mark;

    Run(Random& random, std::size_t count, std::size_t num_tables)
        : values(random_values<T>(random, count)), decoded(count), shared(static_cast<std::uint8_t>(below(random, num_tables))) {
        if (below(random, 2)) {
            each.resize(count);
            for (std::uint8_t& t : each) t = static_cast<std::uint8_t>(below(random, num_tables));
        }
        if (below(random, 2)) mark = static_cast<std::uint16_t>(random());
    }

    TableChoice choice() const { return {shared, each}; }
    Message message() const { return {std::span<const T>(values), choice(), mark}; }
    void decode(Decoder& decoder, const TableSet& tables) { decoder.decode(std::span<T>(decoded), tables, choice()); }
};

template <class T>
void check_round_trip(Random& random, unsigned lanes, std::size_t count) {
    const TableSet tables = random_tables(random).set();
    Run<T> first(random, count, tables.num_tables());
    Run<std::int32_t> second(random, below(random, 90), tables.num_tables());
    const auto tail = static_cast<std::uint16_t>(random());
    const std::array<Message, 2> messages{first.message(), second.message()};
    const std::vector<std::uint8_t> bytes = Encoder(tables, lanes, tail).encode(messages);

    Decoder decoder(bytes, lanes);
    first.decode(decoder, tables);
    if (first.mark) check(decoder.read_mark() == *first.mark, "a mark comes back");
    second.decode(decoder, tables);
    if (second.mark) check(decoder.read_mark() == *second.mark, "the last mark comes back");
    check(decoder.finish() == tail, "the tail comes back");
    check(first.values == first.decoded && second.values == second.decoded, "values come back");
}

void test_round_trips() {
    Random random(1);
    for (const unsigned lanes : all_lanes)
        for (const std::size_t count : {0, 1, 3, 4, 63, 64, 65, 500, 3000})
            for (int repeat = 0; repeat < 3; ++repeat) {
                check_round_trip<std::int8_t>(random, lanes, count);
                check_round_trip<std::int16_t>(random, lanes, count);
                check_round_trip<std::int32_t>(random, lanes, count);
            }
}

void test_zigzag() {
    constexpr std::array<std::int32_t, 7> values{0, -1, 1, -2, 32767, std::numeric_limits<std::int32_t>::max(),
                                                 std::numeric_limits<std::int32_t>::min()};
    constexpr std::array<std::uint32_t, 7> codes{0, 1, 2, 3, 65534, 0xFFFFFFFEU, 0xFFFFFFFFU};
    for (std::size_t i = 0; i < values.size(); ++i)
        check(zigzag(values[i]) == codes[i] && unzigzag(codes[i]) == values[i], "zigzag of " + std::to_string(values[i]));
}

void test_wrong_tables_are_refused() {
    const auto refused = [](std::vector<std::int32_t> firsts, std::vector<std::int32_t> sizes, std::vector<std::uint16_t> f) {
        try {
            TableSet(firsts, sizes, f);
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
    check(!refused({0}, {2}, {65535, 1}), "a table of two entries is valid");
    check(refused({}, {}, {}), "no table");
    check(refused({0}, {2, 2}, {65535, 1, 65535, 1}), "two sizes of one table");
    check(refused({0}, {1}, {65535}), "one entry");
    check(refused({0}, {-5}, {65535, 1}), "a negative size");
    check(refused({0}, {lowest}, {65535, 1}), "the lowest size");
    check(refused({0}, {3}, {65535, 1}), "too few frequencies");
    check(refused({0}, {2}, {65535, 1, 1}), "too many frequencies");
    check(refused({0}, {2}, {65535, 2}), "a wrong sum");
    check(refused({0}, {3}, {65535, 0, 1}), "a frequency of 0");
    check(refused({lowest}, {2}, {65535, 1}), "a first value out of range");
    check(refused(std::vector<std::int32_t>(257, 0), std::vector<std::int32_t>(257, 2), {}), "257 tables");
}

// Decodes bytes as two messages. Whatever they are, the outcome is values or a StreamError.
struct Outcomes {
    std::size_t decoded = 0, truncated = 0, corrupt = 0;
};

template <class T>
void decode_damaged(std::span<const std::uint8_t> bytes, unsigned lanes, const TableSet& tables, Run<T>& run, Outcomes& outcomes) {
    try {
        Decoder decoder(bytes, lanes);
        run.decode(decoder, tables);
        if (run.mark) decoder.read_mark();
        run.decode(decoder, tables);
        decoder.finish();
        ++outcomes.decoded;
    } catch (const StreamError& error) {
        ++(error.fault() == Fault::truncated ? outcomes.truncated : outcomes.corrupt);
        check(std::string_view(error.what()).find(" at byte ") != std::string_view::npos, "an error names its place");
    }
}

void mutate(Random& random, std::vector<std::uint8_t>& bytes) {
    for (std::size_t n = below(random, 4); n-- > 0 && !bytes.empty();) switch (below(random, 6)) {
            case 0: bytes[below(random, bytes.size())] ^= static_cast<std::uint8_t>(1U << below(random, 8)); break;
            case 1: bytes[below(random, bytes.size())] = static_cast<std::uint8_t>(random()); break;
            case 2: bytes.resize(below(random, bytes.size() + 1)); break;
            case 3: bytes.insert(bytes.end(), below(random, 9), static_cast<std::uint8_t>(random())); break;
            case 4: std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(below(random, bytes.size())), 1, std::uint8_t{0xFF}); break;
            default: std::rotate(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(below(random, bytes.size())), bytes.end());
        }
}

template <class T>
void fuzz(Random& random, std::size_t num_inputs, Outcomes& outcomes) {
    constexpr std::size_t inputs_a_stream = 50;
    for (std::size_t stream = 0; stream < num_inputs / inputs_a_stream; ++stream) {
        const TableSet tables = random_tables(random).set();
        const unsigned lanes = all_lanes[below(random, all_lanes.size())];
        Run<T> run(random, below(random, 60), tables.num_tables());
        const std::array<Message, 2> messages{run.message(), Message{std::span<const T>(run.values), run.choice()}};
        const std::vector<std::uint8_t> whole = Encoder(tables, lanes, static_cast<std::uint16_t>(random())).encode(messages);
        for (std::size_t i = 0; i < inputs_a_stream; ++i) {
            std::vector<std::uint8_t> bytes = whole;
            mutate(random, bytes);
            const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());  // no spare capacity behind the end
            const unsigned read_lanes = below(random, 20) ? lanes : all_lanes[below(random, all_lanes.size())];
            decode_damaged(exact, read_lanes, tables, run, outcomes);
        }
    }
}

void test_damaged_streams() {
    Random random(2);
    Outcomes outcomes;
    fuzz<std::int8_t>(random, 70'000, outcomes);
    fuzz<std::int16_t>(random, 65'000, outcomes);
    fuzz<std::int32_t>(random, 65'000, outcomes);
    const std::size_t total = outcomes.decoded + outcomes.truncated + outcomes.corrupt;
    std::printf("damaged streams: %zu decoded, %zu truncated, %zu corrupt\n", outcomes.decoded, outcomes.truncated,
                outcomes.corrupt);
    check(total == 200'000, "200,000 streams were read");
    check(std::min({outcomes.decoded, outcomes.truncated, outcomes.corrupt}) > 1000, "all outcomes occur");
}

void test_crc() {
    const std::string_view digits = "123456789";
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(digits.data()), digits.size());
    check(crc32c(bytes) == 0xE3069283U, "the check value of CRC-32C");
    check(crc32c({}) == 0, "the CRC of nothing");
    Random random(3);
    for (std::size_t size = 0; size < 64; ++size) {
        std::vector<std::uint8_t> data(size);
        for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(random());
        std::uint32_t slow = ~0U;  // bit by bit
        for (const std::uint8_t byte : data) {
            slow ^= byte;
            for (int bit = 0; bit < 8; ++bit) slow = (slow >> 1) ^ ((slow & 1U) ? 0x82F63B78U : 0U);
        }
        check(crc32c(data) == ~slow, "the CRC of " + std::to_string(size) + " bytes");
        const std::size_t cut = below(random, size + 1);
        check(crc32c(std::span(data).subspan(cut), crc32c(std::span(data).first(cut))) == ~slow, "a CRC in two parts");
    }
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
    Random random(5);
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
    check(bucket_of(0) == 0 && bucket_of(7) == 0 && bucket_of(8) == 1 && bucket_of(11) == 1 && bucket_of(12) == 2, "low buckets");
    check(bucket_of(16) == 3 && bucket_of(24) == 4 && bucket_of(1U << 18) == 31 && bucket_of(~0U) == 31, "high buckets");
    for (std::uint32_t a = 1; a < 100'000; ++a) check(bucket_of(a) >= bucket_of(a - 1), "buckets ascend");
}

void test_costs() {
    for (std::uint32_t f = 1; f < probability_sum; ++f) {
        const double bits = 16 - std::log2(static_cast<double>(f));
        check(std::abs(cost_of_frequency(f) / 65536.0 - bits) < 1.0 / 16384, "cost of frequency " + std::to_string(f));
        if (f > 1) check(cost_of_frequency(f) <= cost_of_frequency(f - 1), "costs descend");
    }
}

}  // namespace

int main() {
    test_zigzag();
    test_wrong_tables_are_refused();
    test_round_trips();
    test_crc();
    test_prediction_of_extremes();
    test_activities_of_extremes();
    test_buckets();
    test_costs();
    test_damaged_streams();
    std::puts("all tests of the core passed");
}
