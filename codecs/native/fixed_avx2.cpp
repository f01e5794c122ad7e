// Beside the loops that the compiler widens, the matrix product: blocks of up to 12 rows, 8 places at a time.
#include "fixed_kernels.hpp"

#include <immintrin.h>

#include <cstring>

#include "lifting16.hpp"

namespace laconic {

namespace {

struct Lanes {
    using Type = __m256i;
    static constexpr std::size_t width = 16;
    static Type load(const std::int16_t* at) noexcept { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
    static void store(std::int16_t* at, Type v) noexcept { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), v); }
    static Type all(std::int16_t v) noexcept { return _mm256_set1_epi16(v); }
    static std::int16_t first(Type v) noexcept { return static_cast<std::int16_t>(_mm256_extract_epi16(v, 0)); }
    static Type add(Type a, Type b) noexcept { return _mm256_add_epi16(a, b); }
    static Type subtract(Type a, Type b) noexcept { return _mm256_sub_epi16(a, b); }
    static Type multiply(Type a, Type b) noexcept { return _mm256_mulhrs_epi16(a, b); }
    // (v + 1) >> 1 of 2^15 - 1 as well, where v + 1 has no room.
    static Type half(Type v) noexcept { return _mm256_sub_epi16(v, _mm256_srai_epi16(v, 1)); }
    // v one place on, the last of `before` at its start.
    static Type behind(Type before, Type v) noexcept { return _mm256_alignr_epi8(v, _mm256_permute2x128_si256(before, v, 0x21), 14); }
};

__m256i load(const std::int32_t* at) noexcept { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
void store(std::int32_t* at, __m256i value) noexcept { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value); }

// `rows` sums of 8 * width places from `first` on.
template <std::size_t rows, std::size_t width>
[[gnu::always_inline]] inline void multiply_some(const std::int32_t* matrix, std::size_t stride, const std::int32_t* const* pairs, std::size_t num_pairs,
                                                 std::int32_t* sums, std::size_t pitch, std::size_t first) {
    __m256i sum[rows][width];
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (std::size_t w = 0; w < width; ++w) sum[r][w] = _mm256_setzero_si256();
    for (std::size_t k = 0; k < num_pairs; ++k) {
        __m256i x[width];
#pragma GCC unroll 4
        for (std::size_t w = 0; w < width; ++w) x[w] = load(pairs[k] + first + 8 * w);
#pragma GCC unroll 12
        for (std::size_t r = 0; r < rows; ++r) {
            const __m256i m = _mm256_set1_epi32(matrix[k * stride + r]);
#pragma GCC unroll 4
            for (std::size_t w = 0; w < width; ++w) sum[r][w] = _mm256_add_epi32(sum[r][w], _mm256_madd_epi16(x[w], m));
        }
    }
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (std::size_t w = 0; w < width; ++w) store(sums + r * pitch + first + 8 * w, sum[r][w]);
}

// Twelve sums stay in registers: of six rows and 16 places, so that what is loaded is used twice and more.
template <std::size_t rows>
void multiply_rows(const std::int32_t* matrix, std::size_t stride, const std::int32_t* const* pairs, std::size_t num_pairs,
                   std::int32_t* sums, std::size_t pitch, std::size_t first) {
    constexpr std::size_t height = rows < 6 ? rows : 6, width = 2;
    static_assert(rows % height == 0);
    for (std::size_t r = 0; r < rows; r += height)
        for (std::size_t p = first; p < first + 32; p += 8 * width)
            multiply_some<height, width>(matrix + r, stride, pairs, num_pairs, sums + r * pitch, pitch, p);
}

#include "fixed_multiply.inc"
#include "fixed_kernels.inc"

__m128i load_bytes(const std::uint8_t* at) noexcept { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
void store_bytes(std::uint8_t* at, __m128i value) noexcept { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), value); }

// Bytes of 16 pixels of three planes: `apart[p][k]` moves those of plane p that register k holds to their pixels, `together[k][p]`
// moves them back; all others become 0.
struct ThreePlanes {
    alignas(16) std::uint8_t apart[3][3][16]{};
    alignas(16) std::uint8_t together[3][3][16]{};

