#include "special/log_bessel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "special/directions.h"
#include "special/log_bessel_branches.h"
#include "special/log_bessel_small.h"
#include "special/tables.h"

using namespace lapidary;

namespace {

// From exp(low) to exp(high).
std::vector<double> spread(size_t n, uint64_t seed, double low, double high) {
  std::vector<double> out(n);
  for (size_t i = 0; i < n; i++) out[i] = std::exp(low + (high - low) * philox_uniform(seed, 0, i));
  return out;
}

constexpr BesselFunction kFirst[] = {BesselFunction::log_i, BesselFunction::i_ratio, BesselFunction::log_i_slope,
                                     BesselFunction::i_scaled};
constexpr BesselFunction kSecond[] = {BesselFunction::log_k, BesselFunction::log_k_slope, BesselFunction::k_scaled};

// Arguments with v² + x² from `least` to `most`, x ≥ low_x.
template <class Real>
void points(double least, double most, double low_x, std::vector<Real>& v, std::vector<Real>& x) {
  constexpr size_t n = 2048;
  v.resize(n), x.resize(n);
  for (size_t i = 0; i < n; i++) {
    const double r = std::sqrt(least + (most - least) * philox_uniform(5, 0, i));
    const double angle = std::acos(std::min(low_x / r, 1.0)) * philox_uniform(6, 0, i);
    v[i] = static_cast<Real>(r * std::sin(angle));
    x[i] = static_cast<Real>(r * std::cos(angle));
  }
}

// Arguments with x in a cell of tables.h and 0 ≤ v ≤ most.
template <class Real>
void points_of_cell(int cell, double most, std::vector<Real>& v, std::vector<Real>& x) {
  constexpr size_t n = 2048;
  v.resize(n), x.resize(n);
  const double low = kKBorders[cell], high = kKBorders[cell + 1];
  for (size_t i = 0; i < n; i++) {
    v[i] = static_cast<Real>(most * philox_uniform(7, 0, i));
    const auto below = std::nextafter(static_cast<Real>(high), Real{0});
    x[i] = std::min(static_cast<Real>(low + (high - low) * philox_uniform(8, 0, i)), below);
  }
}

// Two kernels on the same arguments: the same bits.
template <class Real>
[[maybe_unused]] void compare(BesselBranch<Real> reference, BesselBranch<Real> kernel, BesselFunction f, int terms,
                              const std::vector<Real>& v, const std::vector<Real>& x) {
  std::vector<Real> expected(v.size()), got(v.size());
  reference(f, terms, v.data(), x.data(), expected.data(), v.size());
  kernel(f, terms, v.data(), x.data(), got.data(), v.size());
  for (size_t i = 0; i < v.size(); i++) CHECK(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])));
}

}  // namespace

#if LAPIDARY_X86
TEST(bessel_lanes_agree_with_their_references) {
  std::vector<double> v, x;
  std::vector<float> v32, x32;
  for (const bool wide : {false, true}) {
    if (!isa_supported(wide ? Isa::avx512 : Isa::avx2)) continue;
    const auto pick = [&](auto narrow, auto broad) { return wide ? broad : narrow; };
    points(1e4, 1e8, 50.0, v, x);
    for (const auto f : {BesselFunction::log_i, BesselFunction::log_k})
      for (const int terms : {3, 20}) {
        const std::vector<double> low(v.size(), 2.5);
        compare(bessel_mu_f64__portable, pick(bessel_mu_f64_4__avx2, bessel_mu_f64_8__avx512), f, terms, low, x);
      }
    for (const auto kind : {0, 1})
      for (const auto f :
           kind == 0 ? std::span<const BesselFunction>(kFirst) : std::span<const BesselFunction>(kSecond)) {
        points(600, 4e4, 0.01, v, x);
        points(600, 4e4, 0.01, v32, x32);
        for (const int terms : {4, 6, 8, 9, 13, 20})
          compare(bessel_debye_f64__portable, pick(bessel_debye_f64_4__avx2, bessel_debye_f64_8__avx512), f, terms, v,
                  x);
        for (const int terms : {2, 4, 9})
          compare(bessel_debye_f32__portable, pick(bessel_debye_f32_8__avx2, bessel_debye_f32_16__avx512), f, terms,
                  v32, x32);
      }
    for (const auto f : kFirst) {
      points(0.01, 512, 0.01, v, x);
      points(0.01, 96, 0.01, v32, x32);
      compare(bessel_series_f64__portable, pick(bessel_series_f64_4__avx2, bessel_series_f64_8__avx512), f, 40, v, x);
      compare(bessel_series_f32__portable, pick(bessel_series_f32_8__avx2, bessel_series_f32_16__avx512), f, 19, v32,
              x32);
    }
    for (const auto f : kSecond) {
      points(1.01, 512, 1, v, x);
      for (int cell = 0; cell < kKCellCount; cell++) {
        points_of_cell(cell, 24, v, x);
        compare(bessel_recurred_f64__portable, pick(bessel_recurred_f64_4__avx2, bessel_recurred_f64_8__avx512), f,
                cell, v, x);
        if (kKBorders[cell + 1] > 10) continue;
        points_of_cell(cell, 10, v32, x32);
        compare(bessel_recurred_f32__portable, pick(bessel_recurred_f32_8__avx2, bessel_recurred_f32_16__avx512), f,
                cell, v32, x32);
      }
      points(1.01, 512, 1, v, x);
      points(1.01, 96, 1, v32, x32);
      for (auto& a : x) a = std::min(a / 25, 0.125);
      for (auto& a : x32) a = std::min(a / 12, 0.125f);
      compare(bessel_temme_f64__portable, pick(bessel_temme_f64_4__avx2, bessel_temme_f64_8__avx512), f, 10, v, x);
      compare(bessel_temme_f32__portable, pick(bessel_temme_f32_8__avx2, bessel_temme_f32_16__avx512), f, 4, v32, x32);
    }
    for (const auto f :
         {BesselFunction::log_i, BesselFunction::log_k, BesselFunction::i_scaled, BesselFunction::k_scaled}) {
      points(477, 2e6, 0.01, v, x);
      for (const int terms : {8, 10, 13, 16, 20})
        compare(bessel_uniform_f64__portable, pick(bessel_uniform_f64_4__avx2, bessel_uniform_f64_8__avx512), f, terms,
                v, x);
    }
  }
}

