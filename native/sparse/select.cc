#include "sparse/select.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/arena.h"
#include "sparse/rows.h"

namespace lapidary {
namespace {

// The entries of row i in the triangle are [begin, end).
struct Run {
  size_t begin;
  size_t end;
};

Run run_of(const CsrPattern& a, size_t i, Triangle triangle, int64_t offset) {
  const size_t begin = a.indptr[i], end = a.indptr[i + 1];
  // The first column of the upper part: i + offset, or for the lower part the first beyond it.
  const int64_t cut = static_cast<int64_t>(i) + offset + (triangle == Triangle::lower);
  const auto below = [](uint32_t column, int64_t limit) { return static_cast<int64_t>(column) < limit; };
  const auto found = std::lower_bound(a.indices + begin, a.indices + end, cut, below);
  const size_t middle = static_cast<size_t>(found - a.indices);
  return triangle == Triangle::lower ? Run{begin, middle} : Run{middle, end};
}

// Copies entries to position r, as many as fit before `end`; gives the position after them, or that no row ends at if
// they do not fit.
template <class T>
size_t copy_run(const CsrView<T>& a, Run run, size_t r, size_t end, uint32_t* indices, T* values) {
  const size_t n = run.end - run.begin;
  if (n != end - r) return SIZE_MAX;
  std::copy_n(a.indices + run.begin, n, indices + r);
  std::copy_n(a.values + run.begin, n, values + r);
  return end;
}

template <class T>
bool stays(T x, double tolerance) {
  return !(std::fabs(static_cast<double>(x)) <= tolerance);
}

template <class T>
using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

// Unsigned keys in the order of the values: −0 as 0, NaN below all.
template <class T>
Key<T> key_of(T x, bool magnitude) {
  using K = Key<T>;
  constexpr K kSign = K{1} << (8 * sizeof(T) - 1);
  if constexpr (std::is_integral_v<T>) {
    const K bits = static_cast<K>(x);
    if (magnitude) return x < 0 ? K{0} - bits : bits;
    return bits ^ kSign;
  } else {
    if (x != x) return 0;
    if (magnitude) return std::bit_cast<K>(std::fabs(x)) + 1;
    const K bits = std::bit_cast<K>(x + T{0});
    return bits & kSign ? ~bits : bits | kSign;
  }
}

}  // namespace

Status triangle_count(const CsrPattern& a, Triangle triangle, int64_t offset, uint32_t* indptr, Context context) {
  return count_rows(a, indptr, context, [&](size_t i) {
    const Run run = run_of(a, i, triangle, offset);
    return run.end - run.begin;
  });
}

template <class T>
Status triangle_fill(const CsrView<T>& a, Triangle triangle, int64_t offset, const CsrPattern& out, uint32_t* indices,
                     T* values, Context context) {
  return fill_rows(a, out, context, [&](size_t i, size_t r, size_t end) {
    return copy_run(a, run_of(a, i, triangle, offset), r, end, indices, values);
  });
}

template <class T>
Status prune_count(const CsrView<T>& a, double tolerance, uint32_t* indptr, Context context) {
  return count_rows(a, indptr, context, [&](size_t i) {
    size_t count = 0;
    for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) count += stays(a.values[p], tolerance);
    return count;
  });
}

template <class T>
Status prune_fill(const CsrView<T>& a, double tolerance, const CsrPattern& out, uint32_t* indices, T* values,
                  Context context) {
  return fill_rows(a, out, context, [&](size_t i, size_t r, size_t end) {
    // Written first and kept by moving on: no branch on a value.
    for (size_t p = a.indptr[i]; p < a.indptr[i + 1] && r < end; p++) {
      indices[r] = a.indices[p];
      values[r] = a.values[p];
      r += stays(a.values[p], tolerance);
    }
    return r;
  });
}

Status top_k_count(const CsrPattern& a, size_t k, uint32_t* indptr, Context context) {
  return count_rows(a, indptr, context, [&](size_t i) { return std::min<size_t>(k, a.indptr[i + 1] - a.indptr[i]); });
}

template <class T>
Status top_k_fill(const CsrView<T>& a, size_t k, bool magnitude, const CsrPattern& out, uint32_t* indices, T* values,
                  Context context) {
  std::atomic<bool> full{false};
  const Status status = fill_rows(a, out, context, [&](size_t i, size_t r, size_t end) {
    const size_t begin = a.indptr[i], n = a.indptr[i + 1] - begin;
    if (n <= k) return copy_run(a, {begin, begin + n}, r, end, indices, values);
    if (end - r != k) return SIZE_MAX;
    if (k == 0) return end;
    ArenaFrame scratch;
    Key<T>* keys = scratch.take<Key<T>>(n);
    if (keys == nullptr) {
      full.store(true, std::memory_order_relaxed);
      return end;
    }
    for (size_t e = 0; e < n; e++) keys[e] = key_of(a.values[begin + e], magnitude);
    std::nth_element(keys, keys + (k - 1), keys + n, [](Key<T> x, Key<T> y) { return x > y; });
    const Key<T> least = keys[k - 1];
    size_t equals = k;  // how many entries equal to the k-th are taken
    for (size_t e = 0; e < k; e++) equals -= keys[e] > least;
    for (size_t p = begin; p < begin + n && r < end; p++) {
      const Key<T> key = key_of(a.values[p], magnitude);
      const bool equal = key == least && equals > 0;
      equals -= equal;
      indices[r] = a.indices[p];
      values[r] = a.values[p];
      r += key > least || equal;
    }
    return r;
  });
  return full.load() ? Status::out_of_memory : status;
}

template <class T>
Status diagonal(const CsrView<T>& a, T* out, Context context) {
  const size_t n = std::min(a.rows, a.cols);
  return for_row_blocks(a, context, [&](size_t first, size_t last) {
    for (size_t i = first; i < std::min(last, n); i++) {
      const uint32_t* end = a.indices + a.indptr[i + 1];
      const uint32_t* found = std::lower_bound(a.indices + a.indptr[i], end, static_cast<uint32_t>(i));
      out[i] = found != end && *found == i ? a.values[found - a.indices] : T{0};
    }
  });
}

#define LAPIDARY_INSTANTIATE(T)                                                                                   \
  template Status triangle_fill(const CsrView<T>&, Triangle, int64_t, const CsrPattern&, uint32_t*, T*, Context); \
  template Status prune_count(const CsrView<T>&, double, uint32_t*, Context);                                     \
  template Status prune_fill(const CsrView<T>&, double, const CsrPattern&, uint32_t*, T*, Context);               \
  template Status top_k_fill(const CsrView<T>&, size_t, bool, const CsrPattern&, uint32_t*, T*, Context);         \
  template Status diagonal(const CsrView<T>&, T*, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
LAPIDARY_INSTANTIATE(int32_t)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
