#include "dispatch.hpp"

#include <array>
#include <atomic>
#include <cstdlib>

namespace laconic {

namespace {

struct Available {
    std::array<const Kernels*, 3> sets{&portable_kernels};
    std::size_t count = 1;

    Available() noexcept {
#if defined(__x86_64__)
        // The compiler's check asks cpuid, and xgetbv whether the system saves the wide registers.
        __builtin_cpu_init();
        const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                              __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2");
        if (has_avx2) sets[count++] = &avx2_kernels;
        const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                                __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
                                __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("gfni") &&
                                __builtin_cpu_supports("vpclmulqdq");
        if (has_avx2 && has_avx512) sets[count++] = &avx512_kernels;
#endif
    }
};

const Available& available() noexcept {
    static const Available found;
    return found;
}

const Kernels* find(std::string_view name) noexcept {
    for (const Kernels* set : available_kernels())
        if (set->name == name) return set;
    return nullptr;
}

std::atomic<const Kernels*>& in_use() noexcept {
    static std::atomic<const Kernels*> set = [] {
        const char* wanted = std::getenv("LACONIC_SIMD");
        const Kernels* named = wanted == nullptr ? nullptr : find(wanted);
        return named != nullptr ? named : available_kernels().back();
    }();
    return set;
}

}  // namespace

std::span<const Kernels* const> available_kernels() noexcept { return {available().sets.data(), available().count}; }

const Kernels& kernels() noexcept { return *in_use().load(std::memory_order_relaxed); }

bool use_kernels(std::string_view name) noexcept {
    const Kernels* set = find(name);
    if (set != nullptr) in_use().store(set, std::memory_order_relaxed);
    return set != nullptr;
}

}  // namespace laconic
