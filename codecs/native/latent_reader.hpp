// Batches of latents from files: decoded by a few pictures at a time, so that what is made of them stays in a core's cache, and
// put where the batch has them, on one or several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "latent_rule.hpp"
#include "latent_views.hpp"
#include "picture_source.hpp"

namespace laconic {

// What is to be read: files `numbers` of a source to rows `rows` of a batch, each as its view says, or whole where there are none.
struct LatentReading {
    const LatentRule& rule;
    const PictureSource& source;
    const LatentBands& bands;
    const std::vector<float>& scale;
    const std::vector<float>& shift;
    std::span<const std::int64_t> numbers, rows;
    std::span<const LatentView> views;
    LatentBatchView out;
    bool* done;  // of each row
};

class LatentReader {
public:
    explicit LatentReader(const LatentReading& reading)
        : reading_{reading}, pictures_{pictures_at_a_time(reading)}, num_chunks_{(reading.numbers.size() + pictures_ - 1) / pictures_} {}

    // The first error of any thread is thrown.
    void run(std::size_t num_threads) {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < std::min(num_threads, num_chunks_); ++i) threads.emplace_back([this] { work(); });
        work();
        threads.clear();
        if (error_) std::rethrow_exception(error_);
    }

private:
    static constexpr std::size_t chunk_values = std::size_t{1} << 17;
    static constexpr std::size_t side_by_side = 4;  // pictures that are decoded in lock-step

    static std::size_t pictures_at_a_time(const LatentReading& reading) noexcept {
        const PictureSource& source = reading.source;
        const std::size_t most = chunk_values / (source.capacity() * source.height() * source.width());
        return std::max<std::size_t>(most / side_by_side, 1) * side_by_side;
    }

    void work() noexcept {
        try {
            const PictureSource& source = reading_.source;
            const std::size_t size = source.capacity() * source.height() * source.width();
            const auto values = std::make_unique_for_overwrite<std::int32_t[]>(std::min(pictures_, reading_.numbers.size()) * size);
            const auto decoded = std::make_unique<bool[]>(pictures_);
            LatentRule::Scratch scratch(reading_.rule, source.width());
            LatentViewWriter writer(reading_.bands, reading_.scale, reading_.shift);
            std::vector<float> latent;
            for (std::size_t chunk = next_++; chunk < num_chunks_; chunk = next_++) {
                const std::size_t first = chunk * pictures_, count = std::min(pictures_, reading_.numbers.size() - first);
                source.decode(reading_.numbers.subspan(first, count), values.get(), decoded.get());
                for (std::size_t i = 0; i < count; ++i) {
                    reading_.done[reading_.rows[first + i]] = decoded[i];
                    if (!decoded[i]) continue;
                    if (reading_.views.empty())
                        put_whole(values.get() + i * size, first + i, scratch);
                    else
                        put_view(values.get() + i * size, first + i, scratch, writer, latent);
                }
            }
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!error_) error_ = std::current_exception();
        }
    }

    void put_whole(const std::int32_t* values, std::size_t i, LatentRule::Scratch& scratch) const {
        const LatentBatchView& out = reading_.out;
        const std::size_t n = out.height * out.width, place = out.place(static_cast<std::size_t>(reading_.rows[i]));
        reading_.rule.apply(values, out.height, out.width, scratch, [&](std::size_t c, std::size_t begin, std::size_t count, const float* points) {
            normalize_to(out.type, points, out.data, place + c * n + begin, reading_.scale[c], reading_.shift[c], count);
        });
    }

    void put_view(const std::int32_t* values, std::size_t i, LatentRule::Scratch& scratch, LatentViewWriter& writer, std::vector<float>& latent) const {
        const std::size_t height = reading_.source.height(), width = reading_.source.width(), n = height * width;
        latent.resize(reading_.rule.num_channels() * n);
        reading_.rule.apply(values, height, width, scratch, [&](std::size_t c, std::size_t begin, std::size_t count, const float* points) {
            std::copy(points, points + count, latent.data() + c * n + begin);
        });
        writer.write(latent.data(), height, width, reading_.views[i], reading_.out, static_cast<std::size_t>(reading_.rows[i]));
    }

    const LatentReading& reading_;
    std::size_t pictures_, num_chunks_;
    std::atomic<std::size_t> next_ = 0;
    std::mutex mutex_;
    std::exception_ptr error_;
};

}  // namespace laconic
