// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), eight bytes a step by table ("slicing by 8").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic {

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
    CrcTables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) ? 0x82F63B78U : 0U);
        tables[0][byte] = crc;
    }
    for (std::size_t slice = 1; slice < 8; ++slice)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t previous = tables[slice - 1][byte];
            tables[slice][byte] = (previous >> 8) ^ tables[0][previous & 0xFFU];
        }
    return tables;
}

inline constexpr CrcTables crc_tables = make_crc_tables();

// `seed` is the CRC of the bytes before these, 0 at the start.
inline std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t seed = 0) {
    std::uint32_t crc = ~seed;
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
        std::uint32_t next = 0;
        for (std::size_t slice = 0; slice < 4; ++slice)
            next ^= crc_tables[7 - slice][(bytes[i + slice] ^ (crc >> (8 * slice))) & 0xFFU] ^
                    crc_tables[3 - slice][bytes[i + 4 + slice]];
        crc = next;
    }
    for (; i < bytes.size(); ++i) crc = (crc >> 8) ^ crc_tables[0][(crc ^ bytes[i]) & 0xFFU];
    return ~crc;
}

}  // namespace laconic
