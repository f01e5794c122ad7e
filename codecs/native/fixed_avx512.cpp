// Ice Lake and later. Beside the loops that the compiler widens, the matrix product: 12 rows by 32 places in registers.
#include "fixed_kernels.hpp"

#include <immintrin.h>

#include <cstring>

#include "lifting16.hpp"

namespace laconic {

namespace {

struct Lanes {
    using Type = __m512i;
    static constexpr std::size_t width = 32;
    static Type load(const std::int16_t* at) noexcept { return _mm512_loadu_si512(at); }
    static void store(std::int16_t* at, Type v) noexcept { _mm512_storeu_si512(at, v); }
    static Type all(std::int16_t v) noexcept { return _mm512_set1_epi16(v); }
    static std::int16_t first(Type v) noexcept { return static_cast<std::int16_t>(_mm_cvtsi128_si32(_mm512_castsi512_si128(v))); }
    static Type add(Type a, Type b) noexcept { return _mm512_add_epi16(a, b); }
    static Type subtract(Type a, Type b) noexcept { return _mm512_sub_epi16(a, b); }
    static Type multiply(Type a, Type b) noexcept { return _mm512_mulhrs_epi16(a, b); }
    // (v + 1) >> 1 of 2^15 - 1 as well, where v + 1 has no room.
    static Type half(Type v) noexcept { return _mm512_sub_epi16(v, _mm512_srai_epi16(v, 1)); }
    // v one place on, the last of `before` at its start.
    static Type behind(Type before, Type v) noexcept {
        const __m512i high = _mm512_alignr_epi32(v, before, 15);  // of each pair, the one before
        return _mm512_or_si512(_mm512_slli_epi32(v, 16), _mm512_srli_epi32(high, 16));
    }
};

template <std::size_t rows>
void multiply_rows(const std::int32_t* matrix, std::size_t stride, const std::int32_t* const* pairs, std::size_t num_pairs,
                   std::int32_t* sums, std::size_t pitch, std::size_t p) {
    __m512i low[rows], high[rows];
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r) low[r] = high[r] = _mm512_setzero_si512();
    for (std::size_t k = 0; k < num_pairs; ++k) {
        const __m512i x0 = _mm512_loadu_si512(pairs[k] + p), x1 = _mm512_loadu_si512(pairs[k] + p + 16);
#pragma GCC unroll 12
        for (std::size_t r = 0; r < rows; ++r) {
            const __m512i m = _mm512_set1_epi32(matrix[k * stride + r]);
            low[r] = _mm512_dpwssd_epi32(low[r], x0, m);
            high[r] = _mm512_dpwssd_epi32(high[r], x1, m);
        }
    }
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r) {
        _mm512_storeu_si512(sums + r * pitch + p, low[r]);
        _mm512_storeu_si512(sums + r * pitch + p + 16, high[r]);
    }
}

#include "fixed_multiply.inc"
#include "fixed_kernels.inc"

// Bytes of plane `p` in 64 pixels of three: those of the first two registers, and of the third.
struct ThirdBytes {
    alignas(64) std::uint8_t from_two[3][64]{};
    alignas(64) std::uint8_t from_third[3][64]{};
    std::uint64_t is_third[3]{};

    constexpr ThirdBytes() {
        for (unsigned p = 0; p < 3; ++p)
            for (unsigned i = 0; i < 64; ++i) {
                const unsigned at = 3 * i + p;
                from_two[p][i] = static_cast<std::uint8_t>(at % 128);
                from_third[p][i] = static_cast<std::uint8_t>(at % 64);
                if (at >= 128) is_third[p] |= std::uint64_t{1} << i;
            }
    }
};
constexpr ThirdBytes third_bytes;

