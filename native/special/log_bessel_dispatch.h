// Which branch of log_bessel_branches.h an element belongs to, and what runs it.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <type_traits>

#include "core/dispatch.h"
#include "special/log_bessel_branches.h"
#include "special/tables.h"

namespace lapidary {

enum class Kernel : uint8_t { limit, extreme, paper_small, mu, debye, uniform, series, temme, recurred, careful };

// What runs: a kernel and its `terms`. Those of careful are the terms of the series or the cells of recurred.
struct Branch {
  Kernel kernel;
  int terms;
};

// Those that BesselBorders tells apart stand in the order of their borders.
template <class Real>
struct Tables;

template <class Fn>
using Rows = KernelTable<Fn, LAPIDARY_X86 ? 3 : 1>;

#if LAPIDARY_X86
#define LAPIDARY_BESSEL_ROWS(branch, avx2_lanes, avx512_lanes)                                             \
  {                                                                                                        \
    {                                                                                                      \
      {Isa::portable, bessel_##branch##__portable}, {Isa::avx2, bessel_##branch##_##avx2_lanes##__avx2}, { \
        Isa::avx512, bessel_##branch##_##avx512_lanes##__avx512                                            \
      }                                                                                                    \
    }                                                                                                      \
  }
#else
#define LAPIDARY_BESSEL_ROWS(branch, avx2_lanes, avx512_lanes) \
  {                                                            \
    {                                                          \
      { Isa::portable, bessel_##branch##__portable }           \
    }                                                          \
  }
#endif

template <>
struct Tables<double> {
  // Where powers of v and x fit into f64; outside, scalar methods that are robust themselves.
  static constexpr double low = 1e-100, high = 1e100;
  static constexpr Branch branches[] = {
      {Kernel::limit, 0},    {Kernel::extreme, 0},  {Kernel::paper_small, 0}, {Kernel::mu, 3},
      {Kernel::mu, 20},      {Kernel::debye, 20},   {Kernel::debye, 13},      {Kernel::debye, 8},
      {Kernel::debye, 4},    {Kernel::debye, 6},    {Kernel::debye, 9},       {Kernel::uniform, 20},
      {Kernel::uniform, 16}, {Kernel::uniform, 13}, {Kernel::uniform, 10},    {Kernel::uniform, 8},
      {Kernel::series, 10},  {Kernel::series, 14},  {Kernel::series, 19},     {Kernel::series, 25},
      {Kernel::series, 32},  {Kernel::series, 40},  {Kernel::temme, 6},       {Kernel::recurred, 0},
      {Kernel::recurred, 1}, {Kernel::recurred, 2}, {Kernel::recurred, 3},    {Kernel::recurred, 4},
      {Kernel::recurred, 5}, {Kernel::recurred, 6}, {Kernel::recurred, 7},    {Kernel::careful, 10},
      {Kernel::careful, 14}, {Kernel::careful, 19}, {Kernel::careful, 25},    {Kernel::careful, 32},
      {Kernel::careful, 40}, {Kernel::careful, 0},  {Kernel::careful, 1},     {Kernel::careful, 2},
      {Kernel::careful, 3},  {Kernel::careful, 4},  {Kernel::careful, 5},     {Kernel::careful, 6},
      {Kernel::careful, 7},
  };
  static constexpr Rows<BesselClassify<double>> classify = LAPIDARY_BESSEL_ROWS(classify_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> mu = LAPIDARY_BESSEL_ROWS(mu_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> debye = LAPIDARY_BESSEL_ROWS(debye_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> series = LAPIDARY_BESSEL_ROWS(series_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> temme = LAPIDARY_BESSEL_ROWS(temme_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> uniform = LAPIDARY_BESSEL_ROWS(uniform_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> recurred = LAPIDARY_BESSEL_ROWS(recurred_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> careful = LAPIDARY_BESSEL_ROWS(careful_f64, 4, 8);
  static constexpr Rows<BesselNear> near = LAPIDARY_BESSEL_ROWS(near_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> zero_debye = LAPIDARY_BESSEL_ROWS(zero_debye_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> zero = LAPIDARY_BESSEL_ROWS(zero_f64, 4, 8);
};

template <>
struct Tables<float> {
  // Outside, f64 takes over: there all of f32 is ordinary.
  static constexpr float low = 1e-12f, high = 1e12f;
  static constexpr Branch branches[] = {
      {Kernel::limit, 0},    {Kernel::extreme, 0},  {Kernel::debye, 9},    {Kernel::debye, 4},
      {Kernel::debye, 2},    {Kernel::series, 6},   {Kernel::series, 11},  {Kernel::series, 19},
      {Kernel::temme, 4},    {Kernel::recurred, 0}, {Kernel::recurred, 1}, {Kernel::recurred, 2},
      {Kernel::recurred, 3}, {Kernel::recurred, 4}, {Kernel::recurred, 5}, {Kernel::recurred, 6},
  };
  static constexpr Rows<BesselClassify<float>> classify = LAPIDARY_BESSEL_ROWS(classify_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> debye = LAPIDARY_BESSEL_ROWS(debye_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> series = LAPIDARY_BESSEL_ROWS(series_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> temme = LAPIDARY_BESSEL_ROWS(temme_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> recurred = LAPIDARY_BESSEL_ROWS(recurred_f32, 8, 16);
};

template <class Real>
constexpr size_t kBranches = std::size(Tables<Real>::branches);

template <class Real>
constexpr uint8_t index_of(Kernel kernel, int terms) {
  size_t i = 0;
  while (Tables<Real>::branches[i].kernel != kernel || Tables<Real>::branches[i].terms != terms) i++;
  return static_cast<uint8_t>(i);
}
template <class Real>
constexpr uint8_t index_of(Kernel kernel) {
  size_t i = 0;
  while (Tables<Real>::branches[i].kernel != kernel) i++;
  return static_cast<uint8_t>(i);
}

inline bool first_kind(BesselFunction f) {
  return f == BesselFunction::log_i || f == BesselFunction::i_ratio || f == BesselFunction::log_i_slope ||
         f == BesselFunction::i_scaled;
}

inline bool is_value(BesselFunction f) {
  return f == BesselFunction::log_i || f == BesselFunction::log_k || f == BesselFunction::i_scaled ||
         f == BesselFunction::k_scaled;
}

inline bool is_limit(double v, double x) { return !(x > 0) || !(v < INFINITY) || x == INFINITY; }

// Copies of the last of n elements to where the lanes of a kernel may reach.
template <class Real>
inline void bessel_pad(Real* a, size_t n) {
  std::fill_n(a + n, kBesselLanes, a[n - 1]);
}

// The value there, by the table of docs/special.md.
double bessel_limit(BesselFunction f, double v, double x);

// The borders of 'auto'. The values of f64 have a kernel of their own for large r, the ratio and the slopes another.
template <class Real>
const BesselBorders<Real>& bessel_borders(BesselFunction f);

// The dispatch of the paper.
uint8_t paper_branch(double v, double x);

}  // namespace lapidary