// The kernels around zeros, on all of their arguments and not only where the logarithms are small.
TEST(bessel_lanes_around_zeros_agree_with_their_references) {
  std::vector<double> v, x;
  for (const bool wide : {false, true}) {
    if (!isa_supported(wide ? Isa::avx512 : Isa::avx2)) continue;
    const auto pick = [&](auto narrow, auto broad) { return wide ? broad : narrow; };
    const auto careful = pick(bessel_careful_f64_4__avx2, bessel_careful_f64_8__avx512);
    const auto zero = pick(bessel_zero_f64_4__avx2, bessel_zero_f64_8__avx512);
    points(0.01, 477, 0.01, v, x);
    for (const int terms : {10, 14, 19, 25, 32, 40})
      compare(bessel_careful_f64__portable, careful, BesselFunction::log_i, terms, v, x);
    for (int cell = 0; cell < kKCellCount; cell++) {
      points_of_cell(cell, 21, v, x);
      compare(bessel_careful_f64__portable, careful, BesselFunction::log_k, cell, v, x);
    }
    for (const auto f : {BesselFunction::log_i, BesselFunction::log_k}) {
      const bool first = f == BesselFunction::log_i;
      points(0.01, 477, 0.01, v, x);
      compare(bessel_zero_f64__portable, zero, f, first ? 34 : 12, v, x);
      points(477, 6400, 1, v, x);
      compare(bessel_zero_f64__portable, zero, f, first ? 60 : 20, v, x);
      for (const int pairs : {12, 4}) {
        points(pairs == 12 ? 6400 : 1e6, 1e8, 1, v, x);
        compare(bessel_zero_debye_f64__portable, pick(bessel_zero_debye_f64_4__avx2, bessel_zero_debye_f64_8__avx512),
                f, pairs, v, x);
      }
    }
  }
}

TEST(bessel_near_lanes_agree_with_their_reference) {
  std::vector<double> v, x, values(2048);
  points(0.01, 1000, 0.01, v, x);
  for (size_t i = 0; i < values.size(); i++) values[i] = 10 * philox_uniform(9, 0, i) - 5;
  const double inf = INFINITY;
  for (const NearZero& rule :
       {NearZero{2, 6, 4, 16, inf}, NearZero{1, 6, 4, inf, inf}, NearZero{inf, 0, inf, inf, 0.05},
        NearZero{9, 0, 9, inf, inf}, NearZero{0, 99, 0, inf, inf}})
    for (const size_t n : {1, 15, 16, 2047, 2048}) {
      std::vector<uint16_t> expected;
      for (size_t i = 0; i < n; i++) {
        const double small = std::max(rule.least, std::min(v[i] - rule.v_less, rule.most));
        if (std::abs(values[i]) < std::min({small, rule.by_x2 * x[i] * x[i], rule.by_sum * (v[i] + x[i])}))
          expected.push_back(static_cast<uint16_t>(i));
      }
      using Row = std::pair<Isa, BesselNear>;
      for (const auto& [isa, near] :
           {Row{Isa::portable, bessel_near_f64__portable}, Row{Isa::avx2, bessel_near_f64_4__avx2},
            Row{Isa::avx512, bessel_near_f64_8__avx512}}) {
        if (!isa_supported(isa)) continue;
        std::vector<uint16_t> places(n + kBesselLanes);
        places.resize(near(rule, v.data(), x.data(), values.data(), n, places.data()));
        CHECK(places == expected);
      }
    }
}
#endif

