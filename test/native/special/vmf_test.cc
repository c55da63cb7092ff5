#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "guarded.h"
#include "special/directions.h"
#include "special/vmf_mixture.h"
#include "special/vmf_sample.h"

using namespace lapidary;

namespace {

template <class T, bool kAtEnd>
void fill(Guarded<T, kAtEnd>& a, size_t n, uint64_t stream) {
  for (size_t i = 0; i < n; i++) a[i] = static_cast<T>(philox_uniform(7, stream, i) - 0.5);
}

// Everything of the von Mises-Fisher family on arrays with nothing behind (or before) them.
template <bool kAtEnd>
void inside_its_memory(size_t n, size_t p, size_t k) {
  Guarded<double, kAtEnd> x(n * p), u(n * p), sum(p), dots(n), mu(k * p), kappa(k), logs(k), parts(n * k), mass(k);
  Guarded<uint32_t, kAtEnd> labels(n), chosen(k);
  fill(x, n * p, 1);
  size_t bad = 0;
  CHECK(unit_rows({x.data(), n * p}, n, p, {u.data(), n * p}, &bad, {}) == Status::ok && bad == kAllHaveDirections);
  CHECK(direction_sum({x.data(), n * p}, n, p, nullptr, {sum.data(), p}, &bad, {}) == Status::ok);
  CHECK(direction_dots({x.data(), n * p}, n, p, {sum.data(), p}, {dots.data(), n}, &bad, {}) == Status::ok);
  const MixtureShape shape{n, p, k};
  CHECK(mixture_seeds(shape, 5, {u.data(), n * p}, {chosen.data(), k}, {}) == Status::ok);
  for (size_t c = 0; c < k; c++) {
    CHECK(chosen[c] < n);
    std::copy_n(u.data() + chosen[c] * p, p, mu.data() + c * p);
    kappa[c] = 3;
    logs[c] = -1;
  }
  double total = 0;
  for (const bool hard : {false, true}) {
    CHECK(mixture_expect(shape, hard, {u.data(), n * p}, {mu.data(), k * p}, {kappa.data(), k}, {logs.data(), k},
                         {parts.data(), n * k}, {labels.data(), n}, &total, {}) == Status::ok);
    for (size_t i = 0; i < n; i++) {
      double row = 0;
      for (size_t c = 0; c < k; c++) row += parts[i * k + c];
      CHECK_NEAR(row, 1, 1e-12);
      CHECK(labels[i] < k);
    }
  }
  CHECK(mixture_sums(shape, {parts.data(), n * k}, {u.data(), n * p}, {mu.data(), k * p}, {mass.data(), k}, {}) ==
        Status::ok);
  double rows = 0;
  for (size_t c = 0; c < k; c++) rows += mass[c];
  CHECK_NEAR(rows, static_cast<double>(n), 1e-9);

  for (size_t j = 0; j < p; j++) sum[j] = 1 / std::sqrt(static_cast<double>(p));
  for (const double concentration : {0.0, 5e-324, 1e-17, 0.3, 29.9, 30.0, 1e6, 1e300, 1.7e308}) {
    CHECK(vmf_sample(9, {sum.data(), p}, concentration, n, {u.data(), n * p}, {}) == Status::ok);
    for (size_t i = 0; i < n; i++) {
      double squares = 0;
      for (size_t j = 0; j < p; j++) squares += u[i * p + j] * u[i * p + j];
      CHECK_NEAR(squares, 1, 1e-13);
    }
  }
}

}  // namespace

TEST(vmf_reads_and_writes_nothing_outside) {
  for (const size_t p : {2, 3, 7, 8, 9, 16, 17, 18, 33})
    for (const size_t n : {1, 5, 40}) {
      inside_its_memory<true>(n, p, std::min<size_t>(n, 4));
      inside_its_memory<false>(n, p, std::min<size_t>(n, 4));
    }
}

TEST(vmf_rows_have_the_same_bits_on_every_instruction_set) {
  for (const size_t p : {2, 3, 8, 9, 16, 17, 18, 33, 300}) {
    std::vector<double> mu(p), expected(p), got(p);
    for (size_t j = 0; j < p; j++) mu[j] = std::cos(1.0 + static_cast<double>(j));
    double squares = 0;
    for (double a : mu) squares += a * a;
    for (double& a : mu) a /= std::sqrt(squares);
    for (uint64_t row = 0; row < 20; row++) {
      vmf_row_f64__portable(3, row, mu.data(), p, 0.6, 0.8, expected.data());
#if LAPIDARY_X86
      if (isa_supported(Isa::avx2)) {
        vmf_row_f64_x4__avx2(3, row, mu.data(), p, 0.6, 0.8, got.data());
        CHECK(!std::memcmp(expected.data(), got.data(), p * sizeof(double)));
      }
      if (isa_supported(Isa::avx512)) {
        vmf_row_f64_x8__avx512(3, row, mu.data(), p, 0.6, 0.8, got.data());
        CHECK(!std::memcmp(expected.data(), got.data(), p * sizeof(double)));
      }
#endif
    }
  }
}

TEST(vmf_stops_when_cancelled_and_survives_failing_allocations) {
  const std::atomic<int32_t> raised{kCancelAbort};
  const std::vector<double> mu{0.6, 0.8};
  std::vector<double> out(4096), u(4096, std::sqrt(0.5)), parts(2048), kappa{1}, logs{0};
  std::vector<uint32_t> labels(2048), chosen(3);
  double total = 0;
  CHECK(vmf_sample(1, mu, 2, 2048, out, {&raised}) == Status::aborted);
  CHECK(mixture_expect({2048, 2, 1}, false, u, mu, kappa, logs, parts, labels, &total, {&raised}) == Status::aborted);
  CHECK(mixture_sums({2048, 2, 1}, parts, u, std::span(out).first(2), kappa, {&raised}) == Status::aborted);

  const size_t threads = thread_count();
  set_thread_count(1);
  int failed = 0;
  for (int64_t nth = 0;; nth++) {
    Status status = Status::ok;
    std::thread([&] {  // a new thread has an empty arena
      fail_allocation(nth);
      status = mixture_seeds({2048, 2, 3}, 1, u, chosen, {});
      if (status == Status::ok)
        status = mixture_expect({2048, 2, 1}, false, u, mu, kappa, logs, parts, labels, &total, {});
      fail_allocation(-1);
    })
        .join();
    if (status == Status::ok) break;
    CHECK(status == Status::out_of_memory);
    failed++;
  }
  CHECK(failed > 0);
  set_thread_count(threads);
}
