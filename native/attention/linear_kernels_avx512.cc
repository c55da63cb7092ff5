#include "attention/linear_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "attention/linear_lanes.h"
#include "core/avx512_lanes.h"

}  // namespace

float max_f32_u64__avx512(const float* x, std::size_t n) { return max_of<F32>(x, n); }

double exp_row_f32_u32__avx512(float* x, std::size_t n, float max) { return exp_minus<F32>(x, n, max); }

void center_f32_u16__avx512(float* a, const float* w, float c, std::size_t n) { center_by<F32>(a, w, c, n); }

void complement_f32_u16__avx512(float* a, const float* w, float c, std::size_t n) { complement_by<F32>(a, w, c, n); }

double max_f64_u32__avx512(const double* x, std::size_t n) { return max_of<F64>(x, n); }

double exp_row_f64_u16__avx512(double* x, std::size_t n, double max) { return exp_minus<F64>(x, n, max); }

void center_f64_u8__avx512(double* a, const double* w, double c, std::size_t n) { center_by<F64>(a, w, c, n); }

void complement_f64_u8__avx512(double* a, const double* w, double c, std::size_t n) { complement_by<F64>(a, w, c, n); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
