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

template <std::size_t rows>
void multiply_rows(const std::int32_t* matrix, std::size_t stride, const std::int32_t* const* pairs, std::size_t num_pairs,
                   std::int32_t* sums, std::size_t pitch, std::size_t first) {
    for (std::size_t p = first; p < first + 32; p += 8) {
        __m256i sum[rows];
#pragma GCC unroll 12
        for (std::size_t r = 0; r < rows; ++r) sum[r] = _mm256_setzero_si256();
        for (std::size_t k = 0; k < num_pairs; ++k) {
            const __m256i x = load(pairs[k] + p);
#pragma GCC unroll 12
            for (std::size_t r = 0; r < rows; ++r)
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(x, _mm256_set1_epi32(matrix[k * stride + r])));
        }
#pragma GCC unroll 12
        for (std::size_t r = 0; r < rows; ++r) store(sums + r * pitch + p, sum[r]);
    }
}

#include "fixed_multiply.inc"
#include "fixed_kernels.inc"

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

}  // namespace

constexpr FixedKernels fixed_avx2 = kernels_named("avx2", rows_of_samples, quantize<std::int16_t>, dequantize16);

}  // namespace laconic