    constexpr ThreePlanes() {
        for (unsigned p = 0; p < 3; ++p)
            for (unsigned k = 0; k < 3; ++k)
                for (unsigned i = 0; i < 16; ++i) apart[p][k][i] = together[k][p][i] = 0x80;
        for (unsigned at = 0; at < 48; ++at) {
            apart[at % 3][at / 16][at / 3] = static_cast<std::uint8_t>(at % 16);
            together[at / 16][at % 3][at % 16] = static_cast<std::uint8_t>(at / 3);
        }
    }
};
constexpr ThreePlanes three_planes;

__m128i shuffled(const __m128i* registers, const std::uint8_t (*to)[16]) noexcept {
    const auto one = [&](unsigned k) { return _mm_shuffle_epi8(registers[k], load_bytes(to[k])); };
    return _mm_or_si128(_mm_or_si128(one(0), one(1)), one(2));
}

// `rows_of_samples`, 16 pixels of three colours at a time.
void rows_of_pixels(const std::uint8_t* samples, std::size_t stride, std::int16_t* rows, std::size_t planes, std::size_t pitch, std::size_t n) {
    if (stride != 3 || planes != 3) return rows_of_samples(samples, stride, rows, planes, pitch, n);
    const __m256i middle = _mm256_set1_epi16(8160);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const std::uint8_t* const at = samples + 3 * i;
        const __m128i pixels[3]{load_bytes(at), load_bytes(at + 16), load_bytes(at + 32)};
        for (std::size_t p = 0; p < 3; ++p) {
            const __m256i wide = _mm256_cvtepu8_epi16(shuffled(pixels, three_planes.apart[p]));
            Lanes::store(rows + p * pitch + i, _mm256_sub_epi16(_mm256_slli_epi16(wide, 6), middle));
        }
    }
    rows_of_samples(samples + 3 * i, stride, rows + i, planes, pitch, n - i);
}

// `samples_of_rows`, 16 pixels of three colours at a time. What saturates at 16 bits is beyond 255.
void pixels_of_rows(const std::int16_t* rows, unsigned bits, std::size_t planes, std::size_t pitch, std::uint8_t* samples, std::size_t stride,
                    std::size_t n) {
    if (stride != 3 || planes != 3) return samples_of_rows(rows, bits, planes, pitch, samples, stride, n);
    const __m256i middle = _mm256_set1_epi16(static_cast<short>(128 << bits));
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(bits));
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i levels[3];
        for (std::size_t p = 0; p < 3; ++p) {
            const __m256i level = _mm256_sra_epi16(_mm256_adds_epi16(Lanes::load(rows + p * pitch + i), middle), count);
            levels[p] = _mm_packus_epi16(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1));
        }
        for (std::size_t k = 0; k < 3; ++k) store_bytes(samples + 3 * i + 16 * k, shuffled(levels, three_planes.together[k]));
    }
    samples_of_rows(rows + i, bits, planes, pitch, samples + 3 * i, stride, n - i);
}

// `scatter` of 8 sums of two or four rows at a time.
void scatter_by_shuffles(const std::int32_t* sums, std::size_t pitch, std::size_t count, unsigned bits, std::int16_t* out, std::size_t n) {
    const __m256i half = _mm256_set1_epi32((1 << bits) >> 1);
    const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(bits));
    const auto rounded = [&](std::size_t j, std::size_t i) { return _mm256_sra_epi32(_mm256_add_epi32(load(sums + j * pitch + i), half), shift); };
    std::size_t i = 0;
    for (; count == 2 && i + 8 <= n; i += 8) {
        const __m256i rows = _mm256_packs_epi32(rounded(0, i), rounded(1, i));
        Lanes::store(out + 2 * i, _mm256_unpacklo_epi16(rows, _mm256_srli_si256(rows, 8)));
    }
    for (; count == 4 && i + 8 <= n; i += 8) {
        const __m256i even = _mm256_packs_epi32(rounded(0, i), rounded(2, i)), odd = _mm256_packs_epi32(rounded(1, i), rounded(3, i));
        const __m256i first = _mm256_unpacklo_epi16(even, odd), second = _mm256_unpackhi_epi16(even, odd);
        const __m256i low = _mm256_unpacklo_epi32(first, second), high = _mm256_unpackhi_epi32(first, second);
        Lanes::store(out + 4 * i, _mm256_permute2x128_si256(low, high, 0x20));
        Lanes::store(out + 4 * i + 16, _mm256_permute2x128_si256(low, high, 0x31));
    }
    scatter(sums + i, pitch, count, bits, out + count * i, n - i);
}

