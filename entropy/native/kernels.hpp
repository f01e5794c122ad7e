// The inner loops of the coder, one set for each instruction set; `kernels()` gives the set in use.
//
// A kernel runs full rounds of one or more streams in lock-step: each phase of a round is done for all streams before
// the next, since one stream alone is a chain of dependent steps. They know entries of tables (u8) only; values, marks,
// checksums and shorter rounds are the work of their callers. The partial kernels alone take a round of any number of lanes,
// and `contexts` has what finds the tables of one. All sets give the same bytes and entries.
//
// This header is also compiled for newer instruction sets, so it holds no inline function with external linkage: the
// linker might keep the copy that an older machine cannot run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic {

inline constexpr std::uint32_t probability_bits = 16;
inline constexpr std::uint32_t probability_sum = 1U << probability_bits;
inline constexpr std::size_t max_table_size = 256;
inline constexpr std::uint32_t coarse_shift = 6;
inline constexpr std::size_t coarse_size = probability_sum >> coarse_shift;

inline constexpr std::uint32_t state_low = 1U << 16;
inline constexpr unsigned min_lanes = 4;
inline constexpr unsigned max_lanes = 64;
inline constexpr std::uint32_t wide_escape = 0xFFFF;  // this escape word is followed by two more
inline constexpr std::size_t max_escape_words = 3;
inline constexpr std::size_t max_round_bytes = 2 * max_lanes;  // words that the states of one round can take

// One table laid out for kernels that search and look up by permuting registers.
//
// The search asks one question a level, the top bit of the entry first; the answers are gathered lowest bit first, so
// that level l has 2^l pivots and everything found by the index stands in bit-reversed order.
struct alignas(64) PermuteTable {
    alignas(64) std::uint16_t pivots[8][128];  // "entry >= e" is "slot > pivot"; 65535 is never
    alignas(64) std::uint16_t frequency[256];
    alignas(64) std::uint16_t start[256];
    unsigned levels;  // 2^levels >= size
};

// Division by a frequency as Moeller and Granlund do it ("Improved division by invariant integers", algorithm 4), with
// 16-bit words: divisor = frequency << shift has its top bit set, reciprocal = (2^32 - 1) / divisor - 2^16.
struct alignas(64) DivisionTable {
    std::uint16_t divisor[256];
    std::uint16_t reciprocal[256];
    std::uint16_t shift[256];
    std::uint16_t start[256];
    // For tables of frequencies below 2^14: the frequency, and (2^32 - 1) / frequency in two words.
    std::uint16_t frequency[256];
    std::uint16_t inverse_high[256];
    std::uint16_t inverse_low[256];
    bool is_small;  // all frequencies are below 2^14
};

// Memory that is needed soon, and that a kernel may bring closer: so many lines of 64 bytes from `first` + round * `step` on.
struct Ahead {
    const char* first;
    std::ptrdiff_t step;
    unsigned num_lines;
};

// Where one stream stands while it is read. `at` may be read for `max_round_bytes` while `at <= limit`; a kernel starts
// no round beyond `limit`. Escape words are read up to `end` only. Tables: arrays of `TableSet`, of the one table in a
// static call, of the first table in an indexed one.
struct DecodeStream {
    alignas(64) std::uint32_t states[max_lanes];
    const std::uint8_t* at;
    const std::uint8_t* limit;
    const std::uint8_t* end;
    const std::uint32_t* ranges;
    const std::uint8_t* coarse;
    const std::uint8_t* escape_entries;
    const PermuteTable* permute;    // static only
    const std::uint8_t* indices;    // indexed only: table of each symbol; moved on by the kernel
    std::uint8_t* entries;          // one for each symbol, plus `base`; moved on by the kernel
    std::uint32_t* escapes;         // zigzag codes in order, moved on by the kernel; null: put as int8 among `entries`
    std::uint8_t base;              // static only, else 0; with the table's first value, entries become int8 values
    bool is_truncated;              // an escape went past the end
    bool is_misfit;                 // an escaped value is no int8
    std::int32_t misfit;            // that value
    Ahead ahead;
};

