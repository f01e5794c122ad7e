// CRC-32C with the instruction of SSE 4.2: three runs at a time, since each step waits three cycles for the one before.
// For inclusion in files compiled for x86 only.
#pragma once

#include <nmmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace laconic {

namespace {

namespace sse42 {

inline constexpr std::size_t run_bytes = 512;

// Product of two polynomials modulo Castagnoli's, both bit-reflected.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (int bit = 31; bit >= 0; --bit) {
        if ((a >> bit) & 1U) product ^= b;
        b = (b >> 1) ^ ((b & 1U) ? 0x82F63B78U : 0U);
    }
    return product;
}

// x^bits, bit-reflected.
constexpr std::uint32_t power_of_x(std::size_t bits) {
    std::uint32_t power = 0x80000000U;
    for (std::size_t i = 0; i < bits / 8; ++i) power = multiply(power, 0x00800000U);
    for (std::size_t i = 0; i < bits % 8; ++i) power = multiply(power, 0x40000000U);
    return power;
}

struct ShiftTable {
    std::uint32_t of[4][256];
    constexpr explicit ShiftTable(std::size_t bytes) : of{} {
        const std::uint32_t power = power_of_x(8 * bytes);  // what a CRC is multiplied by when so many zero bytes follow
        for (std::uint32_t byte = 0; byte < 256; ++byte)
            for (unsigned at = 0; at < 4; ++at) of[at][byte] = multiply(byte << (8 * at), power);
    }
    std::uint32_t operator()(std::uint32_t crc) const {
        return of[0][crc & 0xFFU] ^ of[1][(crc >> 8) & 0xFFU] ^ of[2][(crc >> 16) & 0xFFU] ^ of[3][crc >> 24];
    }
};

constinit const ShiftTable over_run{run_bytes};

std::uint64_t load(const std::uint8_t* at) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
}

std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t count, std::uint32_t seed) {
    std::uint64_t crc = ~seed;
    for (; count >= 3 * run_bytes; count -= 3 * run_bytes, bytes += 3 * run_bytes) {
        std::uint64_t second = 0, third = 0;
        for (std::size_t i = 0; i < run_bytes; i += 8) {
            crc = _mm_crc32_u64(crc, load(bytes + i));
            second = _mm_crc32_u64(second, load(bytes + run_bytes + i));
            third = _mm_crc32_u64(third, load(bytes + 2 * run_bytes + i));
        }
        crc = over_run(over_run(static_cast<std::uint32_t>(crc)) ^ static_cast<std::uint32_t>(second)) ^ third;
    }
    for (; count >= 8; count -= 8, bytes += 8) crc = _mm_crc32_u64(crc, load(bytes));
    auto narrow = static_cast<std::uint32_t>(crc);
    for (; count > 0; --count) narrow = _mm_crc32_u8(narrow, *bytes++);
    return ~narrow;
}

}  // namespace sse42

}  // namespace

}  // namespace laconic
