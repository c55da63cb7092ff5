// Micro-kernels on 256-bit registers: 6 × 2 of the 16 hold the tile, 2 a row of B, 1 the broadcast element of A, 1 the
// mask of an edge. One step of k is 12 FMA against 8 loads: with two FMA ports and two load ports, 6 cycles against 4.
#include "gemm/gemv.h"
#include "gemm/microkernel.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

struct F32 {
  using T = float;
  using V = __m256;
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  static V zero() { return _mm256_setzero_ps(); }
  static V broadcast(const T* x) { return _mm256_broadcast_ss(x); }
  static V load(const T* x) { return _mm256_loadu_ps(x); }
  static void store(T* x, V v) { _mm256_storeu_ps(x, v); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static V add(V a, V b) { return _mm256_add_ps(a, b); }
  static V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  static Mask mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static V load(Mask m, const T* x) { return _mm256_maskload_ps(x, m); }
  static void store(Mask m, T* x, V v) { _mm256_maskstore_ps(x, m, v); }
};

struct F64 {
  using T = double;
  using V = __m256d;
  using Mask = __m256i;
  static constexpr int kLanes = 4;
  static V zero() { return _mm256_setzero_pd(); }
  static V broadcast(const T* x) { return _mm256_broadcast_sd(x); }
  static V load(const T* x) { return _mm256_loadu_pd(x); }
  static void store(T* x, V v) { _mm256_storeu_pd(x, v); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  static Mask mask(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
  static V load(Mask m, const T* x) { return _mm256_maskload_pd(x, m); }
  static void store(Mask m, T* x, V v) { _mm256_maskstore_pd(x, m, v); }
};

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