// Where one stream stands while it is written, backwards: words go to `out` in the order of encoding, which is the
// reverse of the stream. The caller keeps room for 1 + max_escape_words words a symbol and 32 more.
struct EncodeStream {
    alignas(64) std::uint32_t states[max_lanes];
    std::uint16_t* out;
    const std::uint32_t* ranges;
    const std::uint32_t* divisors;
    const std::uint64_t* reciprocals;
    const std::uint8_t* escape_entries;
    const DivisionTable* division;   // static only
    unsigned levels;                 // static only: the table has at most 2^levels entries
    const std::uint8_t* indices;     // indexed only: end of the tables of the symbols; moved back by the kernel
    const std::uint8_t* entries;     // end of the entries, plus `base`; moved back by the kernel
    const std::uint32_t* escapes;    // end of the zigzag codes, moved back by the kernel; null: int8 among `entries`
    std::uint8_t base;               // static only, else 0; what lies outside the table then means the escape
    Ahead ahead;
};

// Streams of one call have the same number of lanes. Decoding returns the rounds done, fewer when a stream came to its
// limit, is truncated or has a misfit. In a static call all `permute` have the same number of levels, and streams of 16 lanes or fewer the same
// table. Lanes of any other number than 8, 16, 32 or 64 run the portable way, one lane to 64.
using DecodeKernel = std::size_t (*)(DecodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds);
using EncodeKernel = void (*)(EncodeStream* const* streams, std::size_t num_streams, unsigned lanes, std::size_t rounds);

using Cost = unsigned (*)(unsigned lanes, std::size_t num_streams, unsigned levels);

// Conversions of blocks of values; convert.inc has them and their contracts.
inline constexpr unsigned has_nonzero = 1, has_escapes = 2;  // results of `entries_of_rows`

struct Conversions {
    bool (*entries_of_bytes)(const std::int8_t*, std::size_t, std::int32_t, std::uint8_t, std::uint8_t*);
    bool (*entries_of)(const std::int32_t*, std::size_t, std::int32_t, std::uint8_t, std::uint8_t*);
    unsigned (*entries_of_rows16)(const std::int16_t*, std::size_t, std::size_t, std::ptrdiff_t, std::int32_t, std::uint8_t, std::uint8_t*);
    unsigned (*entries_of_rows32)(const std::int32_t*, std::size_t, std::size_t, std::ptrdiff_t, std::int32_t, std::uint8_t, std::uint8_t*);
    bool (*entries_by_index)(const std::int32_t*, const std::uint8_t*, std::size_t, const std::uint32_t*, std::uint8_t*);
    void (*bytes_of)(const std::uint8_t*, std::size_t, std::int32_t, std::int8_t*);
    void (*shorts_of)(const std::uint8_t*, std::size_t, std::int32_t, std::int16_t*);
    void (*values_of)(const std::uint8_t*, std::size_t, std::int32_t, std::int32_t*);
    void (*values_by_index)(const std::uint8_t*, const std::uint8_t*, std::size_t, const std::int32_t*, std::int32_t*);
    void (*widen_int8)(const std::int8_t*, std::size_t, std::int32_t*);
    void (*widen_int16)(const std::int16_t*, std::size_t, std::int32_t*);
    bool (*narrow_int8)(const std::int32_t*, std::size_t, std::int8_t*);
    bool (*narrow_int16)(const std::int32_t*, std::size_t, std::int16_t*);
    std::uint64_t (*sum_costs)(const std::uint8_t*, std::size_t, const std::uint32_t*, std::size_t);
    bool (*quantize)(const float*, std::size_t, float, std::int32_t*);
    void (*dequantize)(const std::int32_t*, std::size_t, float, float*);
    void (*widen_bfloat16)(const std::uint16_t*, std::size_t, float*);
    void (*narrow_bfloat16)(const float*, std::size_t, std::uint16_t*);
    void (*widen_float16)(const std::uint16_t*, std::size_t, float*);
    void (*narrow_float16)(const float*, std::size_t, std::uint16_t*);
};

// Contexts of profile "small" (SPEC.md, section 4.3), by lane of a front.
inline constexpr std::size_t front_lanes = 64;
inline constexpr std::size_t max_features = 8;
inline constexpr std::size_t num_leans = 4;
inline constexpr std::size_t num_levels = 96;
inline constexpr std::size_t map_stride = 128;
inline constexpr unsigned max_neighbour_sum = 516;  // times 127 is below 2^16
inline constexpr unsigned max_lean_sum = 255;       // times 127 is below 2^15

