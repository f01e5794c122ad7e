// Interleaved rANS with 32-bit states, 16-bit words and 16-bit probabilities (SPEC.md, "The stream").
//
//   stream = N states (u32 each), then words (u16 each), all little-endian
//   symbol i of a message belongs to lane i mod N; a round is N symbols, the last round of a message may be shorter
//   after the symbols of a round: the raw words of its escaped values, in lane order
//   after the last round of a message: its mark, one raw word, where it has one
//
// Surprise: rANS is last in, first out. The encoder walks all messages backwards and writes words backwards, so that the
// decoder reads forwards. The encoder starts from the states that the decoder must end with: 2^16 in every lane, plus a
// 16-bit tail in lane 0.
//
// A `Writer` or `Reader` is one stream; the functions that take several of them run these in lock-step, which is where
// the speed is.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "blocks.hpp"
#include "dispatch.hpp"
#include "errors.hpp"
#include "tables.hpp"

namespace laconic {

inline constexpr std::size_t max_streams = 16;  // in lock-step

inline constexpr bool valid_lanes(unsigned lanes) noexcept {
    return lanes >= min_lanes && lanes <= max_lanes && (lanes & (lanes - 1)) == 0;
}

// A part of the values whose symbols are coded one after the other, from a round of their own on.
struct Run {
    std::size_t begin;
    std::size_t count;
    TableChoice tables;
};

struct Message {
    Input values;
    std::size_t count;
    TableChoice tables;
    std::optional<std::uint16_t> mark{};
    // Where not empty, these are several messages without marks, one table a value: their numbers of values, up to 64.
    std::span<const std::uint8_t> fronts{};
};

// Words in the order of encoding, which is the reverse of the stream.
struct Words {
    std::unique_ptr<std::uint16_t[]> data;
    std::size_t count = 0;
    std::size_t capacity = 0;

    // Makes a place for `more` words after those there are.
    std::uint16_t* reserve(std::size_t more) {
        if (count + more > capacity) {
            capacity = std::max(2 * capacity, count + more);
            auto larger = std::make_unique_for_overwrite<std::uint16_t[]>(capacity);
            std::copy_n(data.get(), count, larger.get());
            data = std::move(larger);
        }
        return data.get() + count;
    }
};

// Large word buffers of a thread, kept between calls: new memory costs a page fault for every 4 KiB.
class WordPool {
public:
    static WordPool& of_thread() {
        thread_local WordPool pool;
        return pool;
    }

    Words take(std::size_t capacity) {
        Words words;
        if (!kept_.empty()) {
            words = std::move(kept_.back());
            kept_.pop_back();
            num_words_ -= words.capacity;
        }
        words.count = 0;
        words.reserve(capacity);
        return words;
    }

    void give(Words words) {
        if (words.capacity == 0 || num_words_ + words.capacity > max_words) return;
        num_words_ += words.capacity;
        kept_.push_back(std::move(words));
    }

private:
    static constexpr std::size_t max_words = std::size_t{1} << 24;
    std::vector<Words> kept_;
    std::size_t num_words_ = 0;
};

// CRC-32C of symbols: of all entries, a byte each, and then of the codes of the escaped ones, as little-endian u32.
class SymbolHash {
public:
    explicit SymbolHash(std::uint32_t seed) : crc_{seed} {}

    void add(std::span<const std::uint8_t> entries, std::span<const std::uint32_t> codes) {
        crc_ = kernels().crc32c(entries.data(), entries.size(), crc_);
        for (const std::uint32_t code : codes)
            for (unsigned shift = 0; shift < 32; shift += 8) codes_.push_back(static_cast<std::uint8_t>(code >> shift));
    }

    std::uint32_t value() const { return kernels().crc32c(codes_.data(), codes_.size(), crc_); }

private:
    std::uint32_t crc_;
    std::vector<std::uint8_t> codes_;
};

class Writer {
public:
    // Begins a stream. It is written to `words` where these have room, else to memory that the writer keeps.
    void start(unsigned lanes, std::uint16_t tail, Words words = {}) {
        lanes_ = lanes;
        if (words.capacity > 0) words_ = std::move(words);
        words_.count = 0;
        std::fill_n(stream_.states, max_lanes, state_low);
        stream_.states[0] += tail;
    }

