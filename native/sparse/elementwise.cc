#include "sparse/elementwise.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "sparse/rows.h"

namespace lapidary {
namespace {

// Arithmetic of int32 that wraps instead of overflowing.
template <class T>
using Ring = std::conditional_t<std::is_integral_v<T>, uint32_t, T>;
template <class T>
T times(T x, T y) {
  return static_cast<T>(static_cast<Ring<T>>(x) * static_cast<Ring<T>>(y));
}
template <class T>
T plus(T x, T y) {
  return static_cast<T>(static_cast<Ring<T>>(x) + static_cast<Ring<T>>(y));
}

// The matrix whose rows cut the work into fair parts: that with more entries.
const CsrPattern& heavier(const CsrPattern& a, const CsrPattern& b) { return a.nnz >= b.nnz ? a : b; }

// Calls met(p, q, equal) for pairs of positions in the rows [p, pe) of x and [q, qe) of y, among them all that have
// equal columns, in order, while it returns true. Here x is far shorter and each of its columns is searched in y.
template <class Met>
void search(const uint32_t* x, size_t p, size_t pe, const uint32_t* y, size_t q, size_t qe, Met met) {
  for (; p < pe; p++) {
    q = static_cast<size_t>(std::lower_bound(y + q, y + qe, x[p]) - y);
    if (q == qe || (y[q] == x[p] && !met(p, q, true))) return;
  }
}

// The same for rows of about one length: a merge without a branch for each comparison.
template <class Met>
void intersect(const uint32_t* x, size_t p, size_t pe, const uint32_t* y, size_t q, size_t qe, Met met) {
  constexpr size_t kFar = 32;
  if ((pe - p) * kFar < qe - q) return search(x, p, pe, y, q, qe, met);
  if ((qe - q) * kFar < pe - p)
    return search(y, q, qe, x, p, pe, [&](size_t in_y, size_t in_x, bool equal) { return met(in_x, in_y, equal); });
  while (p < pe && q < qe) {
    const uint32_t at_x = x[p], at_y = y[q];
    if (!met(p, q, at_x == at_y)) return;
    p += at_x <= at_y;
    q += at_y <= at_x;
  }
}

}  // namespace

Status add_count(const CsrPattern& a, const CsrPattern& b, uint32_t* indptr, Context context) {
  return count_rows(heavier(a, b), indptr, context, [&](size_t i) {
    size_t p = a.indptr[i], q = b.indptr[i], both = 0;
    const size_t pe = a.indptr[i + 1], qe = b.indptr[i + 1], sum = pe - p + qe - q;
    while (p < pe && q < qe) {
      const uint32_t x = a.indices[p], y = b.indices[q];
      p += x <= y;
      q += y <= x;
      both += x == y;
    }
    return sum - both;
  });
}

template <class T>
Status add_fill(const CsrView<T>& a, const CsrView<T>& b, T alpha, T beta, const CsrPattern& out, uint32_t* indices,
                T* values, Context context) {
  return fill_rows(heavier(a, b), out, context, [&](size_t i, size_t r, size_t end) {
    size_t p = a.indptr[i], q = b.indptr[i];
    const size_t pe = a.indptr[i + 1], qe = b.indptr[i + 1];
    while (p < pe && q < qe && r < end) {
      const uint32_t x = a.indices[p], y = b.indices[q];
      const T from_a = times(alpha, a.values[p]), from_b = times(beta, b.values[q]);
      const T choice[] = {from_a, from_b, plus(from_a, from_b)};  // by index: a branch would be guessed wrong
      indices[r] = std::min(x, y);
      values[r++] = choice[(x > y) + 2 * (x == y)];
      p += x <= y;
      q += y <= x;
    }
    if (pe - p + qe - q != end - r) return SIZE_MAX;  // no row ends there
    for (; p < pe; p++, r++) {
      indices[r] = a.indices[p];
      values[r] = times(alpha, a.values[p]);
    }
    for (; q < qe; q++, r++) {
      indices[r] = b.indices[q];
      values[r] = times(beta, b.values[q]);
    }
    return r;
  });
}

Status hadamard_count(const CsrPattern& a, const CsrPattern& b, uint32_t* indptr, Context context) {
  return count_rows(heavier(a, b), indptr, context, [&](size_t i) {
    size_t count = 0;
    intersect(a.indices, a.indptr[i], a.indptr[i + 1], b.indices, b.indptr[i], b.indptr[i + 1],
              [&](size_t, size_t, bool equal) {
                count += equal;
                return true;
              });
    return count;
  });
}

template <class T>
Status hadamard_fill(const CsrView<T>& a, const CsrView<T>& b, const CsrPattern& out, uint32_t* indices, T* values,
                     Context context) {
  return fill_rows(heavier(a, b), out, context, [&](size_t i, size_t r, size_t end) {
    if (r == end) return r;
    intersect(a.indices, a.indptr[i], a.indptr[i + 1], b.indices, b.indptr[i], b.indptr[i + 1],
              [&](size_t p, size_t q, bool equal) {
                indices[r] = a.indices[p];
                values[r] = times(a.values[p], b.values[q]);
                r += equal;
                return r < end;
              });
    return r;
  });
}

template <class T>
Status scale(const CsrView<T>& a, T factor, const T* rows, const T* cols, T* out, Context context) {
  return for_row_blocks(a, context, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; i++) {
      const T by = rows == nullptr ? factor : factor * rows[i];
      const size_t p = a.indptr[i], end = a.indptr[i + 1];
      if (cols == nullptr)
        for (size_t e = p; e < end; e++) out[e] = by * a.values[e];
      else
        for (size_t e = p; e < end; e++) out[e] = by * a.values[e] * cols[a.indices[e]];
    }
  });
}

#define LAPIDARY_INSTANTIATE(T)                                                                                    \
  template Status add_fill(const CsrView<T>&, const CsrView<T>&, T, T, const CsrPattern&, uint32_t*, T*, Context); \
  template Status hadamard_fill(const CsrView<T>&, const CsrView<T>&, const CsrPattern&, uint32_t*, T*, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
LAPIDARY_INSTANTIATE(int32_t)
#undef LAPIDARY_INSTANTIATE
template Status scale(const CsrView<float>&, float, const float*, const float*, float*, Context);
template Status scale(const CsrView<double>&, double, const double*, const double*, double*, Context);

}  // namespace lapidary
