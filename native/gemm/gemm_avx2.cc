// Micro-kernels on 256-bit registers: 6 × 2 of the 16 hold the tile, 2 a row of B, 1 the broadcast element of A, 1 the
// mask of an edge. One step of k is 12 FMA against 8 loads: with two FMA ports and two load ports, 6 cycles against 4.
#include "gemm/gemv.h"
#include "gemm/microkernel.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "gemm/gemv_lanes.h"
#include "gemm/tile_lanes.h"

}  // namespace

void gemm_f32_6x16__avx2(const GemmTile<float>& t) { run_tile<F32, 6>(t); }

void gemm_f64_6x8__avx2(const GemmTile<double>& t) { run_tile<F64, 6>(t); }

void dots_f32_4x16__avx2(const float* a, std::size_t stride, std::size_t rows, std::size_t n, const float* x,
                         float* y) {
  dots<F32>(a, stride, rows, n, x, y);
}

void dots_f64_4x8__avx2(const double* a, std::size_t stride, std::size_t rows, std::size_t n, const double* x,
                        double* y) {
  dots<F64>(a, stride, rows, n, x, y);
}

void sums_f32_8x8__avx2(const float* a, std::size_t stride, std::size_t rows, std::size_t n, const float* x, float* y) {
  sums<F32>(a, stride, rows, n, x, y);
}

void sums_f64_8x4__avx2(const double* a, std::size_t stride, std::size_t rows, std::size_t n, const double* x,
                        double* y) {
  sums<F64>(a, stride, rows, n, x, y);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
