// Which kernels run: found once, by what the processor and the system can do; may be forced for tests.
#pragma once

#include <span>
#include <string_view>

#include "kernels.hpp"

namespace laconic {

// The sets that this machine can run, slowest first.
std::span<const Kernels* const> available_kernels() noexcept;

// The set in use: the fastest, or the one that LACONIC_SIMD named at the first call.
const Kernels& kernels() noexcept;

// Returns false, and changes nothing, where this machine has no set of this name.
bool use_kernels(std::string_view name) noexcept;

}  // namespace laconic
