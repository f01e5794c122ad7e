// Packets: arrays of symbols as bytes that describe and check themselves (SPEC.md, "Packets").
//
//   packet = varint 2 n + chunked | [varint chunk size | varint length of each stream] | streams
//   stream = form byte | varint folded | [u32 crc] | short-state flags | states, three or four bytes each | words
//
// Two things make small packets small. States below 2^24 take three bytes. And the last `folded` symbols are coded by lane
// 0 alone, whose words are the low halves of the states that the other lanes start from, so that nothing is spent on these.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "job_groups.hpp"
#include "packet_layout.hpp"
#include "rans.hpp"

namespace laconic {

inline constexpr std::size_t max_symbols = std::size_t{1} << 40;
inline constexpr std::size_t max_chunk = std::size_t{1} << 30;
inline constexpr std::size_t crc_bytes = 4096;       // streams expected to reach this carry a CRC-32C of their bytes
// Bytes expected of a stream from which on it has 8, 16, 32 and 64 lanes. A lane costs about half a byte.
inline constexpr std::size_t bytes_for_lanes[] = {512, 1024, 8192, 131072};
inline constexpr std::size_t max_folded_per_lane = 16;
inline constexpr std::uint8_t crc_flag = 8;
inline constexpr std::size_t large_words = 16384;  // streams expected to have as many get their memory from a pool

inline void append_varint(std::vector<std::uint8_t>& bytes, std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) bytes.push_back(static_cast<std::uint8_t>(number | 0x80U));
    bytes.push_back(static_cast<std::uint8_t>(number));
}

inline std::size_t varint_size(std::uint64_t number) noexcept {
    return (static_cast<std::size_t>(std::bit_width(number | 1)) + 6) / 7;
}

inline void append_u32(std::vector<std::uint8_t>& bytes, std::uint32_t number) {
    for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(number >> shift));
}

// Reads the fields before the symbols.
class FieldReader {
public:
    explicit FieldReader(std::span<const std::uint8_t> bytes) : bytes_{bytes} {}

    std::size_t position() const noexcept { return at_; }
    std::size_t left() const noexcept { return bytes_.size() - at_; }

    std::span<const std::uint8_t> take(std::size_t count) {
        if (count > left()) throw StreamError(Fault::truncated, bytes_.size(), "a packet ends before its symbols");
        at_ += count;
        return bytes_.subspan(at_ - count, count);
    }

    std::uint8_t byte() { return take(1)[0]; }

    std::uint32_t u32() {
        const auto four = take(4);
        return load_word(four.data()) | (load_word(four.data() + 2) << 16);
    }

    // As short as the number allows, so that a packet has one form only.
    std::uint64_t varint(std::uint64_t limit, const char* what) {
        std::uint64_t number = 0;
        for (unsigned shift = 0; shift < 63; shift += 7) {
            const std::uint8_t byte = this->byte();
            number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
            if (byte >= 0x80) continue;
            if (byte == 0 && shift > 0) break;
            if (number > limit)
                throw StreamError(Fault::corrupt, at_, std::string(what) + " is " + std::to_string(number) + "; at most " +
                                                           std::to_string(limit) + " is allowed");
            return number;
        }
        throw StreamError(Fault::corrupt, at_, std::string(what) + " is no valid number");
    }

private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
};

// What the checks of a stream begin with: the CRC-32C of the packet's opening, carried on over the number of the stream.
inline std::uint32_t stream_seed(std::span<const std::uint8_t> opening, std::size_t number) {
    std::vector<std::uint8_t> bytes(opening.begin(), opening.end());
    append_varint(bytes, number);
    return kernels().crc32c(bytes.data(), bytes.size(), 0);
}

// What an encoder chooses for a stream.
struct Form {
    unsigned lanes = min_lanes;
    bool has_crc = false;
    std::size_t folded = 0;

    bool operator==(const Form&) const = default;

    std::uint8_t byte() const noexcept {
        return static_cast<std::uint8_t>(std::countr_zero(lanes / min_lanes) | (has_crc ? crc_flag : 0));
    }
};

