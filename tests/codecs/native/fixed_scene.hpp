// A random tree with random matrices and a random picture for the fixed-point transform, and all that comes of them, as bytes.
// The tests and tests/entropy/native/cross_check.cpp share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../../codecs/native/fixed_analysis.hpp"
#include "../../../codecs/native/fixed_synthesis.hpp"
#include "../../../codecs/native/step_map.hpp"

namespace laconic::test {

// Of std::mt19937_64, which the standard defines to the bit.
struct FixedScene {
    static constexpr std::size_t untiled = std::size_t{1} << 40;

    FixedMap map;
    std::size_t height, width, channels;  // of the picture; channels beyond the planes are not looked at
    std::vector<std::uint8_t> samples;
    std::vector<Thresholds> thresholds;
    std::vector<float> shrink;
    std::vector<float> scales;               // of the channels
    std::vector<std::int16_t> weights;       // of the places of rows that are rounded up to whole blocks; none at random
    std::size_t first_weighted;
    float inverse_step;
    unsigned row_bits;

    // No statement takes two numbers in an order that is the compiler's choice.
    explicit FixedScene(std::mt19937_64& random) {
        const bool is_low = random() % 4 > 0, is_narrow = random() % 4 > 0;
        height = 1 + random() % (is_low ? 40 : 150);
        width = 1 + random() % (is_narrow ? 60 : 1200);
        map.planes = 1 + random() % 4;
        map.depth = 1 + random() % 4;
        add_node(random, 0);
        for (std::uint16_t next = 0; FixedLeaf& leaf : map.leaves)
            for (std::uint16_t& channel : leaf.channels) channel = next++;
        for (std::size_t i = 0; i < map.num_channels; ++i) {
            // Two places of different leaves, or not, change channels.
            FixedLeaf &one = map.leaves[random() % map.leaves.size()], &other = map.leaves[random() % map.leaves.size()];
            std::uint16_t& channel = one.channels[random() % one.size];
            std::swap(channel, other.channels[random() % other.size]);
        }
        channels = map.planes + random() % (5 - map.planes);
        samples.resize(height * width * channels);
        const bool is_extreme = random() % 2;
        for (std::uint8_t& sample : samples) sample = static_cast<std::uint8_t>(is_extreme ? 255 * (random() % 2) : random());
        for (std::size_t i = 0; i < map.num_channels; ++i) {
            const float zero_below = 2.0F * fraction(random);
            thresholds.push_back({zero_below, 0.5F * fraction(random)});
            for (int k = 0; k < 3; ++k) shrink.push_back(fraction(random) - 0.5F);
        }
        inverse_step = 0.05F * static_cast<float>(1 + random() % 4000);
        const float scale = 0.25F * static_cast<float>(1 + random() % 4000);
        row_bits = random() % 2 ? 6 : 5;
        for (std::size_t i = 0; i < map.num_channels; ++i) scales.push_back(scale * (1.0F + static_cast<float>(random() % 4) / 4.0F));
        first_weighted = random() % (map.num_channels + 1);
        if (random() % 2) weights.resize(rows() * round_up(columns()));
        for (std::int16_t& weight : weights) weight = step_weight(static_cast<int>(random() % (2 * max_exponent + 1)) - max_exponent);
    }

    std::size_t rows() const { return (height + map.factor() - 1) / map.factor(); }
    std::size_t columns() const { return (width + map.factor() - 1) / map.factor(); }
    std::size_t count() const { return map.num_channels * rows() * columns(); }

    // Rows `first` to `last` - 1 of the latent in tiles of `side` places, from no more of the picture than that takes.
    template <class T>
    std::vector<std::vector<T>> analyzed(const FixedKernels& kernels, std::size_t first, std::size_t last, std::size_t side) const {
        const std::size_t top = (first - std::min(first, margin)) * map.factor(), bottom = std::min(height, (last + margin) * map.factor());
        const std::vector<std::uint8_t> part(samples.begin() + static_cast<std::ptrdiff_t>(top * width * channels),
                                             samples.begin() + static_cast<std::ptrdiff_t>(bottom * width * channels));
        const SampleRows source{part.data(), bottom - top, width, channels, top, height};
        LatentOut out{first, last, side, columns(), {}};
        std::vector<std::vector<T>> tiles;
        for (std::size_t y = 0; y < last - first; y += side)
            for (std::size_t x = 0; x < columns(); x += side)
                tiles.emplace_back(map.num_channels * std::min(side, last - first - y) * std::min(side, columns() - x));
        for (std::vector<T>& tile : tiles) out.tiles.push_back(tile.data());
        if constexpr (std::is_floating_point_v<T>) {
            CoefficientWriter writer{kernels, out};
            analyze_fixed(kernels, map, source, {out, writer});
        } else {
            IntegerWriter<T> writer{kernels, out, inverse_step, thresholds.data()};
            analyze_fixed(kernels, map, source, {out, writer});
        }
        return tiles;
    }

