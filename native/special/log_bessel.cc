#include "special/log_bessel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/arena.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "special/log_bessel_dispatch.h"
#include "special/log_bessel_near.h"
#include "special/log_bessel_small.h"

namespace lapidary {
namespace {

constexpr size_t kBlock = NearZeros::kMost;

template <class Real>
using Word = std::conditional_t<sizeof(Real) == 8, uint64_t, uint32_t>;

template <class Real>
struct Scratch {
  Real *given_v, *given_x;
  uint8_t* branches;  // of what is given
  uint16_t* places;   // in the block, sorted by branch
  Real *v, *x, *out;  // of one branch, with room behind it for copies of its last element

  explicit Scratch(ArenaFrame& frame)
      : given_v(frame.take<Real>(kBlock + kBesselLanes)),
        given_x(frame.take<Real>(kBlock + kBesselLanes)),
        branches(frame.take<uint8_t>(kBlock + kBesselLanes)),
        places(frame.take<uint16_t>(kBlock)),
        v(frame.take<Real>(kBlock + kBesselLanes)),
        x(frame.take<Real>(kBlock + kBesselLanes)),
        out(frame.take<Real>(kBlock + kBesselLanes)) {}
  bool complete() const { return given_v && given_x && v && x && out && places && branches; }
};

// n ≤ kBlock elements of v and x, which may be scratch.given_v and given_x; their values go to `to`.
class Block {
 public:
  Block(BesselFunction f, BesselMethod method, Context context) : f_(f), method_(method), context_(context) {}

  template <class Real>
  bool run(const Scratch<Real>& s, NearZeros* near, const Real* v, const Real* x, size_t n, Real* to) const {
    Runs<Real> runs;
    if (!classify(s, v, x, n, runs)) {
      // where the lanes do not reach beyond the end, the result needs no detour
      Real* out = n % kBesselLanes == 0 ? to : s.out;
      const size_t branch = s.branches[0];
      if (!kernel(branch, s.given_v, s.given_x, out, n)) return false;
      if (out != to) std::copy_n(out, n, to);
      if constexpr (sizeof(Real) == 8)
        if (near != nullptr) {
          near->refine(branch, s.given_v, s.given_x, {out, n}, to, [](size_t i) { return i; });
          near->finish(to);
        }
      return true;
    }
    for (size_t b = 0; b < kBranches<Real>; b++) {
      const auto [start, count] = runs[b];
      if (count == 0) continue;
      const uint16_t* const places = s.places + start;
      for (size_t i = 0; i < count; i++) {
        move(s.v + i, s.given_v + places[i]);
        move(s.x + i, s.given_x + places[i]);
      }
      bessel_pad(s.v, count);
      bessel_pad(s.x, count);
      if (!kernel(b, s.v, s.x, s.out, count)) return false;
      for (size_t i = 0; i < count; i++) move(to + places[i], s.out + i);
      if constexpr (sizeof(Real) == 8)
        if (near != nullptr) near->refine(b, s.v, s.x, {s.out, count}, to, [&](size_t i) { return places[i]; });
    }
    if constexpr (sizeof(Real) == 8)
      if (near != nullptr) near->finish(to);
    return true;
  }

 private:
  struct Run {
    size_t start, count;
  };
  template <class Real>
  using Runs = std::array<Run, kBranches<Real>>;

  // One number, as a whole one: of these a processor of today stores two at once, of the others one.
  template <class Real>
  static void move(Real* to, const Real* from) {
    Word<Real> word;
    std::memcpy(&word, from, sizeof(word));
    std::memcpy(to, &word, sizeof(word));
  }

  // Sorts what is given by branch: counts, then places. The quarters of a block have counts and places of their own,
  // since these are in memory, where each increment waits for the one before it.
  template <class Real>
  static void sort(const Scratch<Real>& s, size_t n, Runs<Real>& runs) {
    constexpr size_t kParts = 4;
    const size_t quarter = n / kParts;
    const auto each = [&](auto visit) {
      for (size_t i = 0; i < quarter; i++)
        for (size_t part = 0; part < kParts; part++) visit(part, part * quarter + i);
      for (size_t i = kParts * quarter; i < n; i++) visit(i - kParts * quarter, i);
    };
    std::array<uint32_t, kParts * kBranches<Real>> next{};
    each([&](size_t part, size_t i) { next[kParts * s.branches[i] + part]++; });
    size_t at = 0;
    for (size_t b = 0; b < kBranches<Real>; b++) {
      runs[b].start = at;
      for (size_t part = 0; part < kParts; part++)
        at += std::exchange(next[kParts * b + part], static_cast<uint32_t>(at));
      runs[b].count = at - runs[b].start;
    }
    each([&](size_t part, size_t i) {
      const size_t to = next[kParts * s.branches[i] + part]++;
      s.places[to] = static_cast<uint16_t>(i);
    });
  }

