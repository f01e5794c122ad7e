// Tests of the core without Python, each with every set of kernels that this machine has. Build with LACONIC_CPP_TESTS,
// which turns on the address and undefined-behaviour sanitizers.
#include <cstdio>

#include "support.hpp"
#include "tests.hpp"

using namespace laconic;

int main() {
    for (const char* name : {"portable", "avx2", "avx512"})
        std::printf("kernels %s: %s\n", name, use_kernels(name) ? "tested" : "skipped, this machine cannot run them");
    test::check(!use_kernels("no such"), "unknown kernels are refused");
    test::at_each_level([](const Kernels& set) { test::check(&kernels() == &set, "kernels can be chosen"); });
    test::test_conversions();
    test::test_contexts();
    test::test_streams();
    test::test_damage();
    test::test_packets();
    test::test_channels();
    test::test_subbands();
    test::test_pictures();
    test::test_residuals();
    std::puts("all tests of the core passed");
}
