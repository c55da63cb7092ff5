#include "sparse/spmm.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "sparse/convert.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 17;  // multiply-adds of one part
constexpr size_t kBlock = size_t{1} << 12;  // entries between two checks and looks at the cancel flag

template <class T>
using Spmm = void (*)(const SpmmPanel<T>&);

constexpr KernelTable<Spmm<float>, 1 + 2 * LAPIDARY_X86> kSpmmF32 = {{
    {Isa::portable, spmm_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, spmm_f32_x64__avx2},
    {Isa::avx512, spmm_f32_x128__avx512},
#endif
}};
constexpr KernelTable<Spmm<double>, 1 + 2 * LAPIDARY_X86> kSpmmF64 = {{
    {Isa::portable, spmm_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, spmm_f64_x32__avx2},
    {Isa::avx512, spmm_f64_x64__avx512},
#endif
}};

Spmm<float> pick(float) { return kSpmmF32.pick(); }
Spmm<double> pick(double) { return kSpmmF64.pick(); }

// out = inᵀ of a rows × cols matrix, in tiles whose lines stay in the first-level cache.
template <class T>
Status transpose_dense(size_t rows, size_t cols, const T* in, T* out, Context context) {
  constexpr size_t kTile = 32;
  parallel_for(ceil_div(rows, kTile), [&](size_t tile) {
    if (context.cancelled()) return;
    const size_t first = tile * kTile, last = std::min(rows, first + kTile);
    for (size_t j0 = 0; j0 < cols; j0 += kTile)
      for (size_t j = j0; j < std::min(cols, j0 + kTile); j++)
        for (size_t i = first; i < last; i++) out[j * rows + i] = in[i * cols + j];
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

template <class T>
Status multiply(const CsrView<T>& a, SparseBatch batch, const T* b, T* c, size_t cols, CsrFault& fault,
                Context context) {
  fault = check_indptr(a);
  if (fault) return Status::bad_structure;
  const Spmm<T> kernel = pick(T{});
  const RowParts parts(a, std::max<size_t>(1, kGrain / std::max<size_t>(1, cols)));
  CsrFault faults[RowParts::kMost];
  parallel_for(parts.count() * batch.count, [&](size_t task) {
    const size_t part = task % parts.count(), product = task / parts.count();
    const size_t first = parts.begin(part), last = parts.begin(part + 1);
    const T* const values = a.values + product * batch.step;
    const T* const from = b + product * a.cols * cols;
    T* const to = c + product * a.rows * cols;
    for (size_t i = first; i < last;) {
      const size_t end = block_end(a, i, last, kBlock);
      const CsrFault found = check_rows(a, i, end);
      if (product == 0) faults[part] = found;
      if (found) return;
      i = end;
    }
    for (size_t j = 0; j < cols; j += kSpmmPanel<T>) {
      const size_t width = std::min(cols - j, kSpmmPanel<T>);
      for (size_t i = first; i < last;) {
        if (context.cancelled()) return;
        const size_t end = block_end(a, i, last, kBlock);
        kernel({a.indptr, a.indices, values, from + j, to + j, cols, width, i, end});
        i = end;
      }
    }
  });
  for (size_t part = 0; part < parts.count() && !fault; part++) fault = faults[part];
  if (fault) return Status::bad_structure;
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace

// Transposed factors are turned around first: O(nnz) and O(k·cols) against the O(nnz·cols) of the product, and sums
// keep one order.
template <class T>
Status spmm(const CsrView<T>& a, const T* b, T* c, size_t cols, const SpmmOptions& options, CsrFault& fault,
            Context context) {
  const size_t m = options.transpose_a ? a.cols : a.rows, k = options.transpose_a ? a.rows : a.cols;
  const SparseBatch& batch = options.batch;
  if (m == 0 || cols == 0) return check_csr(a, fault);  // nothing to write, however many times
  ArenaFrame scratch;
  const T* turned_b = b;
  if (options.transpose_b) {
    const auto size = checked_mul(k, cols);
    const auto all = size ? checked_mul(*size, batch.count) : size;
    T* const to = all ? scratch.take<T>(*all) : nullptr;
    if (to == nullptr) return Status::out_of_memory;
    for (size_t p = 0; p < batch.count; p++) {
      const Status status = transpose_dense(cols, k, b + p * *size, to + p * *size, context);
      if (status != Status::ok) return status;
    }
    turned_b = to;
  }
  if (!options.transpose_a) return multiply(a, batch, turned_b, c, cols, fault, context);

  const Status checked = check_csr(a, fault);
  if (checked != Status::ok) return checked;
  uint32_t* const indptr = scratch.take<uint32_t>(a.cols + 1);
  uint32_t* const indices = scratch.take<uint32_t>(a.nnz);
  T* const values = scratch.take<T>(a.nnz);
  if (indptr == nullptr || indices == nullptr || values == nullptr) return Status::out_of_memory;
  const bool one_matrix = batch.step == 0;
  for (size_t p = 0; p < (one_matrix ? 1 : batch.count); p++) {
    CsrView<T> one = a;
    one.values += p * batch.step;
    Status status = transpose(one, indptr, indices, values, context);
    if (status != Status::ok) return status;
    const CsrView<T> turned{{a.cols, a.rows, a.nnz, indptr, indices}, values};
    status = multiply(turned, one_matrix ? batch : SparseBatch{}, turned_b + p * k * cols, c + p * m * cols, cols,
                      fault, context);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

template Status spmm(const CsrView<float>&, const float*, float*, size_t, const SpmmOptions&, CsrFault&, Context);
template Status spmm(const CsrView<double>&, const double*, double*, size_t, const SpmmOptions&, CsrFault&, Context);

}  // namespace lapidary
