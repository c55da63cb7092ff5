// The inner loops of linear, local linear and tensor attention that are no products. The products around them are
// gemm/gemm.h.
//
// Contract of all: exactly the values named are read and written, tails by mask; n = 0 is allowed.
#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

struct LinearKernels {
  // max(x), −∞ of nothing; NaN entries may or may not show: exp_row of the same values does show them.
  float (*row_max)(const float* x, std::size_t n);
  // x ← exp(x − max), and the sum; n at most a few thousand, since lanes sum in f32. NaN gives NaN.
  // Bound: about 11 FMA-port operations a vector.
  double (*exp_row)(float* x, std::size_t n, float max);
  // a ← w·(a − c)
  void (*center)(float* a, const float* w, float c, std::size_t n);
  // a ← w·(1 − (a − c))
  void (*complement)(float* a, const float* w, float c, std::size_t n);
};

float max_f32__portable(const float*, std::size_t);
double exp_row_f32__portable(float*, std::size_t, float);
void center_f32__portable(float*, const float*, float, std::size_t);
void complement_f32__portable(float*, const float*, float, std::size_t);
#if LAPIDARY_X86
float max_f32_u32__avx2(const float*, std::size_t);
double exp_row_f32_u16__avx2(float*, std::size_t, float);
void center_f32_u8__avx2(float*, const float*, float, std::size_t);
void complement_f32_u8__avx2(float*, const float*, float, std::size_t);

float max_f32_u64__avx512(const float*, std::size_t);
double exp_row_f32_u32__avx512(float*, std::size_t, float);
void center_f32_u16__avx512(float*, const float*, float, std::size_t);
void complement_f32_u16__avx512(float*, const float*, float, std::size_t);
#endif

inline constexpr KernelTable<LinearKernels, 1 + 2 * LAPIDARY_X86> kLinear = {{
    {Isa::portable, {max_f32__portable, exp_row_f32__portable, center_f32__portable, complement_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {max_f32_u32__avx2, exp_row_f32_u16__avx2, center_f32_u8__avx2, complement_f32_u8__avx2}},
    {Isa::avx512, {max_f32_u64__avx512, exp_row_f32_u32__avx512, center_f32_u16__avx512, complement_f32_u16__avx512}},
#endif
}};

}  // namespace lapidary
