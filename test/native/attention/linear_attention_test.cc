// Linear, local linear and tensor attention and rotations beside pages that may not be touched, without memory, and
// when cancelled. What they compute on every instruction set is tested through the package, too; here against the
// plainest loops.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "attention/lightning.h"
#include "attention/linear_kernels.h"
#include "attention/local_linear.h"
#include "attention/rotary.h"
#include "attention/tensor.h"
#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

template <class T>
void fill(T* x, size_t n, uint64_t seed, double size = 1) {
  for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(size * (2 * philox_uniform(seed, n, i) - 1));
}

// Every instruction set in turn.
template <class Body>
void each_isa(Body body) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa)) body(isa);
  set_active_isa(best);
}

template <class T, bool kAtEnd>
void check_row_kernels(const LinearKernels<T>& kernels, size_t n) {
  constexpr double kUlp = std::numeric_limits<T>::epsilon();
  Guarded<T, kAtEnd> x(n), w(n);
  for (size_t i = 0; i < n; i++) {
    w[i] = static_cast<T>(2 * philox_uniform(2, n, i) - 1);
    x[i] = static_cast<T>(40 * philox_uniform(1, n, i) - 20);
  }
  T max = -std::numeric_limits<T>::infinity();
  for (size_t i = 0; i < n; i++) max = std::max(max, x[i]);
  CHECK(kernels.row_max(x.data(), n) == max);
  const std::vector<T> before(x.data(), x.data() + n);
  const double sum = kernels.exp_row(x.data(), n, max);
  double exact = 0;
  for (size_t i = 0; i < n; i++) {
    const double y = std::exp(static_cast<double>(before[i] - max));
    exact += y;
    CHECK_NEAR(x[i], y, 2 * kUlp * y);
  }
  CHECK_NEAR(sum, exact, 4 * kUlp * exact);
  const T half = 0.5;
  std::copy(before.begin(), before.end(), x.data());
  kernels.center(x.data(), w.data(), half, n);
  for (size_t i = 0; i < n; i++) CHECK(x[i] == w[i] * (before[i] - half));
  std::copy(before.begin(), before.end(), x.data());
  kernels.complement(x.data(), w.data(), half, n);
  for (size_t i = 0; i < n; i++) CHECK(x[i] == w[i] * (1 - (before[i] - half)));
}

template <bool kAtEnd>
void check_rotations(const RotateKernels& kernels, size_t pairs, bool neighbours) {
  constexpr size_t kHeads = 3;
  const size_t d = 2 * pairs + pairs % 3, n = neighbours ? 2 * pairs : pairs;
  Guarded<float, kAtEnd> x(kHeads * d), y(kHeads * d), cos(n), cos_low(n), sin(n), sin_low(n);
  fill(x.data(), kHeads * d, 1);
  std::vector<double> c(pairs), s(pairs);
  for (size_t i = 0; i < pairs; i++) {
    c[i] = std::cos(static_cast<double>(i) + 0.3), s[i] = std::sin(static_cast<double>(i) + 0.3);
    for (size_t at : {neighbours ? 2 * i : i, neighbours ? 2 * i + 1 : i}) {
      const double sine = neighbours && at % 2 == 0 ? -s[i] : s[i];
      cos[at] = static_cast<float>(c[i]);
      cos_low[at] = static_cast<float>(c[i] - static_cast<double>(cos[at]));
      sin[at] = static_cast<float>(sine);
      sin_low[at] = static_cast<float>(sine - static_cast<double>(sin[at]));
    }
  }
  std::fill_n(y.data(), kHeads * d, 7.0f);
  (neighbours ? kernels.neighbours : kernels.halves)(x.data(), y.data(), kHeads, d, pairs,
                                                     {cos.data(), cos_low.data(), sin.data(), sin_low.data()});
  for (size_t h = 0; h < kHeads; h++) {
    for (size_t i = 0; i < pairs; i++) {
      const size_t at = h * d + (neighbours ? 2 * i : i), other = at + (neighbours ? 1 : pairs);
      const double a = x[at], b = x[other], bound = 0x1p-23 * std::hypot(a, b);
      CHECK_NEAR(y[at], a * c[i] - b * s[i], bound);
      CHECK_NEAR(y[other], b * c[i] + a * s[i], bound);
    }
    for (size_t i = 2 * pairs; i < d; i++) CHECK(y[h * d + i] == 7.0f);
  }
}

