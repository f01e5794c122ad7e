// Which kernels of the fixed-point transform run, as in entropy/native/dispatch.hpp.
#pragma once

#include <string_view>

#include "fixed_kernels.hpp"

namespace laconic {

const FixedKernels& fixed_kernels() noexcept;

// Returns false, and changes nothing, where this machine has no set of this name.
bool use_fixed_kernels(std::string_view name) noexcept;

}  // namespace laconic
