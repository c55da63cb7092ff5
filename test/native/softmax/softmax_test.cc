#include "softmax/softmax.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "core/cpuid.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "guarded.h"
#include "softmax/exp_kernels.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};
constexpr SoftmaxAlgorithm kAlgorithms[] = {SoftmaxAlgorithm::two_pass, SoftmaxAlgorithm::three_pass_recompute,
                                            SoftmaxAlgorithm::three_pass_reload, SoftmaxAlgorithm::online};
constexpr float kInf = std::numeric_limits<float>::infinity();

template <class Body>
void each_isa(Body&& body) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa)) body();
  set_active_isa(best);
}

void fill(float* x, size_t n, float low, float high) {
  for (size_t i = 0; i < n; i++) x[i] = low + (high - low) * static_cast<float>(philox_uniform(3, n, i));
}

// Distance in units of the last place of f32 at the expected value.
double ulps(double got, double want) {
  int exponent;
  std::frexp(std::max(want, 0x1p-126), &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, exponent - 24);
}

// One row in f64, for finite x.
std::vector<double> softmax_f64(const float* x, size_t n) {
  const double max = *std::max_element(x, x + n);
  std::vector<double> y(n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += y[i] = std::exp(x[i] - max);
  for (double& v : y) v /= sum;
  return y;
}

// Every kernel on arrays that end, or begin, at a page that may not be touched.
template <bool kAtEnd>
void check_kernels(Isa isa) {
  std::vector<size_t> sizes = {511, 512, 513, 530, 576, 577, 600, 1023};  // results begin at a line from 512 on
  for (size_t n = 1; n <= 200; n++) sizes.push_back(n);
  for (const size_t n : sizes) {
    Guarded<float, kAtEnd> x(n), y(n);
    fill(x.data(), n, -20, 20);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += std::exp(static_cast<double>(x[i]));
    const float max = *std::max_element(x.data(), x.data() + n), top = std::nearbyint(max * kExpLog2e);

    CHECK(kRowMax.pick(isa)(x.data(), n) == max);
    const ExtendedFloat total = kExpSum.pick(isa)(x.data(), n);
    CHECK(std::fabs(std::ldexp(total.m, static_cast<int>(total.n)) - sum) <= 1e-6 * sum);

    kExpScale.pick(isa)(x.data(), y.data(), n, {0.75f, 0.0f, top});
    for (size_t i = 0; i < n; i++) CHECK(ulps(y[i], 0.75 * std::exp(static_cast<double>(x[i])) / std::exp2(top)) <= 3);
    const std::vector<float> scaled(y.data(), y.data() + n);
    kExpScale.pick(isa)(x.data(), y.data(), n, {0.75f, 0.0f, top, true});
    CHECK(std::equal(scaled.begin(), scaled.end(), y.data()));

    const double stored = kExpStore.pick(isa)(x.data(), y.data(), n, top);
    const double bias = std::exp2(static_cast<double>(kExpStoreBias) - top);
    CHECK(std::fabs(stored - sum * bias) <= 1e-6 * sum * bias);
    for (size_t i = 0; i < n; i++) CHECK(ulps(y[i], std::exp(static_cast<double>(x[i])) * bias) <= 2);

    const std::vector<float> before(y.data(), y.data() + n);
    kRescale.pick(isa)(y.data(), n, 0.25f, 0.0f);
    for (size_t i = 0; i < n; i++) CHECK(y[i] == 0.25f * before[i]);
  }
}

}  // namespace

TEST(softmax_kernels_stay_inside_and_are_right) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    check_kernels<true>(isa);
    check_kernels<false>(isa);
  }
}

// Rows that climb or fall by more than f32 has exponents, from the smallest to the largest that are ordinary: whatever
// a sum has so far must be scaled in time, or forgotten.
TEST(softmax_sums_follow_any_slope) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (float step : {0.5f, 5.0f, 20.0f, 45.0f, 60.0f, 85.0f, 89.0f, 200.0f})
      for (size_t run : {1, 8, 32, 33})  // values on each level
        for (float sign : {1.0f, -1.0f})
          for (size_t masked : {0, 1, 40}) {  // entries of −∞ before them
            const size_t n = 211;
            Guarded<float> x(n);
            const float start = -sign * 0.5f * step * static_cast<float>(n / run);
            for (size_t i = 0; i < n; i++)
              x[i] = i < masked ? -kInf
                                : start + sign * step * static_cast<float>(i / run) + 0.3f * static_cast<float>(i % 7);
            const double max = *std::max_element(x.data(), x.data() + n);
            double sum = 0;
            for (size_t i = 0; i < n; i++) sum += std::exp(x[i] - max);
            const ExtendedFloat total = kExpSum.pick(isa)(x.data(), n);
            CHECK(std::fabs(std::log(total.m) + total.n * 0.6931471805599453 - max - std::log(sum)) <= 5e-7);
            const OnlineSum online = kOnlineSum.pick(isa)(x.data(), n);
            CHECK(online.max == static_cast<float>(max));
            CHECK(std::fabs(online.sum / sum - 1) <= 5e-7);
          }
  }
}