    void push_word(std::uint16_t word) {
        *words_.reserve(1) = word;
        ++words_.count;
    }

    std::span<const std::uint16_t> words() const noexcept { return {words_.data.get(), words_.count}; }
    void keep_words(std::size_t count) noexcept { words_.count = count; }
    Words take_words() noexcept { return std::exchange(words_, {}); }

    Words copy_words() const {
        Words copy;
        std::copy_n(words_.data.get(), words_.count, copy.reserve(words_.count));
        copy.count = words_.count;
        return copy;
    }
    std::uint32_t& state(unsigned lane) noexcept { return stream_.states[lane]; }
    unsigned lanes() const noexcept { return lanes_; }
    void set_lanes(unsigned lanes) noexcept { lanes_ = lanes; }

    // Chooses the tables of what comes next.
    void use(const TableSet& tables, const TableChoice& choice) noexcept {
        const std::size_t t = choice.each == nullptr ? choice.shared : 0;
        stream_.ranges = tables.ranges(t);
        stream_.divisors = tables.divisors(t);
        stream_.reciprocals = tables.reciprocals(t);
        stream_.escape_entries = tables.escape_entries(t);
        stream_.division = &tables.division(t);
        stream_.levels = tables.permute(t).levels;
    }

    // Prepares `count` symbols, at most a block, for the kernels.
    EncodeStream& load(const Input& input, const TableSet& tables, const TableChoice& choice, std::size_t at, std::size_t count) {
        const auto round_bytes = static_cast<std::ptrdiff_t>(lanes_ * size_of(input.type));
        stream_.ahead.num_lines = static_cast<unsigned>((round_bytes + 63) / 64);
        stream_.indices = choice.each == nullptr ? nullptr : choice.each + count;
        if (codes_as_bytes(input.type, tables, choice)) {
            stream_.base = static_cast<std::uint8_t>(tables[choice.shared].first);
            stream_.entries = input.as<std::uint8_t>(at) + count;
            stream_.escapes = nullptr;
            stream_.ahead.first = input.address(at + count) - fetch_distance;
            stream_.ahead.step = -round_bytes;
        } else {
            const std::size_t num_codes = entries_of_block(input, tables, choice, at, count, entries_.data(), codes_.data());
            stream_.base = 0;
            stream_.entries = entries_.data() + count;
            stream_.escapes = codes_.data() + num_codes;
            // The block before this one is the next.
            stream_.ahead.first = input.address(at - std::min(at, block_size));
            stream_.ahead.step = round_bytes;
        }
        stream_.out = words_.reserve((1 + max_escape_words) * count + 32);
        return stream_;
    }

    // Codes entries of the table of the last `use`, with the codes of the escaped ones, as one run.
    void encode_entries(std::span<const std::uint8_t> entries, std::span<const std::uint32_t> codes) {
        stream_.indices = nullptr;
        stream_.base = 0;
        stream_.entries = entries.data() + entries.size();
        stream_.escapes = codes.data() + codes.size();
        stream_.ahead = {};
        stream_.out = words_.reserve(entries.size() + max_escape_words * codes.size() + 32);
        EncodeStream* const stream = &stream_;
        if (const auto partial = static_cast<unsigned>(entries.size() % lanes_); partial > 0)
            portable_kernels.encode_static(&stream, 1, partial, 1);
        kernels().encode_static(&stream, 1, lanes_, entries.size() / lanes_);
        unload();
    }

    // The stream that is written: states, then the words in the order of reading.
    std::vector<std::uint8_t> stream() const {
        std::vector<std::uint8_t> bytes(4 * std::size_t{lanes_} + 2 * words_.count);
        for (unsigned lane = 0; lane < lanes_; ++lane)
            for (unsigned byte = 0; byte < 4; ++byte)
                bytes[4 * lane + byte] = static_cast<std::uint8_t>(stream_.states[lane] >> (8 * byte));
        kernels().reverse_words(words_.data.get(), words_.count, bytes.data() + 4 * lanes_);
        return bytes;
    }

