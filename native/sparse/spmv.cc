#include "sparse/spmv.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 16;  // entries and rows of one part: tens of microseconds
constexpr size_t kBlock = size_t{1} << 12;  // entries between two looks at the cancel flag; in the first-level cache
constexpr size_t kGroups = 16;              // of rows, for the transposed product

template <class T>
using Rows = bool (*)(const SpmvRows<T>&);

constexpr KernelTable<Rows<float>, 1 + 2 * LAPIDARY_X86> kSpmvF32 = {{
    {Isa::portable, spmv_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, spmv_f32_x4__avx2},
    {Isa::avx512, spmv_f32_x8__avx512},
#endif
}};
constexpr KernelTable<Rows<double>, 1 + 2 * LAPIDARY_X86> kSpmvF64 = {{
    {Isa::portable, spmv_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, spmv_f64_x4__avx2},
    {Isa::avx512, spmv_f64_x8__avx512},
#endif
}};

Rows<float> pick(float) { return kSpmvF32.pick(); }
Rows<double> pick(double) { return kSpmvF64.pick(); }

// Calls use(first, last) for blocks of rows in order, up to the first fault; false: use() has met one.
template <class Use>
CsrFault for_blocks(const CsrPattern& a, size_t first, size_t last, Context context, Use use) {
  for (size_t i = first; i < last;) {
    if (context.cancelled()) return {};
    const size_t end = block_end(a, i, last, kBlock);
    if (use(i, end)) {
      i = end;
    } else if (const CsrFault fault = find_fault(a, i, a.rows)) {
      return fault;  // else somebody changed the indices meanwhile: once more
    }
  }
  return {};
}

Status first_of(const CsrFault* faults, size_t count, CsrFault& fault, Context context) {
  for (size_t part = 0; part < count && !fault; part++) fault = faults[part];
  if (fault) return Status::bad_structure;
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace

// Products of a batch are taken together where that makes a task large enough, and where the matrix is cut into parts
// at all: then a block of rows serves all of them while it is in cache.
template <class T>
Status spmv(const CsrView<T>& a, SparseBatch batch, const T* x, T* y, CsrFault& fault, Context context) {
  fault = check_indptr(a);
  if (fault) return Status::bad_structure;
  if (a.rows == 0) return Status::ok;  // nothing to write, however many times
  if (a.cols == 0) {
    std::fill_n(y, batch.count * a.rows, T{0});
    return check_csr(a, fault);
  }
  const Rows<T> kernel = pick(T{});
  const RowParts parts(a, kGrain);
  const size_t together = parts.count() > 1 ? batch.count : ceil_div(kGrain, a.nnz + a.rows + 1);
  CsrFault faults[RowParts::kMost];
  parallel_for(parts.count() * ceil_div(batch.count, together), [&](size_t task) {
    const size_t part = task % parts.count(), group = task / parts.count();
    const size_t begin = group * together, end = std::min(batch.count, begin + together);
    const CsrFault found =
        for_blocks(a, parts.begin(part), parts.begin(part + 1), context, [&](size_t first, size_t last) {
          bool sound = true;
          for (size_t b = begin; b < end && sound; b++)
            sound = kernel({a, a.values + b * batch.step, x + b * a.cols, y + b * a.rows, first, last});
          return sound;
        });
    if (group == 0) faults[part] = found;
  });
  return first_of(faults, parts.count(), fault, context);
}

namespace {

template <class T>
Status one_transposed(const CsrView<T>& a, const T* x, T* y, CsrFault& fault, Context context) {
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
    faults[part] = for_blocks(a, parts.begin(part), parts.begin(part + 1), context, [&](size_t i, size_t end) {
      if (check_rows(a, i, end)) return false;
      for (; i < end; i++)
        for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) sum[a.indices[p]] += a.values[p] * x[i];
      return true;
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

}  // namespace

template <class T>
Status spmv_transposed(const CsrView<T>& a, SparseBatch batch, const T* x, T* y, CsrFault& fault, Context context) {
  if (a.cols == 0) return check_csr(a, fault);  // nothing to write, however many times
  Status status = Status::ok;
  for (size_t b = 0; b < batch.count && status == Status::ok; b++) {
    CsrView<T> one = a;
    one.values += b * batch.step;
    status = one_transposed(one, x + b * a.rows, y + b * a.cols, fault, context);
  }
  return status;
}

#define LAPIDARY_INSTANTIATE(T)                                                           \
  template Status spmv(const CsrView<T>&, SparseBatch, const T*, T*, CsrFault&, Context); \
  template Status spmv_transposed(const CsrView<T>&, SparseBatch, const T*, T*, CsrFault&, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
