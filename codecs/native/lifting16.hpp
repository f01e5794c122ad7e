// CDF 9/7 lifting in 16 bits (SPEC.md, section 9.2): factors in units of 2^-15, for high values that step a halves, without the
// gains at the end, which the projection takes over. Constants of wavelet.hpp: a / 2, 2 b, c / 2, 2 d.
#pragma once

#include <cstdint>

namespace laconic {

inline constexpr std::int16_t factor_a = -25987;
inline constexpr std::int16_t factor_b = -3472;
inline constexpr std::int16_t factor_c = 14466;
inline constexpr std::int16_t factor_d = 29066;

// A band's low values are 2 / 1.1496...^2 = 1.5133 times the mean of their samples; before it is split again, it is multiplied by
// 0.6608, and in synthesis by 1 + 0.5133.
inline constexpr std::int16_t low_shrink = 21653;
inline constexpr std::int16_t low_growth = 16821;
inline constexpr std::int16_t largest_low = 21652;  // what 1.5133 makes at most 2^15 of

}  // namespace laconic