    // After the kernels: takes over what they wrote.
    void unload() noexcept { words_.count = static_cast<std::size_t>(stream_.out - words_.data.get()); }

private:
    EncodeStream stream_{};
    unsigned lanes_ = min_lanes;
    Words words_;
    std::array<std::uint8_t, block_size> entries_;
    std::array<std::uint32_t, block_size> codes_;
};

// Symbols of each run that go in lock-step: all of them where the runs are equally long, else the full rounds of the
// shortest one; what is left is done for each stream alone.
inline std::size_t common_symbols(std::span<const Run> runs, unsigned lanes) noexcept {
    std::size_t shortest = runs[0].count;
    bool equal = true;
    for (const Run& run : runs) {
        equal = equal && run.count == runs[0].count;
        shortest = std::min(shortest, run.count);
    }
    return equal ? shortest : shortest / lanes * lanes;
}

// Encodes places begin .. end - 1 of each run, backwards.
inline void encode_part(std::span<Writer* const> writers, const Input& input, const TableSet& tables, std::span<const Run> runs,
                        std::size_t begin, std::size_t end) {
    const unsigned lanes = writers[0]->lanes();
    const bool indexed = runs[0].tables.each != nullptr;
    const EncodeKernel kernel = indexed ? kernels().encode_indexed : kernels().encode_static;
    const EncodeKernel partial_kernel = indexed ? portable_kernels.encode_indexed : portable_kernels.encode_static;
    std::array<EncodeStream*, max_streams> streams;
    const bool all_direct = std::all_of(runs.begin(), runs.end(), [&](const Run& run) {
        return codes_as_bytes(input.type, tables, run.tables);
    });
    const std::size_t block = all_direct ? direct_block_size : block_size;
    while (end > begin) {
        const std::size_t count = (end - begin - 1) % block + 1;
        end -= count;
        for (std::size_t s = 0; s < writers.size(); ++s)
            streams[s] = &writers[s]->load(input, tables, runs[s].tables.from(end), runs[s].begin + end, count);
        if (const auto partial = static_cast<unsigned>(count % lanes); partial > 0)
            partial_kernel(streams.data(), writers.size(), partial, 1);
        kernel(streams.data(), writers.size(), lanes, count / lanes);
        for (Writer* writer : writers) writer->unload();
    }
}

// Encodes one run on each writer, with the same number of lanes; at most `max_streams`.
inline void encode_runs(std::span<Writer* const> writers, const Input& input, const TableSet& tables, std::span<const Run> runs) {
    const std::size_t common = common_symbols(runs, writers[0]->lanes());
    for (std::size_t s = 0; s < writers.size(); ++s) {
        writers[s]->use(tables, runs[s].tables);
        encode_part(writers.subspan(s, 1), input, tables, runs.subspan(s, 1), common, runs[s].count);
    }
    encode_part(writers, input, tables, runs, 0, common);
}

// Encodes fronts, backwards. Each has rounds of its own.
inline void encode_fronts(Writer& writer, const Message& message, const TableSet& tables) {
    const EncodeKernel kernel = kernels().encode_indexed;
    writer.use(tables, message.tables);
    std::size_t end = message.count;
    for (std::size_t last = message.fronts.size(); last > 0;) {
        std::size_t first = last, count = 0;
        while (first > 0 && count + message.fronts[first - 1] <= block_size) count += message.fronts[--first];
        end -= count;
        EncodeStream* const stream = &writer.load(message.values, tables, message.tables.from(end), end, count);
        for (; last > first; --last) {
            const unsigned size = message.fronts[last - 1];
            if (const unsigned partial = size % writer.lanes(); partial > 0) kernels().encode_partial(&stream, 1, partial, 1);
            if (const unsigned rounds = size / writer.lanes(); rounds > 0) kernel(&stream, 1, writer.lanes(), rounds);
        }
        writer.unload();
    }
}

// One stream of messages that share its lanes.
inline std::vector<std::uint8_t> encode_messages(std::span<const Message> messages, const TableSet& tables, unsigned lanes,
                                                 std::uint16_t tail) {
    auto writer = std::make_unique<Writer>();
    writer->start(lanes, tail);
    Writer* const writers[] = {writer.get()};
    for (std::size_t m = messages.size(); m-- > 0;) {
        if (messages[m].mark) writer->push_word(*messages[m].mark);
        if (!messages[m].fronts.empty()) {
            encode_fronts(*writer, messages[m], tables);
            continue;
        }
        const Run run{0, messages[m].count, messages[m].tables};
        encode_runs(writers, messages[m].values, tables, {&run, 1});
    }
    return writer->stream();
}

// Symbols of one message with a table each: the tables, and where entries and the codes of the escaped ones go, in order.
struct FrontPart {
    const std::uint8_t* indices;
    std::uint8_t* entries;
    std::uint32_t* codes;  // after decoding, their end
};

// Reads one stream. Any bytes give values or a StreamError; nothing is read past the end.
class Reader {
public:
    Reader() = default;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // Words begin at `at` of `bytes`, which are borrowed; the states are to be set.
    void start(unsigned lanes, std::span<const std::uint8_t> bytes, std::size_t at) noexcept {
        lanes_ = lanes;
        origin_ = bytes.data();
        shift_ = 0;
        is_in_tail_ = false;
        stream_.is_truncated = stream_.is_misfit = false;
        stream_.at = bytes.data() + at;
        stream_.end = bytes.data() + bytes.size();
        stream_.limit = bytes.size() - at >= max_round_bytes ? stream_.end - max_round_bytes : nullptr;
        if (stream_.limit == nullptr || stream_.at > stream_.limit) move_to_tail();
    }

