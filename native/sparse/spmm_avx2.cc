// As spmm_avx512.cc with registers of 32 bytes: a full panel takes two sweeps over the entries of a row.
#include "core/cpu.h"
#include "sparse/spmm.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/sddmm.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX2

namespace {

#include "core/avx2_lanes.h"
#include "sparse/spmm_lanes.h"

}  // namespace

void spmm_f32_x64__avx2(const SpmmPanel<float>& panel) { panel_of<F32>(panel); }
void spmm_f64_x32__avx2(const SpmmPanel<double>& panel) { panel_of<F64>(panel); }
void sddmm_f32_x8__avx2(const SddmmRows<float>& rows) { dots_of<F32>(rows); }
void sddmm_f64_x4__avx2(const SddmmRows<double>& rows) { dots_of<F64>(rows); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
