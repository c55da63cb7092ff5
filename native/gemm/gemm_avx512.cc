// Micro-kernels on 512-bit registers: 14 × 2 of the 32 hold the tile, 2 a row of B, 1 the broadcast element of A. One
// step of k is 28 FMA against 16 loads; Zen 4 runs one 512-bit FMA a cycle and Intel two with two loads, so the FMA
// ports are the bound on both.
#include "gemm/gemv.h"
#include "gemm/microkernel.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "gemm/gemv_lanes.h"
#include "gemm/tile_lanes.h"

}  // namespace

void gemm_f32_14x32__avx512(const GemmTile<float>& t) { run_tile<F32, 14>(t); }

void gemm_f64_14x16__avx512(const GemmTile<double>& t) { run_tile<F64, 14>(t); }

void dots_f32_4x32__avx512(const float* a, std::size_t stride, std::size_t rows, std::size_t n, const float* x,
                           float* y) {
  dots<F32>(a, stride, rows, n, x, y);
}

void dots_f64_4x16__avx512(const double* a, std::size_t stride, std::size_t rows, std::size_t n, const double* x,
                           double* y) {
  dots<F64>(a, stride, rows, n, x, y);
}

void sums_f32_8x16__avx512(const float* a, std::size_t stride, std::size_t rows, std::size_t n, const float* x,
                           float* y) {
  sums<F32>(a, stride, rows, n, x, y);
}

void sums_f64_8x8__avx512(const double* a, std::size_t stride, std::size_t rows, std::size_t n, const double* x,
                          double* y) {
  sums<F64>(a, stride, rows, n, x, y);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
