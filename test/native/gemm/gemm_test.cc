#include "gemm/gemm.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "gemm/gemv.h"
#include "gemm/microkernel.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

template <class T>
void fill(T* x, size_t n, uint64_t stream) {
  for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(2 * philox_uniform(11, stream, i) - 1);
}

// The right answer of one element and the bound of its error, by long double.
struct Expected {
  long double value, bound;
};

template <class T, class A, class B>
Expected expected(size_t k, T alpha, A a, B b, T beta, T c) {
  long double sum = 0, size = 0;
  for (size_t p = 0; p < k; p++) {
    sum += static_cast<long double>(a(p)) * b(p);
    size += std::fabs(static_cast<long double>(a(p)) * b(p));
  }
  const long double unit = std::numeric_limits<T>::epsilon() / 2, n = static_cast<long double>(k) + 2;
  const long double gamma = n * unit / (1 - n * unit);
  const long double added = beta == 0 ? 0 : static_cast<long double>(beta) * c;
  return {alpha * sum + added, gamma * (std::fabs(static_cast<long double>(alpha)) * size + std::fabs(added))};
}

bool within(long double got, const Expected& want) { return std::fabs(got - want.value) <= want.bound; }

// Every tile size of one kernel, every operand against a page that may not be touched.
template <class T>
void check_micro_kernel(const MicroKernel<T>& kernel) {
  constexpr T kUntouched = 77;
  for (size_t m = 1; m <= kernel.mr; m++)
    for (size_t n = 1; n <= kernel.nr; n++)
      for (size_t k : {0, 1, 2, 9})
        for (bool a_columns : {false, true})
          for (T beta : {T{0}, T{1}, T(-0.5)}) {
            const size_t ldc = n + 3;
            Guarded<T> a(m * k), b(k * n), c((m - 1) * ldc + n);
            fill(a.data(), m * k, 1);
            fill(b.data(), k * n, 2);
            std::vector<T> before((m - 1) * ldc + n, kUntouched);
            for (size_t i = 0; i < m; i++)
              for (size_t j = 0; j < n; j++)
                before[i * ldc + j] = beta == 0 ? std::numeric_limits<T>::quiet_NaN() : T(0.25) * T(i) - T(j);
            std::copy(before.begin(), before.end(), c.data());
            const T alpha = T(1.5);
            const size_t row = a_columns ? 1 : k, step = a_columns ? m : 1;
            kernel.run({a.data(), row, step, b.data(), n, false, c.data(), ldc, m, n, k, alpha, beta});
            for (size_t i = 0; i < m; i++)
              for (size_t j = 0; j < n; j++)
                CHECK(within(c[i * ldc + j], expected<T>(
                                                 k, alpha, [&](size_t p) { return a[i * row + p * step]; },
                                                 [&](size_t p) { return b[p * n + j]; }, beta, before[i * ldc + j])));
            for (size_t i = 0; i + 1 < m; i++)
              for (size_t j = n; j < ldc; j++) CHECK(c[i * ldc + j] == kUntouched);
          }
}

// The padded form: rows of B hold nr values, C is still touched only inside the tile.
template <class T>
void check_padded(const MicroKernel<T>& kernel) {
  const size_t k = 5;
  for (size_t n = 1; n <= kernel.nr; n++) {
    Guarded<T> a(kernel.mr * k), b(k * kernel.nr), c(kernel.mr * n);
    fill(a.data(), kernel.mr * k, 3);
    fill(b.data(), k * kernel.nr, 4);
    kernel.run({a.data(), 1, kernel.mr, b.data(), kernel.nr, true, c.data(), n, kernel.mr, n, k, T{1}, T{0}});
    for (size_t i = 0; i < kernel.mr; i++)
      for (size_t j = 0; j < n; j++)
        CHECK(within(c[i * n + j], expected<T>(
                                       k, 1, [&](size_t p) { return a[i + p * kernel.mr]; },
                                       [&](size_t p) { return b[p * kernel.nr + j]; }, 0, 0)));
  }
}