TEST(bessel_references_agree_with_other_methods_and_the_libm) {
  std::vector<double> v, x, out(2048);
  points(0.01, 512, 0.01, v, x);
  bessel_series_f64__portable(BesselFunction::log_i, 40, v.data(), x.data(), out.data(), v.size());
  for (size_t i = 0; i < v.size(); i++) CHECK_NEAR(out[i], log_i_series(v[i], x[i]), 1e-13);
  bessel_series_f64__portable(BesselFunction::i_ratio, 40, v.data(), x.data(), out.data(), v.size());
  for (size_t i = 0; i < v.size(); i++) CHECK_NEAR(out[i], i_ratio_fraction(v[i], x[i]), 4e-15 * out[i]);
  for (int cell = 0; cell < kKCellCount; cell++) {
    points_of_cell(cell, 24, v, x);
    bessel_recurred_f64__portable(BesselFunction::log_k, cell, v.data(), x.data(), out.data(), v.size());
    for (size_t i = 0; i < v.size(); i++) CHECK_NEAR(out[i], log_k_recurrence(v[i], x[i]), 1e-13);
  }
  points(1.01, 512, 1, v, x);
  for (auto& a : x) a = std::min(a / 25, 0.125);
  bessel_temme_f64__portable(BesselFunction::log_k, 10, v.data(), x.data(), out.data(), v.size());
  for (size_t i = 0; i < v.size(); i++) CHECK_NEAR(out[i], log_k_recurrence(v[i], x[i]), 2e-13);
  for (const double angle : {0.05, 0.4, 0.9, 1.3}) {
    const double a = 23 * std::sin(angle), b = 23 * std::cos(angle);
    double i, k;
    bessel_debye_f64__portable(BesselFunction::log_i, 20, &a, &b, &i, 1);
    bessel_debye_f64__portable(BesselFunction::log_k, 20, &a, &b, &k, 1);
    CHECK_NEAR(log_i_series(a, b), i, 2e-14);
    CHECK_NEAR(log_k_recurrence(a, b), k, 2e-14);
    if (a < 12) CHECK_NEAR(log_k_integral(a, b), k, 1e-9);
  }
}

TEST(bessel_extreme_arguments_meet_the_ordinary_ones) {
  // at x = 1e-100 and v, x = 1e100 two codes meet
  constexpr BesselFunction all[] = {BesselFunction::log_i,       BesselFunction::log_k,       BesselFunction::i_ratio,
                                    BesselFunction::log_i_slope, BesselFunction::log_k_slope, BesselFunction::i_scaled,
                                    BesselFunction::k_scaled};
  for (const auto f : all)
    for (const auto& [v, x] : {std::pair{0.0, 1e-100},
                               {0.3, 1e-100},
                               {2.2, 1e-100},
                               {30.0, 1e-100},
                               {1.0, 1e100},
                               {1e100, 1e100},
                               {1e100, 1.0}}) {
      double out = 0;
      CHECK(bessel(f, BesselMethod::automatic, {&v, 1}, {&x, 1}, {&out, 1}, {}) == Status::ok);
      const double expected = bessel_extreme(f, v, x);
      if (std::isinf(expected))
        CHECK(out == expected);
      else
        CHECK_NEAR(out, expected, 1e-12 * std::abs(expected));
    }
}

TEST(bessel_every_length_and_every_mix_of_branches) {
  const auto v = spread(2100, 3, -3, 8), x = spread(2100, 4, -3, 8);
  std::vector<double> whole(2100);
  CHECK(bessel(BesselFunction::log_k, BesselMethod::automatic, v, x, whole, {}) == Status::ok);
  for (const size_t n : {0, 1, 2, 7, 8, 9, 100, 1023, 2047, 2048, 2049, 2100}) {
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
  CHECK(direction_sum(x, 2048, 2, nullptr, sum, &bad, {&raised}) == Status::aborted);
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
      if (status == Status::ok) status = direction_sum(x, 1000, 3, nullptr, sum, &bad, {});
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