// A maximum that rises in thousands of small steps: the running sum is scaled each time, and no error may add up.
TEST(softmax_running_maximum_may_climb_slowly) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (float step : {1e-2f, 1e-3f, 1e-4f, 1e-5f}) {
      std::vector<float> x(100000);
      for (size_t i = 0; i < x.size(); i++) x[i] = step * static_cast<float>(i);
      double sum = 0;
      for (float value : x) sum += std::exp(static_cast<double>(value) - x.back());
      const OnlineSum online = kOnlineSum.pick(isa)(x.data(), x.size());
      CHECK(online.max == x.back());
      CHECK(std::fabs(online.sum / sum - 1) <= 2e-7);
    }
  }
}

// NaN, +∞ and −∞ at every place of a row: each lane and each tail of every kernel looks at its value.
TEST(softmax_sees_every_place) {
  each_isa([] {
    for (SoftmaxAlgorithm algorithm : kAlgorithms)
      for (size_t n : {1, 2, 7, 8, 9, 31, 33, 64, 65, 100, 131})
        for (size_t at = 0; at < n; at++) {
          Guarded<float> x(n), y(n);
          fill(x.data(), n, -3, 3);
          const float ordinary = x[at];
          for (float bad : {std::numeric_limits<float>::quiet_NaN(), kInf}) {
            x[at] = bad;
            CHECK(softmax_rows({x.data(), n}, {y.data(), n}, n, algorithm, {}) == Status::ok);
            for (size_t i = 0; i < n; i++) CHECK(std::isnan(y[i]));
          }
          x[at] = -kInf;
          CHECK(softmax_rows({x.data(), n}, {y.data(), n}, n, algorithm, {}) == Status::ok);
          double sum = 0;
          for (size_t i = 0; i < n; i++) sum += y[i];
          CHECK(y[at] == 0 && (n == 1 ? sum == 0 : std::fabs(sum - 1) < 1e-6));
          x[at] = ordinary + 30;
          CHECK(softmax_rows({x.data(), n}, {y.data(), n}, n, algorithm, {}) == Status::ok);
          const std::vector<double> want = softmax_f64(x.data(), n);
          for (size_t i = 0; i < n; i++) CHECK(ulps(y[i], want[i]) <= 3);
        }
  });
}

// A row of several chunks: what one of them holds decides about all.
TEST(softmax_sees_every_chunk) {
  for (SoftmaxAlgorithm algorithm : kAlgorithms)
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), kInf})
      for (size_t at : {0, 150000, 299999}) {
        std::vector<float> x(300000, 0.5f), y(x.size());
        x[at] = bad;
        CHECK(softmax_rows(x, y, x.size(), algorithm, {}) == Status::ok);
        CHECK(std::all_of(y.begin(), y.end(), [](float v) { return std::isnan(v); }));
      }
}

// Rows longer than one part's share, of one length and in place: the chunks are joined in an order of their own.
TEST(softmax_gives_the_same_bits_for_any_number_of_threads) {
  each_isa([] {
    for (SoftmaxAlgorithm algorithm : kAlgorithms)
      for (const auto& [rows, cols] : {std::pair<size_t, size_t>{1, 400003}, {3, 140001}, {4001, 67}}) {
        std::vector<float> x(rows * cols), first;
        fill(x.data(), x.size(), -80, 5);
        for (size_t threads : {1, 2, 3, 7}) {
          set_thread_count(threads);
          std::vector<float> y = x;
          CHECK(softmax_rows(y, y, cols, algorithm, {}) == Status::ok);
          if (first.empty()) first = y;
          CHECK(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)) == 0);
        }
        const std::vector<double> want = softmax_f64(x.data(), cols);
        for (size_t j = 0; j < cols; j += 13) CHECK(ulps(first[j], want[j]) <= 3);
      }
    set_thread_count(usable_cpus());
  });
}

TEST(softmax_survives_failed_allocations_and_stops) {
  std::thread([] {  // a thread with an empty arena
    set_thread_count(1);
    std::vector<float> x(1000, 1.0f), y(1000);
    fail_allocation(0);
    CHECK(softmax_rows(x, y, 100, SoftmaxAlgorithm::automatic, {}) == Status::out_of_memory);
    fail_allocation(-1);
    CHECK(softmax_rows(x, y, 100, SoftmaxAlgorithm::automatic, {}) == Status::ok);
    CHECK(ulps(y[999], 0.01) <= 3);
    set_thread_count(usable_cpus());
  })
      .join();
  std::atomic<int32_t> flag{kCancelAbort};
  std::vector<float> x(300000, 1.0f);
  for (SoftmaxAlgorithm algorithm : kAlgorithms)
    CHECK(softmax_rows(x, x, x.size(), algorithm, {&flag}) == Status::aborted);
}

// Two passes from the documented rows on, whatever this machine's caches are.
TEST(softmax_chooses_by_the_size_of_a_row) {
  const auto two = [](size_t cols) { return softmax_choice(cols) == SoftmaxAlgorithm::two_pass; };
  const auto first_of = [](size_t bytes) { return (bytes + 7) / 8; };  // columns that, with their result, fill so much
  each_isa([&] {
    const auto [l2, l3] = std::pair{cache_sizes().l2, cache_sizes().l3};
    const bool wide = active_isa() == Isa::avx512 && full_width_512();
    const size_t first = active_isa() == Isa::avx2 ? first_of(l3 / 4) : wide ? first_of(l2 / 4) : l3 / 3 / 8 + 1;
    CHECK(two(first) && !two(first - 1));
    CHECK(two(128) == wide && !two(129));
  });
}
