// Scalar: an entry costs three loads (index, value, x) and one multiply-add, which three load ports keep up with. A
// gather issues the same loads; whether one pays on other processors has not been measured.
#include "sparse/spmv.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 16;  // entries and rows of one part: tens of microseconds
constexpr size_t kBlock = size_t{1} << 12;  // entries checked at a time: their indices stay in the first-level cache
constexpr size_t kGroups = 16;              // of rows, for the transposed product

template <class T>
T dot_row(const uint32_t* indices, const T* values, size_t n, const T* x) {
  T s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  size_t p = 0;
  for (; p + 4 <= n; p += 4) {
    s0 += values[p] * x[indices[p]];
    s1 += values[p + 1] * x[indices[p + 1]];
    s2 += values[p + 2] * x[indices[p + 2]];
    s3 += values[p + 3] * x[indices[p + 3]];
  }
  if (p < n) s0 += values[p] * x[indices[p]];
  if (p + 1 < n) s1 += values[p + 1] * x[indices[p + 1]];
  if (p + 2 < n) s2 += values[p + 2] * x[indices[p + 2]];
  return (s0 + s2) + (s1 + s3);
}

// Calls use(first, last) for blocks of checked rows in order; stops at the first fault.
template <class Use>
CsrFault for_checked_blocks(const CsrPattern& a, size_t first, size_t last, Context context, Use use) {
  for (size_t i = first; i < last;) {
    if (context.cancelled()) return {};
    const size_t end = block_end(a, i, last, kBlock);
    const CsrFault fault = check_rows(a, i, end);
    if (fault) return fault;
    use(i, end);
    i = end;
  }
  return {};
}

Status first_of(const CsrFault* faults, size_t count, CsrFault& fault, Context context) {
  for (size_t part = 0; part < count && !fault; part++) fault = faults[part];
  if (fault) return Status::bad_structure;
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace

template <class T>
Status spmv(const CsrView<T>& a, const T* x, T* y, CsrFault& fault, Context context) {
  fault = check_indptr(a);
  if (fault) return Status::bad_structure;
  const RowParts parts(a, kGrain);
  CsrFault faults[RowParts::kMost];
  parallel_for(parts.count(), [&](size_t part) {
    faults[part] = for_checked_blocks(a, parts.begin(part), parts.begin(part + 1), context, [&](size_t i, size_t end) {
      for (; i < end; i++) {
        const size_t p = a.indptr[i];
        y[i] = dot_row(a.indices + p, a.values + p, a.indptr[i + 1] - p, x);
      }
    });
  });
  return first_of(faults, parts.count(), fault, context);
}

template <class T>
Status spmv_transposed(const CsrView<T>& a, const T* x, T* y, CsrFault& fault, Context context) {
  fault = check_indptr(a);
  if (fault) return Status::bad_structure;
  // A group pays for its own y (to clear, to add) only with four times as many entries.
  const size_t work = a.nnz + a.rows;
  const size_t groups = std::clamp<size_t>(work / std::max<size_t>(kGrain, 4 * a.cols), 1, kGroups);
  const RowParts parts(a, ceil_div(work + 1, groups));
  ArenaFrame scratch;
  const auto length = checked_mul(parts.count() - 1, a.cols);
  T* sums = length ? scratch.take<T>(*length) : nullptr;
  if (sums == nullptr) return Status::out_of_memory;

  CsrFault faults[RowParts::kMost];
  parallel_for(parts.count(), [&](size_t part) {
    T* sum = part == 0 ? y : sums + (part - 1) * a.cols;
    std::fill_n(sum, a.cols, T{0});
    faults[part] = for_checked_blocks(a, parts.begin(part), parts.begin(part + 1), context, [&](size_t i, size_t end) {
      for (; i < end; i++)
        for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) sum[a.indices[p]] += a.values[p] * x[i];
    });
  });
  const Status status = first_of(faults, parts.count(), fault, context);
  if (status != Status::ok) return status;
  parallel_for(ceil_div(a.cols, kGrain), [&](size_t block) {
    const size_t end = std::min(a.cols, (block + 1) * kGrain);
    for (size_t part = 1; part < parts.count(); part++)
      for (size_t j = block * kGrain; j < end; j++) y[j] += sums[(part - 1) * a.cols + j];
  });
  return Status::ok;
}

#define LAPIDARY_INSTANTIATE(T)                                              \
  template Status spmv(const CsrView<T>&, const T*, T*, CsrFault&, Context); \
  template Status spmv_transposed(const CsrView<T>&, const T*, T*, CsrFault&, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
