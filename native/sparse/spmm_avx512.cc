// A panel row lives in up to 8 registers of 64 bytes; each entry of A is one broadcast and 8 fused multiply-adds
// straight from memory. Bound: one cache line of B each cycle and a half, which only the first-level cache delivers;
// else the latency of fetching rows of B, hidden by prefetching the row that comes kAhead entries later.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/spmm.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX512

namespace {

constexpr size_t kAhead = 6;

struct F64 {
  using Scalar = double;
  using Vector = __m512d;
  using Mask = __mmask8;
  static constexpr size_t kLanes = 8;
  static Vector zero() { return _mm512_setzero_pd(); }
  static Vector set(double x) { return _mm512_set1_pd(x); }
  static Vector load(Mask m, const double* p) { return _mm512_maskz_loadu_pd(m, p); }
  static Vector load(const double* p) { return _mm512_loadu_pd(p); }
  static void store(Mask m, double* p, Vector v) { _mm512_mask_storeu_pd(p, m, v); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
};

struct F32 {
  using Scalar = float;
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr size_t kLanes = 16;
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector set(float x) { return _mm512_set1_ps(x); }
  static Vector load(Mask m, const float* p) { return _mm512_maskz_loadu_ps(m, p); }
  static Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(Mask m, float* p, Vector v) { _mm512_mask_storeu_ps(p, m, v); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
};

// V vectors, the last of them by mask.
template <class S, int V>
void rows_of(const SpmmPanel<typename S::Scalar>& s) {
  using T = typename S::Scalar;
  const auto tail = static_cast<typename S::Mask>((1u << (s.width - (V - 1) * S::kLanes)) - 1);
  const size_t end = s.indptr[s.last];
  for (size_t i = s.first; i < s.last; i++) {
    typename S::Vector sum[V];
    for (int v = 0; v < V; v++) sum[v] = S::zero();
    for (size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
      if (p + kAhead < end) {
        const char* next = reinterpret_cast<const char*>(s.b + s.indices[p + kAhead] * s.ld);
        for (int v = 0; v < V; v++) _mm_prefetch(next + 64 * v, _MM_HINT_T0);
      }
      const T* b = s.b + s.indices[p] * s.ld;
      const auto value = S::set(s.values[p]);
      for (int v = 0; v < V - 1; v++) sum[v] = S::fma(value, S::load(b + v * S::kLanes), sum[v]);
      sum[V - 1] = S::fma(value, S::load(tail, b + (V - 1) * S::kLanes), sum[V - 1]);
    }
    T* c = s.c + i * s.ld;
    for (int v = 0; v < V - 1; v++) S::store(static_cast<typename S::Mask>(-1), c + v * S::kLanes, sum[v]);
    S::store(tail, c + (V - 1) * S::kLanes, sum[V - 1]);
  }
}

template <class S>
void panel_of(const SpmmPanel<typename S::Scalar>& s) {
  switch ((s.width + S::kLanes - 1) / S::kLanes) {
    case 1:
      return rows_of<S, 1>(s);
    case 2:
      return rows_of<S, 2>(s);
    case 3:
      return rows_of<S, 3>(s);
    case 4:
      return rows_of<S, 4>(s);
    case 5:
      return rows_of<S, 5>(s);
    case 6:
      return rows_of<S, 6>(s);
    case 7:
      return rows_of<S, 7>(s);
    default:
      return rows_of<S, 8>(s);
  }
}

}  // namespace

void spmm_f32_x128__avx512(const SpmmPanel<float>& panel) { panel_of<F32>(panel); }
void spmm_f64_x64__avx512(const SpmmPanel<double>& panel) { panel_of<F64>(panel); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
