// The instruction sets that kernels are written for and this machine can run, found once by what the processor and the system
// can do.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace laconic {

// Names, slowest first; "portable" is always there.
inline std::span<const std::string_view> instruction_sets() noexcept {
    struct Found {
        std::array<std::string_view, 3> names{"portable"};
        std::size_t count = 1;

        Found() noexcept {
#if defined(__x86_64__)
            // The compiler's check asks cpuid, and xgetbv whether the system saves the wide registers.
            __builtin_cpu_init();
            const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                                  __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2");
            if (!has_avx2) return;
            names[count++] = "avx2";
            const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
                                    __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vnni") &&
                                    __builtin_cpu_supports("gfni") && __builtin_cpu_supports("vpclmulqdq");
            if (has_avx512) names[count++] = "avx512";
#endif
        }
    };
    static const Found found;
    return {found.names.data(), found.count};
}

inline bool has_instruction_set(std::string_view name) noexcept {
    const auto sets = instruction_sets();
    return std::find(sets.begin(), sets.end(), name) != sets.end();
}

}  // namespace laconic