template <class T, bool kAtEnd>
void check_lightning(size_t tokens, size_t d, size_t e, size_t block) {
  constexpr size_t kHeads = 2;
  const size_t keys = tokens * kHeads * d, values = tokens * kHeads * e, states = kHeads * d * e;
  Guarded<T, kAtEnd> q(keys), k(keys), v(values), out(values), state(states), d_out(values);
  Guarded<T, kAtEnd> dq(keys), dk(keys), dv(values), d_state(states);
  fill(q.data(), keys, 1), fill(k.data(), keys, 2), fill(v.data(), values, 3), fill(d_out.data(), values, 4);
  fill(state.data(), states, 5), fill(d_state.data(), states, 6);
  const std::vector<T> first(state.data(), state.data() + states);
  const double decay[] = {0.9, 0.5};
  const uint32_t length = static_cast<uint32_t>(tokens);
  const LightningShape shape = {kHeads, d, e, block, decay, {&length, 1}};
  CHECK(lightning_attention(shape, q.data(), k.data(), v.data(), out.data(), state.data(), true, {}) == Status::ok);
  for (size_t h = 0; h < kHeads; h++) {
    std::vector<double> s(first.begin() + static_cast<std::ptrdiff_t>(h * d * e),
                          first.begin() + static_cast<std::ptrdiff_t>((h + 1) * d * e));
    for (size_t t = 0; t < tokens; t++)
      for (size_t j = 0; j < e; j++) {
        double sum = 0;
        for (size_t i = 0; i < d; i++) {
          s[i * e + j] =
              decay[h] * s[i * e + j] + static_cast<double>(k[(t * kHeads + h) * d + i]) * v[(t * kHeads + h) * e + j];
          sum += q[(t * kHeads + h) * d + i] * s[i * e + j];
        }
        CHECK_NEAR(out[(t * kHeads + h) * e + j], sum, 1e-5 * static_cast<double>(d));
      }
    for (size_t i = 0; i < d * e; i++) CHECK_NEAR(state[h * d * e + i], s[i], 1e-5);
  }
  CHECK(lightning_attention_backward(shape, q.data(), k.data(), v.data(), d_out.data(), first.data(), dq.data(),
                                     dk.data(), dv.data(), d_state.data(), true, {}) == Status::ok);
  for (size_t i = 0; i < keys; i++) CHECK(std::isfinite(dq[i]) && std::isfinite(dk[i]));
  for (size_t i = 0; i < values; i++) CHECK(std::isfinite(dv[i]));
  for (size_t i = 0; i < states; i++) CHECK(std::isfinite(d_state[i]));
}

// Without a state given, what lies in its place is not read; a sequence of no tokens leaves zeros there. Few heads of
// many tokens are cut along time.
void check_empty_lightning(size_t heads, uint32_t tokens) {
  const std::vector<double> decay(heads, 0.5);
  const uint32_t lengths[] = {0, tokens};
  const LightningShape shape = {heads, 1, 1, 64, decay, lengths};
  const std::vector<float> ones(tokens * heads, 1.0f);
  std::vector<float> out(tokens * heads), state(2 * heads, std::numeric_limits<float>::quiet_NaN());
  CHECK(lightning_attention(shape, ones.data(), ones.data(), ones.data(), out.data(), state.data(), false, {}) ==
        Status::ok);
  const double last = 2 - std::pow(0.5, tokens - 1.0);
  for (size_t h = 0; h < heads; h++) {
    CHECK(state[h] == 0);
    CHECK_NEAR(state[heads + h], last, 1e-6);
  }
}

LocalLinearShape local_shape(size_t queries, size_t keys, size_t d, size_t e, bool causal, LocalLinearSolver solver) {
  return {queries, keys, 2, d, e, 0.5, 0.5, causal, solver, 50, 1e-6};
}

