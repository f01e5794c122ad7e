// Residuals of sounds: they come back, and any bytes give residuals or an error.
#include "residual_coder.hpp"
#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

TableSet some_tables(Random& random) {
    TableParts parts;
    for (std::size_t t = 0; t < num_residual_tables; ++t) add_table(parts, random, 2 + below(random, 255), false);
    return parts.set();
}

void test_round_trip(Random& random) {
    const TableSet tables = some_tables(random);
    const std::size_t channels = 1 + below(random, random() % 8 == 0 ? 130 : 3), length = below(random, 300);
    std::vector<std::uint8_t> starts(channels);
    for (auto& start : starts) start = static_cast<std::uint8_t>(below(random, max_start_log2 + 1));
    std::vector<std::int32_t> residuals(channels * length);
    const auto bits = 1 + below(random, 31);
    for (auto& residual : residuals) residual = static_cast<std::int32_t>(random()) >> (31 - bits);
    const ResidualSymbols symbols = symbols_of_residuals(residuals.data(), length, starts);
    const Message message{{symbols.values.data(), ValueType::int32}, symbols.values.size(), TableChoice{0, symbols.tables.data()}, std::nullopt,
                          symbols.fronts};
    const unsigned lanes = all_lanes[below(random, all_lanes.size())];
    const auto num_messages = std::size_t{residuals.empty() ? 0U : 1U};
    Bytes stream = encode_messages({&message, num_messages}, tables, lanes, 1234);
    std::vector<std::int32_t> found(residuals.size());
    check(decode_residuals(stream, symbols.low_bits, found.data(), length, starts, tables, lanes) == 1234, "the tail of residuals is another");
    check(found == residuals, "residuals do not come back");
    Bytes low = symbols.low_bits;
    for (int i = 0; i < 20; ++i) {
        Bytes& changed = low.empty() || random() % 2 == 0 ? stream : low;
        changed[below(random, changed.size())] ^= static_cast<std::uint8_t>(1U << below(random, 8));
        try {
            decode_residuals(stream, low, found.data(), length, starts, tables, lanes);
        } catch (const StreamError&) {
        }
    }
}

}  // namespace

void test_residuals() {
    Random random(77);
    for (int i = 0; i < 300; ++i) test_round_trip(random);
}

}  // namespace laconic::test
