#include "dispatch.hpp"

#include <array>
#include <atomic>
#include <cstdlib>

#include "instruction_sets.hpp"

namespace laconic {

namespace {

struct Available {
    std::array<const Kernels*, 3> sets{};
    std::size_t count = 0;

    Available() noexcept {
        add(portable_kernels);
#if defined(__x86_64__)
        add(avx2_kernels);
        add(avx512_kernels);
#endif
    }

    void add(const Kernels& set) noexcept {
        if (has_instruction_set(set.name)) sets[count++] = &set;
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
