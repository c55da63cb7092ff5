#include "special/log_bessel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "special/directions.h"
#include "special/log_bessel_branches.h"
#include "special/log_bessel_small.h"

using namespace lapidary;

namespace {

// From exp(low) to exp(high).
std::vector<double> spread(size_t n, uint64_t seed, double low, double high) {
  std::vector<double> out(n);
  for (size_t i = 0; i < n; i++) out[i] = std::exp(low + (high - low) * philox_uniform(seed, 0, i));
  return out;
}

[[maybe_unused]] void compare(BesselBranch reference, BesselBranch kernel, int terms, double low_v, double high_v) {
  constexpr size_t n = 4096;
  const auto v = spread(n, 1, low_v, high_v), x = spread(n, 2, std::log(1500.0), std::log(1e100));
  for (const auto f : {BesselFunction::log_i, BesselFunction::log_k, BesselFunction::i_ratio}) {
    if (f == BesselFunction::i_ratio && low_v < 0) continue;  // mu has no ratio
    std::vector<double> expected(n), got(n);
    reference(f, terms, v.data(), x.data(), expected.data(), n);
    kernel(f, terms, v.data(), x.data(), got.data(), n);
    for (size_t i = 0; i < n; i++) {
      const double r = std::hypot(v[i], x[i]), scale = r + v[i] * std::asinh(v[i] / x[i]);
      CHECK_NEAR(got[i], expected[i], f == BesselFunction::i_ratio ? 4 * 0x1p-52 * expected[i] : 2 * 0x1p-52 * scale);
    }
  }
}

}  // namespace

#if LAPIDARY_X86
TEST(bessel_lanes_agree_with_their_references) {
  for (const int terms : {3, 20}) {
    if (isa_supported(Isa::avx2)) compare(bessel_mu_f64__portable, bessel_mu_f64_4__avx2, terms, -10, 2);
    if (isa_supported(Isa::avx512)) compare(bessel_mu_f64__portable, bessel_mu_f64_8__avx512, terms, -10, 2);
  }
  for (const int terms : {4, 6, 9, 13, 20}) {
    if (isa_supported(Isa::avx2)) compare(bessel_debye_f64__portable, bessel_debye_f64_4__avx2, terms, 3, 300);
    if (isa_supported(Isa::avx512)) compare(bessel_debye_f64__portable, bessel_debye_f64_8__avx512, terms, 3, 300);
  }
}
#endif

TEST(bessel_small_methods_meet_the_expansions) {
  for (const double angle : {0.05, 0.4, 0.9, 1.3}) {
    const double v = 20 * std::sin(angle), x = 20 * std::cos(angle);
    double i, k, ratio;
    bessel_debye_f64__portable(BesselFunction::log_i, 20, &v, &x, &i, 1);
    bessel_debye_f64__portable(BesselFunction::log_k, 20, &v, &x, &k, 1);
    bessel_debye_f64__portable(BesselFunction::i_ratio, 20, &v, &x, &ratio, 1);
    CHECK_NEAR(log_i_series(v, x), i, 2e-14);
    CHECK_NEAR(log_k_recurrence(v, x), k, 2e-14);
    CHECK_NEAR(i_ratio_fraction(v, x), ratio, 2e-15);
    if (v < 12) CHECK_NEAR(log_k_integral(v, x), k, 1e-9);
  }
}

TEST(bessel_every_length_and_every_mix_of_branches) {
  const auto v = spread(2100, 3, -3, 8), x = spread(2100, 4, -3, 8);
  std::vector<double> whole(2100);
  CHECK(bessel(BesselFunction::log_k, BesselMethod::automatic, v, x, whole, {}) == Status::ok);
  for (const size_t n : {0, 1, 2, 7, 8, 9, 100, 1023, 1024, 1025, 2047, 2100}) {
    std::vector<double> out(n + 1, -7.0);  // one more, to see that it is left alone
    CHECK(bessel(BesselFunction::log_k, BesselMethod::automatic, std::span(v).first(n), std::span(x).first(n),
                 std::span(out).first(n), {}) == Status::ok);
    CHECK(std::equal(out.begin(), out.end() - 1, whole.begin()));
    CHECK(out[n] == -7.0);
  }
}

TEST(bessel_first_outside_domain) {
  const double v[] = {0, -1, -0.0}, x[] = {1, NAN, -2};
  CHECK(bessel_first_outside(BesselFunction::log_i, v, x, 3) == 1u);
  CHECK(bessel_first_outside(BesselFunction::log_k, v, x, 3) == 2u);
  CHECK(!bessel_first_outside(BesselFunction::log_k, v, std::span(x).first(2), 2));
}

TEST(bessel_and_directions_stop_when_cancelled) {
  const std::atomic<int32_t> raised{kCancelAbort};
  const std::vector<double> x(4096, 1.0);
  std::vector<double> out(4096), sum(2);
  CHECK(bessel(BesselFunction::log_i, BesselMethod::paper, x, x, out, {&raised}) == Status::aborted);
  size_t bad = 0;
  CHECK(direction_sum(x, 2048, 2, sum, &bad, {&raised}) == Status::aborted);
  CHECK(direction_dots(x, 2048, 2, sum, std::span(out).first(2048), &bad, {&raised}) == Status::aborted);
}

TEST(bessel_survives_failing_allocations) {
  const size_t threads = thread_count();
  set_thread_count(1);
  const std::vector<double> x(3000, 5.0);
  int failed = 0;
  for (int64_t nth = 0;; nth++) {
    Status status = Status::ok;
    // a new thread has an empty arena
    std::thread([&] {
      std::vector<double> out(3000), sum(3);
      size_t bad;
      fail_allocation(nth);
      status = bessel(BesselFunction::log_i, BesselMethod::automatic, x, x, out, {});
      if (status == Status::ok) status = direction_sum(x, 1000, 3, sum, &bad, {});
      fail_allocation(-1);
    }).join();
    if (status == Status::ok) break;
    CHECK(status == Status::out_of_memory);
    failed++;
  }
  CHECK(failed > 0);
  set_thread_count(threads);
}

TEST(bessel_ends_while_its_input_changes) {
  // Shared memory: another thread turns ordinary arguments into ones that a method for small arguments never finishes.
  std::vector<double> v(1024, 1.0), x(1024, 1.0), out(1024);
  std::atomic<bool> done{false};
  std::thread other([&] {
    const double orders[] = {1.0, 1e18}, arguments[] = {1.0, NAN};
    for (size_t i = 0; !done.load(std::memory_order_relaxed); i++)
      for (size_t j = 0; j < v.size(); j++) {
        std::atomic_ref(v[j]).store(orders[i & 1], std::memory_order_relaxed);
        std::atomic_ref(x[j]).store(arguments[(i >> 1) & 1], std::memory_order_relaxed);
      }
  });
  for (int call = 0; call < 200; call++)
    for (const auto f : {BesselFunction::log_i, BesselFunction::log_k, BesselFunction::i_ratio})
      CHECK(bessel(f, BesselMethod::automatic, v, x, out, {}) == Status::ok);
  done = true;
  other.join();
}