template <class T, bool kAtEnd>
void check_local_linear(size_t queries, size_t keys, size_t d, size_t e, bool causal) {
  const size_t nq = queries * 2 * d, nk = keys * 2 * d, nv = keys * 2 * e, no = queries * 2 * e;
  Guarded<T, kAtEnd> q(nq), k(nk), v(nv), out(no), cg(no), d_out(no), dq(nq), dk(nk), dv(nv);
  fill(q.data(), nq, 1), fill(k.data(), nk, 2), fill(v.data(), nv, 3), fill(d_out.data(), no, 4);
  LocalLinearReport report;
  for (LocalLinearSolver solver : {LocalLinearSolver::direct, LocalLinearSolver::cg}) {
    const LocalLinearShape shape = local_shape(queries, keys, d, e, causal, solver);
    T* to = solver == LocalLinearSolver::cg ? cg.data() : out.data();
    CHECK(local_linear_attention(shape, q.data(), k.data(), v.data(), 0, queries, to, report, {}) == Status::ok);
    CHECK(report.converged && report.singular == LocalLinearReport::kNone);
    CHECK(local_linear_attention_backward(shape, q.data(), k.data(), v.data(), d_out.data(), dq.data(), dk.data(),
                                          dv.data(), report, {}) == Status::ok);
    for (size_t i = 0; i < nq; i++) CHECK(std::isfinite(dq[i]));
    for (size_t i = 0; i < nk; i++) CHECK(std::isfinite(dk[i]));
    for (size_t i = 0; i < nv; i++) CHECK(std::isfinite(dv[i]));
  }
  for (size_t i = 0; i < no; i++) CHECK_NEAR(out[i], cg[i], 2e-5);
}

template <class T, bool kAtEnd>
void check_tensor(size_t queries, size_t first, size_t second, size_t d, size_t e) {
  Guarded<T, kAtEnd> q(queries * d), k1(first * d), k2(second * d), v1(first * e), v2(second * e);
  Guarded<T, kAtEnd> exact(queries * e), series(queries * e);
  fill(q.data(), queries * d, 1), fill(k1.data(), first * d, 2), fill(k2.data(), second * d, 3);
  fill(v1.data(), first * e, 4), fill(v2.data(), second * e, 5);
  const TensorShape shape = {queries, first, second, 1, d, e, 0.5 / static_cast<double>(d)};
  const TensorInputs<T> in = {q.data(), k1.data(), k2.data(), v1.data(), v2.data()};
  CHECK(tensor_score_bound(shape, in) <= 0.5);
  CHECK(tensor_attention(shape, in, exact.data(), {}) == Status::ok);
  size_t bad = 1;
  CHECK(tensor_attention_polynomial(shape, in, 5, series.data(), bad, {}) == Status::ok);
  CHECK(bad == 0);
  for (size_t i = 0; i < queries * e; i++) CHECK_NEAR(exact[i], series[i], 1e-4);
}

template <class T, bool kAtEnd>
void check_rotary(size_t rows, size_t d, RotaryLayout layout) {
  constexpr size_t kHeads = 2;
  const size_t n = rows * kHeads * d;
  Guarded<T, kAtEnd> x(n), y(n);
  Guarded<double, kAtEnd> frequencies(d / 2), positions(rows);
  fill(x.data(), n, 1);
  for (size_t i = 0; i < d / 2; i++) frequencies[i] = std::pow(0.7, static_cast<double>(i));
  std::fill_n(positions.data(), rows, 41.0);
  const RotaryShape shape = {rows, kHeads, d, {frequencies.data(), d / 2}, layout};
  CHECK(rotate_positions(shape, x.data(), {positions.data(), rows}, y.data(), {}) == Status::ok);
  CHECK(rotate_range(shape, x.data(), 41, 0, rows, x.data(), {}) == Status::ok);
  for (size_t i = 0; i < n; i++) CHECK(x[i] == y[i]);
  if constexpr (std::is_same_v<T, float>) {
    Guarded<uint16_t, kAtEnd> keys(n), turned(n);
    std::fill_n(keys.data(), n, uint16_t{0x3f80});
    CHECK(rotate_range16(shape, Float16::bfloat16, keys.data(), 41, 0, rows, turned.data(), {}) == Status::ok);
    CHECK(rotate_range16(shape, Float16::bfloat16, keys.data(), 41, 0, rows, keys.data(), {}) == Status::ok);
    for (size_t i = 0; i < n; i++) CHECK(keys[i] == turned[i]);
  }
}

