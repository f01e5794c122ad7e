// Decodes any bytes as streams with one table for all symbols of a stream.
#include "decode.hpp"

namespace laconic::fuzz {

Bytes make_seed(std::size_t number) { return decode_seed(number, false); }

}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    laconic::fuzz::decode_input({data, size}, false);
    return 0;
}