// What the tables of a front depend on. `before[i]` has the clipped symbols of the front i + 1 earlier, by lane; lanes
// -1 to -2 `num_channels` are the two rows above. The masks are -1 where there is such a neighbour, else 0.
struct FrontContext {
    alignas(64) std::uint16_t base[front_lanes];
    alignas(64) std::uint16_t neighbour[6][front_lanes];
    alignas(64) std::int16_t lean[4][front_lanes];
    alignas(64) std::uint16_t feature_weights[max_features][front_lanes];
    alignas(64) std::uint16_t features[max_features][front_lanes];  // by row
    alignas(64) std::int16_t has_left[front_lanes];
    alignas(64) std::int16_t has_second_left[front_lanes];
    alignas(64) std::int16_t has_right[front_lanes];
    alignas(64) std::uint8_t row[front_lanes];
    alignas(64) std::uint8_t map[num_leans * map_stride];
    const std::int16_t* before[4];
    unsigned num_features;
    unsigned num_channels;
    unsigned num_lanes;
};

// Rules of contexts; contexts.inc has them and their contracts.
struct ContextKernels {
    void (*magnitudes)(const std::int32_t*, std::size_t, std::uint8_t*);
    void (*add_weighted)(const std::uint8_t*, std::size_t, std::uint8_t, std::uint16_t*);
    void (*add_ring)(const std::uint16_t*, std::size_t, std::size_t, std::uint16_t*);
    void (*clip_symbols)(const std::int32_t*, std::int16_t*);
    void (*row_residuals)(const std::int32_t*, const std::int32_t*, std::size_t, std::int32_t*);
    void (*undo_rows)(std::int32_t*, std::size_t, std::size_t);
    void (*front_tables)(const FrontContext&, std::uint8_t*, std::uint8_t*);
    void (*front_values)(const std::uint8_t*, const std::uint8_t*, const std::uint8_t*, const std::int32_t*, std::int32_t*);
};

// Weights of one channel (SPEC.md, section 4.3): its base level, n and g.
struct ChannelWeights {
    std::uint16_t base;
    std::uint16_t neighbour[6];
    std::int16_t lean[4];
};

// Bits of symbols, in 2^-16, by what their contexts are made of. `costs` has 256 places a table, for values from `firsts` on; the
// last entry, of which `lasts` has the number, is without the code of an escaped value. `without_lean` has for each level the
// mean of a symbol and its negative where there is no lean, of magnitudes 0 to 15; larger ones count as 15.
struct SymbolCosts {
    const std::uint8_t* map;            // (leans, levels)
    const std::uint8_t* level_of_half;  // by half of A
    const std::int32_t* firsts;
    const std::uint32_t* lasts;
    const std::uint32_t* costs;
    const std::int32_t* without_lean;
};
inline constexpr std::uint32_t num_cost_magnitudes = 16;

// A symbol that may change: its place in the channel with its frame, and without it, and the coefficient in steps.
struct Candidate {
    std::uint32_t framed;
    std::uint32_t plain;
    float ratio;
};

// A channel with its frame, four places around each symbol and more; rows are `stride` apart. `unit` is the price of 2^-16
// bit in squared steps, `shrink` what reconstruction takes off magnitudes of 1, 2, and 3 or more.
struct Sweep {
    std::int8_t* symbols;  // clipped
    std::uint16_t* levels;
    std::int16_t* leans;
    std::size_t stride;
    const ChannelWeights* weights;
    // The weights of the channel for whom stands 1 and 2 to the right, two times nobody, -1, 0 and 1 to the right in the row
    // below, and two rows below.
    alignas(32) std::int32_t successor_weights[8];
    const SymbolCosts* costs;
    const float* shrink;
    float unit;
};

// Levels and leans of whole channels, and the choice of symbols; optimizer.inc has them and their contracts.
struct OptimizerKernels {
    bool (*clip_int32)(const std::int32_t*, std::size_t, std::int8_t*);
    bool (*clip_int16)(const std::int16_t*, std::size_t, std::int8_t*);
    void (*magnitudes)(const std::int8_t*, std::size_t, std::uint8_t*);
    void (*neighbour_levels)(const std::int8_t*, std::size_t, std::size_t, const ChannelWeights&, std::uint16_t*, std::int16_t*);
    void (*add_feature)(const std::uint16_t*, std::size_t, std::uint16_t, std::uint16_t*);
    void (*sweep_int32)(const Sweep&, const Candidate*, std::size_t, std::int32_t*);
    void (*sweep_int16)(const Sweep&, const Candidate*, std::size_t, std::int16_t*);
};

