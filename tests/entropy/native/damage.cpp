// Damaged streams: values or a typed error, the same with all kernels, and nothing read past the end.
#include "lockstep.hpp"
#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

// Every cut of some streams, of all lanes, static and indexed, alone and side by side.
void test_truncation() {
    Random random(21);
    for (const unsigned lanes : all_lanes)
        for (const bool indexed : {false, true})
            for (const std::size_t num_streams : {1, 4}) {
                const TableSet tables = random_tables(random, 5, 2, 80);
                const std::size_t count = 5 * lanes + 3;
                const std::vector<std::uint8_t> indices = random_indices(random, count * num_streams, tables);
                Lockstep scene{lanes, ValueType::int32, 1, {}};
                for (std::size_t s = 0; s < num_streams; ++s)
                    scene.runs.push_back(
                        {s * count, count, indexed ? TableChoice{0, indices.data() + s * count} : TableChoice{}});
                const Bytes values = typed_values(random, random_integers(random, scene.num_values(), 9), scene.type, 1);
                const std::vector<Bytes> streams = encode_lockstep(scene, values, tables);
                const std::size_t cut_stream = below(random, num_streams);
                for (std::size_t length = 4 * lanes; length < streams[cut_stream].size(); ++length) {
                    std::vector<Bytes> cut = streams;
                    cut[cut_stream] =
                        Bytes(cut[cut_stream].begin(), cut[cut_stream].begin() + static_cast<std::ptrdiff_t>(length));
                    const Outcome outcome = same_outcome("a cut stream", [&] { return decode_lockstep(scene, cut, tables); });
                    check(outcome.fault.starts_with("truncated: "), "a cut stream is truncated");
                }
            }
}

void test_states() {
    const TableSet tables = TableParts{{0}, {2}, {65535, 1}}.set();
    for (const unsigned lanes : all_lanes) {
        const auto open = [&](const Bytes& bytes) {
            return same_outcome("states", [&] { return Decoder(bytes, lanes), Bytes{}; });
        };
        Bytes states;
        for (unsigned lane = 0; lane < lanes; ++lane) append_u32(states, state_low);
        check(open(states).good(), "states of 2^16 are valid");
        for (std::size_t length = 0; length < states.size(); ++length)
            check(open(Bytes(states.begin(), states.begin() + static_cast<std::ptrdiff_t>(length)))
                      .fault.starts_with("truncated: "),
                  "cut states");
        states[4 * (lanes - 1) + 2] = 0;
        check(open(states).fault.starts_with("corrupt: "), "a state below 2^16");
    }
}

void test_wrong_ends() {
    Random random(22);
    const TableSet tables = random_tables(random, 1, 30, 30);
    const Bytes values = typed_values(random, random_integers(random, 100, 9), ValueType::int16, 1);
    for (const unsigned lanes : all_lanes) {
        const std::array<Message, 1> messages{Message{{values.data(), ValueType::int16}, 100, {}}};
        const Bytes whole = encode_messages(messages, tables, lanes, 77);
        const auto finish = [&](const Bytes& bytes, std::size_t count) {
            return same_outcome("an end", [&] {
                Decoder decoder(bytes, lanes);
                Bytes found(2 * count);
                decoder.decode({found.data(), ValueType::int16}, count, tables, {});
                check(decoder.finish() == 77, "the tail");
                return found;
            });
        };
        check(finish(whole, 100).good(), "the whole stream");
        Bytes longer = whole;
        longer.push_back(0);
        check(finish(longer, 100).fault.starts_with("corrupt: the stream goes on"), "a byte too many");
        check(!finish(whole, 99).good(), "a symbol that is left over");
    }
}

