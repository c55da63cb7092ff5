#include "sparse/reduce.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/arena.h"
#include "core/checked.h"
#include "sparse/rows.h"

namespace lapidary {
namespace {

constexpr size_t kGroups = 16;  // of rows, for columns

template <class T>
using Ring = std::conditional_t<std::is_integral_v<T>, uint32_t, T>;

// An operator: from(x) is what an entry contributes, combine joins two contributions.
template <class T>
struct Sum {
  static constexpr T kIdentity = 0;
  static T from(T x) { return x; }
  static T combine(T x, T y) { return static_cast<T>(static_cast<Ring<T>>(x) + static_cast<Ring<T>>(y)); }
};
template <class T>
struct Product {
  static constexpr T kIdentity = 1;
  static T from(T x) { return x; }
  static T combine(T x, T y) { return static_cast<T>(static_cast<Ring<T>>(x) * static_cast<Ring<T>>(y)); }
};
template <class T>
struct Min {
  static constexpr T kIdentity =
      std::is_integral_v<T> ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();
  static T from(T x) { return x; }
  static T combine(T x, T y) { return x < y || x != x ? x : y; }
};
template <class T>
struct Max {
  static constexpr T kIdentity =
      std::is_integral_v<T> ? std::numeric_limits<T>::lowest() : -std::numeric_limits<T>::infinity();
  static T from(T x) { return x; }
  static T combine(T x, T y) { return x > y || x != x ? x : y; }
};
template <class T>
struct Count : Sum<T> {
  static T from(T) { return 1; }
};

template <class T, class Op>
T reduce_row(const T* x, size_t n) {
  constexpr size_t kChains = 8;
  T chain[kChains];
  std::fill_n(chain, kChains, Op::kIdentity);
  size_t p = 0;
  for (; p + kChains <= n; p += kChains)
    for (size_t c = 0; c < kChains; c++) chain[c] = Op::combine(chain[c], Op::from(x[p + c]));
  for (size_t c = 0; p + c < n; c++) chain[c] = Op::combine(chain[c], Op::from(x[p + c]));
  for (size_t half = kChains / 2; half > 0; half /= 2)
    for (size_t c = 0; c < half; c++) chain[c] = Op::combine(chain[c], chain[c + half]);
  return chain[0];
}

template <class T, class Op>
Status rows_with(const CsrView<T>& a, T* out, Context context) {
  return for_row_blocks(a, context, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; i++)
      out[i] = reduce_row<T, Op>(a.values + a.indptr[i], a.indptr[i + 1] - a.indptr[i]);
  });
}

template <class T, class Op>
Status columns_with(const CsrView<T>& a, T* out, Context context) {
  // A group pays for its own result (to clear, to combine) only with four times as many entries.
  const size_t work = a.nnz + a.rows;
  const size_t groups = std::clamp<size_t>(work / std::max<size_t>(kRowGrain, 4 * a.cols), 1, kGroups);
  const RowParts parts(a, ceil_div(work + 1, groups));
  ArenaFrame scratch;
  const auto length = checked_mul(parts.count() - 1, a.cols);
  T* others = length ? scratch.take<T>(*length) : nullptr;
  if (others == nullptr) return Status::out_of_memory;
  parallel_for(parts.count(), [&](size_t part) {
    T* result = part == 0 ? out : others + (part - 1) * a.cols;
    std::fill_n(result, a.cols, Op::kIdentity);
    size_t p = a.indptr[parts.begin(part)];
    for (const size_t end = a.indptr[parts.begin(part + 1)]; p < end;) {
      if (context.cancelled()) return;
      for (const size_t stop = std::min(end, p + kRowGrain); p < stop; p++) {
        T& x = result[a.indices[p]];
        x = Op::combine(x, Op::from(a.values[p]));
      }
    }
  });
  if (context.cancelled()) return Status::aborted;
  if (parts.count() == 1) return Status::ok;
  parallel_for(ceil_div(a.cols, kRowGrain), [&](size_t block) {
    const size_t end = std::min(a.cols, (block + 1) * kRowGrain);
    for (size_t part = 1; part < parts.count(); part++)
      for (size_t j = block * kRowGrain; j < end; j++) out[j] = Op::combine(out[j], others[(part - 1) * a.cols + j]);
  });
  return Status::ok;
}

}  // namespace

template <class T>
Status reduce_rows(const CsrView<T>& a, Reduction reduction, T* out, Context context) {
  switch (reduction) {
    case Reduction::sum:
      return rows_with<T, Sum<T>>(a, out, context);
    case Reduction::product:
      return rows_with<T, Product<T>>(a, out, context);
    case Reduction::min:
      return rows_with<T, Min<T>>(a, out, context);
    case Reduction::max:
      return rows_with<T, Max<T>>(a, out, context);
    case Reduction::count:
      return rows_with<T, Count<T>>(a, out, context);
  }
  return Status::ok;
}

template <class T>
Status reduce_columns(const CsrView<T>& a, Reduction reduction, T* out, Context context) {
  switch (reduction) {
    case Reduction::sum:
      return columns_with<T, Sum<T>>(a, out, context);
    case Reduction::product:
      return columns_with<T, Product<T>>(a, out, context);
    case Reduction::min:
      return columns_with<T, Min<T>>(a, out, context);
    case Reduction::max:
      return columns_with<T, Max<T>>(a, out, context);
    case Reduction::count:
      return columns_with<T, Count<T>>(a, out, context);
  }
  return Status::ok;
}

template <class T>
Status is_symmetric(const CsrView<T>& a, bool values, double tolerance, bool& symmetric, Context context) {
  std::atomic<bool> differs{false};
  std::atomic<size_t> above{0}, below{0};
  const auto near = [&](T x, T y) {
    return x == y || std::fabs(static_cast<double>(x) - static_cast<double>(y)) <= tolerance;
  };
  const Status status = for_row_blocks(a, context, [&](size_t first, size_t last) {
    if (differs.load(std::memory_order_relaxed)) return;
    size_t upper = 0, lower = 0;
    for (size_t i = first; i < last; i++) {
      const uint32_t row = static_cast<uint32_t>(i);
      size_t p = a.indptr[i];
      const size_t end = a.indptr[i + 1];
      while (p < end && a.indices[p] < row) p++;
      lower += p - a.indptr[i];
      if (p < end && a.indices[p] == row) {
        if (values && a.values[p] != a.values[p]) return differs.store(true, std::memory_order_relaxed);
        p++;
      }
      upper += end - p;
      for (; p < end; p++) {
        const size_t j = a.indices[p];
        const uint32_t* other_end = a.indices + a.indptr[j + 1];
        const uint32_t* found = std::lower_bound(a.indices + a.indptr[j], other_end, row);
        if (found == other_end || *found != row || (values && !near(a.values[p], a.values[found - a.indices])))
          return differs.store(true, std::memory_order_relaxed);
      }
    }
    above += upper;
    below += lower;
  });
  symmetric = !differs.load() && above.load() == below.load();
  return status;
}

#define LAPIDARY_INSTANTIATE(T)                                              \
  template Status reduce_rows(const CsrView<T>&, Reduction, T*, Context);    \
  template Status reduce_columns(const CsrView<T>&, Reduction, T*, Context); \
  template Status is_symmetric(const CsrView<T>&, bool, double, bool&, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
LAPIDARY_INSTANTIATE(int32_t)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
