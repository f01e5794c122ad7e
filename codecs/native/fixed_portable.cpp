#include "fixed_kernels.hpp"

#include <cstring>

#include "lifting16.hpp"

namespace laconic {

namespace {

// One value at a time.
struct Lanes {
    using Type = std::int16_t;
    static constexpr std::size_t width = 1;
    static Type load(const std::int16_t* at) noexcept { return *at; }
    static void store(std::int16_t* at, Type v) noexcept { *at = v; }
    static Type all(std::int16_t v) noexcept { return v; }
    static std::int16_t first(Type v) noexcept { return v; }
    static Type add(Type a, Type b) noexcept { return static_cast<Type>(static_cast<std::uint16_t>(a) + static_cast<std::uint16_t>(b)); }
    static Type subtract(Type a, Type b) noexcept { return static_cast<Type>(static_cast<std::uint16_t>(a) - static_cast<std::uint16_t>(b)); }
    static Type multiply(Type a, Type b) noexcept { return static_cast<Type>((((std::int32_t{a} * b) >> 14) + 1) >> 1); }
    static Type half(Type v) noexcept { return static_cast<Type>((v + 1) >> 1); }
    static Type behind(Type before, Type) noexcept { return before; }
};

void multiply(const std::int32_t* matrix, std::size_t stride, std::size_t rows, const std::int32_t* const* pairs, std::size_t num_pairs,
              std::int32_t* sums, std::size_t pitch, std::size_t n) {
    constexpr std::size_t width = 8;
    for (std::size_t p = 0; p < n; p += width)
        for (std::size_t r = 0; r < rows; ++r) {
            std::uint32_t sum[width]{};
            for (std::size_t k = 0; k < num_pairs; ++k) {
                const auto low = static_cast<std::int16_t>(matrix[k * stride + r]);
                const auto high = static_cast<std::int16_t>(matrix[k * stride + r] >> 16);
                for (std::size_t i = 0; i < width; ++i) {
                    const std::int32_t x = pairs[k][p + i];
                    sum[i] += static_cast<std::uint32_t>(low * static_cast<std::int16_t>(x)) +
                              static_cast<std::uint32_t>(high * static_cast<std::int16_t>(x >> 16));
                }
            }
            std::memcpy(sums + r * pitch + p, sum, sizeof sum);
        }
}

#include "fixed_kernels.inc"

}  // namespace

constexpr FixedKernels fixed_portable = kernels_named("portable");

}  // namespace laconic
