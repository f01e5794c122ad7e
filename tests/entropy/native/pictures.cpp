// Many pictures at once: streams side by side give what they give alone; heads and segments of any bytes are read or refused.
#include "picture_decoder.hpp"

#include "context_scene.hpp"
#include "support.hpp"
#include "tests.hpp"

namespace laconic::test {

namespace {

void test_fronts_side_by_side() {
    Random random(71);
    for (std::size_t round = 0; round < 24; ++round) {
        const TableSet tables = random_tables(random, 40, 2, 60);
        const std::array<std::size_t, 3> sizes{3, 9, 1 + below(random, 8)};
        ContextScene scene = random_scene(random, sizes, {1 + below(random, 12), 1 + below(random, 20)}, tables.num_tables());
        scene.lanes = all_lanes[round % all_lanes.size()];
        const std::size_t count = 1 + round % max_fronts_together;
        std::vector<std::vector<std::int32_t>> all;
        std::vector<Bytes> streams;
        for (std::size_t s = 0; s < count; ++s) {
            all.push_back(random_integers(random, scene.num_channels() * scene.grid.size(), 1 + below(random, 30)));
            streams.push_back(scene.encode(all.back(), tables));
        }
        at_each_level([&](const Kernels&) {
            std::vector<std::unique_ptr<Decoder>> owned;
            std::vector<Decoder*> decoders;
            std::vector<std::vector<std::int32_t>> found(count, std::vector<std::int32_t>(all[0].size()));
            std::vector<std::int32_t*> planes;
            for (std::size_t s = 0; s < count; ++s) {
                decoders.push_back(owned.emplace_back(std::make_unique<Decoder>(streams[s], scene.lanes)).get());
                planes.push_back(found[s].data());
            }
            decode_symbols(decoders, scene.rules, tables, scene.base, planes, scene.grid, 0, scene.cut);
            for (Decoder* decoder : decoders) check(decoder->read_mark() == ContextScene::mark, "the mark of one of several streams");
            decode_symbols(decoders, scene.rules, tables, scene.base, planes, scene.grid, scene.cut, scene.num_channels());
            for (Decoder* decoder : decoders) check(decoder->finish() == ContextScene::tail, "the tail of one of several streams");
            check(found == all, "symbols of streams side by side");
        });
    }
}

void append_varint(Bytes& bytes, std::size_t value) {
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<std::uint8_t>(value | 0x80));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

// Right heads and checksums, segments of random bytes.
Bytes random_picture(Random& random, const PictureRules& rules, std::size_t height, std::size_t width) {
    const bool is_joined = below(random, 2) != 0, has_sections = below(random, 2) != 0;
    Bytes file{0x8B, 'L', 'C', 'N', 1};
    file.push_back(static_cast<std::uint8_t>((has_sections ? 1 : 0) | (is_joined ? 2 : 0)));
    file.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(rules.profile) << 4 | 1));
    file.insert(file.end(), rules.fingerprint.begin(), rules.fingerprint.end());
    file.push_back(rules.step_code);
    append_varint(file, width);
    append_varint(file, height);
    const std::uint32_t crc = kernels().crc32c(file.data(), file.size(), 0);
    file.push_back(static_cast<std::uint8_t>(crc));
    file.push_back(static_cast<std::uint8_t>(crc >> 8));
    if (has_sections) {
        Bytes sections{1, 1, static_cast<std::uint8_t>(rules.num_channels()), 0};
        const std::uint32_t of_sections = kernels().crc32c(sections.data(), sections.size(), 0);
        file.insert(file.end(), sections.begin(), sections.end());
        append_u32(file, of_sections);
    }
    for (std::size_t group = 0, first = 0; group < (is_joined ? 1 : rules.group_ends.size()); first = rules.group_ends[group++]) {
        const std::size_t last = is_joined ? rules.num_channels() : rules.group_ends[group];
        const std::size_t lanes_code = below(random, 5), channels = below(random, 4) == 0 ? 0 : last - first - below(random, last - first);
        Bytes payload(channels == 0 ? 0 : (16U << lanes_code) + below(random, 600));
        for (std::uint8_t& byte : payload) byte = static_cast<std::uint8_t>(random());
        for (std::size_t lane = 0; channels > 0 && lane < 4U << lanes_code; ++lane) payload[4 * lane + 2] = 1;  // states that may be
        const bool has_crc = channels > 0 && below(random, 2) != 0;
        Bytes head;
        append_varint(head, channels == 0 ? 0 : payload.size() << 4 | (has_crc ? 8U : 0U) | lanes_code);
        append_varint(head, channels);
        file.insert(file.end(), head.begin(), head.end());
        const auto number = static_cast<std::uint8_t>(group);
        const std::uint32_t of_head = kernels().crc32c(head.data(), head.size(), kernels().crc32c(&number, 1, 0));
        if (has_crc) append_u32(file, kernels().crc32c(payload.data(), payload.size(), of_head));
        file.insert(file.end(), payload.begin(), payload.end());
    }
    return file;
}

