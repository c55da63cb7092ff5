#include "recurrence/rnn.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "guarded.h"
#include "recurrence/team.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

template <class T>
void fill(T* x, size_t n, uint64_t seed) {
  for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(2 * philox_uniform(seed, n, i) - 1);
}

// Every array of a call at the end (or beginning) of its pages: nothing is read or written beyond.
template <class T, bool kAtEnd>
void check_pages(RnnCell cell, size_t heads, size_t d, size_t input, std::vector<uint32_t> lengths) {
  using Array = Guarded<T, kAtEnd>;
  size_t tokens = 0;
  for (const uint32_t length : lengths) tokens += length;
  const size_t hidden = heads * d, gates = rnn_gates(cell) * hidden,
               states = lengths.size() * rnn_states(cell) * hidden;
  Array x(tokens * input), w(gates * input), r(gates * d), bias(gates), hidden_bias(gates), state(states);
  Array h(tokens * hidden), state_out(states), saved(tokens * rnn_saved(cell) * hidden);
  Array dx(tokens * gates), dr(gates * d), dbias(gates), dhidden_bias(gates), dstate_out(states);
  fill(x.data(), tokens * input, 1);
  fill(w.data(), gates * input, 2);
  fill(r.data(), gates * d, 3);
  fill(bias.data(), gates, 4);
  fill(hidden_bias.data(), gates, 5);
  fill(state.data(), states, 6);
  const Context context;
  const RnnShape shape{cell, heads, d, lengths, false, input};
  const RnnForward<T> forward{x.data(),     w.data(), r.data(),         bias.data(), hidden_bias.data(),
                              state.data(), h.data(), state_out.data(), saved.data()};
  CHECK(rnn_forward<T>(shape, forward, context) == Status::ok);
  for (size_t i = 0; i < tokens * hidden; i++) CHECK(std::isfinite(h[i]));
  constexpr T kInf = std::numeric_limits<T>::infinity();
  const RnnBackward<T> backward{
      r.data(),  state.data(), h.data(),     saved.data(),        h.data(),         nullptr, kInf,
      dx.data(), dr.data(),    dbias.data(), dhidden_bias.data(), dstate_out.data()};
  CHECK(rnn_backward<T>(shape, backward, context) == Status::ok);
  for (size_t i = 0; i < gates * d; i++) CHECK(std::isfinite(dr[i]));
}

}  // namespace

TEST(rnn_stays_inside_its_arrays) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    for (size_t cell = 0; cell < kRnnCells; cell++)
      for (const size_t d : {1, 7, 16, 33, 65}) {
        check_pages<float, true>(static_cast<RnnCell>(cell), 1, d, 3, {4, 2, 0, 3, 3, 3, 3, 3, 1});
        check_pages<float, false>(static_cast<RnnCell>(cell), 2, d, 5, {3});
        check_pages<double, true>(static_cast<RnnCell>(cell), 1, d, 3, {4, 2, 0, 3, 3, 3, 3, 3, 1});
        check_pages<double, false>(static_cast<RnnCell>(cell), 2, d, 5, {3});
      }
  }
  set_active_isa(best);
}

// Lanes of one kernel against the portable row: products and gates of every number of rows and units.
TEST(rnn_kernels_agree_with_the_reference) {
  const RnnKernels<float>& reference = kRnn<float>.rows[0].fn;
  for (const auto& row : kRnn<float>.rows) {
    if (!isa_supported(row.isa)) continue;
    for (const size_t vectors : {3, 4})
      for (size_t m = 1; m <= row.fn.rows(vectors); m++)
        for (const size_t k : {0, 1, 5, 64}) {
          const size_t width = vectors * row.fn.lanes;
          std::vector<float> rows(m * k + 1), panel(k * width + 1), out(m * width);
          fill(rows.data(), rows.size(), 7);
          fill(panel.data(), panel.size(), 8);
          RnnProduct<float> p{};
          for (size_t i = 0; i < m; i++) p.rows[i] = rows.data() + i * k;
          p.m = m;
          p.k = k;
          p.panel = panel.data();
          p.out = out.data();
          row.fn.product(vectors, p);
          for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < width; j++) {
              double sum = 0;
              for (size_t q = 0; q < k; q++) sum += double{rows[i * k + q]} * panel[q * width + j];
              CHECK_NEAR(out[i * width + j], sum, 1e-5);
            }
          // The same bits in two parts, and for one row of a pair of panels.
          const std::vector<float> whole = out;
          p.k = k / 2;
          row.fn.product(vectors, p);
          for (size_t i = 0; i < m; i++) p.rows[i] += p.k;
          p.panel += p.k * width;
          p.k = k - p.k;
          p.add = true;
          row.fn.product(vectors, p);
          CHECK(out == whole);
          if (m > 1) continue;
          std::vector<float> pair(2 * k * width + 1), both(2 * width);
          for (size_t q = 0; q < k; q++)
            for (size_t j = 0; j < width; j++) {
              pair[2 * q * width + j] = panel[q * width + j];
              pair[(2 * q + 1) * width + j] = -panel[q * width + j];
            }
          for (const float* ahead : {static_cast<const float*>(nullptr), static_cast<const float*>(pair.data())}) {
            std::fill(both.begin(), both.end(), NAN);
            row.fn.product(vectors, {{rows.data()}, 1, k, pair.data(), true, ahead, false, both.data()});
            for (size_t j = 0; j < width; j++) CHECK(both[j] == whole[j] && both[width + j] == -whole[j]);
          }
        }
    CHECK(reference.lanes == 1);
  }
}