// Calls with the n-th allocation failing in a thread of its own, whose arena is empty, until it succeeds.
template <class Call>
void check_failing_allocations(Call call) {
  const size_t threads = thread_count();
  const int64_t live = live_allocations();
  set_thread_count(1);
  int failed = 0;
  for (int64_t nth = 0; nth < 40; nth++) {
    Status status = Status::ok;
    const int64_t before = failed_allocations();
    std::thread([&] {
      fail_allocation(nth);
      status = call();
      fail_allocation(-1);
    }).join();
    CHECK(live_allocations() == live);
    CHECK((status == Status::ok) == (failed_allocations() == before));  // a failure that nobody noticed
    if (status == Status::ok) break;
    CHECK(status == Status::out_of_memory);
    failed++;
  }
  CHECK(failed > 0 && failed < 40);
  set_thread_count(threads);
}

// Operands large enough that every call needs several blocks of an arena.
struct Large {
  static constexpr size_t kTokens = 300, kWidth = 120;
  std::vector<float> x = std::vector<float>(kTokens * kWidth), y = x, a = x, b = x, c = x;
  std::vector<float> state = std::vector<float>(kWidth * kWidth);
  double decay = 0.9;
  uint32_t length = kTokens;
  LightningShape lightning{1, kWidth, kWidth, 64, {&decay, 1}, {&length, 1}};
  LocalLinearReport report;
  size_t bad = 0;
  std::vector<double> frequencies = std::vector<double>(30000, 0.1), positions = {3};
  std::vector<float> row = std::vector<float>(60000, 1.0f);
  std::vector<uint16_t> keys = std::vector<uint16_t>(60000, 0x3c00);
  RotaryShape rotary{1, 1, 60000, frequencies, RotaryLayout::interleaved};

  RotaryShape few{1, 1, 60000, {frequencies.data(), 100}, RotaryLayout::half};

  Large() { fill(x.data(), x.size(), 1, 0.1), fill(y.data(), y.size(), 2, 0.1); }

  // Every function of the subject.
  std::vector<Status> all(const Context& context) {
    std::vector<Status> results;
    for (int i = 0; i < kCalls; i++) results.push_back(call(i, context));
    return results;
  }
  static constexpr int kCalls = 11;
  Status call(int i, const Context& context) {
    const float* const p = x.data();
    const TensorShape tensor = {kTokens, 40, 40, 1, kWidth, kWidth, 1};
    const TensorShape narrow = {kTokens, kTokens, kTokens, 10, 12, 12, 1};
    const TensorInputs<float> in = {p, p, y.data(), p, y.data()};
    const auto local = [&](int solver) {
      LocalLinearShape shape =
          local_shape(kTokens, kTokens, kWidth / 2, kWidth / 2, true, static_cast<LocalLinearSolver>(solver));
      return shape;
    };
    switch (i) {
      case 0:
        return lightning_attention(lightning, p, y.data(), p, a.data(), state.data(), false, context);
      case 1:
        return lightning_attention_backward<float>(lightning, p, y.data(), p, p, nullptr, a.data(), b.data(), c.data(),
                                                   state.data(), false, context);
      case 2:
      case 3:
        return local_linear_attention(local(i - 2), p, y.data(), p, 0, kTokens, a.data(), report, context);
      case 4:
      case 5:
        return local_linear_attention_backward(local(i - 4), p, y.data(), p, p, a.data(), b.data(), c.data(), report,
                                               context);
      case 6:
        return tensor_attention(tensor, in, a.data(), context);
      case 7:
        return tensor_attention_polynomial(narrow, in, 4, a.data(), bad, context);
      case 8:
        return rotate_positions(rotary, row.data(), positions, row.data(), context);
      case 9:
        return rotate_range16(few, Float16::half, keys.data(), 3, 0, 1, keys.data(), context);
      default:
        return rotate_range(rotary, row.data(), 3, 0, 1, row.data(), context);
    }
  }
};

}  // namespace

TEST(linear_attention_row_kernels_stay_inside_and_are_right) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (size_t n = 0; n <= 150; n++) {
      check_row_kernels<float, true>(kLinear<float>.pick(isa), n);
      check_row_kernels<float, false>(kLinear<float>.pick(isa), n);
      check_row_kernels<double, true>(kLinear<double>.pick(isa), n);
      check_row_kernels<double, false>(kLinear<double>.pick(isa), n);
    }
  }
}

