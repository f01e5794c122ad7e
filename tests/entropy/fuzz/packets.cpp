// Decodes any bytes as packets.
//
//   input = which tables | shape of tables | value type | mode | layout | count (u16) | bytes of the packets
//
// mode: number of packets - 1 in the low four bits; 16 repairs no length, 32 no checksum; 64 two threads. layout: rows, or
// a table for each symbol.
#include "packets.hpp"

#include "target.hpp"

namespace laconic::fuzz {

namespace {

constexpr std::size_t unrepaired = 16, wrong_crc = 32, two_threads = 64;

// Reads what is there as a number; where it is none, or the bytes have ended, 0.
std::uint64_t number_of(FieldReader& fields) {
    try {
        return fields.varint(~0ULL >> 1, "");
    } catch (const StreamError&) {
        return 0;
    }
}

// Gives a stream the CRC that it should have.
void repair_crc(Bytes& stream, std::uint32_t seed) {
    if (stream.empty() || (stream[0] & crc_flag) == 0) return;
    FieldReader fields(stream);
    fields.byte();
    number_of(fields);
    const std::size_t at = fields.position();
    if (fields.left() < 4) return;
    const std::uint32_t crc =
        kernels().crc32c(stream.data() + at + 4, stream.size() - at - 4, kernels().crc32c(stream.data(), at, seed));
    for (unsigned byte = 0; byte < 4; ++byte) stream[at + byte] = static_cast<std::uint8_t>(crc >> (8 * byte));
}

// Limits the form of a stream to those there are.
void repair_form(Bytes& stream, std::size_t count) {
    if (stream.size() < 2) stream.resize(2);
    stream[0] = static_cast<std::uint8_t>((stream[0] & crc_flag) | (stream[0] & 7U) % 5);
    const std::size_t most = std::min<std::size_t>(count, 4 * max_folded_per_lane);
    if (stream[1] < 0x80 && stream[1] > most) stream[1] = static_cast<std::uint8_t>(most);
}

// States below 2^16 become valid ones; states and flags that are missing are added.
void repair_states_of(Bytes& stream) {
    const unsigned lanes = min_lanes << (stream[0] & 7U);
    std::size_t at = 1;
    while (at < stream.size() && stream[at] >= 0x80) ++at;
    at += (stream[0] & crc_flag) != 0 ? 5 : 1;
    const std::size_t flags_at = at;
    at += (lanes + 7) / 8;
    if (stream.size() < at + 4 * lanes) stream.resize(at + 4 * lanes, 1);
    if (lanes == min_lanes) stream[flags_at] &= 0x0F;  // flags of no lane
    for (unsigned lane = 0; lane < lanes; ++lane) {
        const bool is_short = ((stream[flags_at + lane / 8] >> (lane % 8)) & 1U) != 0;
        if (stream[at + 2] == 0 && (is_short || stream[at + 3] == 0)) stream[at + 2] = 1;
        at += is_short ? 3 : 4;
    }
}

// A packet of `layout` out of any bytes: the number of symbols, the chunk size and the lengths of the streams are made to
// fit, checksums are computed.
Bytes repaired(std::span<const std::uint8_t> bytes, const Layout& layout, bool with_crc) {
    FieldReader fields(bytes);
    const bool is_chunked = number_of(fields) % 2 != 0 && layout.count > 1;
    const std::size_t chunk =
        is_chunked ? std::max<std::size_t>(layout.count / 20 + 1, number_of(fields) % layout.count) : layout.count;
    const bool is_cut = is_chunked && chunk < layout.count;
    const Cutter cutter(layout, is_cut ? chunk : layout.count);
    Bytes packet;
    append_varint(packet, 2 * layout.count + (is_cut ? 1 : 0));
    if (is_cut) append_varint(packet, chunk);
    const Bytes opening = packet;
    const std::size_t num_chunks = cutter.num_chunks();
    std::vector<std::size_t> lengths(num_chunks);
    if (is_cut)
        for (std::size_t& length : lengths) length = number_of(fields);
    Bytes streams;
    for (std::size_t c = 0; c < num_chunks; ++c) {
        const std::size_t length = c + 1 == num_chunks ? fields.left() : std::min<std::size_t>(lengths[c], fields.left());
        const auto taken = fields.take(length);
        Bytes stream(taken.begin(), taken.end());
        const auto bounds = cutter.chunk(c);
        repair_form(stream, bounds.end - bounds.begin);
        repair_states_of(stream);
        if (with_crc) repair_crc(stream, stream_seed(opening, c));
        if (is_cut) append_varint(packet, stream.size());
        streams.insert(streams.end(), stream.begin(), stream.end());
    }
    return joined({packet, streams});
}

struct Scene {
    const TableSet& tables;
    ValueType type;
    std::size_t mode, layout_choice, count;
    std::vector<std::uint8_t> indices;