inline Form form_of(std::size_t count, std::uint64_t bits) noexcept {
    Form form;
    for (const std::size_t bytes : bytes_for_lanes)
        if (bits / 8 >= bytes) form.lanes *= 2;
    form.has_crc = bits / 8 >= crc_bytes;
    // A sixteenth more than is expected to fit: words that find no lane cost nothing, lanes that find no word do.
    const std::uint64_t room = 17 * (std::uint64_t{form.lanes} - 1);
    const std::uint64_t fitting = bits == 0 ? count : room * count / bits;
    form.folded = std::min<std::uint64_t>({count, fitting, max_folded_per_lane * form.lanes});
    return form;
}

// Expected bits of the runs, from some of their symbols: within a few per cent, the same everywhere.
inline std::uint64_t estimate_bits(const Input& input, const TableSet& tables, std::span<const Run> runs) {
    std::size_t count = 0;
    for (const Run& run : runs) count += run.count;
    const std::size_t wanted = count < 65536 ? 64 : 512;
    const std::size_t stride = std::max<std::size_t>(1, count / wanted);
    std::uint64_t cost = 0, samples = 0;
    std::size_t at = stride / 2;
    for (const Run& run : runs) {
        for (; at < run.count; at += stride) {
            const std::size_t t = run.tables[at];
            const std::uint32_t entry = TableSet::entry_of(tables[t], input.value(run.begin + at));
            const auto frequency = tables.frequency(t, entry);
            // 16 - log2(frequency) in 1/65536, the logarithm taken as linear between powers of two.
            const auto exponent = static_cast<unsigned>(std::bit_width(frequency)) - 1;
            cost += (std::uint64_t{16 - exponent} << 16) - ((frequency << (16 - exponent)) & 0xFFFFU);
            if (entry == tables[t].size - 1) cost += 16U << 16;
            ++samples;
        }
        at -= run.count;
    }
    return samples == 0 ? 0 : (cost * count / samples) >> 16;
}

struct SplitRuns {
    std::vector<Run> main, folded;
};

// The last `folded` symbols apart.
inline SplitRuns split(std::vector<Run> runs, std::size_t folded) {
    SplitRuns parts{std::move(runs), {}};
    while (folded > 0) {
        Run& last = parts.main.back();
        const std::size_t count = std::min(folded, last.count);
        const std::size_t begin = last.count - count;
        parts.folded.insert(parts.folded.begin(), {last.begin + begin, count, last.tables.from(begin)});
        last.count = begin;
        folded -= count;
        if (begin == 0) parts.main.pop_back();
    }
    return parts;
}

// What the checks go on with: the fields of a stream before its CRC.
inline std::uint32_t fields_crc(const Form& form, std::uint32_t seed) {
    std::vector<std::uint8_t> fields{form.byte()};
    append_varint(fields, form.folded);
    return kernels().crc32c(fields.data(), fields.size(), seed);
}

// One stream to encode: its runs, form, and what its checks cover besides; then the stream, in the order of encoding.
struct EncodeJob {
    SplitRuns parts;
    Form form;
    std::uint32_t seed;  // `stream_seed`
    Words words{};       // a large one has its memory from the start
    bool is_large = false;
    std::vector<std::uint8_t> head{};  // up to the states; the CRC is still to be filled in

    std::size_t size() const noexcept { return head.size() + 2 * words.count; }
};

inline std::uint16_t symbol_check(const Input& input, const TableSet& tables, const EncodeJob& job) {
    SymbolHash hash(fields_crc(job.form, job.seed));
    std::uint8_t entries[block_size];
    std::uint32_t codes[block_size];
    for (const std::vector<Run>* runs : {&job.parts.main, &job.parts.folded})
        for (const Run& run : *runs)
            for (std::size_t at = 0; at < run.count; at += block_size) {
                const std::size_t count = std::min(block_size, run.count - at);
                const std::size_t num_codes =
                    entries_of_block(input, tables, run.tables.from(at), run.begin + at, count, entries, codes);
                hash.add({entries, count}, {codes, num_codes});
            }
    return static_cast<std::uint16_t>(hash.value());
}

// Moves the words of lane 0 into the states of the others, those read first into the first lanes.
inline void fold(Writer& writer, unsigned lanes) noexcept {
    const auto words = writer.words();
    const std::size_t folded = std::min<std::size_t>(words.size(), lanes - 1);
    for (std::size_t i = 0; i < folded; ++i)
        writer.state(static_cast<unsigned>(i + 1)) = state_low + words[words.size() - 1 - i];
    writer.keep_words(words.size() - folded);
}