// A context network at one step (SPEC.md, section 4.4). Weights are (pairs of inputs, units, 2), those of the outputs (4,
// width); biases by kind, (kinds, width) and (kinds, 4).
inline constexpr std::size_t network_inputs = 40;
inline constexpr std::size_t network_outputs = 3;
inline constexpr std::size_t first_sign_input = 31;  // this one and those after it are signs
inline constexpr std::int16_t zero_sign_input = 128;
inline constexpr std::size_t max_network_width = 128;

struct NetworkView {
    std::size_t width;  // a multiple of 16, up to 128
    const std::int16_t* first;
    const std::int32_t* first_bias;
    const std::int32_t* first_bias_at_zero;  // with signs that are those of 0 taken in
    const std::int16_t* second;
    const std::int32_t* second_bias;
    const std::int16_t* third;
    const std::int32_t* third_bias;
    unsigned shifts[3];
};

// Of `count` symbols with inputs (count, 40) and these kinds, the outputs (count, 4), the last of which means nothing.
using NetworkKernel = void (*)(const NetworkView& network, const std::uint8_t* inputs, const std::uint8_t* kinds, std::size_t count,
                               std::int32_t* outputs);

struct Kernels {
    const char* name;
    DecodeKernel decode_static;
    DecodeKernel decode_indexed;
    DecodeKernel decode_partial;  // indexed, one round, any number of lanes, with room for a multiple of 8
    EncodeKernel encode_static;
    EncodeKernel encode_indexed;
    EncodeKernel encode_partial;  // the same for encoding
    // Time of a round of so many streams with tables of so many levels, in no unit; 0 where no kernel is made for them.
    Cost decoding_cost;
    Cost encoding_cost;
    std::uint32_t (*crc32c)(const std::uint8_t* bytes, std::size_t count, std::uint32_t seed);
    void (*reverse_words)(const std::uint16_t* words, std::size_t count, std::uint8_t* bytes);  // to little-endian bytes
    Conversions convert;
    ContextKernels contexts;
    OptimizerKernels optimizer;
    NetworkKernel network;
};

extern const Kernels portable_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;

namespace {

[[maybe_unused]] std::uint32_t load_word(const std::uint8_t* at) noexcept {
    return static_cast<std::uint32_t>(at[0]) | (static_cast<std::uint32_t>(at[1]) << 8);
}

// Reads the code of one escaped value, whose entry is at `place`. Returns false where the stream cannot go on.
[[maybe_unused]] bool read_escape(DecodeStream& stream, std::uint8_t* place) noexcept {
    const std::ptrdiff_t left = stream.end - stream.at;
    std::uint32_t code = left < 2 ? 0 : load_word(stream.at);
    const bool is_wide = code == wide_escape;
    if (left < (is_wide ? 6 : 2)) {
        stream.is_truncated = true;
        return false;
    }
    if (is_wide) code = load_word(stream.at + 2) | (load_word(stream.at + 4) << 16);
    stream.at += is_wide ? 6 : 2;
    if (stream.escapes != nullptr) {
        *stream.escapes++ = code;
        return true;
    }
    const auto value = static_cast<std::int32_t>((code >> 1) ^ (0U - (code & 1U)));
    *place = static_cast<std::uint8_t>(value);
    stream.misfit = value;
    stream.is_misfit = value < -128 || value > 127;
    return !stream.is_misfit;
}

// Writes the code of the last escaped value that is not yet written, whose entry is at `place`.
[[maybe_unused]] void write_escape(EncodeStream& stream, const std::uint8_t* place) noexcept {
    std::uint32_t code;
    if (stream.escapes != nullptr) {
        code = *--stream.escapes;
    } else {
        const auto value = static_cast<std::int8_t>(*place);
        code = (static_cast<std::uint32_t>(value) << 1) ^ (value < 0 ? 0xFFFFFFFFU : 0U);
    }
    if (code >= wide_escape) {
        *stream.out++ = static_cast<std::uint16_t>(code >> 16);
        *stream.out++ = static_cast<std::uint16_t>(code);
        code = wide_escape;
    }
    *stream.out++ = static_cast<std::uint16_t>(code);
}

}  // namespace

}  // namespace laconic