    Scene(std::span<const std::uint8_t> input, Choices& choices) : tables{tables_of(choices)}, type{type_of(choices)} {
        mode = choices.byte();
        layout_choice = choices.byte();
        count = choices.word() % 9000;
        if (!by_symbol()) count = count / num_rows() * num_rows();
        indices = indices_of(input, by_symbol() ? count : num_rows(), tables);
    }

    bool by_symbol() const { return layout_choice >= 192; }
    std::size_t num_rows() const { return layout_choice % 64 + 1; }
    std::size_t num_items() const { return mode % 16 + 1; }
    Layout layout() const {
        return by_symbol() ? Layout{count, nullptr, 0, indices.data()} : Layout{count, indices.data(), num_rows(), nullptr};
    }
};

}  // namespace

Bytes make_seed(std::size_t number) {
    Random random(3000 + number);
    constexpr std::array<std::size_t, 10> counts{0, 1, 6, 60, 200, 640, 1500, 40, 300, 4000};
    const std::size_t shape = 8 * (number % 8) + (number / 2) % 8;
    const std::size_t layout_choice = number % 3 == 0 ? 255 : number % 3 == 1 ? 0 : below(random, 20);
    const std::size_t count = counts[number / 4 % counts.size()];
    const std::size_t num_items = number % 8 == 3 ? 4 : count < 300 && number % 8 == 5 ? 16 : 1;
    Bytes input = joined({choices({number, shape, number % 6, num_items - 1, layout_choice}), word_choice(count)});
    Choices again(input);
    const Scene scene(input, again);
    const std::vector<std::int32_t> integers = random_integers(random, scene.count * scene.num_items(), 15);
    const Bytes values = typed_values(random, integers, scene.type, 0.5F);
    const std::size_t chunk = number % 4 == 2 ? 1 + scene.count / 3 : max_chunk;
    const auto packets =
        packets_of({values.data(), scene.type, 0.5F}, scene.num_items(), scene.layout(), scene.tables, chunk, 1);
    for (const Bytes& packet : packets) input.insert(input.end(), packet.begin(), packet.end());
    return input;
}

}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace laconic;
    using namespace laconic::fuzz;
    const std::span<const std::uint8_t> input{data, size};
    Choices choices(input);
    const Scene scene(input, choices);
    const Layout layout = scene.layout();
    const std::size_t num_items = scene.num_items(), own = choices.rest().size() / num_items;
    std::vector<Bytes> packets;
    for (std::size_t item = 0; item < num_items; ++item) {
        const auto bytes = choices.rest().subspan(item * own, item + 1 == num_items ? choices.rest().size() - item * own : own);
        Bytes& packet = packets.emplace_back(bytes.begin(), bytes.end());
        if ((scene.mode & unrepaired) == 0) packet = repaired(bytes, layout, (scene.mode & wrong_crc) == 0);
        packet.shrink_to_fit();
        const Outcome count = same_outcome("the number of symbols", [&] {
            Bytes number;
            append_varint(number, packet_count(packet));
            return number;
        });
        if ((scene.mode & unrepaired) == 0) check(count.good(), "a repaired packet says how many symbols it has");
    }
    // A lone stream that is damaged fails in one way; of several, another one may be the first at each level.
    const unsigned num_threads = (scene.mode & two_threads) != 0 ? 2 : 1;
    const auto decode = [&] { return values_of_packets(packets, layout, scene.tables, scene.type, 0.5F, num_threads); };
    const bool is_lone = num_items == 1 && !packets[0].empty() && packets[0][0] % 2 == 0;
    const Outcome found = same_outcome("packets", decode, is_lone);
    if (!found.good() || is_float(scene.type)) return 0;
    // What decodes is what an encoder could have written: coding it again gives the same values.
    const auto again = packets_of({found.bytes.data(), scene.type, 0.5F}, num_items, layout, scene.tables, max_chunk, 1);
    check(values_of_packets(again, layout, scene.tables, scene.type, 0.5F, 1) == found.bytes, "values come back");
    return 0;
}
