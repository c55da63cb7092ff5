#include "special/log_bessel.h"

#include <algorithm>
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

constexpr KernelTable<BesselBranch, LAPIDARY_X86 ? 3 : 1> kMu = {{
    {Isa::portable, bessel_mu_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, bessel_mu_f64_4__avx2},
    {Isa::avx512, bessel_mu_f64_8__avx512},
#endif
}};
constexpr KernelTable<BesselBranch, LAPIDARY_X86 ? 3 : 1> kDebyeTable = {{
    {Isa::portable, bessel_debye_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, bessel_debye_f64_4__avx2},
    {Isa::avx512, bessel_debye_f64_8__avx512},
#endif
}};

// Where an element goes. Scalar branches first, then the lane branches by cost.
enum class Branch : uint8_t { limit, small, extreme, mu3, mu20, debye4, debye6, debye9, debye13, debye20 };
constexpr size_t kBranches = 10;

constexpr int kTerms[kBranches] = {0, 0, 20, 3, 20, 4, 6, 9, 13, 20};

// Zero, infinite and not-a-number arguments (docs/special.md has the table).
double limit(BesselFunction f, double v, double x) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  if (std::isnan(v) || std::isnan(x) || (std::isinf(v) && std::isinf(x))) return nan;
  if (f == BesselFunction::i_ratio) return std::isinf(x) ? 1 : 0;  // x = 0 or v = ∞
  const double sign = f == BesselFunction::log_i ? 1 : -1;
  if (std::isinf(x)) return sign * inf;
  if (f == BesselFunction::log_i && v == 0) return 0;
  return -sign * inf;  // x = 0 or v = ∞
}

bool is_limit(double v, double x) { return !(x > 0) || !(v < INFINITY) || x == INFINITY; }

// Outside, powers of v and x could overflow or underflow: Debye's expansion in its robust scalar form, or the small
// methods, which are robust themselves.
bool is_extreme(double v, double x) { return x < 1e-150 || x > 1e150 || v > 1e150; }

// The dispatch of the paper: the first line that holds. ln is only taken where it decides.
Branch paper_branch(double v, double x) {
  if (is_limit(v, x)) return Branch::limit;
  if (is_extreme(v, x)) return v > 12.6964 || x > 30 ? Branch::extreme : Branch::small;
  if (x > 1400 && v < 3.05) return Branch::mu3;
  if (v > 3.1 && x > 1 && 0.6229 * std::log(x) - 3.2318 > std::log(v)) return Branch::mu3;
  if (x > 30 && v < 15.3919) return Branch::mu20;
  if (x > 59.6925 && 0.5113 * std::log(x) + 0.7939 > std::log(v)) return Branch::mu20;
  if ((x > 274.2377 && v > 0.3) || v > 163.6993) return Branch::debye4;
  if ((x > 84.4153 && v > 0.46) || v > 56.9971) return Branch::debye6;
  if ((x > 35.9074 && v > 0.6) || v > 20.1534) return Branch::debye9;
  if ((x > 19.6931 && v > 0.7) || v > 12.6964) return Branch::debye13;
  return Branch::small;
}

// The first term that U_K leaves out is at most max_t |ũ_{K+1}(t²)| r^{−K−1}; each border is the r where that is 2^-54
// r, an eighth of the rounding of h = r − …, rounded up. The mu expansions lose digits by e^{v²/2x}, hence their
// guards.
Branch automatic_branch(double v, double x) {
  if (is_limit(v, x)) return Branch::limit;
  if (is_extreme(v, x)) return v > 20 || x > 20 ? Branch::extreme : Branch::small;
  const double v2 = v * v, r2 = v2 + x * x;
  if (x > 1400 && v2 < 0.002 * x) return Branch::mu3;
  if (r2 > 400.0 * 400) return Branch::debye4;
  if (x > 30 && v2 < 2 * x) return Branch::mu20;
  if (r2 > 116.0 * 116) return Branch::debye6;
  if (r2 > 47.0 * 47) return Branch::debye9;
  if (r2 > 27.0 * 27) return Branch::debye13;
  if (r2 > 19.0 * 19) return Branch::debye20;
  return Branch::small;
}

// Debye's expansion of the ratio loses nothing at the borders above; mu has none.
Branch ratio_branch(double v, double x) {
  if (is_limit(v, x)) return Branch::limit;
  if (is_extreme(v, x)) return v > 20 || x > 20 ? Branch::extreme : Branch::small;
  const double r2 = v * v + x * x;
  if (r2 > 400.0 * 400) return Branch::debye4;
  if (r2 > 116.0 * 116) return Branch::debye6;
  if (r2 > 47.0 * 47) return Branch::debye9;
  if (r2 > 27.0 * 27) return Branch::debye13;
  if (r2 > 19.0 * 19) return Branch::debye20;
  return Branch::small;
}

double small(BesselFunction f, BesselMethod method, double v, double x) {
  switch (f) {
    case BesselFunction::log_i:
      return log_i_series(v, x);
    case BesselFunction::log_k:
      return method == BesselMethod::paper ? log_k_integral(v, x) : log_k_recurrence(v, x);
    case BesselFunction::i_ratio:
      return i_ratio_fraction(v, x);
  }
  return 0;
}

constexpr size_t kBlock = 1024;

struct Scratch {
  double *given_v, *given_x;
  double *v, *x, *out;  // sorted by branch
  uint16_t* index;      // positions in the block, sorted by branch
  Branch* branch;
};

struct Call {
  BesselFunction f;
  BesselMethod method;
  std::span<const double> v, x;
  std::span<double> out;
  Context context;

