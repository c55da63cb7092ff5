#include "sparse/spmm.h"

#include <algorithm>

#include "core/dispatch.h"
#include "core/thread_pool.h"

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

}  // namespace

template <class T>
Status spmm(const CsrView<T>& a, const T* b, T* c, size_t cols, CsrFault& fault, Context context) {
  fault = check_indptr(a);
  if (fault) return Status::bad_structure;
  const Spmm<T> kernel = pick(T{});
  const RowParts parts(a, std::max<size_t>(1, kGrain / std::max<size_t>(1, cols)));
  CsrFault faults[RowParts::kMost];
  parallel_for(parts.count(), [&](size_t part) {
    const size_t first = parts.begin(part), last = parts.begin(part + 1);
    for (size_t i = first; i < last;) {
      const size_t end = block_end(a, i, last, kBlock);
      faults[part] = check_rows(a, i, end);
      if (faults[part]) return;
      i = end;
    }
    for (size_t j = 0; j < cols; j += kSpmmPanel<T>) {
      const size_t width = std::min(cols - j, kSpmmPanel<T>);
      for (size_t i = first; i < last;) {
        if (context.cancelled()) return;
        const size_t end = block_end(a, i, last, kBlock);
        kernel({a.indptr, a.indices, a.values, b + j, c + j, cols, width, i, end});
        i = end;
      }
    }
  });
  for (size_t part = 0; part < parts.count() && !fault; part++) fault = faults[part];
  if (fault) return Status::bad_structure;
  return context.cancelled() ? Status::aborted : Status::ok;
}

template Status spmm(const CsrView<float>&, const float*, float*, size_t, CsrFault&, Context);
template Status spmm(const CsrView<double>&, const double*, double*, size_t, CsrFault&, Context);

}  // namespace lapidary
