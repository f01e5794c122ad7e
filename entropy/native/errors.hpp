// The one exception type of the core: what is wrong with a stream, and at which byte.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace laconic {

// misfit: a value does not fit the type that it is decoded to.
enum class Fault { truncated, corrupt, checksum, misfit };

class StreamError : public std::runtime_error {
public:
    StreamError(Fault fault, std::size_t position, const std::string& what)
        : std::runtime_error(what + " at byte " + std::to_string(position)), fault_{fault} {}

    Fault fault() const noexcept { return fault_; }

private:
    Fault fault_;
};

}  // namespace laconic
