// The kernels of AVX-512 (BW, VBMI, VBMI2, GFNI, VPCLMULQDQ: Ice Lake, Zen 4 and later) by the files that have them; see
// kernels.hpp for their contracts.
//
// Each of these files is compiled for this instruction set, so all that they define has internal linkage but what stands
// here and the table of kernels: no inline function of theirs can replace its portable twin.
#pragma once

#include "kernels.hpp"

namespace laconic::avx512 {

// avx512_decode.cpp
std::size_t decode_static(DecodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds);
std::size_t decode_indexed(DecodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds);
std::size_t decode_partial(DecodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds);
unsigned decoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels);

// avx512_encode.cpp
void encode_static(EncodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds);
void encode_indexed(EncodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds);
void encode_partial(EncodeStream* const* all, std::size_t num_streams, unsigned lanes, std::size_t rounds);
unsigned encoding_cost(unsigned lanes, std::size_t num_streams, unsigned levels);
void reverse_words(const std::uint16_t* words, std::size_t count, std::uint8_t* bytes);

// avx512_crc32c.cpp
std::uint32_t crc32c(const std::uint8_t* bytes, std::size_t count, std::uint32_t seed);

}  // namespace laconic::avx512