  // K_{−v} = K_v; the other functions have v ≥ 0 already, and −0 becomes 0.
  double order(size_t i) const { return std::abs(v[v.size() == 1 ? 0 : i]); }
  double argument(size_t i) const { return std::abs(x[x.size() == 1 ? 0 : i]); }

  Branch branch(double order, double argument) const {
    if (f == BesselFunction::i_ratio) return ratio_branch(order, argument);
    return method == BesselMethod::paper ? paper_branch(order, argument) : automatic_branch(order, argument);
  }

  // n elements of one branch: v and x in, out out.
  bool run(Branch b, const double* v, const double* x, double* out, size_t n) const {
    const int terms = kTerms[static_cast<size_t>(b)];
    switch (b) {
      case Branch::limit:
        for (size_t i = 0; i < n; i++) out[i] = limit(f, v[i], x[i]);
        return true;
      case Branch::small:
        for (size_t i = 0; i < n; i++) {
          // the paper's integral takes tens of microseconds
          if (i % 16 == 0 && context.cancelled()) return false;
          out[i] = small(f, method, v[i], x[i]);
        }
        return true;
      case Branch::extreme:
        bessel_debye_f64__portable(f, terms, v, x, out, n);
        return true;
      case Branch::mu3:
      case Branch::mu20:
        kMu.pick()(f, terms, v, x, out, n);
        return true;
      default:
        kDebyeTable.pick()(f, terms, v, x, out, n);
        return true;
    }
  }

  // Elements first … first + n − 1, n ≤ kBlock.
  bool block(size_t first, size_t n, const Scratch& scratch) const {
    size_t count[kBranches] = {}, start[kBranches], position = 0;
    // Read once, before anything is written: out may be x, and shared memory may change between two reads, when an
    // element would run in a branch that does not end for it.
    for (size_t i = 0; i < n; i++) {
      scratch.given_v[i] = order(first + i);
      scratch.given_x[i] = argument(first + i);
    }
    for (size_t i = 0; i < n; i++) {
      scratch.branch[i] = branch(scratch.given_v[i], scratch.given_x[i]);
      count[static_cast<size_t>(scratch.branch[i])]++;
    }
    for (size_t b = 0; b < kBranches; b++) {
      start[b] = position;
      position += count[b];
    }
    for (size_t i = 0; i < n; i++)
      scratch.index[start[static_cast<size_t>(scratch.branch[i])]++] = static_cast<uint16_t>(i);
    for (size_t i = 0; i < n; i++) {
      scratch.v[i] = scratch.given_v[scratch.index[i]];
      scratch.x[i] = scratch.given_x[scratch.index[i]];
    }
    for (size_t b = 0, done = 0; b < kBranches; done += count[b++]) {
      if (count[b] == 0) continue;
      // Dense lanes of their own: the tail is filled with copies of the last element.
      double v[kBesselLanes], x[kBesselLanes], out[kBesselLanes];
      const size_t whole = count[b] / kBesselLanes * kBesselLanes, tail = count[b] - whole;
      const auto kind = static_cast<Branch>(b);
      if (!run(kind, scratch.v + done, scratch.x + done, scratch.out + done, whole)) return false;
      if (tail == 0) continue;
      for (size_t i = 0; i < kBesselLanes; i++) {
        const size_t from = done + whole + std::min(i, tail - 1);
        v[i] = scratch.v[from];
        x[i] = scratch.x[from];
      }
      if (!run(kind, v, x, out, tail)) return false;
      std::copy_n(out, tail, scratch.out + done + whole);
    }
    for (size_t i = 0; i < n; i++) out[first + scratch.index[i]] = scratch.out[i];
    return true;
  }
};

}  // namespace

Status bessel(BesselFunction f, BesselMethod method, std::span<const double> v, std::span<const double> x,
              std::span<double> out, Context context) {
  const Call call{f, method, v, x, out, context};
  std::atomic<Status> status{Status::ok};
  parallel_for(out.size() / kBlock + (out.size() % kBlock != 0), [&](size_t part) {
    if (status.load(std::memory_order_relaxed) != Status::ok) return;
    if (context.cancelled()) return status.store(Status::aborted, std::memory_order_relaxed);
    const size_t first = part * kBlock, n = std::min(kBlock, out.size() - first);
    ArenaFrame frame;
    const Scratch scratch{frame.take<double>(n), frame.take<double>(n),   frame.take<double>(n), frame.take<double>(n),
                          frame.take<double>(n), frame.take<uint16_t>(n), frame.take<Branch>(n)};
    if (!scratch.given_v || !scratch.given_x || !scratch.v || !scratch.x || !scratch.out || !scratch.index ||
        !scratch.branch)
      return status.store(Status::out_of_memory, std::memory_order_relaxed);
    if (!call.block(first, n, scratch)) status.store(Status::aborted, std::memory_order_relaxed);
  });
  return status.load();
}

std::optional<size_t> bessel_first_outside(BesselFunction f, std::span<const double> v, std::span<const double> x,
                                           size_t n) {
  const auto negative = [](double a) { return a < 0; };
  const auto first = [&](std::span<const double> a) {
    return static_cast<size_t>(std::find_if(a.begin(), a.end(), negative) - a.begin());
  };
  size_t at = n;
  if (const size_t i = first(x); i < x.size()) at = i;
  if (f != BesselFunction::log_k)
    if (const size_t i = first(v); i < v.size()) at = std::min(at, i);
  return at < n ? std::optional(at) : std::nullopt;
}

}  // namespace lapidary