  // False if all elements are in one branch; else sorts them.
  template <class Real>
  bool classify(const Scratch<Real>& s, const Real* v, const Real* x, size_t n, Runs<Real>& runs) const {
    if constexpr (sizeof(Real) == 8)
      if (method_ == BesselMethod::paper) {
        for (size_t i = 0; i < n; i++) {
          s.given_v[i] = std::abs(v[i]);
          s.given_x[i] = std::abs(x[i]);
          s.branches[i] = paper_branch(s.given_v[i], s.given_x[i]);
        }
        sort(s, n, runs);
        return true;
      }
    const BesselBorders<Real>& borders = bessel_borders<Real>(f_);
    // The last lanes are filled up with copies of the last element.
    const size_t whole = n / kBesselLanes * kBesselLanes, tail = n - whole;
    const auto run = Tables<Real>::classify.pick();
    uint8_t different = whole == 0 ? 0 : run(borders, v, x, s.given_v, s.given_x, s.branches, whole);
    if (tail != 0) {
      std::copy_n(v + whole, tail, s.given_v + whole);
      std::copy_n(x + whole, tail, s.given_x + whole);
      bessel_pad(s.given_v, n);
      bessel_pad(s.given_x, n);
      Real *last_v = s.given_v + whole, *last_x = s.given_x + whole;
      different |= run(borders, last_v, last_x, last_v, last_x, s.branches + whole, kBesselLanes);
      different |= s.branches[0] ^ s.branches[whole];
    }
    if (((s.branches[0] | different) & kOddBessel) != 0) {
      for (size_t i = 0; i < n; i++)
        if (s.branches[i] == kOddBessel)
          s.branches[i] = index_of<Real>(is_limit(s.given_v[i], s.given_x[i]) ? Kernel::limit : Kernel::extreme);
    } else if (different == 0) {
      return false;
    }
    sort(s, n, runs);
    return true;
  }

  bool kernel(size_t branch, const double* v, const double* x, double* out, size_t n) const {
    const auto [kind, terms] = Tables<double>::branches[branch];
    switch (kind) {
      case Kernel::limit:
        for (size_t i = 0; i < n; i++) out[i] = bessel_limit(f_, v[i], x[i]);
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
      case Kernel::careful:
        Tables<double>::careful.pick()(f_, terms, v, x, out, n);
        return true;
      default:
        common<double>(kind, terms, v, x, out, n);
        return true;
    }
  }

  bool kernel(size_t branch, const float* v, const float* x, float* out, size_t n) const {
    const auto [kind, terms] = Tables<float>::branches[branch];
    if (kind == Kernel::limit) {
      for (size_t i = 0; i < n; i++) out[i] = static_cast<float>(bessel_limit(f_, v[i], x[i]));
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

  uint8_t wide_branch(double* v, double* x) const {
    uint8_t branches[kBesselLanes];
    Tables<double>::classify.pick()(bessel_borders<double>(f_), v, x, v, x, branches, 1);
    return branches[0] == kOddBessel ? index_of<double>(Kernel::extreme) : branches[0];
  }

  template <class Real>
  void common(Kernel kind, int terms, const Real* v, const Real* x, Real* out, size_t n) const {
    if constexpr (sizeof(Real) == 8)
      if (kind == Kernel::uniform) return Tables<double>::uniform.pick()(f_, terms, v, x, out, n);
    const auto& table = kind == Kernel::debye      ? Tables<Real>::debye
                        : kind == Kernel::series   ? Tables<Real>::series
                        : kind == Kernel::recurred ? Tables<Real>::recurred
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
  // Blocks of one size, an even number of them for the sake of two or four threads.
  const size_t full = out.size() / kBlock + (out.size() % kBlock != 0), blocks = full + (full > 1 ? full % 2 : 0);
  const size_t each = blocks == 0 ? 0 : (out.size() + blocks - 1) / blocks;
  const size_t size = (each + kBesselLanes - 1) / kBesselLanes * kBesselLanes;  // ≤ kBlock, which is a multiple
  parallel_for(blocks, [&](size_t i) {
    const size_t first = i * size;
    if (first >= out.size() || status.load(std::memory_order_relaxed) != Status::ok) return;
    if (context.cancelled()) return status.store(Status::aborted, std::memory_order_relaxed);
    const size_t n = std::min(size, out.size() - first);
    ArenaFrame frame;
    const Scratch<Real> scratch(frame);
    std::optional<NearZeros> near;
    if (sizeof(Real) == 8 && method == BesselMethod::automatic &&
        (f == BesselFunction::log_i || f == BesselFunction::log_k))
      near.emplace(f, frame);
    if (!scratch.complete() || (near && !near->complete()))
      return status.store(Status::out_of_memory, std::memory_order_relaxed);
    // Each element is read once, before anything is written: out may be x, and shared memory may change between two
    // reads, when an element would run in a branch that does not end for it. K_{−v} = K_v, and elsewhere v ≥ 0 already:
    // the block takes absolute values, which makes −0 to 0.
    const auto part_of = [&](std::span<const Real> from, Real* filled) {
      if (from.size() == 1) return std::fill_n(filled, n, from[0]), static_cast<const Real*>(filled);
      return from.data() + first;
    };
    const Real *part_v = part_of(v, scratch.given_v), *part_x = part_of(x, scratch.given_x);
    if (!block.run(scratch, near ? &*near : nullptr, part_v, part_x, n, out.data() + first))
      status.store(Status::aborted, std::memory_order_relaxed);
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
      Word<Real> bits[4] = {};
      for (size_t j = 0; j < kStep; j += 4)
        for (size_t k = 0; k < 4; k++) bits[k] |= std::bit_cast<Word<Real>>(a[i + j + k]);
      if ((bits[0] | bits[1] | bits[2] | bits[3]) >> (8 * sizeof(Real) - 1) != 0)
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
