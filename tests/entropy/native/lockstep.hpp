// Streams that are encoded and decoded side by side, straight through `Writer` and `Reader`.
#pragma once

#include <memory>

#include "support.hpp"

namespace laconic::test {

// One run a stream, all of one array.
struct Lockstep {
    unsigned lanes;
    ValueType type;
    float step;
    std::vector<Run> runs;

    std::size_t num_values() const {
        std::size_t count = 0;
        for (const Run& run : runs) count = std::max(count, run.begin + run.count);
        return count;
    }
};

inline std::vector<Bytes> encode_lockstep(const Lockstep& scene, const Bytes& values, const TableSet& tables) {
    std::vector<std::unique_ptr<Writer>> owned;
    std::vector<Writer*> writers;
    for (std::size_t s = 0; s < scene.runs.size(); ++s) {
        writers.push_back(owned.emplace_back(std::make_unique<Writer>()).get());
        writers[s]->start(scene.lanes, 12345);
    }
    encode_runs(writers, {values.data(), scene.type, scene.step}, tables, scene.runs);
    std::vector<Bytes> streams;
    for (Writer* writer : writers) {
        Bytes& bytes = streams.emplace_back();
        for (unsigned lane = 0; lane < scene.lanes; ++lane) append_u32(bytes, writer->state(lane));
        const auto words = writer->words();
        bytes.resize(bytes.size() + 2 * words.size());
        kernels().reverse_words(words.data(), words.size(), bytes.data() + 4 * scene.lanes);
    }
    for (Bytes& bytes : streams) bytes.shrink_to_fit();
    return streams;
}

// The values, then the states in which the streams end. Every stream has its states, each 2^16 or more.
inline Bytes decode_lockstep(const Lockstep& scene, const std::vector<Bytes>& streams, const TableSet& tables) {
    std::vector<std::unique_ptr<Reader>> owned;
    std::vector<Reader*> readers;
    for (const Bytes& bytes : streams) {
        Reader& reader = *readers.emplace_back(owned.emplace_back(std::make_unique<Reader>()).get());
        for (unsigned lane = 0; lane < scene.lanes; ++lane)
            reader.state(lane) = load_word(&bytes[4 * lane]) | (load_word(&bytes[4 * lane + 2]) << 16);
        reader.start(scene.lanes, bytes, 4 * scene.lanes);
    }
    Bytes values(scene.num_values() * size_of(scene.type));
    decode_runs(readers, {values.data(), scene.type, scene.step}, tables, scene.runs);
    for (Reader* reader : readers) {
        for (unsigned lane = 0; lane < scene.lanes; ++lane) append_u32(values, reader->state(lane));
        append_u32(values, static_cast<std::uint32_t>(reader->position()));
    }
    return values;
}

}  // namespace laconic::test
