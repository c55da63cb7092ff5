#include "sparse/sddmm.h"

#include <algorithm>

#include "core/dispatch.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 17;  // multiply-adds of one part
constexpr size_t kBlock = size_t{1} << 12;  // entries between two looks at the cancel flag

template <class T>
using Sddmm = void (*)(const SddmmRows<T>&);

constexpr KernelTable<Sddmm<float>, 1 + 2 * LAPIDARY_X86> kSddmmF32 = {{
    {Isa::portable, sddmm_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, sddmm_f32_x8__avx2},
    {Isa::avx512, sddmm_f32_x16__avx512},
#endif
}};
constexpr KernelTable<Sddmm<double>, 1 + 2 * LAPIDARY_X86> kSddmmF64 = {{
    {Isa::portable, sddmm_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, sddmm_f64_x4__avx2},
    {Isa::avx512, sddmm_f64_x8__avx512},
#endif
}};

Sddmm<float> pick(float) { return kSddmmF32.pick(); }
Sddmm<double> pick(double) { return kSddmmF64.pick(); }

}  // namespace

template <class T>
Status sddmm(const CsrView<T>& s, const T* x, const T* y, size_t k, T* out, Context context) {
  const Sddmm<T> kernel = pick(T{});
  const RowParts parts(s, std::max<size_t>(1, kGrain / std::max<size_t>(1, k)));
  parallel_for(parts.count(), [&](size_t part) {
    for (size_t i = parts.begin(part), last = parts.begin(part + 1); i < last;) {
      if (context.cancelled()) return;
      const size_t end = block_end(s, i, last, kBlock);
      kernel({s.indptr, s.indices, s.values, x, y, out, k, i, end});
      i = end;
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

template Status sddmm(const CsrView<float>&, const float*, const float*, size_t, float*, Context);
template Status sddmm(const CsrView<double>&, const double*, const double*, size_t, double*, Context);

}  // namespace lapidary