void test_any_bytes() {
    Random random(72);
    const TableSet tables = random_tables(random, 60, 2, 40);
    const std::array<std::size_t, 3> sizes{3, 9, 5}, low_sizes{3, 9, 36};
    for (std::size_t round = 0; round < 40; ++round) {
        const ContextRules rules_of_small = random_rules(random, sizes, 3, tables.num_tables());
        const ContextRules low = random_rules(random, low_sizes, 3, tables.num_tables());
        PictureRules rules{};
        rules.fingerprint = {1, 2, 3, 4};
        rules.profile = round % 2 == 0 ? PictureRules::Profile::fast : PictureRules::Profile::small;
        rules.step_code = 100;
        rules.depth = 3;
        rules.group_ends = {3, 12, 17};
        rules.num_planes = 3;
        rules.low_levels = 2;
        for (std::uint8_t place = 0; place < 16; ++place) rules.places.push_back({static_cast<std::uint8_t>(place / 4), static_cast<std::uint8_t>(place % 4)});
        rules.tables = &tables;
        for (std::size_t c = 0; c < 48 + 14; ++c) rules.indices.push_back(static_cast<std::uint8_t>(below(random, tables.num_tables())));
        rules.contexts = &rules_of_small;
        rules.low_contexts = &low;
        rules.base.assign(17, 40);
        rules.low_base.assign(48, 60);
        const Grid grid{1 + below(random, 9), 1 + below(random, 9)};
        std::vector<Bytes> files;
        for (std::size_t i = 0; i < 7; ++i) {
            files.push_back(random_picture(random, rules, 8 * grid.height - below(random, 8), 8 * grid.width - below(random, 8)));
            if (below(random, 3) == 0) files.back().resize(below(random, files.back().size()));
            if (below(random, 4) > 0 || files.back().empty()) continue;
            std::uint8_t& byte = files.back()[below(random, files.back().size())];
            byte = static_cast<std::uint8_t>(byte ^ 1U << below(random, 8));
        }
        const std::vector<std::span<const std::uint8_t>> spans(files.begin(), files.end());
        at_each_level([&](const Kernels&) {
            const std::size_t capacity = 17 * grid.size();
            std::vector<std::int32_t> memory(files.size() * capacity);
            std::vector<std::int32_t*> planes;
            for (std::size_t i = 0; i < files.size(); ++i) planes.push_back(memory.data() + i * capacity);
            std::array<bool, 7> done{};
            for (const std::size_t num_wanted : {1, 3, 4, 12, 17}) PictureDecoder(rules, grid, num_wanted).run(spans, planes, done.data());
        });
    }
}

}  // namespace

void test_pictures() {
    test_fronts_side_by_side();
    test_any_bytes();
}

}  // namespace laconic::test