inline void finish(EncodeJob& job, Writer& writer) {
    const unsigned lanes = job.form.lanes;
    std::vector<std::uint8_t>& head = job.head;
    head.reserve(16 + lanes / 8 + 4 * lanes);
    head.push_back(job.form.byte());
    append_varint(head, job.form.folded);
    if (job.form.has_crc) append_u32(head, 0);
    for (unsigned first = 0; first < lanes; first += 8) {
        unsigned flags = 0;
        for (unsigned lane = first; lane < std::min(first + 8, lanes); ++lane)
            flags |= static_cast<unsigned>(writer.state(lane) < 1U << 24) << (lane - first);
        head.push_back(static_cast<std::uint8_t>(flags));
    }
    for (unsigned lane = 0; lane < lanes; ++lane) {
        append_u32(head, writer.state(lane));
        if (writer.state(lane) < 1U << 24) head.pop_back();
    }
    job.words = job.is_large ? writer.take_words() : writer.copy_words();
}

// Writes the stream in its final order, with its CRC.
inline void write_stream(const EncodeJob& job, std::uint8_t* to) noexcept {
    constexpr std::size_t part = 4096;  // words that are still in the cache when the CRC reads them
    std::copy(job.head.begin(), job.head.end(), to);
    const std::size_t crc_at = 1 + varint_size(job.form.folded);
    std::uint32_t crc = fields_crc(job.form, job.seed);
    if (job.form.has_crc) {
        crc = kernels().crc32c(to + crc_at + 4, job.head.size() - crc_at - 4, crc);
    }
    std::uint8_t* at = to + job.head.size();
    for (std::size_t left = job.words.count; left > 0;) {
        const std::size_t count = std::min(left, part);
        left -= count;
        kernels().reverse_words(job.words.data.get() + left, count, at);
        if (job.form.has_crc) crc = kernels().crc32c(at, 2 * count, crc);
        at += 2 * count;
    }
    if (job.form.has_crc)
        for (unsigned byte = 0; byte < 4; ++byte) to[crc_at + byte] = static_cast<std::uint8_t>(crc >> (8 * byte));
}

// The runs at one place of all jobs of a group.
template <class Job>
void collect(std::span<Job* const> jobs, std::vector<Run> SplitRuns::*part, std::size_t number, std::vector<Run>& runs) {
    for (std::size_t j = 0; j < jobs.size(); ++j) runs[j] = (jobs[j]->parts.*part)[number];
}

inline void encode_jobs(std::vector<EncodeJob>& all, const Input& input, const TableSet& tables, unsigned num_threads) {
    for_groups(all, tables, num_threads, kernels().encoding_cost, [&](std::span<EncodeJob* const> jobs) {
        const auto writers = streams_of_thread<Writer>(jobs.size());
        for (std::size_t j = 0; j < jobs.size(); ++j)
            writers[j]->start(1, jobs[j]->form.has_crc ? std::uint16_t{0} : symbol_check(input, tables, *jobs[j]),
                              std::move(jobs[j]->words));
        std::vector<Run> runs(jobs.size());
        const auto encode_all = [&](std::vector<Run> SplitRuns::*part) {
            for (std::size_t r = (jobs[0]->parts.*part).size(); r-- > 0;) {
                collect(jobs, part, r, runs);
                encode_runs(writers, input, tables, runs);
            }
        };
        encode_all(&SplitRuns::folded);
        for (Writer* writer : writers) {
            fold(*writer, jobs[0]->form.lanes);
            writer->set_lanes(jobs[0]->form.lanes);
        }
        encode_all(&SplitRuns::main);
        for (std::size_t j = 0; j < jobs.size(); ++j) finish(*jobs[j], *writers[j]);
    });
}

// Packets that are encoded but not yet in one piece each: fields, then streams.
class Packets {
public:
    Packets(std::vector<EncodeJob> jobs, std::size_t num_items, std::span<const std::uint8_t> head)
        : jobs_{std::move(jobs)}, per_item_{jobs_.size() / num_items} {
        for (std::size_t item = 0; item < num_items; ++item) {
            heads_.emplace_back(head.begin(), head.end());
            if (per_item_ > 1)
                for (const EncodeJob& job : streams(item)) append_varint(heads_[item], job.size());
        }
    }