TEST(rotary_kernels_stay_inside_and_are_right) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (size_t pairs = 0; pairs <= 40; pairs++)
      for (bool neighbours : {false, true}) {
        check_rotations<true>(kRotate.pick(isa), pairs, neighbours);
        check_rotations<false>(kRotate.pick(isa), pairs, neighbours);
      }
  }
}

TEST(rotary_angles_are_as_accurate_as_stated) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    constexpr size_t kCount = 4096;
    Guarded<double> frequencies(kCount);
    Guarded<float> cos(kCount), cos_low(kCount), sin(kCount), sin_low(kCount);
    for (double largest : {1.0, 100.0, 0x1p24, 0x1p45}) {
      double worst = 0;
      for (size_t i = 0; i < kCount; i++) frequencies[i] = 2 * philox_uniform(1, 0, i) - 1;
      // multiples of a quarter turn, and what lies beside the middle between two
      for (size_t i = 0; i < 64; i++)
        frequencies[i] = std::round(frequencies[i] * 40) * 0.78539816339744830962 / largest * (1 + (i % 3) * 0x1p-40);
      kRotate.pick(isa).angles(largest, frequencies.data(), kCount,
                               {cos.data(), cos_low.data(), sin.data(), sin_low.data()});
      for (size_t i = 0; i < kCount; i++) {
        const double angle = largest * frequencies[i];
        const auto error = [](double exact, float high, float low) {
          return std::abs((static_cast<double>(high) - exact) + static_cast<double>(low));
        };
        worst =
            std::max({worst, error(std::cos(angle), cos[i], cos_low[i]), error(std::sin(angle), sin[i], sin_low[i])});
      }
      if (!CHECK(worst <= 0x1p-48)) std::printf("  2^%g at %g\n", std::log2(worst), largest);
    }
  }
}

TEST(linear_attention_reads_and_writes_nothing_past_its_operands) {
  each_isa([](Isa) {
    for (size_t tokens : {1, 31, 70})
      for (size_t d : {1, 5, 33})
        for (size_t block : {1, 16, 64}) {
          check_lightning<float, true>(tokens, d, 19, block);
          check_lightning<float, false>(tokens, d, 19, block);
          check_lightning<double, true>(tokens, d, 19, block);
          check_lightning<double, false>(tokens, d, 19, block);
        }
    for (size_t heads : {1, 5})
      for (uint32_t tokens : {2u, 5000u}) check_empty_lightning(heads, tokens);
    for (size_t queries : {1, 9, 67})
      for (size_t keys : {1, 40, 259})
        for (size_t d : {1, 7}) {
          check_local_linear<float, true>(queries, keys, d, 5, keys == 40);
          check_local_linear<float, false>(queries, keys, d, 5, keys == 40);
          check_local_linear<double, true>(queries, keys, d, 5, keys == 40);
          check_local_linear<double, false>(queries, keys, d, 5, keys == 40);
        }
    for (size_t n : {1, 5, 65}) {
      check_tensor<float, true>(n, 66, 257, 3, 5), check_tensor<float, false>(n, 66, 257, 3, 5);
      check_tensor<float, true>(n, 1, 3, 1, 1), check_tensor<float, false>(n, 1, 3, 1, 1);
      check_tensor<double, true>(n, 66, 257, 3, 5), check_tensor<double, false>(n, 66, 257, 3, 5);
      check_tensor<double, true>(n, 1, 3, 1, 1), check_tensor<double, false>(n, 1, 3, 1, 1);
    }
    for (size_t rows : {1, 7})
      for (size_t d : {2, 6, 33, 64})
        for (RotaryLayout layout : {RotaryLayout::half, RotaryLayout::interleaved}) {
          check_rotary<float, true>(rows, d, layout);
          check_rotary<float, false>(rows, d, layout);
          check_rotary<double, true>(rows, d, layout);
          check_rotary<double, false>(rows, d, layout);
        }
  });
}

TEST(linear_attention_survives_failing_allocations) {
  Large large;
  for (int i = 0; i < Large::kCalls; i++) check_failing_allocations([&] { return large.call(i, {}); });
}

TEST(linear_attention_stops_when_cancelled) {
  const std::atomic<int32_t> raised{kCancelAbort};
  Large large;
  for (Status status : large.all({&raised})) CHECK(status == Status::aborted);
}
