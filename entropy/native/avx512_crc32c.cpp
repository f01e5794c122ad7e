// CRC-32C with AVX-512.
#include <immintrin.h>

#include "avx512.hpp"
#include "sse42_crc32c.hpp"

namespace laconic::avx512 {

// CRC-32C by carry-less multiplication, 256 bytes a step (Gopal et al., "Fast CRC computation for generic polynomials using
// PCLMULQDQ"): each 128 bits A stand for A x^2048 once the next 256 bytes follow. Of A, the first 64 bits are multiplied by
// x^(2048 + 32) and the others by x^(2048 - 32); the shift by one makes up for that of a product of reflected numbers.
std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t count, std::uint32_t seed) {
    constexpr std::size_t step = 256;
    if (count < 4 * step) return sse42::crc32c(bytes, count, seed);
    constexpr auto first = static_cast<long long>(std::uint64_t{sse42::power_of_x(8 * step + 32)} << 1);
    constexpr auto second = static_cast<long long>(std::uint64_t{sse42::power_of_x(8 * step - 32)} << 1);
    const __m512i factors = _mm512_set4_epi64(second, first, second, first);
    __m512i sums[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) sums[i] = _mm512_loadu_si512(bytes + 64 * i);
    sums[0] = _mm512_xor_si512(sums[0], _mm512_maskz_set1_epi32(1, static_cast<int>(~seed)));
    for (bytes += step, count -= step; count >= step; bytes += step, count -= step) {
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i)
            sums[i] = _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(sums[i], factors, 0x00),
                                                _mm512_clmulepi64_epi128(sums[i], factors, 0x11),
                                                _mm512_loadu_si512(bytes + 64 * i), 0x96);
    }
    alignas(64) std::uint8_t rest[step];
    for (unsigned i = 0; i < 4; ++i) _mm512_store_si512(rest + 64 * i, sums[i]);
    // The CRC instruction starts from 0 here, and ends with the inversion that our functions begin and end with.
    return sse42::crc32c(bytes, count, sse42::crc32c(rest, step, ~0U));
}

}  // namespace laconic::avx512