    Packets(Packets&&) = default;

    ~Packets() {
        for (EncodeJob& job : jobs_)
            if (job.is_large) WordPool::of_thread().give(std::move(job.words));
    }

    std::size_t num_items() const noexcept { return heads_.size(); }

    std::size_t size(std::size_t item) const noexcept {
        std::size_t total = heads_[item].size();
        for (const EncodeJob& job : streams(item)) total += job.size();
        return total;
    }

    // Writes the packets, each to its place.
    void write(std::span<std::uint8_t* const> places, unsigned num_threads) const {
        std::vector<std::uint8_t*> to(jobs_.size());
        for (std::size_t item = 0; item < num_items(); ++item) {
            std::uint8_t* at = std::copy(heads_[item].begin(), heads_[item].end(), places[item]);
            for (std::size_t c = 0; c < per_item_; ++c) {
                to[item * per_item_ + c] = at;
                at += jobs_[item * per_item_ + c].size();
            }
        }
        in_parallel(jobs_.size(), num_threads, [&](std::size_t j) { write_stream(jobs_[j], to[j]); });
    }

private:
    std::span<const EncodeJob> streams(std::size_t item) const noexcept {
        return std::span(jobs_).subspan(item * per_item_, per_item_);
    }

    std::vector<EncodeJob> jobs_;
    std::size_t per_item_;
    std::vector<std::vector<std::uint8_t>> heads_;
};

// The packets of `num_items` arrays of one layout that follow each other in `input`.
inline Packets encode_packets(const Input& input, std::size_t num_items, const Layout& layout, const TableSet& tables,
                              std::size_t chunk, unsigned num_threads) {
    const Cutter cutter(layout, chunk);
    const std::size_t per_item = cutter.num_chunks();
    std::vector<std::uint8_t> head;
    append_varint(head, 2 * layout.count + (per_item > 1 ? 1 : 0));
    if (per_item > 1) append_varint(head, chunk);
    std::vector<EncodeJob> jobs;
    jobs.reserve(num_items * per_item);
    // Packets of one stream share a form, so that they go in lock-step; chunks have one each.
    const std::size_t num_samples = std::min<std::size_t>(num_items, 16);
    std::uint64_t bits = 0;
    if (per_item == 1)
        for (std::size_t i = 0; i < num_samples; ++i)
            bits += estimate_bits(input, tables, cutter.runs({0, layout.count}, i * num_items / num_samples * layout.count));
    std::vector<std::uint32_t> seeds(per_item);
    for (std::size_t c = 0; c < per_item; ++c) seeds[c] = stream_seed(head, c);
    for (std::size_t item = 0; item < num_items; ++item)
        for (std::size_t c = 0; c < per_item; ++c) {
            const auto bounds = cutter.chunk(c);
            std::vector<Run> runs = cutter.runs(bounds, item * layout.count);
            const std::uint64_t expected = per_item == 1 ? bits / num_samples : estimate_bits(input, tables, runs);
            Form form = form_of(bounds.end - bounds.begin, expected);
            form.has_crc |= per_item > 1;
            EncodeJob& job = jobs.emplace_back(EncodeJob{split(std::move(runs), form.folded), form, seeds[c]});
            if (expected / 16 < large_words) continue;
            job.words = WordPool::of_thread().take(expected / 16 + expected / 256 + (1 + max_escape_words) * direct_block_size);
            job.is_large = true;
        }
    encode_jobs(jobs, input, tables, num_threads);
    return {std::move(jobs), num_items, head};
}

struct DecodeJob {
    SplitRuns parts;
    Form form;
    std::uint32_t fields_crc;
    std::uint32_t crc;
    std::size_t position;                 // of the stream in its packet, for messages
    std::span<const std::uint8_t> bytes;  // from the states on
};

// Where a stream has a CRC it is checked just before decoding, which then finds the bytes in the cache.
inline void check_crc(const DecodeJob& job) {
    if (job.form.has_crc && kernels().crc32c(job.bytes.data(), job.bytes.size(), job.fields_crc) != job.crc)
        throw StreamError(Fault::checksum, job.position, "a stream does not match its checksum");
}