    std::uint32_t& state(unsigned lane) noexcept { return stream_.states[lane]; }
    unsigned lanes() const noexcept { return lanes_; }
    void set_lanes(unsigned lanes) noexcept { lanes_ = lanes; }
    std::size_t position() const noexcept { return static_cast<std::size_t>(stream_.at - origin_) + shift_; }
    std::span<const std::uint8_t> rest() const noexcept { return {stream_.at, stream_.end}; }

    std::uint16_t read_word() {
        if (stream_.end - stream_.at < 2) fail();
        const std::uint32_t word = load_word(stream_.at);
        stream_.at += 2;
        return static_cast<std::uint16_t>(word);
    }

    void use(const TableSet& tables, const TableChoice& choice, const PermuteTable* permute) noexcept {
        const std::size_t t = choice.each == nullptr ? choice.shared : 0;
        stream_.ranges = tables.ranges(t);
        stream_.coarse = tables.coarse(t);
        stream_.escape_entries = tables.escape_entries(t);
        stream_.permute = permute;
    }

    // Whether the kernels write the values themselves.
    bool is_direct(const Output& output, const TableSet& tables, const TableChoice& choice) const noexcept {
        return hash_ == nullptr && codes_as_bytes(output.type, tables, choice);
    }

    // Prepares for the symbols of a block, whose values go to place `at`.
    DecodeStream& load(const Output& output, const TableSet& tables, const TableChoice& choice, std::size_t at) noexcept {
        const auto round_bytes = static_cast<std::ptrdiff_t>(lanes_ * size_of(output.type));
        is_direct_ = is_direct(output, tables, choice);
        stream_.indices = choice.each;
        stream_.base = is_direct_ ? static_cast<std::uint8_t>(tables[choice.shared].first) : std::uint8_t{0};
        stream_.entries = is_direct_ ? output.as<std::uint8_t>(at) : entries_.data();
        stream_.escapes = is_direct_ ? nullptr : codes_.data();
        stream_.ahead = {output.address(at) + (is_direct_ ? fetch_distance : 0), round_bytes,
                         static_cast<unsigned>((round_bytes + 63) / 64)};
        return stream_;
    }

    // Prepares for one message of up to 64 symbols, a table each.
    DecodeStream& load_front(const FrontPart& part) noexcept {
        stream_.indices = part.indices;
        stream_.base = 0;
        stream_.entries = part.entries;
        stream_.escapes = part.codes;
        stream_.ahead = {};
        return stream_;
    }

    const DecodeStream& stream() const noexcept { return stream_; }

    // From here on entries and escape codes go into `hash`, where it is not null.
    void hash_into(SymbolHash* hash) noexcept { hash_ = hash; }