TEST(rnn_rows_are_turned_into_steps) {
  for (const auto& row : kRnn<float>.rows) {
    if (!isa_supported(row.isa) || row.fn.turn == nullptr) continue;
    const size_t lanes = row.fn.lanes;
    for (const size_t k : {0, 1, 15, 16, 33})
      for (const size_t step : {lanes, 3 * lanes}) {
        const size_t stride = k + 3, end = k == 0 ? 0 : (k - 1) * step + lanes;
        std::vector<float> rows(lanes * stride), out(k * step, -1.0f);
        for (size_t i = 0; i < rows.size(); i++) rows[i] = static_cast<float>(i);
        row.fn.turn(rows.data(), stride, k, step, out.data());
        for (size_t i = 0; i < out.size(); i++) {
          const size_t p = i / step, l = i % step;
          CHECK(out[i] == (i < end && l < lanes ? rows[l * stride + p] : -1.0f));
        }
      }
  }
}

TEST(rnn_reports_missing_memory_and_aborts) {
  std::vector<uint32_t> lengths{30, 20};
  std::vector<float> x(50 * 400, 0.1f), r(400 * 100, 0.01f), h(50 * 100), state(2 * 200);
  const RnnShape shape{RnnCell::lstm, 1, 100, lengths, true, 0};
  const RnnForward<float> run{x.data(), nullptr, r.data(), nullptr, nullptr, nullptr, h.data(), state.data(), nullptr};
  const size_t threads = thread_count();
  const int64_t live = live_allocations();
  set_thread_count(1);
  for (int64_t n = 0;; n++) {
    Status status = Status::ok;
    std::thread([&] {  // whose arena is empty
      fail_allocation(n);
      status = rnn_forward(shape, run, Context());
      fail_allocation(-1);
    })
        .join();
    CHECK(live_allocations() == live);
    if (status == Status::ok) break;
    CHECK(status == Status::out_of_memory);
    if (!CHECK(n < 100)) break;
  }
  set_thread_count(threads);
  const std::atomic<int32_t> raised{kCancelAbort};
  CHECK(rnn_forward(shape, run, Context{&raised}) == Status::aborted);
}

// Each block of each step once, and not before all blocks of the step before are done.
TEST(team_keeps_steps_in_order) {
  const size_t before = thread_count();
  for (const size_t threads : {1, 2, 3, 7}) {
    set_thread_count(threads);
    constexpr size_t kSteps = 300, kBlocks = 5;
    std::vector<std::atomic<int>> done(kSteps * kBlocks);
    std::atomic<int> early{0};
    const Status status = Team::run(kSteps, kBlocks, [&](size_t t, size_t b) {
      for (size_t other = 0; t > 0 && other < kBlocks; other++)
        if (done[(t - 1) * kBlocks + other].load() != 1) early++;
      done[t * kBlocks + b]++;
      return true;
    });
    CHECK(status == Status::ok);
    CHECK(early == 0);
    for (const auto& count : done) CHECK(count == 1);
    CHECK(Team::run(kSteps, kBlocks, [](size_t t, size_t) { return t < 100; }) == Status::aborted);
    CHECK(Team::run(0, kBlocks, [](size_t, size_t) { return true; }) == Status::ok);
  }
  set_thread_count(before);
}

// Callers of several teams at once, more threads than processors, pool threads that come late or never, one team that
// is stopped: every block of the others is done once, after those of the step before.
TEST(team_serves_many_callers_at_once) {
  const size_t before = thread_count();
  set_thread_count(5);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (size_t caller = 0; caller < 6; caller++)
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 20; round++) {
        constexpr size_t kSteps = 60, kBlocks = 7;
        std::vector<size_t> sums(kBlocks, 0);  // plain memory: what one step writes, any thread reads in the next
        std::vector<size_t> next(kBlocks, 0);
        const Status status = Team::run(kSteps, kBlocks, [&](size_t t, size_t b) {
          if (caller == 3 && t == 30 && b == 2) return false;
          auto& from = t % 2 ? next : sums;
          auto& to = t % 2 ? sums : next;
          size_t sum = 1;
          for (size_t i = 0; i < kBlocks; i++) sum += from[i];
          to[b] = sum % 1000003;
          return true;
        });
        if (caller == 3) {
          if (status != Status::aborted) wrong++;
          continue;
        }
        size_t expected = 0;
        for (size_t t = 0; t < kSteps; t++) expected = (1 + kBlocks * expected) % 1000003;
        for (const size_t sum : sums)
          if (status != Status::ok || sum != expected) wrong++;
      }
    });
  for (auto& caller : callers) caller.join();
  // Inside the pool a team is one thread.
  parallel_for(4, [&](size_t) {
    std::atomic<size_t> done{0};
    if (Team::run(50, 3, [&](size_t, size_t) { return done.fetch_add(1) < 1000; }) != Status::ok || done != 150)
      wrong++;
  });
  CHECK(wrong == 0);
  set_thread_count(before);
}

// A flag that is raised meanwhile ends a call in which threads wait for each other.
TEST(rnn_is_cancelled_between_steps) {
  const size_t before = thread_count();
  set_thread_count(3);
  constexpr size_t kSteps = 60000, kD = 96;
  std::vector<uint32_t> lengths{kSteps};
  std::vector<float> x(kSteps * 4 * kD, 0.1f), r(4 * kD * kD, 0.01f), h(kSteps * kD), state(2 * kD);
  const RnnShape shape{RnnCell::lstm, 1, kD, lengths, true, 0};
  const RnnForward<float> run{x.data(), nullptr, r.data(), nullptr, nullptr, nullptr, h.data(), state.data(), nullptr};
  std::atomic<int32_t> flag{0};
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    flag = kCancelAbort;
  });
  CHECK(rnn_forward(shape, run, Context{&flag}) == Status::aborted);
  canceller.join();
  set_thread_count(before);
}