// Parses the fields of a stream.
inline DecodeJob open_stream(std::span<const std::uint8_t> bytes, std::size_t position, std::uint32_t seed, std::size_t count) {
    FieldReader fields(bytes);
    const std::uint8_t byte = fields.byte();
    DecodeJob job{{}, {}, 0, 0, position, {}};
    if ((byte & 7U) > 4 || byte > 15)
        throw StreamError(Fault::corrupt, position, "a stream has the form " + std::to_string(byte) + ", which is not known");
    job.form.lanes = min_lanes << (byte & 7U);
    job.form.has_crc = (byte & crc_flag) != 0;
    job.form.folded = fields.varint(std::min<std::uint64_t>(count, max_folded_per_lane * job.form.lanes), "the number of folded symbols");
    job.fields_crc = kernels().crc32c(bytes.data(), fields.position(), seed);
    if (job.form.has_crc) job.crc = fields.u32();
    job.bytes = fields.take(fields.left());
    return job;
}

inline void read_states(Reader& reader, const DecodeJob& job) {
    FieldReader fields(job.bytes);
    const unsigned lanes = job.form.lanes;
    const auto flags = fields.take((lanes + 7) / 8);
    if (lanes < 8 && flags[0] >> lanes != 0) throw StreamError(Fault::corrupt, job.position, "a lane that is not there has a state");
    for (unsigned lane = 0; lane < lanes; ++lane) {
        const bool is_short = (flags[lane / 8] >> (lane % 8)) & 1U;
        const auto state = fields.take(is_short ? 3 : 4);
        reader.state(lane) = load_word(state.data()) | (static_cast<std::uint32_t>(state[2]) << 16) |
                             (is_short ? 0U : static_cast<std::uint32_t>(state[3]) << 24);
        if (!is_short && reader.state(lane) < 1U << 24) throw StreamError(Fault::corrupt, job.position, "a short state has four bytes");
        if (reader.state(lane) < state_low) throw StreamError(Fault::corrupt, job.position, "a state is below 2^16");
    }
    reader.start(lanes, job.bytes, fields.position());
}

// Lane 0 goes on alone: its words are the low halves of the other lanes, then what is left of the stream.
inline std::vector<std::uint8_t> unfold(Reader& reader, const DecodeJob& job) {
    const auto rest = reader.rest();
    if (rest.size() > 2 * (1 + max_escape_words) * job.form.folded)
        throw StreamError(Fault::corrupt, job.position, "a stream goes on after its last symbol");
    std::vector<std::uint8_t> words;
    words.reserve(2 * job.form.lanes + rest.size());
    for (unsigned lane = 1; lane < job.form.lanes; ++lane) {
        const std::uint32_t state = reader.state(lane);
        if (state >= 2 * state_low) throw StreamError(Fault::corrupt, job.position, "lane " + std::to_string(lane) + " ends in a wrong state");
        words.push_back(static_cast<std::uint8_t>(state));
        words.push_back(static_cast<std::uint8_t>(state >> 8));
    }
    words.insert(words.end(), rest.begin(), rest.end());
    return words;
}

// After the last symbol: words of lanes that were not needed are 0, others do not stay unread, and lane 0 ends with the check.
inline void close_stream(Reader& reader, const DecodeJob& job, std::size_t num_folded_bytes, const SymbolHash& hash) {
    const auto rest = reader.rest();
    const bool all_zero = std::all_of(rest.begin(), rest.end(), [](std::uint8_t byte) { return byte == 0; });
    if (!all_zero || (num_folded_bytes > 2 * (job.form.lanes - 1) && !rest.empty()))
        throw StreamError(Fault::corrupt, job.position, "a stream goes on after its last symbol");
    if (reader.state(0) >= 2 * state_low) throw StreamError(Fault::corrupt, job.position, "lane 0 ends in a wrong state");
    const auto expected = static_cast<std::uint16_t>(job.form.has_crc ? 0 : hash.value());
    if (static_cast<std::uint16_t>(reader.state(0)) != expected)
        throw StreamError(Fault::checksum, job.position, "the symbols of a stream do not match their checksum");
}

