// Runs a fuzz target without libFuzzer, which only clang has: on the inputs of a folder, then on mutations of these that
// are the same every time.
//
//   replay_TARGET FOLDER [NUMBER OF MUTATIONS]   replay, then mutate
//   replay_TARGET --make-corpus FOLDER           write the inputs to begin with
#include <filesystem>
#include <fstream>
#include <iterator>

#include "target.hpp"

namespace {

using namespace laconic::fuzz;

constexpr std::size_t num_seeds = 60;
constexpr std::size_t max_size = 1 << 14;

Bytes read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    check(file.good(), "cannot read " + path.string());
    const Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return bytes;
}

void write(const std::filesystem::path& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    check(file.good(), "cannot write " + path.string());
}

// One step: bits, bytes, numbers at the edge of something, parts left out, repeated, moved or taken from another input.
void mutate(Random& random, Bytes& bytes, const std::vector<Bytes>& corpus) {
    constexpr std::array<std::uint8_t, 8> edges{0, 1, 0x7F, 0x80, 0xFF, 0xFE, 16, 64};
    if (bytes.empty()) bytes.push_back(0);
    const std::size_t at = below(random, bytes.size()),
                      length = 1 + below(random, std::min<std::size_t>(bytes.size() - at, 64));
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const Bytes part(place, place + static_cast<std::ptrdiff_t>(length));
    switch (below(random, 9)) {
        case 0: *place ^= static_cast<std::uint8_t>(1U << below(random, 8)); break;
        case 1: *place = static_cast<std::uint8_t>(random()); break;
        case 2: *place = edges[below(random, edges.size())]; break;
        case 3: *place = static_cast<std::uint8_t>(*place + below(random, 33) - 16); break;
        case 4: bytes.erase(place, place + static_cast<std::ptrdiff_t>(length)); break;
        case 5: bytes.insert(place, part.begin(), part.end()); break;
        case 6:
            std::copy_n(part.begin(), std::min(length, bytes.size() - at),
                        bytes.begin() + static_cast<std::ptrdiff_t>(below(random, bytes.size() - length + 1)));
            break;
        case 7: bytes.resize(at); break;
        default: {
            const Bytes& other = corpus[below(random, corpus.size())];
            const std::size_t from = std::min(below(random, 12), other.size());
            bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(std::min(from, bytes.size())), bytes.end());
            bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        }
    }
    if (bytes.size() > max_size) bytes.resize(max_size);
}

void replay(const std::filesystem::path& folder, std::size_t num_mutations) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<Bytes> corpus;
    for (const auto& path : paths) corpus.push_back(read(path));
    check(!corpus.empty(), "no inputs in " + folder.string());
    for (const Bytes& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
    Random random(42);
    for (std::size_t i = 0; i < num_mutations; ++i) {
        Bytes input = corpus[below(random, corpus.size())];
        for (std::size_t step = 1 + below(random, 4); step > 0; --step) mutate(random, input, corpus);
        const Bytes exact(input.begin(), input.end());
        LLVMFuzzerTestOneInput(exact.data(), exact.size());
    }
    std::printf("%zu inputs and %zu mutations with the kernels", corpus.size(), num_mutations);
    for (const laconic::Kernels* set : laconic::available_kernels()) std::printf(" %s", set->name);
    std::puts("");
}

}  // namespace

int main(int num_arguments, char** arguments) {
    const std::vector<std::string> all(arguments + 1, arguments + num_arguments);
    if (all.size() == 2 && all[0] == "--make-corpus") {
        std::filesystem::create_directories(all[1]);
        for (std::size_t number = 0; number < num_seeds; ++number)
            write(std::filesystem::path(all[1]) / ("seed" + std::to_string(number)), make_seed(number));
        return 0;
    }
    if (all.empty() || all.size() > 2) return std::puts("usage: replay_TARGET FOLDER [NUMBER OF MUTATIONS]"), 2;
    replay(all[0], all.size() == 2 ? std::stoul(all[1]) : 0);
    return 0;
}
