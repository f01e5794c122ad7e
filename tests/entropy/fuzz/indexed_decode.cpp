// Decodes any bytes as streams with one table for each symbol.
#include "decode.hpp"

namespace laconic::fuzz {

Bytes make_seed(std::size_t number) { return decode_seed(number, true); }

}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    laconic::fuzz::decode_input({data, size}, true);
    return 0;
}
