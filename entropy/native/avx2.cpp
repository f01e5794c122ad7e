#include "kernels.hpp"
namespace laconic { const Kernels avx2_kernels = portable_kernels; }