    void unload(const Output& output, const TableSet& tables, const TableChoice& choice, std::size_t at, std::size_t count) const {
        if (is_direct_) return;
        if (hash_ != nullptr) hash_->add({entries_.data(), count}, {codes_.data(), stream_.escapes});
        values_of_block(output, tables, choice, at, count, entries_.data(), codes_.data(), stream_.escapes != codes_.data(),
                        position());
    }

    // After rounds: nothing past the end may have been used. Near the end goes on in a padded copy.
    void check() {
        if (stream_.is_misfit) misfit(stream_.misfit, position());
        if (stream_.is_truncated || stream_.at > stream_.end) fail();
        if (!is_in_tail_ && stream_.at > stream_.limit) move_to_tail();
    }

private:
    [[noreturn]] void fail() const {
        throw StreamError(Fault::truncated, static_cast<std::size_t>(stream_.end - origin_) + shift_,
                          "the stream ends in the middle of its symbols");
    }

    void move_to_tail() noexcept {
        const auto left = static_cast<std::size_t>(stream_.end - stream_.at);
        shift_ = static_cast<std::size_t>(stream_.at - origin_);
        std::fill(tail_.begin(), tail_.end(), std::uint8_t{0});
        std::copy_n(stream_.at, left, tail_.data());
        origin_ = stream_.at = tail_.data();
        stream_.end = stream_.limit = tail_.data() + left;
        is_in_tail_ = true;
    }

