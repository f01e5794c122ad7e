// The parts of the test program.
#pragma once

namespace laconic::test {

void test_streams();
void test_damage();
void test_conversions();
void test_packets();
void test_channels();
void test_contexts();
void test_subbands();
void test_pictures();
void test_residuals();

}  // namespace laconic::test
