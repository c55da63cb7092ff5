// The inner loops of linear, local linear and tensor attention that are no products. The products around them are
// gemm/gemm.h.
//
// Contract of all: exactly the values named are read and written, tails by mask; n = 0 is allowed.
#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

template <class T>
struct LinearKernels {
  // max(x), −∞ of nothing; NaN entries may or may not show: exp_row of the same values does show them.
  T (*row_max)(const T* x, std::size_t n);
  // x ← exp(x − max), and the sum; n at most a few thousand, since lanes sum in T. NaN gives NaN.
  // Bound: about 11 FMA-port operations a vector, 19 in f64.
  double (*exp_row)(T* x, std::size_t n, T max);
  // a ← w·(a − c)
  void (*center)(T* a, const T* w, T c, std::size_t n);
  // a ← w·(1 − (a − c))
  void (*complement)(T* a, const T* w, T c, std::size_t n);
};

float max_f32__portable(const float*, std::size_t);
double exp_row_f32__portable(float*, std::size_t, float);
void center_f32__portable(float*, const float*, float, std::size_t);
void complement_f32__portable(float*, const float*, float, std::size_t);
double max_f64__portable(const double*, std::size_t);
double exp_row_f64__portable(double*, std::size_t, double);
void center_f64__portable(double*, const double*, double, std::size_t);
void complement_f64__portable(double*, const double*, double, std::size_t);
#if LAPIDARY_X86
float max_f32_u32__avx2(const float*, std::size_t);
double exp_row_f32_u16__avx2(float*, std::size_t, float);
void center_f32_u8__avx2(float*, const float*, float, std::size_t);
void complement_f32_u8__avx2(float*, const float*, float, std::size_t);
double max_f64_u16__avx2(const double*, std::size_t);
double exp_row_f64_u8__avx2(double*, std::size_t, double);
void center_f64_u4__avx2(double*, const double*, double, std::size_t);
void complement_f64_u4__avx2(double*, const double*, double, std::size_t);

float max_f32_u64__avx512(const float*, std::size_t);
double exp_row_f32_u32__avx512(float*, std::size_t, float);
void center_f32_u16__avx512(float*, const float*, float, std::size_t);
void complement_f32_u16__avx512(float*, const float*, float, std::size_t);
double max_f64_u32__avx512(const double*, std::size_t);
double exp_row_f64_u16__avx512(double*, std::size_t, double);
void center_f64_u8__avx512(double*, const double*, double, std::size_t);
void complement_f64_u8__avx512(double*, const double*, double, std::size_t);
#endif

template <class T>
inline constexpr KernelTable<LinearKernels<T>, 0> kLinear{};

template <>
inline constexpr KernelTable<LinearKernels<float>, 1 + 2 * LAPIDARY_X86> kLinear<float> = {{
    {Isa::portable, {max_f32__portable, exp_row_f32__portable, center_f32__portable, complement_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {max_f32_u32__avx2, exp_row_f32_u16__avx2, center_f32_u8__avx2, complement_f32_u8__avx2}},
    {Isa::avx512, {max_f32_u64__avx512, exp_row_f32_u32__avx512, center_f32_u16__avx512, complement_f32_u16__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<LinearKernels<double>, 1 + 2 * LAPIDARY_X86> kLinear<double> = {{
    {Isa::portable, {max_f64__portable, exp_row_f64__portable, center_f64__portable, complement_f64__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {max_f64_u16__avx2, exp_row_f64_u8__avx2, center_f64_u4__avx2, complement_f64_u4__avx2}},
    {Isa::avx512, {max_f64_u32__avx512, exp_row_f64_u16__avx512, center_f64_u8__avx512, complement_f64_u8__avx512}},
#endif
}};

}  // namespace lapidary