    DecodeStream stream_{};
    unsigned lanes_ = min_lanes;
    const std::uint8_t* origin_ = nullptr;  // place `shift_` of the caller's bytes
    std::size_t shift_ = 0;
    bool is_in_tail_ = false;
    SymbolHash* hash_ = nullptr;
    bool is_direct_ = false;  // the kernel writes the values themselves
    std::array<std::uint8_t, 2 * max_round_bytes> tail_;
    std::array<std::uint8_t, block_size> entries_;
    std::array<std::uint32_t, block_size> codes_;
};

// One message of `count` symbols, at most 64, from each reader; they have as many lanes, and the tables of their last `use`.
inline void decode_fronts(std::span<Reader* const> readers, std::span<FrontPart* const> parts, std::size_t count) {
    std::array<DecodeStream*, max_streams> streams;
    for (std::size_t s = 0; s < readers.size(); ++s) streams[s] = &readers[s]->load_front(*parts[s]);
    const auto run = [&](DecodeKernel kernel, std::size_t first, std::size_t num, unsigned width, std::size_t rounds) {
        while (rounds > 0) {
            rounds -= kernel(streams.data() + first, num, width, rounds);
            for (std::size_t s = first; s < first + num; ++s) readers[s]->check();
        }
    };
    const unsigned lanes = readers[0]->lanes();
    const auto partial = static_cast<unsigned>(count % lanes);
    // One stream of few lanes is a chain of short rounds, which plain code goes through faster; several go side by side.
    const Kernels& chosen = lanes < 16 && readers.size() == 1 ? portable_kernels : kernels();
    const std::size_t together = lanes < 16 ? readers.size() : 1;
    for (std::size_t s = 0; s < readers.size(); s += together) {
        run(chosen.decode_indexed, s, together, lanes, count / lanes);
        if (partial > 0) run(chosen.decode_partial, s, together, partial, 1);
    }
    for (std::size_t s = 0; s < readers.size(); ++s) parts[s]->codes = readers[s]->stream().escapes;
}

// Decodes places begin .. end - 1 of each run.
inline void decode_part(std::span<Reader* const> readers, const Output& output, const TableSet& tables, std::span<const Run> runs,
                        std::size_t begin, std::size_t end) {
    const unsigned lanes = readers[0]->lanes();
    const bool indexed = runs[0].tables.each != nullptr;
    const DecodeKernel kernel = indexed ? kernels().decode_indexed : kernels().decode_static;
    const DecodeKernel partial_kernel = indexed ? portable_kernels.decode_indexed : portable_kernels.decode_static;
    std::array<DecodeStream*, max_streams> streams;
    const auto run_rounds = [&](DecodeKernel run, unsigned width, std::size_t rounds) {
        while (rounds > 0) {
            rounds -= run(streams.data(), readers.size(), width, rounds);
            for (Reader* reader : readers) reader->check();
        }
    };
    bool all_direct = true;
    for (std::size_t s = 0; s < readers.size(); ++s)
        all_direct = all_direct && readers[s]->is_direct(output, tables, runs[s].tables);
    const std::size_t block = all_direct ? direct_block_size : block_size;
    for (std::size_t at = begin; at < end; at += block) {
        const std::size_t count = std::min(block, end - at);
        for (std::size_t s = 0; s < readers.size(); ++s) 
            streams[s] = &readers[s]->load(output, tables, runs[s].tables.from(at), runs[s].begin + at);
        run_rounds(kernel, lanes, count / lanes);
        if (const auto partial = static_cast<unsigned>(count % lanes); partial > 0) run_rounds(partial_kernel, partial, 1);
        for (std::size_t s = 0; s < readers.size(); ++s)
            readers[s]->unload(output, tables, runs[s].tables.from(at), runs[s].begin + at, count);
    }
}

// Decodes one run from each reader, with the same number of lanes; at most `max_streams`.
inline void decode_runs(std::span<Reader* const> readers, const Output& output, const TableSet& tables, std::span<const Run> runs) {
    const bool indexed = runs[0].tables.each != nullptr;
    unsigned levels = 0;
    if (!indexed)
        for (const Run& run : runs) levels = std::max(levels, tables.permute(run.tables.shared).levels);
    // Kernels want tables of one depth; a smaller one is laid out again as if it were larger.
    std::vector<PermuteTable> deeper;
    for (std::size_t s = 0; s < readers.size(); ++s) {
        const PermuteTable* permute = indexed ? nullptr : &tables.permute(runs[s].tables.shared);
        if (!indexed && permute->levels != levels && deeper.empty()) deeper.reserve(max_streams);
        if (!indexed && permute->levels != levels)
            permute = &deeper.emplace_back(tables.permute_with(runs[s].tables.shared, levels));
        readers[s]->use(tables, runs[s].tables, permute);
    }
    const std::size_t common = common_symbols(runs, readers[0]->lanes());
    decode_part(readers, output, tables, runs, 0, common);
    for (std::size_t s = 0; s < readers.size(); ++s)
        decode_part(readers.subspan(s, 1), output, tables, runs.subspan(s, 1), common, runs[s].count);
}

// Reads the messages of one stream in the order they were encoded.
class Decoder {
public:
    Decoder(std::span<const std::uint8_t> bytes, unsigned lanes) : num_bytes_{bytes.size()} {
        if (bytes.size() < 4 * std::size_t{lanes})
            throw StreamError(Fault::truncated, bytes.size(), "the stream ends before its " + std::to_string(lanes) + " states");
        for (unsigned lane = 0; lane < lanes; ++lane) {
            reader_.state(lane) = load_word(&bytes[4 * lane]) | (load_word(&bytes[4 * lane + 2]) << 16);
            if (reader_.state(lane) < state_low) throw StreamError(Fault::corrupt, 4 * lane, "a state is below 2^16");
        }
        reader_.start(lanes, bytes, 4 * lanes);
    }

    void decode(const Output& output, std::size_t count, const TableSet& tables, const TableChoice& choice) {
        Reader* const readers[] = {&reader_};
        const Run run{0, count, choice};
        decode_runs(readers, output, tables, {&run, 1});
    }

    Reader& reader() noexcept { return reader_; }

    std::uint16_t read_mark() {
        const std::uint16_t mark = reader_.read_word();
        reader_.check();
        return mark;
    }

    // After the last message: the tail that lane 0 ends with. Throws when the states or the length are not those
    // that an encoder starts from.
    std::uint16_t finish() {
        if (reader_.position() != num_bytes_)
            throw StreamError(Fault::corrupt, reader_.position(), "the stream goes on after its last symbol");
        for (unsigned lane = 0; lane < reader_.lanes(); ++lane)
            if (reader_.state(lane) >= (lane == 0 ? 2 * state_low : state_low + 1))
                throw StreamError(Fault::corrupt, num_bytes_, "lane " + std::to_string(lane) + " ends in a wrong state");
        return static_cast<std::uint16_t>(reader_.state(0) - state_low);
    }

private:
    Reader reader_;
    std::size_t num_bytes_;
};

}  // namespace laconic
