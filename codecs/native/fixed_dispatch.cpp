#include "fixed_dispatch.hpp"

#include <array>
#include <atomic>
#include <cstdlib>

#include "instruction_sets.hpp"

namespace laconic {

namespace {

const FixedKernels* find(std::string_view name) noexcept {
    if (!has_instruction_set(name)) return nullptr;
#if defined(__x86_64__)
    for (const FixedKernels* set : {&fixed_portable, &fixed_avx2, &fixed_avx512})
        if (set->name == name) return set;
#endif
    return name == fixed_portable.name ? &fixed_portable : nullptr;
}

std::atomic<const FixedKernels*>& in_use() noexcept {
    static std::atomic<const FixedKernels*> set = [] {
        const char* wanted = std::getenv("LACONIC_SIMD");
        const FixedKernels* named = wanted == nullptr ? nullptr : find(wanted);
        return named != nullptr ? named : find(instruction_sets().back());
    }();
    return set;
}

}  // namespace

const FixedKernels& fixed_kernels() noexcept { return *in_use().load(std::memory_order_relaxed); }

bool use_fixed_kernels(std::string_view name) noexcept {
    const FixedKernels* set = find(name);
    if (set != nullptr) in_use().store(set, std::memory_order_relaxed);
    return set != nullptr;
}

}  // namespace laconic
