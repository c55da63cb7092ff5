#include "special/log_bessel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/arena.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "special/log_bessel_branches.h"
#include "special/log_bessel_small.h"
#include "special/tables.h"

namespace lapidary {
namespace {

enum class Kernel : uint8_t { limit, extreme, paper_small, mu, debye, uniform, series, temme, recurred, trapezoid };

// What runs: a kernel and its `terms`.
struct Branch {
  Kernel kernel;
  int terms;
};

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
      {Kernel::mu, 20},      {Kernel::debye, 4},    {Kernel::debye, 6},       {Kernel::debye, 8},
      {Kernel::debye, 9},    {Kernel::debye, 13},   {Kernel::debye, 20},      {Kernel::uniform, 8},
      {Kernel::uniform, 10}, {Kernel::uniform, 13}, {Kernel::uniform, 16},    {Kernel::uniform, 20},
      {Kernel::series, 10},  {Kernel::series, 14},  {Kernel::series, 19},     {Kernel::series, 25},
      {Kernel::series, 32},  {Kernel::series, 40},  {Kernel::temme, 6},       {Kernel::recurred, 0},
      {Kernel::recurred, 1}, {Kernel::recurred, 2}, {Kernel::recurred, 3},    {Kernel::recurred, 4},
      {Kernel::recurred, 5}, {Kernel::recurred, 6}, {Kernel::recurred, 7},
  };
  static constexpr Rows<BesselClassify<double>> classify = LAPIDARY_BESSEL_ROWS(classify_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> mu = LAPIDARY_BESSEL_ROWS(mu_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> debye = LAPIDARY_BESSEL_ROWS(debye_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> series = LAPIDARY_BESSEL_ROWS(series_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> temme = LAPIDARY_BESSEL_ROWS(temme_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> uniform = LAPIDARY_BESSEL_ROWS(uniform_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> recurred = LAPIDARY_BESSEL_ROWS(recurred_f64, 4, 8);
  static constexpr Rows<BesselNear> near = LAPIDARY_BESSEL_ROWS(near_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> zero_debye = LAPIDARY_BESSEL_ROWS(zero_debye_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> zero = LAPIDARY_BESSEL_ROWS(zero_f64, 4, 8);
};

template <>
struct Tables<float> {
  // Outside, f64 takes over: there all of f32 is ordinary.
  static constexpr float low = 1e-12f, high = 1e12f;
  static constexpr Branch branches[] = {
      {Kernel::limit, 0}, {Kernel::extreme, 0}, {Kernel::debye, 2},     {Kernel::debye, 4},
      {Kernel::debye, 9}, {Kernel::series, 6},  {Kernel::series, 11},   {Kernel::series, 19},
      {Kernel::temme, 4}, {Kernel::temme, 6},   {Kernel::trapezoid, 4},
  };
  static constexpr Rows<BesselClassify<float>> classify = LAPIDARY_BESSEL_ROWS(classify_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> debye = LAPIDARY_BESSEL_ROWS(debye_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> series = LAPIDARY_BESSEL_ROWS(series_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> temme = LAPIDARY_BESSEL_ROWS(temme_f32, 8, 16);
  static constexpr Rows<BesselBranch<float>> trapezoid = LAPIDARY_BESSEL_ROWS(trapezoid_f32, 8, 16);
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

bool first_kind(BesselFunction f) {
  return f == BesselFunction::log_i || f == BesselFunction::i_ratio || f == BesselFunction::log_i_slope ||
         f == BesselFunction::i_scaled;
}

bool is_value(BesselFunction f) {
  return f == BesselFunction::log_i || f == BesselFunction::log_k || f == BesselFunction::i_scaled ||
         f == BesselFunction::k_scaled;
}

// Zero, infinite and not-a-number arguments (docs/special.md has the table).
double limit(BesselFunction f, double v, double x) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  if (std::isnan(v) || std::isnan(x) || (std::isinf(v) && std::isinf(x))) return nan;
  const bool far = std::isinf(x), zero = !far && x == 0 && v == 0;
  switch (f) {
    case BesselFunction::log_i:
      return far ? inf : zero ? 0 : -inf;
    case BesselFunction::log_k:
      return far ? -inf : inf;
    case BesselFunction::i_ratio:
      return far ? 1 : 0;
    case BesselFunction::log_i_slope:
      return far ? 1 : zero ? 0 : inf;
    case BesselFunction::log_k_slope:
      return far ? -1 : -inf;
    case BesselFunction::i_scaled:
      return zero ? 1 : 0;
    case BesselFunction::k_scaled:
      return far ? 0 : inf;
  }
  return nan;
}

bool is_limit(double v, double x) { return !(x > 0) || !(v < INFINITY) || x == INFINITY; }

// The branches of 'auto': by borders in x and r², and a table from their codes to branches. The values of f64 have a
// kernel of their own for large r, the ratio and the slopes another.
//
// Debye: the first term that U_K leaves out is at most max_t |ũ_{K+1}(t²)| r^{−K−1} (of its logarithm: d̃_{K+1}); from
// its border on that is below 2^-55 (f32: 2^-26), a quarter of the last place of a logarithm in [½, 1). Series: beyond
// its border a number of terms leaves out more than 2^-57 (f32: 2^-27) of the sum.
template <class Real>
struct Dispatch {
  BesselBorders<Real> borders;
  std::array<uint8_t, kOddBessel> branch;
};

template <class Real>
constexpr Dispatch<Real> dispatch(bool first, bool values) {
  constexpr bool wide = sizeof(Real) == 8;
  Dispatch<Real> d{};
  BesselBorders<Real>& b = d.borders;
  b.low = Tables<Real>::low;
  b.high = Tables<Real>::high;
  uint8_t near[BesselBorders<Real>::x_most + 1] = {}, far[BesselBorders<Real>::r2_most] = {};
  const auto x_border = [&](double from, Kernel kernel, int terms) {
    b.x[b.x_count++] = static_cast<Real>(from);
    near[b.x_count] = index_of<Real>(kernel, terms);
  };
  const auto r2_border = [&](double from, Kernel kernel, int terms) {
    far[b.r2_count] = index_of<Real>(kernel, terms);
    b.r2[b.r2_count++] = static_cast<Real>(from);
  };
  if (first) {
    near[0] = index_of<Real>(Kernel::series, wide ? 10 : 6);
    x_border(wide ? 1 : 1.5, Kernel::series, wide ? 14 : 11);
    x_border(wide ? 3 : 4, Kernel::series, 19);
    if constexpr (wide) {
      x_border(6, Kernel::series, 25);
      x_border(10, Kernel::series, 32);
      x_border(16, Kernel::series, 40);
    }
  } else {
    near[0] = index_of<Real>(Kernel::temme, wide ? 6 : 4);
    if constexpr (wide) {
      for (int cell = 0; cell < kKCellCount; cell++) x_border(kKBorders[cell], Kernel::recurred, cell);
    } else {
      x_border(0.25, Kernel::temme, 6);
      x_border(1, Kernel::trapezoid, 4);
    }
  }
  if constexpr (!wide) {
    r2_border(96, Kernel::debye, 9);
    r2_border(746, Kernel::debye, 4);
    r2_border(28900, Kernel::debye, 2);
  } else if (values) {
    r2_border(477, Kernel::uniform, 20);
    r2_border(713, Kernel::uniform, 16);
    r2_border(1228, Kernel::uniform, 13);
    r2_border(3210, Kernel::uniform, 10);
    r2_border(9640, Kernel::uniform, 8);
  } else {
    r2_border(512, Kernel::debye, 20);
    r2_border(1232, Kernel::debye, 13);
    r2_border(9722, Kernel::debye, 8);
    r2_border(2318310, Kernel::debye, 4);
  }
  b.debye = b.r2[0];
  for (int i = 0; i < kOddBessel; i++) {
    const int in_x = i / 8, in_r2 = i % 8;
    if (in_r2 == 0 && in_x <= b.x_count) d.branch[i] = near[in_x];
    if (in_r2 > 0 && in_r2 <= b.r2_count) d.branch[i] = far[in_r2 - 1];
  }
  return d;
}

template <class Real>
constexpr Dispatch<Real> kDispatch[2][2] = {{dispatch<Real>(false, false), dispatch<Real>(false, true)},
                                            {dispatch<Real>(true, false), dispatch<Real>(true, true)}};

// The dispatch of the paper: the first line that holds. ln is only taken where it decides.
uint8_t paper_branch(double v, double x) {
  const auto at = [](Kernel kernel, int terms) { return index_of<double>(kernel, terms); };
  if (is_limit(v, x)) return index_of<double>(Kernel::limit);
  if (x < Tables<double>::low || x > Tables<double>::high || v > Tables<double>::high)
    return v > 12.6964 || x > 30 ? index_of<double>(Kernel::extreme) : index_of<double>(Kernel::paper_small);
  if (x > 1400 && v < 3.05) return at(Kernel::mu, 3);
  if (v > 3.1 && x > 1 && 0.6229 * std::log(x) - 3.2318 > std::log(v)) return at(Kernel::mu, 3);
  if (x > 30 && v < 15.3919) return at(Kernel::mu, 20);
  if (x > 59.6925 && 0.5113 * std::log(x) + 0.7939 > std::log(v)) return at(Kernel::mu, 20);
  if ((x > 274.2377 && v > 0.3) || v > 163.6993) return at(Kernel::debye, 4);
  if ((x > 84.4153 && v > 0.46) || v > 56.9971) return at(Kernel::debye, 6);
  if ((x > 35.9074 && v > 0.6) || v > 20.1534) return at(Kernel::debye, 9);
  if ((x > 19.6931 && v > 0.7) || v > 12.6964) return at(Kernel::debye, 13);
  return index_of<double>(Kernel::paper_small);
}

constexpr size_t kBlock = 1024;

// Where |log I| and |log K| of the branches for small r are below these, they are computed once more.
constexpr double kNearI = 0.5, kNearK = 0.125;
// The same for large r, over v + x.
constexpr double kNearU = 1 / 256.0;

template <class Real>
using Word = std::conditional_t<sizeof(Real) == 8, uint64_t, uint32_t>;

template <class Real>
struct Scratch {
  Real *given_v, *given_x, *codes;
  Real *v, *x, *out;                // of one branch
  uint16_t* places;                 // positions in the block, kBlock for each branch
  uint16_t *branch_places, *found;  // of one branch; of those the elements next to a zero

  explicit Scratch(ArenaFrame& frame)
      : given_v(frame.take<Real>(kBlock + kBesselLanes)),
        given_x(frame.take<Real>(kBlock + kBesselLanes)),
        codes(frame.take<Real>(kBlock + kBesselLanes)),
        v(frame.take<Real>(kBlock + kBesselLanes)),
        x(frame.take<Real>(kBlock + kBesselLanes)),
        out(frame.take<Real>(kBlock + kBesselLanes)),
        places(frame.take<uint16_t>(kBranches<Real> * kBlock)),
        branch_places(frame.take<uint16_t>(kBlock)),
        found(frame.take<uint16_t>(kBlock)) {}
  bool complete() const { return given_v && given_x && codes && v && x && out && places && branch_places && found; }
};

// Elements next to a zero, by the method that computes them once more. They wait for others from the next blocks, since
// there are few of them, and lanes are filled up with copies.
struct NearLists {
  static constexpr size_t methods = 5, enough = 64, capacity = kBlock + enough + kBesselLanes;
  double *v, *x, *out;  // capacity for each method
  uint32_t* places;     // from the first element of the part
  size_t counts[methods] = {};

  explicit NearLists(ArenaFrame& frame)
      : v(frame.take<double>(methods * capacity)),
        x(frame.take<double>(methods * capacity)),
        out(frame.take<double>(capacity)),
        places(frame.take<uint32_t>(methods * capacity)) {}
  bool complete() const { return v && x && out && places; }
};

// n ≤ kBlock elements of v and x, which may be scratch.given_v and given_x; their values go to `to`.
class Block {
 public:
  Block(BesselFunction f, BesselMethod method, Context context) : f_(f), method_(method), context_(context) {}

  template <class Real>
  bool run(const Scratch<Real>& s, NearLists* near, const Real* v, const Real* x, size_t n, Real* to,
           size_t offset) const {
    Lists<Real> lists;
    for (size_t k = 0; k < lists.size(); k++) lists[k] = s.places + k * kPart;
    if (!classify(s, v, x, n, lists)) {
      // where the lanes do not reach beyond the end, the result needs no detour
      Real* out = n % kBesselLanes == 0 ? to : s.out;
      const size_t branch = branch_of(*dispatch_of<Real>(), s, 0);
      if (!kernel(branch, s.given_v, s.given_x, out, n)) return false;
      if (out != to) std::copy_n(out, n, to);
      if constexpr (sizeof(Real) == 8)
        collect(s, *near, branch, s.given_v, s.given_x, out, n, [&](size_t i) { return offset + i; });
      return true;
    }
    for (size_t b = 0; b < kBranches<Real>; b++) {
      size_t here = 0;
      const auto each = [&](auto visit) {
        here = 0;
        for (size_t k = kParts * b; k < kParts * (b + 1); k++)
          for (const uint16_t* at = s.places + k * kPart; at < lists[k]; at++) visit(here++, *at);
      };
      each([&](size_t i, size_t from) {
        s.v[i] = s.given_v[from];
        s.x[i] = s.given_x[from];
        s.branch_places[i] = static_cast<uint16_t>(from);
      });
      if (here == 0) continue;
      pad(s.v, here);
      pad(s.x, here);
      if (!kernel(b, s.v, s.x, s.out, here)) return false;
      for (size_t i = 0; i < here; i++) to[s.branch_places[i]] = s.out[i];
      if constexpr (sizeof(Real) == 8)
        collect(s, *near, b, s.v, s.x, s.out, here, [&](size_t i) { return offset + s.branch_places[i]; });
    }
    return true;
  }

 private:
  // The ends of the lists of places of each branch, one for each quarter of the block.
  static constexpr size_t kParts = 4, kPart = kBlock / kParts;
  template <class Real>
  using Lists = std::array<uint16_t*, kParts * kBranches<Real>>;

  // False if all elements are in one branch; else sorts their places by branch. Four lists fill at a time, since a
  // list's end is in memory, and the next place has to wait for it.
  template <class Real>
  bool classify(const Scratch<Real>& s, const Real* v, const Real* x, size_t n, Lists<Real>& lists) const {
    const auto sort = [&](auto branch) {
      const size_t quarter = n / kParts;
      const auto put = [&](size_t part, size_t i) { *lists[kParts * branch(i) + part]++ = static_cast<uint16_t>(i); };
      for (size_t i = 0; i < quarter; i++)
        for (size_t part = 0; part < kParts; part++) put(part, part * quarter + i);
      for (size_t i = kParts * quarter; i < n; i++) put(i - kParts * quarter, i);
    };
    if constexpr (sizeof(Real) == 8)
      if (method_ == BesselMethod::paper) {
        for (size_t i = 0; i < n; i++) {
          s.given_v[i] = std::abs(v[i]);
          s.given_x[i] = std::abs(x[i]);
        }
        sort([&](size_t i) -> size_t { return paper_branch(s.given_v[i], s.given_x[i]); });
        return true;
      }
    const Dispatch<Real>& d = *dispatch_of<Real>();
    // The last lanes are filled up with copies of the last element.
    const size_t whole = n / kBesselLanes * kBesselLanes, tail = n - whole;
    const auto run = Tables<Real>::classify.pick();
    bool same = whole == 0 || run(d.borders, v, x, s.given_v, s.given_x, s.codes, whole);
    if (tail != 0) {
      std::copy_n(v + whole, tail, s.given_v + whole);
      std::copy_n(x + whole, tail, s.given_x + whole);
      pad(s.given_v, n);
      pad(s.given_x, n);
      Real *last_v = s.given_v + whole, *last_x = s.given_x + whole;
      same = run(d.borders, last_v, last_x, last_v, last_x, s.codes + whole, kBesselLanes) && same;
    }
    const auto code = [&](size_t i) { return std::bit_cast<Word<Real>>(s.codes[i]); };
    if (same && code(0) == code(n - 1) && code(0) != kOddBessel) return false;
    sort([&](size_t i) { return branch_of(d, s, i); });
    return true;
  }

  template <class Real>
  const Dispatch<Real>* dispatch_of() const {
    return &kDispatch<Real>[first_kind(f_)][is_value(f_)];
  }

  template <class Real>
  static size_t branch_of(const Dispatch<Real>& d, const Scratch<Real>& s, size_t i) {
    const auto code = std::bit_cast<Word<Real>>(s.codes[i]);
    if (code != kOddBessel) return d.branch[code];
    return index_of<Real>(is_limit(s.given_v[i], s.given_x[i]) ? Kernel::limit : Kernel::extreme);
  }

  // Copies of the last element to where the lanes of a kernel may reach.
  template <class Real>
  static void pad(Real* a, size_t n) {
    std::fill_n(a + n, kBesselLanes, a[n - 1]);
  }

  bool kernel(size_t branch, const double* v, const double* x, double* out, size_t n) const {
    const auto [kind, terms] = Tables<double>::branches[branch];
    switch (kind) {
      case Kernel::limit:
        for (size_t i = 0; i < n; i++) out[i] = limit(f_, v[i], x[i]);
        return true;
      case Kernel::extreme:
        for (size_t i = 0; i < n; i++) out[i] = bessel_extreme(f_, v[i], x[i]);
        return true;
      case Kernel::paper_small:
        for (size_t i = 0; i < n; i++) {
          // the paper's integral takes tens of microseconds
          if (i % 16 == 0 && context_.cancelled()) return false;
          out[i] = f_ == BesselFunction::log_i ? log_i_series(v[i], x[i]) : log_k_integral(v[i], x[i]);
        }
        return true;
      case Kernel::mu:
        Tables<double>::mu.pick()(f_, terms, v, x, out, n);
        return true;
      default:
        common<double>(kind, terms, v, x, out, n);
        return true;
    }
  }

  bool kernel(size_t branch, const float* v, const float* x, float* out, size_t n) const {
    const auto [kind, terms] = Tables<float>::branches[branch];
    if (kind == Kernel::limit) {
      for (size_t i = 0; i < n; i++) out[i] = static_cast<float>(limit(f_, v[i], x[i]));
      return true;
    }
    if (kind != Kernel::extreme) {
      common<float>(kind, terms, v, x, out, n);
      return true;
    }
    // each element in f64: beyond the powers that f32 holds the whole plane is ordinary there
    for (size_t i = 0; i < n; i++) {
      double wide_v[kBesselLanes], wide_x[kBesselLanes], wide_out[kBesselLanes];
      std::fill_n(wide_v, kBesselLanes, v[i]);
      std::fill_n(wide_x, kBesselLanes, x[i]);
      if (!kernel(wide_branch(wide_v, wide_x), wide_v, wide_x, wide_out, 1)) return false;
      out[i] = static_cast<float>(wide_out[0]);
    }
    return true;
  }

  // Where the errors of a branch may exceed 2 last places of log I or log K, and of the branches for large r in units
  // in the last place.
  std::optional<NearZero> near_zero(size_t branch) const {
    if (method_ == BesselMethod::paper || (f_ != BesselFunction::log_i && f_ != BesselFunction::log_k)) return {};
    switch (Tables<double>::branches[branch].kernel) {
      case Kernel::series:
        return NearZero{kNearI, 0.25, INFINITY};
      case Kernel::recurred:
        return NearZero{kNearK, INFINITY, INFINITY};
      case Kernel::uniform:
        return NearZero{INFINITY, INFINITY, kNearU};
      default:
        return {};
    }
  }

  // Notes which elements are next to a zero; v, x and out are those of a branch, and element i is place_of(i) of the
  // part.
  template <class Place>
  void collect(const Scratch<double>& s, NearLists& near, size_t branch, const double* v, const double* x,
               const double* out, size_t n, Place place_of) const {
    const auto rule = near_zero(branch);
    if (!rule) return;
    const auto [kind, terms] = Tables<double>::branches[branch];
    const size_t count = Tables<double>::near.pick()(*rule, v, x, out, n, s.found);
    for (size_t j = 0; j < count; j++) {
      const size_t i = s.found[j];
      const double r2 = v[i] * v[i] + x[i] * x[i];
      const size_t method = kind == Kernel::uniform ? (r2 < 6400  ? 2
                                                       : r2 < 1e6 ? 3
                                                                  : 4)
                                                    : (kind == Kernel::recurred && kKBorders[terms + 1] > 2.75);
      const size_t at = method * NearLists::capacity + near.counts[method]++;
      near.v[at] = v[i];
      near.x[at] = x[i];
      near.places[at] = static_cast<uint32_t>(place_of(i));
    }
  }

 public:
  // Computes the elements of the lists that hold more than `enough`; `to` is the first element of the part.
  void refine(NearLists& near, double* to, size_t enough) const {
    constexpr int terms_i[] = {34, 34, 60, 12, 4}, terms_k[] = {8, 12, 20, 12, 4};
    for (size_t method = 0; method < NearLists::methods; method++) {
      double *v = near.v + method * NearLists::capacity, *x = near.x + method * NearLists::capacity;
      const uint32_t* places = near.places + method * NearLists::capacity;
      const size_t count = near.counts[method];
      if (count <= enough) continue;
      near.counts[method] = 0;
      pad(v, count);
      pad(x, count);
      const auto& table = method < 3 ? Tables<double>::zero : Tables<double>::zero_debye;
      table.pick()(f_, f_ == BesselFunction::log_i ? terms_i[method] : terms_k[method], v, x, near.out, count);
      for (size_t j = 0; j < count; j++) to[places[j]] = near.out[j];
    }
  }

 private:
  uint8_t wide_branch(double* v, double* x) const {
    const Dispatch<double>& d = *dispatch_of<double>();
    double codes[kBesselLanes];
    Tables<double>::classify.pick()(d.borders, v, x, v, x, codes, 1);
    const auto code = std::bit_cast<Word<double>>(codes[0]);
    return code == kOddBessel ? index_of<double>(Kernel::extreme) : d.branch[code];
  }

  template <class Real>
  void common(Kernel kind, int terms, const Real* v, const Real* x, Real* out, size_t n) const {
    if constexpr (sizeof(Real) == 8) {
      if (kind == Kernel::uniform) return Tables<double>::uniform.pick()(f_, terms, v, x, out, n);
      if (kind == Kernel::recurred) return Tables<double>::recurred.pick()(f_, terms, v, x, out, n);
    } else if (kind == Kernel::trapezoid) {
      return Tables<float>::trapezoid.pick()(f_, terms, v, x, out, n);
    }
    const auto& table = kind == Kernel::debye    ? Tables<Real>::debye
                        : kind == Kernel::series ? Tables<Real>::series
                                                 : Tables<Real>::temme;
    table.pick()(f_, terms, v, x, out, n);
  }

  BesselFunction f_;
  BesselMethod method_;
  Context context_;
};

template <class Real>
Status evaluate(BesselFunction f, BesselMethod method, std::span<const Real> v, std::span<const Real> x,
                std::span<Real> out, Context context) {
  const Block block(f, method, context);
  std::atomic<Status> status{Status::ok};
  constexpr size_t kPart = 4 * kBlock;
  parallel_for(out.size() / kPart + (out.size() % kPart != 0), [&](size_t part) {
    ArenaFrame frame;
    const Scratch<Real> scratch(frame);
    std::optional<NearLists> near;
    if constexpr (sizeof(Real) == 8) near.emplace(frame);
    if (!scratch.complete() || (near && !near->complete()))
      return status.store(Status::out_of_memory, std::memory_order_relaxed);
    Real* const to = out.data() + part * kPart;
    for (size_t first = part * kPart; first < std::min(out.size(), (part + 1) * kPart); first += kBlock) {
      if (status.load(std::memory_order_relaxed) != Status::ok) return;
      if (context.cancelled()) return status.store(Status::aborted, std::memory_order_relaxed);
      const size_t n = std::min(kBlock, out.size() - first);
      // Each element is read once, before anything is written: out may be x, and shared memory may change between two
      // reads, when an element would run in a branch that does not end for it. K_{−v} = K_v, and elsewhere v ≥ 0
      // already: the block takes absolute values, which makes −0 to 0.
      const auto part_of = [&](std::span<const Real> from, Real* filled) {
        if (from.size() == 1) return std::fill_n(filled, n, from[0]), static_cast<const Real*>(filled);
        return from.data() + first;
      };
      const Real *part_v = part_of(v, scratch.given_v), *part_x = part_of(x, scratch.given_x);
      if (!block.run(scratch, near ? &*near : nullptr, part_v, part_x, n, out.data() + first, first - part * kPart))
        return status.store(Status::aborted, std::memory_order_relaxed);
      if constexpr (sizeof(Real) == 8) block.refine(*near, to, NearLists::enough);
    }
    if constexpr (sizeof(Real) == 8) block.refine(*near, to, 0);
  });
  return status.load();
}

template <class Real>
std::optional<size_t> first_outside(BesselFunction f, std::span<const Real> v, std::span<const Real> x, size_t n) {
  const auto first = [](std::span<const Real> a) {
    // without a sign bit there is nothing to look for, and or runs over lanes
    size_t i = 0;
    constexpr size_t kStep = 256;
    for (; i + kStep <= a.size(); i += kStep) {
      Word<Real> bits = 0;
      for (size_t j = 0; j < kStep; j++) bits |= std::bit_cast<Word<Real>>(a[i + j]);
      if (bits >> (8 * sizeof(Real) - 1) != 0)
        for (size_t j = 0; j < kStep; j++)
          if (a[i + j] < 0) return i + j;
    }
    while (i < a.size() && !(a[i] < 0)) i++;
    return i;
  };
  size_t at = n;
  if (const size_t i = first(x); i < x.size()) at = i;
  if (first_kind(f))
    if (const size_t i = first(v); i < v.size()) at = std::min(at, i);
  return at < n ? std::optional(at) : std::nullopt;
}

}  // namespace

Status bessel(BesselFunction f, BesselMethod method, std::span<const double> v, std::span<const double> x,
              std::span<double> out, Context context) {
  return evaluate(f, method, v, x, out, context);
}

Status bessel(BesselFunction f, std::span<const float> v, std::span<const float> x, std::span<float> out,
              Context context) {
  return evaluate(f, BesselMethod::automatic, v, x, out, context);
}

std::optional<size_t> bessel_first_outside(BesselFunction f, std::span<const double> v, std::span<const double> x,
                                           size_t n) {
  return first_outside(f, v, x, n);
}

std::optional<size_t> bessel_first_outside(BesselFunction f, std::span<const float> v, std::span<const float> x,
                                           size_t n) {
  return first_outside(f, v, x, n);
}

}  // namespace lapidary
