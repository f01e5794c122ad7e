// Jobs of one stream each, on several threads and side by side: which of them go in lock-step is what costs least.
//
// A job has a `form`, and the runs that it codes as `parts.main` and `parts.folded`.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <thread>
#include <tuple>
#include <vector>

#include "rans.hpp"

namespace laconic {

// Whether streams can go in lock-step. Kernels for few lanes want one table for all of them.
template <class Job>
bool alike(const Job& a, const Job& b, bool same_tables) noexcept {
    if (a.form.lanes != b.form.lanes || a.form.has_crc != b.form.has_crc || a.parts.main.size() != b.parts.main.size() ||
        a.parts.folded.size() != b.parts.folded.size())
        return false;
    // What one stream has more than another is done alone, so it should be little.
    const auto near = [](const Run& x, const Run& y) { return std::max(x.count, y.count) - std::min(x.count, y.count) <= 2 * block_size; };
    if (!std::equal(a.parts.main.begin(), a.parts.main.end(), b.parts.main.begin(), near)) return false;
    if (!same_tables) return true;
    return std::equal(a.parts.main.begin(), a.parts.main.end(), b.parts.main.begin(),
                      [](const Run& x, const Run& y) { return x.tables.shared == y.tables.shared; });
}

// Runs `work(i)` for i below `count` on several threads. The first error, by number, is thrown.
template <class Work>
void in_parallel(std::size_t count, unsigned num_threads, Work work) {
    if (count == 1) return work(0);
    std::atomic<std::size_t> next = 0;
    std::vector<std::exception_ptr> errors(count);
    const auto run = [&] {
        for (std::size_t i = next++; i < count; i = next++) {
            try {
                work(i);
            } catch (...) {
                errors[i] = std::current_exception();
            }
        }
    };
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < std::min<std::size_t>(num_threads, count); ++i) threads.emplace_back(run);
    run();
    threads.clear();
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

// Runs `work(span of jobs)` over groups of jobs that go in lock-step, on several threads.
template <class Job, class Work>
void for_groups(std::vector<Job>& all, const TableSet& tables, unsigned num_threads, Cost cost, Work work) {
    if (all.size() == 1) {
        Job* const only[] = {&all[0]};
        return work(std::span<Job* const>(only));
    }
    const auto levels = [&](const Job* job) {
        const std::vector<Run>& runs = job->parts.main;
        return runs.empty() || runs[0].tables.each != nullptr ? 0U : tables.permute(runs[0].tables.shared).levels;
    };
    struct Place {
        std::tuple<unsigned, std::size_t, unsigned> order;  // lanes, length, levels: those alike come to stand together
        Job* job;
    };
    std::vector<Place> places;
    places.reserve(all.size());
    for (Job& job : all) {
        const std::vector<Run>& runs = job.parts.main;
        places.push_back({{job.form.lanes, runs.empty() ? 0 : runs[0].count / (4 * block_size), levels(&job)}, &job});
    }
    std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.order < b.order; });
    std::vector<Job*> jobs;
    jobs.reserve(all.size());
    for (const Place& place : places) jobs.push_back(place.job);
    // The cheapest way to cut the jobs into groups of neighbours that are alike; a deep table slows down all streams of its
    // group.
    std::vector<std::uint64_t> total(jobs.size() + 1, 0);
    std::vector<std::size_t> length(jobs.size() + 1, 1);
    std::size_t first_alike = 0;
    for (std::size_t end = 1; end <= jobs.size(); ++end) {
        const auto [lanes, runs_length, depth] = places[end - 1].order;
        if (!alike(*jobs[first_alike], *jobs[end - 1], lanes <= 16)) first_alike = end - 1;
        total[end] = ~std::uint64_t{0};
        for (std::size_t count = 1; count <= std::min(end - first_alike, max_streams); ++count) {
            const std::uint64_t price = cost(lanes, count, depth);
            if (price == 0 || total[end - count] + price >= total[end]) continue;
            total[end] = total[end - count] + price;
            length[end] = count;
        }
    }
    std::vector<std::span<Job* const>> groups;
    for (std::size_t end = jobs.size(); end > 0; end -= length[end]) groups.emplace_back(&jobs[end - length[end]], length[end]);
    in_parallel(groups.size(), num_threads, [&](std::size_t g) { work(groups[g]); });
}

// Streams of a thread, kept between calls: their buffers are warm.
template <class Stream>
std::span<Stream* const> streams_of_thread(std::size_t count) {
    thread_local std::vector<std::unique_ptr<Stream>> owned;
    thread_local std::vector<Stream*> streams;
    while (owned.size() < count) streams.push_back(owned.emplace_back(std::make_unique<Stream>()).get());
    return {streams.data(), count};
}

}  // namespace laconic