    // All samples at 2^-level of the size, of `num_channels` of the latent's channels; none where the tree does not go down so
    // far.
    template <class T>
    std::vector<std::uint8_t> synthesized(const FixedKernels& kernels, const std::vector<T>& values, std::size_t num_channels, std::size_t level) const {
        const std::size_t side = map.factor() >> level, size = rows() * columns();
        std::vector<std::uint8_t> out(size * side * side * map.planes);
        LatentPart part{values.data(), sizeof(T) == 4, num_channels, rows(), columns(), size, columns(), row_bits, scales.data(), shrink.data()};
        weigh(part, weights);
        const SampleOut place{out.data(), columns() * side * map.planes, map.planes, 0, 0, columns() * side, rows() * side};
        try {
            synthesize_fixed(kernels, map, part, level, place);
        } catch (const std::out_of_range&) {
            out.clear();
        }
        return out;
    }

    // Gives a part the weights of its places, if the scene has any.
    void weigh(LatentPart& part, const std::vector<std::int16_t>& of_part) const {
        if (weights.empty()) return;
        part.weights = of_part.data();
        part.first_weighted = first_weighted;
    }

    std::vector<std::uint8_t> everything(const FixedKernels& kernels) const {
        std::vector<std::uint8_t> bytes;
        const auto add = [&](const auto& values) {
            const auto* raw = reinterpret_cast<const std::uint8_t*>(values.data());
            bytes.insert(bytes.end(), raw, raw + values.size() * sizeof values[0]);
        };
        const auto wide = analyzed<std::int32_t>(kernels, 0, rows(), untiled).front();
        const auto narrow = analyzed<std::int16_t>(kernels, 0, rows(), untiled).front();
        add(analyzed<float>(kernels, 0, rows(), untiled).front());
        add(wide);
        add(narrow);
        for (std::size_t level = 0; level <= map.depth; ++level) {
            add(synthesized(kernels, wide, map.num_channels, level));
            add(synthesized(kernels, narrow, (map.num_channels + 1) / 2, level));
        }
        return bytes;
    }

private:
    static float fraction(std::mt19937_64& random) { return static_cast<float>(random() % 1024) / 1024.0F; }

    std::size_t add_node(std::mt19937_64& random, std::size_t depth) {
        const std::size_t index = map.nodes.size();
        map.nodes.push_back({depth, {}});
        for (std::size_t band = 0; band < 4; ++band) {
            const bool is_node = depth + 1 < map.depth && random() % 4 < (band == 0 ? 3 : 1);
            const int child = is_node ? static_cast<int>(add_node(random, depth + 1)) : ~static_cast<int>(add_leaf(random, depth + 1));
            map.nodes[index].children[band] = child;
        }
        return index;
    }

    std::size_t add_leaf(std::mt19937_64& random, std::size_t depth) {
        FixedLeaf leaf;
        leaf.depth = depth;
        leaf.factor = map.factor() >> depth;
        leaf.size = map.planes * leaf.factor * leaf.factor;
        leaf.analysis_bits = static_cast<unsigned>(random() % 16);
        leaf.synthesis_bits = static_cast<unsigned>(random() % 16);
        leaf.channels.resize(leaf.size);
        leaf.analysis.resize(leaf.num_pairs() * leaf.size);
        leaf.synthesis.resize(leaf.size * leaf.size);
        const unsigned shift = random() % 3 ? 6 : 0;  // else sums wrap around
        for (std::int32_t& pair : leaf.analysis) {
            const auto low = static_cast<std::int16_t>(random()), high = static_cast<std::int16_t>(random());
            pair = (low >> shift & 0xFFFF) | (high >> shift) * 0x10000;
        }
        for (std::int16_t& entry : leaf.synthesis) entry = static_cast<std::int16_t>(static_cast<std::int16_t>(random()) >> shift);
        map.num_channels += leaf.size;
        map.leaves.push_back(leaf);
        return map.leaves.size() - 1;
    }
};

}  // namespace laconic::test
