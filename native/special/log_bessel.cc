#include "special/log_bessel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/arena.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "special/log_bessel_branches.h"
#include "special/log_bessel_small.h"

namespace lapidary {
namespace {

enum class Kernel : uint8_t { limit, extreme, paper_small, mu, debye, series, temme, trapezoid };

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
      {Kernel::limit, 0},     {Kernel::extreme, 0},   {Kernel::paper_small, 0}, {Kernel::mu, 3},
      {Kernel::mu, 20},       {Kernel::debye, 4},     {Kernel::debye, 6},       {Kernel::debye, 8},
      {Kernel::debye, 9},     {Kernel::debye, 13},    {Kernel::debye, 20},      {Kernel::series, 10},
      {Kernel::series, 14},   {Kernel::series, 19},   {Kernel::series, 25},     {Kernel::series, 32},
      {Kernel::series, 40},   {Kernel::temme, 6},     {Kernel::temme, 10},      {Kernel::trapezoid, 5},
      {Kernel::trapezoid, 6}, {Kernel::trapezoid, 7}, {Kernel::trapezoid, 8},
  };
  static constexpr Rows<BesselClassify<double>> classify = LAPIDARY_BESSEL_ROWS(classify_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> mu = LAPIDARY_BESSEL_ROWS(mu_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> debye = LAPIDARY_BESSEL_ROWS(debye_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> series = LAPIDARY_BESSEL_ROWS(series_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> temme = LAPIDARY_BESSEL_ROWS(temme_f64, 4, 8);
  static constexpr Rows<BesselBranch<double>> trapezoid = LAPIDARY_BESSEL_ROWS(trapezoid_f64, 4, 8);
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

// The branches of 'auto': by borders in x and r², and a table from their codes to branches.
//
// Debye: the first term that U_K leaves out is at most max_t |ũ_{K+1}(t²)| r^{−K−1}; from its border on that is below
// 2^-55 (f32: 2^-26), a quarter of the last place of a logarithm in [½, 1). Series: beyond its border a number of terms
// leaves out more than 2^-57 (f32: 2^-27) of the sum. Trapezoid: beyond its border in r² a step has an error above
// 2^-56 (2^-27).
template <class Real>
struct Dispatch {
  BesselBorders<Real> borders;
  std::array<uint8_t, 64> branch;
};

template <class Real>
constexpr Dispatch<Real> dispatch(bool first) {
  constexpr bool wide = sizeof(Real) == 8;
  Dispatch<Real> d{};
  BesselBorders<Real>& b = d.borders;
  b.low = Tables<Real>::low;
  b.high = Tables<Real>::high;
  uint8_t small[6] = {}, far[4] = {}, middle[4] = {};
  const auto x_border = [&](double from, Kernel kernel, int terms) {
    b.x[b.x_count++] = static_cast<Real>(from);
    small[b.x_count] = index_of<Real>(kernel, terms);
  };
  // K for ⅛ ≤ x < 1 and small r, where it passes 1 and Temme's sums have lost digits that its logarithm then needs
  uint8_t nearest = 0;
  int near = 0, beyond = 0;  // borders of r² inside and from debye on
  const auto r2_border = [&](double from, Kernel kernel, int terms) {
    b.r2[b.r2_count++] = static_cast<Real>(from);
    if (kernel == Kernel::trapezoid)
      middle[++near] = index_of<Real>(kernel, terms);
    else
      far[beyond++] = index_of<Real>(kernel, terms);
  };
  if (first) {
    small[0] = index_of<Real>(Kernel::series, wide ? 10 : 6);
    x_border(wide ? 1 : 1.5, Kernel::series, wide ? 14 : 11);
    x_border(wide ? 3 : 4, Kernel::series, 19);
    if (wide) {
      x_border(6, Kernel::series, 25);
      x_border(10, Kernel::series, 32);
      x_border(16, Kernel::series, 40);
    }
  } else {
    small[0] = index_of<Real>(Kernel::temme, wide ? 6 : 4);
    x_border(wide ? 0.125 : 0.25, Kernel::temme, wide ? 10 : 6);
    nearest = wide ? index_of<Real>(Kernel::trapezoid, 5) : small[1];
    x_border(1, Kernel::trapezoid, wide ? 5 : 4);
    middle[0] = small[2];
    if (wide) {
      r2_border(18, Kernel::trapezoid, 6);
      r2_border(86, Kernel::trapezoid, 7);
      r2_border(240, Kernel::trapezoid, 8);
    }
  }
  b.debye = static_cast<Real>(wide ? 512 : 96);
  r2_border(b.debye, Kernel::debye, wide ? 20 : 9);
  if (wide) {
    r2_border(1232, Kernel::debye, 13);
    r2_border(9722, Kernel::debye, 8);
    r2_border(2318310, Kernel::debye, 4);
  } else {
    r2_border(746, Kernel::debye, 4);
    r2_border(28900, Kernel::debye, 2);
  }
  for (int i = 0; i < 64; i++) {
    const int in_x = i / 8, in_r2 = i % 8;
    if (in_r2 > near && in_r2 <= near + beyond)
      d.branch[i] = far[in_r2 - near - 1];
    else if (in_x <= b.x_count && in_r2 <= near)
      d.branch[i] = !first && in_x == 2 ? middle[in_r2] : !first && in_x == 1 && in_r2 == 0 ? nearest : small[in_x];
  }
  return d;
}

template <class Real>
constexpr Dispatch<Real> kDispatch[2] = {dispatch<Real>(false), dispatch<Real>(true)};

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

template <class Real>
struct Scratch {
  Real *given_v, *given_x, *codes;
  Real *v, *x, *out;  // sorted by branch
  uint16_t* index;    // positions in the block, sorted by branch
  uint8_t* branch;

  explicit Scratch(ArenaFrame& frame)
      : given_v(frame.take<Real>(kBlock + kBesselLanes)),
        given_x(frame.take<Real>(kBlock + kBesselLanes)),
        codes(frame.take<Real>(kBlock + kBesselLanes)),
        v(frame.take<Real>(kBlock + kBesselLanes)),
        x(frame.take<Real>(kBlock + kBesselLanes)),
        out(frame.take<Real>(kBlock + kBesselLanes)),
        index(frame.take<uint16_t>(kBlock)),
        branch(frame.take<uint8_t>(kBlock)) {}
  bool complete() const { return given_v && given_x && codes && v && x && out && index && branch; }
};

// n ≤ kBlock elements in scratch.given_v and given_x; their values go to `to`.
class Block {
 public:
  Block(BesselFunction f, BesselMethod method, Context context) : f_(f), method_(method), context_(context) {}

  template <class Real>
  bool run(const Scratch<Real>& s, size_t n, Real* to) const {
    std::array<uint16_t, kBranches<Real>> count{}, next{};
    if (!classify(s, n)) return dense(s.branch[0], s.given_v, s.given_x, to, n);
    for (size_t i = 0; i < n; i++) count[s.branch[i]]++;
    const auto most = static_cast<size_t>(std::max_element(count.begin(), count.end()) - count.begin());
    const bool in_place = count[most] > n - n / 8 && Tables<Real>::branches[most].kernel == Kernel::debye;
    if (in_place) {
      // nearly all in one branch: that one where they lie, and the others after it over what it made of them
      if (!dense(most, s.given_v, s.given_x, to, n)) return false;
      count[most] = 0;
    }
    for (size_t b = 1; b < kBranches<Real>; b++) next[b] = static_cast<uint16_t>(next[b - 1] + count[b - 1]);
    size_t moved = 0;
    for (size_t i = 0; i < n; i++) {
      if (in_place && s.branch[i] == most) continue;
      moved++;
      const size_t at = next[s.branch[i]]++;
      s.v[at] = s.given_v[i];
      s.x[at] = s.given_x[i];
      s.index[at] = static_cast<uint16_t>(i);
    }
    for (size_t b = 0, done = 0; b < kBranches<Real>; done += count[b++]) {
      if (count[b] == 0) continue;
      if (!dense(b, s.v + done, s.x + done, s.out + done, count[b])) return false;
    }
    for (size_t i = 0; i < moved; i++) to[s.index[i]] = s.out[i];
    return true;
  }

 private:
  // Fills s.branch; false if all are s.branch[0].
  template <class Real>
  bool classify(const Scratch<Real>& s, size_t n) const {
    int mixed = 0;
    if constexpr (sizeof(Real) == 8)
      if (method_ == BesselMethod::paper) {
        for (size_t i = 0; i < n; i++) {
          s.branch[i] = paper_branch(s.given_v[i], s.given_x[i]);
          mixed |= s.branch[i] ^ s.branch[0];
        }
        return mixed != 0;
      }
    const Dispatch<Real>& d = kDispatch<Real>[first_kind(f_)];
    for (size_t i = 0; i < kBesselLanes; i++) s.given_v[n + i] = s.given_x[n + i] = 1;
    Tables<Real>::classify.pick()(d.borders, s.given_v, s.given_x, s.codes, n);
    for (size_t i = 0; i < n; i++) mixed |= s.codes[i] != s.codes[0];
    const auto branch = [&](size_t i) {
      const auto code = static_cast<int>(s.codes[i]);
      if (code != kOddBessel) return d.branch[code];
      return index_of<Real>(is_limit(s.given_v[i], s.given_x[i]) ? Kernel::limit : Kernel::extreme);
    };
    if (mixed || s.codes[0] == kOddBessel) {
      for (size_t i = 0; i < n; i++) s.branch[i] = branch(i);
      return true;
    }
    s.branch[0] = branch(0);
    return false;
  }

  // n elements of one branch; what lies behind them in v, x and out must be left alone.
  template <class Real>
  bool dense(size_t branch, Real* v, Real* x, Real* out, size_t n) const {
    const size_t whole = n / kBesselLanes * kBesselLanes, tail = n - whole;
    if (whole != 0 && !kernel(branch, v, x, out, whole)) return false;
    if (tail == 0) return true;
    // lanes of their own, filled with copies of the last element
    Real tail_v[kBesselLanes], tail_x[kBesselLanes], tail_out[kBesselLanes];
    for (size_t i = 0; i < kBesselLanes; i++) {
      tail_v[i] = v[whole + std::min(i, tail - 1)];
      tail_x[i] = x[whole + std::min(i, tail - 1)];
    }
    if (!kernel(branch, tail_v, tail_x, tail_out, tail)) return false;
    std::copy_n(tail_out, tail, out + whole);
    return true;
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
      if (!dense(wide_branch(wide_v, wide_x), wide_v, wide_x, wide_out, 1)) return false;
      out[i] = static_cast<float>(wide_out[0]);
    }
    return true;
  }

  uint8_t wide_branch(const double* v, const double* x) const {
    const Dispatch<double>& d = kDispatch<double>[first_kind(f_)];
    double codes[kBesselLanes];
    Tables<double>::classify.pick()(d.borders, v, x, codes, 1);
    const auto code = static_cast<int>(codes[0]);
    return code == kOddBessel ? index_of<double>(Kernel::extreme) : d.branch[code];
  }

  template <class Real>
  void common(Kernel kind, int terms, const Real* v, const Real* x, Real* out, size_t n) const {
    const auto& table = kind == Kernel::debye    ? Tables<Real>::debye
                        : kind == Kernel::series ? Tables<Real>::series
                        : kind == Kernel::temme  ? Tables<Real>::temme
                                                 : Tables<Real>::trapezoid;
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
  parallel_for(out.size() / kBlock + (out.size() % kBlock != 0), [&](size_t part) {
    if (status.load(std::memory_order_relaxed) != Status::ok) return;
    if (context.cancelled()) return status.store(Status::aborted, std::memory_order_relaxed);
    const size_t first = part * kBlock, n = std::min(kBlock, out.size() - first);
    ArenaFrame frame;
    const Scratch<Real> scratch(frame);
    if (!scratch.complete()) return status.store(Status::out_of_memory, std::memory_order_relaxed);
    // Read once, before anything is written: out may be x, and shared memory may change between two reads, when an
    // element would run in a branch that does not end for it. K_{−v} = K_v; elsewhere v ≥ 0 already, and −0 becomes 0.
    const auto read = [&](std::span<const Real> from, Real* to) {
      if (from.size() == 1) return (void)std::fill_n(to, n, std::abs(from[0]));
      for (size_t i = 0; i < n; i++) to[i] = std::abs(from[first + i]);
    };
    read(v, scratch.given_v);
    read(x, scratch.given_x);
    if (!block.run(scratch, n, out.data() + first)) status.store(Status::aborted, std::memory_order_relaxed);
  });
  return status.load();
}

template <class Real>
std::optional<size_t> first_outside(BesselFunction f, std::span<const Real> v, std::span<const Real> x, size_t n) {
  const auto first = [](std::span<const Real> a) {
    size_t i = 0;
    constexpr size_t kStep = 256;
    for (; i + kStep <= a.size(); i += kStep) {  // without a branch inside, so that it runs over lanes
      int negative = 0;
      for (size_t j = 0; j < kStep; j++) negative |= a[i + j] < 0;
      if (negative) break;
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