// `rows_of_samples`, 64 pixels of three colours at a time.
void rows_of_pixels(const std::uint8_t* samples, std::size_t stride, std::int16_t* rows, std::size_t planes, std::size_t pitch, std::size_t n) {
    if (stride != 3 || planes != 3) return rows_of_samples(samples, stride, rows, planes, pitch, n);
    const __m512i middle = _mm512_set1_epi16(8160);
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const std::uint8_t* at = samples + 3 * i;
        const __m512i a = _mm512_loadu_si512(at), b = _mm512_loadu_si512(at + 64), c = _mm512_loadu_si512(at + 128);
        for (std::size_t p = 0; p < 3; ++p) {
            const __m512i two = _mm512_permutex2var_epi8(a, _mm512_load_si512(third_bytes.from_two[p]), b);
            const __m512i all = _mm512_mask_permutexvar_epi8(two, third_bytes.is_third[p], _mm512_load_si512(third_bytes.from_third[p]), c);
            const __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(all));
            const __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(all, 1));
            Lanes::store(rows + p * pitch + i, _mm512_sub_epi16(_mm512_slli_epi16(low, 6), middle));
            Lanes::store(rows + p * pitch + i + 32, _mm512_sub_epi16(_mm512_slli_epi16(high, 6), middle));
        }
    }
    rows_of_samples(samples + 3 * i, stride, rows + i, planes, pitch, n - i);
}

// `quantize` of 16 sums.
inline __m256i quantized(__m512i sums, __m512 unit, __m512 inverse, __m512 zero_below, __m512 rounding) noexcept {
    const __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), unit);
    const __m512 magnitude = _mm512_mul_ps(_mm512_abs_ps(y), inverse);
    const __m512 up = _mm512_min_ps(_mm512_add_ps(magnitude, rounding), _mm512_set1_ps(1073741824.0F));
    const __mmask16 used = _mm512_cmp_ps_mask(magnitude, zero_below, _CMP_NLT_UQ);
    const __m512i integer = _mm512_maskz_max_epi32(used, _mm512_cvttps_epi32(up), _mm512_set1_epi32(1));
    const __mmask16 negative = _mm512_movepi32_mask(sums);
    return _mm512_cvtepi32_epi16(_mm512_mask_sub_epi32(integer, negative, _mm512_setzero_si512(), integer));
}

void quantize16(const std::int32_t* sums, const Quantizer& q, const Thresholds& t, std::int16_t* out, std::size_t n) {
    const __m512 unit = _mm512_set1_ps(q.unit), inverse = _mm512_set1_ps(q.inverse_step);
    const __m512 zero_below = _mm512_set1_ps(t.zero_below), rounding = _mm512_set1_ps(t.rounding);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                            quantized(_mm512_loadu_si512(sums + i), unit, inverse, zero_below, rounding));
    if (i == n) return;
    const auto rest = static_cast<__mmask16>((1U << (n - i)) - 1);
    _mm256_mask_storeu_epi16(out + i, rest, quantized(_mm512_maskz_loadu_epi32(rest, sums + i), unit, inverse, zero_below, rounding));
}

// Values from -16 to 15 by a table.
bool dequantize16(const std::int16_t* values, const Dequantizer& d, std::int16_t* out, std::size_t n) {
    const auto rest = static_cast<__mmask32>((std::uint64_t{1} << (n % 32)) - 1);
    const std::size_t whole = n / 32 * 32;
    const __m512i last = _mm512_maskz_loadu_epi16(rest, values + whole);
    __m512i used = last, wide = _mm512_xor_si512(last, _mm512_srai_epi16(last, 15));
    for (std::size_t i = 0; i < whole; i += 32) {
        const __m512i v = Lanes::load(values + i);
        used = _mm512_or_si512(used, v);
        wide = _mm512_or_si512(wide, _mm512_xor_si512(v, _mm512_srai_epi16(v, 15)));
    }
    if (_mm512_test_epi16_mask(used, used) == 0) return false;
    if (_mm512_test_epi16_mask(wide, _mm512_set1_epi16(~15)) != 0) {
        dequantize_all(values, d, out, n);
        return true;
    }
    const __m512i table = Lanes::load(d.table);
    for (std::size_t i = 0; i < whole; i += 32) Lanes::store(out + i, _mm512_permutexvar_epi16(Lanes::load(values + i), table));
    _mm512_mask_storeu_epi16(out + whole, rest, _mm512_permutexvar_epi16(last, table));
    return true;
}

#include "filter16.inc"

}  // namespace

constexpr FixedKernels fixed_avx512 = [] {
    FixedKernels kernels = kernels_named("avx512");
    kernels.rows_of_samples = rows_of_pixels;
    kernels.quantize16 = quantize16;
    kernels.dot16 = dot_by_pairs;
    kernels.add_scaled16 = add_scaled_lanes;
    kernels.dequantize16 = dequantize16;
    return kernels;
}();

}  // namespace laconic