// `quantize` of 8 sums, modulo 2^16.
__m256i quantized(__m256i sums, __m256 unit, __m256 inverse, __m256 zero_below, __m256 rounding) noexcept {
    const __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), unit);
    const __m256 magnitude = _mm256_mul_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0F), y), inverse);
    const __m256 up = _mm256_min_ps(_mm256_add_ps(magnitude, rounding), _mm256_set1_ps(1073741824.0F));
    const __m256i one = _mm256_set1_epi32(1);
    const __m256i at_least_one = _mm256_max_epi32(_mm256_cvttps_epi32(up), one);
    const __m256i integer = _mm256_and_si256(at_least_one, _mm256_castps_si256(_mm256_cmp_ps(magnitude, zero_below, _CMP_NLT_UQ)));
    return _mm256_and_si256(_mm256_sign_epi32(integer, _mm256_or_si256(sums, one)), _mm256_set1_epi32(0xFFFF));
}

void quantize16(const std::int32_t* sums, const Quantizer& q, const Thresholds& t, std::int16_t* out, std::size_t n) {
    const __m256 unit = _mm256_set1_ps(q.unit), inverse = _mm256_set1_ps(q.inverse_step);
    const __m256 zero_below = _mm256_set1_ps(t.zero_below), rounding = _mm256_set1_ps(t.rounding);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i low = quantized(load(sums + i), unit, inverse, zero_below, rounding);
        const __m256i high = quantized(load(sums + i + 8), unit, inverse, zero_below, rounding);
        Lanes::store(out + i, _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8));
    }
    quantize(sums + i, q, t, out + i, n - i);
}

// Values from -15 to 15 by a table of the magnitudes, whose low and high bytes are looked up apart.
bool dequantize16(const std::int16_t* values, const Dequantizer& d, std::int16_t* out, std::size_t n) {
    __m256i used = _mm256_setzero_si256();
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) used = _mm256_or_si256(used, _mm256_abs_epi16(Lanes::load(values + i)));
    std::int16_t rest = 0;
    for (; i < n; ++i) rest = static_cast<std::int16_t>(rest | (values[i] < 0 ? -values[i] : values[i]));
    used = _mm256_or_si256(used, _mm256_set1_epi16(rest));
    if (_mm256_testz_si256(used, used)) return false;
    if (!_mm256_testz_si256(used, _mm256_set1_epi16(~15))) {
        dequantize_all(values, d, out, n);
        return true;
    }
    const __m256i first = Lanes::load(d.table);
    const __m256i bytes = _mm256_and_si256(first, _mm256_set1_epi16(255));
    const __m256i low = _mm256_permute4x64_epi64(_mm256_packus_epi16(bytes, bytes), 0x88);
    const __m256i high_bytes = _mm256_srli_epi16(first, 8);
    const __m256i high = _mm256_permute4x64_epi64(_mm256_packus_epi16(high_bytes, high_bytes), 0x88);
    const auto look_up = [&](__m256i v) {
        const __m256i index = _mm256_abs_epi16(v);
        // The other byte of each place looks up nothing.
        const __m256i l = _mm256_shuffle_epi8(low, _mm256_or_si256(index, _mm256_set1_epi16(static_cast<short>(0x8000))));
        const __m256i h = _mm256_shuffle_epi8(high, _mm256_or_si256(_mm256_slli_epi16(index, 8), _mm256_set1_epi16(0x80)));
        return _mm256_sign_epi16(_mm256_or_si256(l, h), v);
    };
    for (i = 0; i + 16 <= n; i += 16) Lanes::store(out + i, look_up(Lanes::load(values + i)));
    for (; i < n; ++i) out[i] = d.table[values[i] & 31];
    return true;
}

#include "filter16.inc"

}  // namespace

constexpr FixedKernels fixed_avx2 = [] {
    FixedKernels kernels = kernels_named("avx2");
    kernels.rows_of_samples = rows_of_pixels;
    kernels.samples_of_rows = pixels_of_rows;
    kernels.quantize16 = quantize16;
    kernels.dot16 = dot_by_pairs;
    kernels.add_scaled16 = add_scaled_lanes;
    kernels.dequantize16 = dequantize16;
    kernels.scatter = scatter_by_shuffles;
    return kernels;
}();

}  // namespace laconic
