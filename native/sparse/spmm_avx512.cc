// A panel row lives in up to 8 registers of 64 bytes; each entry of A is one broadcast and 8 fused multiply-adds
// straight from memory. Bound: one cache line of B each cycle and a half, which only the first-level cache delivers;
// else the latency of fetching rows of B, hidden by prefetching the row that comes some entries later. Sampled products
// (sddmm) read the same rows, with two loads for each multiply-add.
#include "core/cpu.h"
#include "sparse/spmm.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/sddmm.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX512

namespace {

#include "core/avx512_lanes.h"
#include "sparse/spmm_lanes.h"

}  // namespace

void spmm_f32_x128__avx512(const SpmmPanel<float>& panel) { panel_of<F32>(panel); }
void spmm_f64_x64__avx512(const SpmmPanel<double>& panel) { panel_of<F64>(panel); }
void sddmm_f32_x16__avx512(const SddmmRows<float>& rows) { dots_of<F32>(rows); }
void sddmm_f64_x8__avx512(const SddmmRows<double>& rows) { dots_of<F64>(rows); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