inline void decode_jobs(std::vector<DecodeJob>& all, const Output& output, const TableSet& tables, unsigned num_threads) {
    for_groups(all, tables, num_threads, kernels().decoding_cost, [&](std::span<DecodeJob* const> jobs) {
        const auto readers = streams_of_thread<Reader>(jobs.size());
        std::vector<SymbolHash> hashes;
        hashes.reserve(jobs.size());
        for (const DecodeJob* job : jobs) check_crc(*job);
        for (std::size_t j = 0; j < jobs.size(); ++j) {
            read_states(*readers[j], *jobs[j]);
            hashes.emplace_back(jobs[j]->fields_crc);
            readers[j]->hash_into(jobs[j]->form.has_crc ? nullptr : &hashes.back());
        }
        std::vector<Run> runs(jobs.size());
        const auto decode_all = [&](std::vector<Run> SplitRuns::*part) {
            for (std::size_t r = 0; r < (jobs[0]->parts.*part).size(); ++r) {
                collect(jobs, part, r, runs);
                decode_runs(readers, output, tables, runs);
            }
        };
        decode_all(&SplitRuns::main);
        std::vector<std::vector<std::uint8_t>> words;
        for (std::size_t j = 0; j < jobs.size(); ++j) {
            words.push_back(unfold(*readers[j], *jobs[j]));
            readers[j]->start(1, words.back(), 0);
        }
        decode_all(&SplitRuns::folded);
        for (std::size_t j = 0; j < jobs.size(); ++j) close_stream(*readers[j], *jobs[j], words[j].size(), hashes[j]);
    });
}

// Number of symbols that a packet claims; nothing else of it is read.
inline std::size_t packet_count(std::span<const std::uint8_t> packet) {
    FieldReader fields(packet);
    return fields.varint(2 * max_symbols + 1, "the number of symbols") / 2;
}

// Decodes packets of one layout to places that follow each other in `output`.
inline void decode_packets(std::span<const std::span<const std::uint8_t>> packets, const Output& output, const Layout& layout,
                           const TableSet& tables, unsigned num_threads) {
    std::vector<DecodeJob> jobs;
    jobs.reserve(packets.size());
    const auto add = [&](DecodeJob job, std::size_t item, const Cutter& cutter, Cutter::Bounds bounds) {
        job.parts = split(cutter.runs(bounds, item * layout.count), job.form.folded);
        jobs.push_back(std::move(job));
    };
    for (std::size_t item = 0; item < packets.size(); ++item) {
        const auto packet = packets[item];
        FieldReader fields(packet);
        const std::uint64_t head = fields.varint(2 * max_symbols + 1, "the number of symbols");
        if (head / 2 != layout.count)
            throw StreamError(Fault::corrupt, 0, "a packet holds " + std::to_string(head / 2) + " symbols; " +
                                                     std::to_string(layout.count) + " are expected");
        const bool is_chunked = head % 2 != 0;
        const std::size_t chunk = is_chunked ? fields.varint(max_chunk, "the chunk size") : layout.count;
        if (is_chunked && chunk == 0) throw StreamError(Fault::corrupt, 0, "a packet has chunks of 0 symbols");
        const Cutter cutter(layout, chunk);
        if (is_chunked != (cutter.num_chunks() > 1)) throw StreamError(Fault::corrupt, 0, "a packet has a wrong chunk size");
        const auto opening = packet.first(fields.position());
        if (!is_chunked) {
            const std::size_t at = fields.position();
            add(open_stream(fields.take(fields.left()), at, stream_seed(opening, 0), layout.count), item, cutter, {0, layout.count});
            continue;
        }
        // A stream has at least two bytes, so that a short packet cannot ask for much.
        if (cutter.num_chunks() > packet.size() / 2) throw StreamError(Fault::truncated, packet.size(), "a packet ends before its streams");
        std::vector<std::size_t> lengths(cutter.num_chunks());
        for (std::size_t& length : lengths) length = fields.varint(packet.size(), "the length of a stream");
        for (std::size_t c = 0; c < lengths.size(); ++c) {
            const auto bounds = cutter.chunk(c);
            const std::size_t at = fields.position();
            add(open_stream(fields.take(lengths[c]), at, stream_seed(opening, c), bounds.end - bounds.begin), item, cutter, bounds);
        }
        if (fields.left() != 0) throw StreamError(Fault::corrupt, fields.position(), "a packet goes on after its last stream");
    }
    decode_jobs(jobs, output, tables, num_threads);
}

}  // namespace laconic
