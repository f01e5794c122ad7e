// The one macro of the core: compile a function for several instruction sets and choose at load time. Results are the
// same bits in every version, because the build forbids contraction and no function changes its summation order.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#define LACONIC_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LACONIC_CLONES
#endif