template <class T>
void check_gemv_kernels(const GemvKernels<T>& kernels) {
  for (size_t rows : {0, 1, 3, 4, 5, 8, 11, 17})
    for (size_t n : {0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 71}) {
      const size_t stride = n + 2, size = rows == 0 ? 0 : (rows - 1) * stride + n;
      Guarded<T> a(size), x(n), weights(rows), y(rows), z(n);
      fill(a.data(), size, 5);
      fill(x.data(), n, 6);
      fill(weights.data(), rows, 7);
      fill(y.data(), rows, 8);
      fill(z.data(), n, 9);
      const std::vector<T> y0(y.data(), y.data() + rows), z0(z.data(), z.data() + n);
      kernels.dots(a.data(), stride, rows, n, x.data(), y.data());
      for (size_t i = 0; i < rows; i++)
        CHECK(within(y[i],
                     expected<T>(
                         n, 1, [&](size_t p) { return a[i * stride + p]; }, [&](size_t p) { return x[p]; }, 1, y0[i])));
      kernels.sums(a.data(), stride, rows, n, weights.data(), z.data());
      for (size_t j = 0; j < n; j++)
        CHECK(within(z[j], expected<T>(
                               rows, 1, [&](size_t p) { return a[p * stride + j]; },
                               [&](size_t p) { return weights[p]; }, 1, z0[j])));
    }
}

// A whole product with every operand between forbidden pages.
template <class T, bool kAtEnd>
void check_gemm(size_t m, size_t n, size_t k, bool ta, bool tb, T alpha, T beta) {
  Guarded<T, kAtEnd> a(m * k), b(k * n), c(m * n);
  fill(a.data(), m * k, 10);
  fill(b.data(), k * n, 12);
  fill(c.data(), m * n, 13);
  const std::vector<T> before(c.data(), c.data() + m * n);
  CHECK(gemm<T>(m, n, k, alpha, {a.data(), ta ? m : k, ta}, {b.data(), tb ? k : n, tb}, beta, c.data(), n, {}) ==
        Status::ok);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++)
      CHECK(within(c[i * n + j],
                   expected<T>(
                       k, alpha, [&](size_t p) { return ta ? a[p * m + i] : a[i * k + p]; },
                       [&](size_t p) { return tb ? b[j * k + p] : b[p * n + j]; }, beta, before[i * n + j])));
}

template <class Body>
void each_isa(Body&& body) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa)) body();
  set_active_isa(best);
}

}  // namespace

TEST(gemm_micro_kernels_stay_inside_and_are_right) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    check_micro_kernel(kGemm<float>.pick(isa));
    check_micro_kernel(kGemm<double>.pick(isa));
    check_padded(kGemm<float>.pick(isa));
    check_padded(kGemm<double>.pick(isa));
  }
}

TEST(gemv_kernels_stay_inside_and_are_right) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    check_gemv_kernels(kGemv<float>.pick(isa));
    check_gemv_kernels(kGemv<double>.pick(isa));
  }
}

TEST(gemm_reads_nothing_past_its_operands) {
  constexpr size_t kShapes[][3] = {{1, 1, 1},      {1, 70, 5},      {70, 1, 5},    {2, 3, 900},     {15, 33, 17},
                                   {29, 65, 8},    {43, 97, 1},     {14, 32, 64},  {57, 47, 800},   {2, 400, 700},
                                   {9, 1100, 300}, {16, 300, 1030}, {700, 2, 600}, {500, 15, 1030}, {41, 1024, 270}};
  each_isa([&] {
    for (const auto& [m, n, k] : kShapes)
      for (bool ta : {false, true})
        for (bool tb : {false, true}) {
          check_gemm<float, true>(m, n, k, ta, tb, 1.0f, 0.0f);
          check_gemm<double, true>(m, n, k, ta, tb, -2.0, 0.5);
          check_gemm<float, false>(m, n, k, ta, tb, 0.5f, 1.0f);
          check_gemm<double, false>(m, n, k, ta, tb, 1.0, 0.0);
        }
  });
}

