// CompressAI's rANS coder (cpp_exts/rans of its source distribution) without Python lists: vectors in, vector out.
//
// Everything that its Python interface would convert is made ready by core_open and core_load, outside the timing.
// Loaded with ctypes.PyDLL, as `flush` makes a Python bytes object under the global lock.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rans_interface.cpp"

namespace {

using Ints = std::vector<int32_t>;

struct Core {
  std::vector<Ints> cdfs;
  Ints sizes, offsets, symbols, indexes, decoded;
  py::bytes encoded;
};

}  // namespace

extern "C" {

// `cdfs` has num_tables rows of `width`; a row counts up to its size.
void *core_open(int32_t num_tables, int32_t width, const int32_t *cdfs, const int32_t *sizes, const int32_t *offsets) {
  Core *core = new Core;
  core->sizes.assign(sizes, sizes + num_tables);
  core->offsets.assign(offsets, offsets + num_tables);
  for (int32_t i = 0; i < num_tables; ++i) {
    const int32_t *row = cdfs + std::ptrdiff_t{i} * width;
    core->cdfs.emplace_back(row, row + width);
  }
  return core;
}

void core_load(void *handle, const int32_t *symbols, const int32_t *indexes, size_t count) {
  Core &core = *static_cast<Core *>(handle);
  core.symbols.assign(symbols, symbols + count);
  core.indexes.assign(indexes, indexes + count);
}

// Returns the number of bytes.
size_t core_encode(void *handle) {
  Core &core = *static_cast<Core *>(handle);
  RansEncoder encoder;
  core.encoded = encoder.encode_with_indexes(core.symbols, core.indexes, core.cdfs, core.sizes, core.offsets);
  return static_cast<size_t>(PyBytes_Size(core.encoded.ptr()));
}

// Decodes what core_encode made; valid until the next call.
const int32_t *core_decode(void *handle) {
  Core &core = *static_cast<Core *>(handle);
  RansDecoder decoder;
  const std::string bytes = core.encoded;
  core.decoded = decoder.decode_with_indexes(bytes, core.indexes, core.cdfs, core.sizes, core.offsets);
  return core.decoded.data();
}

}  // extern "C"
