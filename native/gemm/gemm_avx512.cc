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

struct F32 {
  using T = float;
  using V = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static V zero() { return _mm512_setzero_ps(); }
  static V broadcast(const T* x) { return _mm512_set1_ps(*x); }
  static V load(const T* x) { return _mm512_loadu_ps(x); }
  static void store(T* x, V v) { _mm512_storeu_ps(x, v); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
  static V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static V load(Mask m, const T* x) { return _mm512_maskz_loadu_ps(m, x); }
  static void store(Mask m, T* x, V v) { _mm512_mask_storeu_ps(x, m, v); }
};

struct F64 {
  using T = double;
  using V = __m512d;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  static V zero() { return _mm512_setzero_pd(); }
  static V broadcast(const T* x) { return _mm512_set1_pd(*x); }
  static V load(const T* x) { return _mm512_loadu_pd(x); }
  static void store(T* x, V v) { _mm512_storeu_pd(x, v); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
  static V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static V load(Mask m, const T* x) { return _mm512_maskz_loadu_pd(m, x); }
  static void store(Mask m, T* x, V v) { _mm512_mask_storeu_pd(x, m, v); }
};

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