// Values too large for the result, found by the kernel (int8 straight from entries) and after it.
void test_misfits() {
    const TableSet tables = TableParts{{-3, 120},
                                       {8, 40},
                                       [] {
                                           std::vector<std::uint16_t> frequencies(48, 1);
                                           frequencies[0] = 65529;
                                           frequencies[8] = 65497;
                                           return frequencies;
                                       }()}
                                .set();
    for (const unsigned lanes : all_lanes)
        for (const std::int32_t value : {127, 128, -128, -129, 32767, 32768, -32768, -32769, 1 << 30})
            for (const std::size_t place : {0, 5, 63, 64, 199}) {
                std::vector<std::int32_t> values(200, 0);
                values[place] = value;
                const std::vector<std::uint8_t> indices(200, static_cast<std::uint8_t>(place % 2));
                for (const TableChoice choice :
                     {TableChoice{0, nullptr}, TableChoice{1, nullptr}, TableChoice{0, indices.data()}}) {
                    const std::array<Message, 1> messages{Message{{values.data(), ValueType::int32}, 200, choice}};
                    const Bytes stream = encode_messages(messages, tables, lanes, 0);
                    for (const ValueType type : {ValueType::int8, ValueType::int16, ValueType::int32}) {
                        const Outcome outcome = same_outcome("a value that may not fit", [&] {
                            Bytes found(200 * size_of(type));
                            Decoder(stream, lanes).decode({found.data(), type}, 200, tables, choice);
                            return found;
                        });
                        const auto expected = values_of(values, type, 1);
                        check(expected ? outcome.bytes == *expected
                                       : outcome.fault.starts_with("misfit: value " + std::to_string(value) + " does not fit"),
                              "value " + std::to_string(value) + " as " + name_of(type) + ": " + outcome.fault);
                    }
                }
            }
}

void mutate(Random& random, Bytes& bytes) {
    for (std::size_t n = below(random, 4); n-- > 0 && !bytes.empty();) switch (below(random, 6)) {
            case 0: bytes[below(random, bytes.size())] ^= static_cast<std::uint8_t>(1U << below(random, 8)); break;
            case 1: bytes[below(random, bytes.size())] = static_cast<std::uint8_t>(random()); break;
            case 2: bytes.resize(below(random, bytes.size() + 1)); break;
            case 3: bytes.insert(bytes.end(), below(random, 9), static_cast<std::uint8_t>(random())); break;
            case 4: bytes[below(random, bytes.size())] = 0xFF; break;
            default:
                std::rotate(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(below(random, bytes.size())),
                            bytes.end());
        }
}

// Decodes damaged bytes as two messages.
void test_damaged_streams() {
    Random random(23);
    constexpr std::size_t inputs_a_stream = 25;
    std::array<std::size_t, 4> outcomes{};
    for (int stream = 0; stream < 2000; ++stream) {
        const TableSet tables = random_tables(random, 1 + below(random, 4), 2, 256);
        const unsigned lanes = all_lanes[below(random, all_lanes.size())];
        const ValueType type = all_types[below(random, 3)];
        const std::size_t count = below(random, 150);
        const Bytes values = typed_values(random, random_integers(random, count, 10), type, 1);
        const std::vector<std::uint8_t> indices = random_indices(random, count, tables);
        const TableChoice choice{0, below(random, 2) ? indices.data() : nullptr};
        const Message message{{values.data(), type}, count, choice, static_cast<std::uint16_t>(7)};
        const std::array<Message, 2> messages{message, message};
        const Bytes whole = encode_messages(messages, tables, lanes, static_cast<std::uint16_t>(random()));
        for (std::size_t i = 0; i < inputs_a_stream; ++i) {
            Bytes bytes = whole;
            mutate(random, bytes);
            const Bytes exact(bytes.begin(), bytes.end());  // no spare capacity behind the end
            const unsigned read_lanes = below(random, 20) ? lanes : all_lanes[below(random, all_lanes.size())];
            const Outcome outcome = same_outcome("a damaged stream", [&] {
                Decoder decoder(exact, read_lanes);
                Bytes found(2 * values.size());
                decoder.decode({found.data(), type}, count, tables, choice);
                append_u32(found, decoder.read_mark());
                decoder.decode({found.data() + values.size(), type}, count, tables, choice);
                append_u32(found, decoder.read_mark());
                append_u32(found, decoder.finish());
                return found;
            });
            check(outcome.good() || outcome.fault.find(" at byte ") != std::string::npos, "an error names its place");
            ++outcomes[outcome.good() ? 0 : outcome.fault.starts_with("truncated") ? 1 : 2];
        }
    }
    std::printf("damaged streams: %zu decoded, %zu truncated, %zu corrupt, each with all kernels\n", outcomes[0], outcomes[1],
                outcomes[2]);
    check(std::min({outcomes[0], outcomes[1], outcomes[2]}) > 1000, "all outcomes occur");
}

}  // namespace

void test_damage() {
    test_states();
    test_truncation();
    test_wrong_ends();
    test_misfits();
    test_damaged_streams();
}

}  // namespace laconic::test
