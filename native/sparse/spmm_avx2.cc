// As spmm_avx512.cc with 8 registers of 32 bytes: a full panel takes two sweeps over the entries of a row, the second
// over indices and values that are in the first-level cache by then.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/spmm.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX2

namespace {

constexpr size_t kAhead = 6;

// The first n of 8 lanes of 32 bits, as the sign bits that masked loads and stores look at.
__m256i lanes32(size_t n) {
  const __m256i position = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), position);
}

struct F64 {
  using Scalar = double;
  using Vector = __m256d;
  static constexpr size_t kLanes = 4;
  static __m256i first(size_t n) { return lanes32(2 * n); }
  static Vector zero() { return _mm256_setzero_pd(); }
  static Vector set(double x) { return _mm256_set1_pd(x); }
  static Vector load(__m256i m, const double* p) { return _mm256_maskload_pd(p, m); }
  static Vector load(const double* p) { return _mm256_loadu_pd(p); }
  static void store(__m256i m, double* p, Vector v) { _mm256_maskstore_pd(p, m, v); }
  static void store(double* p, Vector v) { _mm256_storeu_pd(p, v); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
};

struct F32 {
  using Scalar = float;
  using Vector = __m256;
  static constexpr size_t kLanes = 8;
  static __m256i first(size_t n) { return lanes32(n); }
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector set(float x) { return _mm256_set1_ps(x); }
  static Vector load(__m256i m, const float* p) { return _mm256_maskload_ps(p, m); }
  static Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(__m256i m, float* p, Vector v) { _mm256_maskstore_ps(p, m, v); }
  static void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
};

// One row, V vectors from column j on, the last of them by mask. `end` bounds the indices that may be prefetched.
template <class S, int V>
void row_of(const SpmmPanel<typename S::Scalar>& s, size_t i, size_t j, __m256i tail, size_t end) {
  using T = typename S::Scalar;
  typename S::Vector sum[V];
  for (int v = 0; v < V; v++) sum[v] = S::zero();
  for (size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
    if (p + kAhead < end) {
      const char* next = reinterpret_cast<const char*>(s.b + s.indices[p + kAhead] * s.ld + j);
      for (int v = 0; v < V; v += 2) _mm_prefetch(next + 32 * v, _MM_HINT_T0);
    }
    const T* b = s.b + s.indices[p] * s.ld + j;
    const auto value = S::set(s.values[p]);
    for (int v = 0; v < V - 1; v++) sum[v] = S::fma(value, S::load(b + v * S::kLanes), sum[v]);
    sum[V - 1] = S::fma(value, S::load(tail, b + (V - 1) * S::kLanes), sum[V - 1]);
  }
  T* c = s.c + i * s.ld + j;
  for (int v = 0; v < V - 1; v++) S::store(c + v * S::kLanes, sum[v]);
  S::store(tail, c + (V - 1) * S::kLanes, sum[V - 1]);
}

template <class S, int V>
void rows_of(const SpmmPanel<typename S::Scalar>& s) {
  const size_t end = s.indptr[s.last];
  constexpr size_t kFull = 8 * S::kLanes;
  const __m256i all = S::first(S::kLanes);
  const size_t j = s.width > kFull ? kFull : 0;  // the second sweep begins here
  const __m256i tail = S::first(s.width - j - (V - 1) * S::kLanes);
  for (size_t i = s.first; i < s.last; i++) {
    if (j > 0) row_of<S, 8>(s, i, 0, all, end);
    row_of<S, V>(s, i, j, tail, end);
  }
}

template <class S>
void panel_of(const SpmmPanel<typename S::Scalar>& s) {
  constexpr size_t kFull = 8 * S::kLanes;
  const size_t rest = s.width > kFull ? s.width - kFull : s.width;
  switch ((rest + S::kLanes - 1) / S::kLanes) {
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

void spmm_f32_x64__avx2(const SpmmPanel<float>& panel) { panel_of<F32>(panel); }
void spmm_f64_x32__avx2(const SpmmPanel<double>& panel) { panel_of<F64>(panel); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
