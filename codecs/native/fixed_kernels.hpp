// The inner loops of the fixed-point transform (fixed_rows.hpp), once for each instruction set. All sets give the same bits:
// integers modulo 2^16 and 2^32, and float32 operations one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace laconic {

// How a row of sums becomes coefficients (SPEC.md, section 9.2): y = sum * unit.
struct Quantizer {
    float unit;          // of the sums, in signal units
    float inverse_step;  // 1 / step in signal units
};

// Thresholds of one channel, in steps: below `zero_below` 0, else at least 1.
struct Thresholds {
    float zero_below;
    float rounding;
};

// One channel: sign(q) (|q| - shrink[min(|q|, 3) - 1]) scale.
struct Dequantizer {
    float scale;  // step in the units of coefficients
    const float* shrink;
    const std::int16_t* table;  // what -16 to 15 become, by their lowest five bits
};

enum class Step : unsigned { a, b, c, d };  // of the lifting

// Rows of pairs i - k by k: the newest, and what the ones before need.
struct LiftedRows {
    std::int16_t* even[4];
    std::int16_t* odd[4];
};

struct FixedKernels {
    std::string_view name;

    // One step of the vertical lifting: target from the rows above and below it. n is a multiple of 32 in all of these.
    void (*lift)(Step step, std::int16_t* target, const std::int16_t* one, const std::int16_t* other, std::size_t n);
    void (*unlift)(Step step, std::int16_t* target, const std::int16_t* one, const std::int16_t* other, std::size_t n);

    // The four steps that one more pair of rows allows, and those that undo them.
    void (*lift_rows)(const LiftedRows& rows, std::size_t n);
    void (*unlift_rows)(const LiftedRows& rows, std::size_t n);

    // Horizontal lifting of a line, split into halves that have room for 32 values more at both ends.
    void (*analyze_line)(std::int16_t* low, std::int16_t* high, std::size_t half);
    void (*synthesize_line)(std::int16_t* low, std::int16_t* high, std::size_t half);

    // row[2 i], row[2 i + 1] <-> even[i], odd[i]; `shrink` and `grow`: of a low band from and to its scale.
    void (*split)(const std::int16_t* row, std::int16_t* even, std::int16_t* odd, std::size_t half, bool shrink);
    void (*merge)(const std::int16_t* even, const std::int16_t* odd, std::int16_t* row, std::size_t half, bool grow);

    // Interleaved samples, `stride` a pixel, <-> `planes` rows of 2^bits (sample - 127.5), `pitch` apart; there bits are 6.
    void (*rows_of_samples)(const std::uint8_t* samples, std::size_t stride, std::int16_t* rows, std::size_t planes, std::size_t pitch,
                            std::size_t n);
    void (*samples_of_rows)(const std::int16_t* rows, unsigned bits, std::size_t planes, std::size_t pitch, std::uint8_t* samples,
                            std::size_t stride, std::size_t n);
    // out = row of a low band in the scale of samples
    void (*shrink)(const std::int16_t* row, std::int16_t* out, std::size_t n);

    // Pairs of values of a place, as (low, high) halves of 32 bits: out[j pitch + i] = row pair (i * count + j).
    void (*gather_pairs)(const std::int16_t* row, std::size_t count, std::int32_t* out, std::size_t pitch, std::size_t n);
    void (*zip_pairs)(const std::int16_t* low, const std::int16_t* high, std::int32_t* out, std::size_t n);

    // sums[r pitch + i] = sum over pairs k of the products of both halves of matrix[k stride + r] and pairs[k][i], modulo
    // 2^32; n is a multiple of 32.
    void (*multiply)(const std::int32_t* matrix, std::size_t stride, std::size_t rows, const std::int32_t* const* pairs,
                     std::size_t num_pairs, std::int32_t* sums, std::size_t pitch, std::size_t n);

    void (*coefficients)(const std::int32_t* sums, float unit, float* out, std::size_t n);
    void (*quantize16)(const std::int32_t* sums, const Quantizer&, const Thresholds&, std::int16_t* out, std::size_t n);
    void (*quantize32)(const std::int32_t* sums, const Quantizer&, const Thresholds&, std::int32_t* out, std::size_t n);

    // Returns whether any value is not 0; if none is, `out` is left as it was.
    bool (*dequantize16)(const std::int16_t* values, const Dequantizer&, std::int16_t* out, std::size_t n);
    bool (*dequantize32)(const std::int32_t* values, const Dequantizer&, std::int16_t* out, std::size_t n);
    void (*fill_table)(const Dequantizer&, std::int16_t* table);  // of 32 values

    // values[i] = (2 values[i], limited to 16 bits) weights[i] / 2^15, to the nearest; n is a multiple of 32.
    void (*weigh)(std::int16_t* values, const std::int16_t* weights, std::size_t n);

    // out[i count + j] = (sums[j pitch + i] + half) >> bits, limited to 16 bits.
    void (*scatter)(const std::int32_t* sums, std::size_t pitch, std::size_t count, unsigned bits, std::int16_t* out, std::size_t n);

    // Of filters of sounds: the sum of products modulo 2^32, and weights[i] += rate values[i] / 2^15, to the nearest, limited to
    // 16 bits; rate is not -2^15, n is a multiple of 16 in both.
    std::int32_t (*dot16)(const std::int16_t* weights, const std::int16_t* values, std::size_t n);
    void (*add_scaled16)(std::int16_t* weights, const std::int16_t* values, std::int16_t rate, std::size_t n);
};

extern const FixedKernels fixed_portable;
#if defined(__x86_64__)
extern const FixedKernels fixed_avx2;
extern const FixedKernels fixed_avx512;
#endif

}  // namespace laconic