// The products that read a large operand in place: leading dimensions, threads, and values past the columns.
TEST(gemm_flat_and_narrow_keep_leading_dimensions_and_bits) {
  // Rows of B that begin whole pages apart, that are many and far, and as many rows of A as are read in place.
  constexpr size_t kShapes[][3] = {{2, 1500, 800},  {8, 1100, 700},   {15, 1300, 600}, {1200, 8, 800},
                                   {1100, 16, 700}, {11, 1024, 1030}, {3, 2051, 1100}, {48, 600, 300},
                                   {1300, 60, 257}, {1000, 35, 300},  {600, 18, 270},  // direct, and with dots beside
                                   {600, 17, 270},  {1, 900, 500},    {900, 1, 500}};
  each_isa([&] {
    for (const auto& [m, n, k] : kShapes)
      for (bool ta : {false, true})
        for (bool tb : {false, true}) {
          const size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 5, ldc = n + 1;
          std::vector<float> a((ta ? k : m) * lda), b((tb ? n : k) * ldb), before(m * ldc), first;
          fill(a.data(), a.size(), 40);
          fill(b.data(), b.size(), 41);
          fill(before.data(), before.size(), 42);
          for (size_t threads : {1, 2, 3, 7}) {
            set_thread_count(threads);
            std::vector<float> c = before;
            CHECK(gemm<float>(m, n, k, -0.5f, {a.data(), lda, ta}, {b.data(), ldb, tb}, 2.0f, c.data(), ldc, {}) ==
                  Status::ok);
            if (first.empty()) first = c;
            CHECK(std::memcmp(c.data(), first.data(), c.size() * sizeof(float)) == 0);
          }
          set_thread_count(usable_cpus());
          for (size_t i = 0; i < m; i += 1 + i % 7)
            for (size_t j = 0; j < n; j += 1 + j % 5)
              CHECK(within(
                  first[i * ldc + j],
                  expected<float>(
                      k, -0.5f, [&](size_t p) { return ta ? a[p * lda + i] : a[i * lda + p]; },
                      [&](size_t p) { return tb ? b[j * ldb + p] : b[p * ldb + j]; }, 2.0f, before[i * ldc + j])));
          for (size_t i = 0; i < m; i++) CHECK(first[i * ldc + n] == before[i * ldc + n]);
        }
  });
}

// A row of a matrix is a product of its own: leading dimensions beyond the width, as of heads side by side.
TEST(gemm_takes_and_keeps_leading_dimensions) {
  const size_t m = 200, n = 210, k = 220, lda = 223, ldb = 219, ldc = 214;
  each_isa([&] {
    std::vector<double> a(m * lda), b(k * ldb), c(m * ldc, 5.0);
    fill(a.data(), a.size(), 20);
    fill(b.data(), b.size(), 21);
    CHECK(gemm<double>(m, n, k, 1, {a.data(), lda, false}, {b.data(), ldb, false}, 0, c.data(), ldc, {}) == Status::ok);
    for (size_t i = 0; i < m; i++) {
      for (size_t j = 0; j < n; j++)
        CHECK(within(c[i * ldc + j], expected<double>(
                                         k, 1, [&](size_t p) { return a[i * lda + p]; },
                                         [&](size_t p) { return b[p * ldb + j]; }, 0, 0)));
      for (size_t j = n; j < ldc; j++) CHECK(c[i * ldc + j] == 5.0);
    }
  });
}

// Elements are summed in one order whatever the tile: the vector paths agree bit by bit, packed or not.
TEST(gemm_vector_paths_give_the_same_bits) {
  if (!isa_supported(Isa::avx512)) return;
  const size_t n = 300;
  std::vector<float> a(n * n), b(n * n), bt(n * n), x(n * n), y(n * n);
  fill(a.data(), n * n, 30);
  fill(b.data(), n * n, 31);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) bt[j * n + i] = b[i * n + j];
  const Isa best = active_isa();
  for (size_t size : {size_t{40}, n}) {
    if (!set_active_isa(Isa::avx512)) return;
    gemm<float>(size, size, size, 1, {a.data(), n, false}, {b.data(), n, false}, 0, x.data(), n, {});
    set_active_isa(Isa::avx2);
    gemm<float>(size, size, size, 1, {a.data(), n, false}, {bt.data(), n, true}, 0, y.data(), n, {});
    set_active_isa(best);
    for (size_t i = 0; i < size; i++) CHECK(std::memcmp(&x[i * n], &y[i * n], size * sizeof(float)) == 0);
  }
}

TEST(gemm_stops_within_ten_milliseconds) {
  const size_t n = 4096;
  std::vector<float> a(n * n, 0.5f), c(n * n);
  std::atomic<int32_t> flag{0};
  // Square, and of so many rows, all the same in memory, that it would take half a second.
  constexpr size_t kTall = 2000000, kDepth = 1000, kNarrow = 32;
  const auto square = [&] {
    return gemm<float>(n, n, n, 1, {a.data(), n, false}, {a.data(), n, true}, 0, c.data(), n, {&flag});
  };
  const auto tall = [&] {
    return gemm<float>(kTall, kNarrow, kDepth, 1, {a.data(), 0, false}, {a.data(), n, false}, 0, c.data(), 0, {&flag});
  };
  for (const auto& [threads, is_tall] : {std::pair{1, false}, {2, false}, {1, true}}) {
    set_thread_count(static_cast<size_t>(threads));
    double best = 1;
    for (int round = 0; round < 5; round++) {  // the best of five: another process may hold the processor
      flag = 0;
      std::chrono::steady_clock::time_point raised;
      std::thread watcher([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + 15 * round));
        raised = std::chrono::steady_clock::now();
        flag = kCancelAbort;
      });
      const Status status = is_tall ? tall() : square();
      const auto ended = std::chrono::steady_clock::now();
      watcher.join();
      CHECK(status == Status::aborted);
      best = std::min(best, std::chrono::duration<double>(ended - raised).count());
    }
    CHECK(best < 0.010);
  }
  set_thread_count(usable_cpus());
  flag = kCancelAbort;
  for (bool transposed : {false, true}) {  // the flat and the narrow product
    CHECK(gemm<float>(8, n, n, 1, {a.data(), n, false}, {a.data(), n, transposed}, 0, c.data(), n, {&flag}) ==
          Status::aborted);
    CHECK(gemm<float>(n, 8, n, 1, {a.data(), n, false}, {a.data(), transposed ? n : 8, transposed}, 0, c.data(), 8,
                      {&flag}) == Status::aborted);
  }
  CHECK(gemv<float>(n, n, 1, {a.data(), n, false}, a.data(), 0, c.data(), {&flag}) == Status::aborted);
}

TEST(gemm_survives_failed_allocations) {
  constexpr size_t kShapes[][3] = {{300, 300, 300}, {9, 900, 800}, {900, 9, 800}};  // blocked, flat, narrow
  for (const auto& [m, n, k] : kShapes)
    std::thread([m, n, k] {  // a thread with an empty arena
      set_thread_count(1);
      std::vector<double> a(m * k, 1.0), b(k * n, 1.0), c(m * n);
      int64_t nth = 0;
      for (;; nth++) {
        fail_allocation(nth);
        const Status status = gemm<double>(m, n, k, 1, {a.data(), k, false}, {b.data(), k, true}, 0, c.data(), n, {});
        fail_allocation(-1);
        if (status == Status::ok) break;
        CHECK(status == Status::out_of_memory);
      }
      CHECK(nth >= 1);
      for (double x : c) CHECK(x == static_cast<double>(k));
      set_thread_count(usable_cpus());
    })
        .join();
}
