// The loops of spgemm with the bit instructions that come with AVX2 (POPCNT, BZHI, SHLX): a place in two cycles.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/dispatch.h"
#include "sparse/semiring.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX2

namespace {

size_t popcount64(uint64_t word) { return static_cast<size_t>(__builtin_popcountll(word)); }
uint64_t bits_below(uint64_t word, uint32_t n) { return _bzhi_u64(word, n); }

#include "sparse/semiring_lanes.h"

template <class T>
void add_run(size_t n, T a, const T* b, T* sums, size_t first) {
  for (size_t q = 0; q < n; q++) sums[first + q] = plus_of(sums[first + q], times_of(a, b[q]));
}

template <class T>
void copy_values(size_t n, const T* from, T* to) {
  for (size_t e = 0; e < n; e++) to[e] = from[e];
}

#include "sparse/spgemm_rows_lanes.h"

// The four lanes of a step as a mask: bits 0 … 3 of its number.
inline __m128i masks_of(uint32_t lanes) {
#define LAPIDARY_MASK(n) \
  { -(n & 1), -(n >> 1 & 1), -(n >> 2 & 1), -(n >> 3 & 1) }
  alignas(64) static constexpr int32_t kMasks[16][4] = {
      LAPIDARY_MASK(0),  LAPIDARY_MASK(1),  LAPIDARY_MASK(2),  LAPIDARY_MASK(3), LAPIDARY_MASK(4),  LAPIDARY_MASK(5),
      LAPIDARY_MASK(6),  LAPIDARY_MASK(7),  LAPIDARY_MASK(8),  LAPIDARY_MASK(9), LAPIDARY_MASK(10), LAPIDARY_MASK(11),
      LAPIDARY_MASK(12), LAPIDARY_MASK(13), LAPIDARY_MASK(14), LAPIDARY_MASK(15)};
#undef LAPIDARY_MASK
  return _mm_load_si128(reinterpret_cast<const __m128i*>(kMasks[lanes]));
}

struct F64x4 {
  using T = double;
  using V = __m256d;
  using Mask = __m256i;
  static Mask mask(uint32_t lanes) { return _mm256_cvtepi32_epi64(masks_of(lanes)); }
  static V nothing() { return _mm256_set1_pd(-0.0); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  // a·b in the lanes of the mask, −0 in the others, which changes no sum; those of b are not read
  static V product(const double* a, const double* b, Mask m) {
    return _mm256_blendv_pd(nothing(), _mm256_mul_pd(_mm256_broadcast_sd(a), _mm256_maskload_pd(b, m)),
                            _mm256_castsi256_pd(m));
  }
  static void store(double* to, V v) { _mm256_storeu_pd(to, v); }
};

struct F32x4 {
  using T = float;
  using V = __m128;
  using Mask = __m128i;
  static Mask mask(uint32_t lanes) { return masks_of(lanes); }
  static V nothing() { return _mm_set1_ps(-0.0f); }
  static V add(V a, V b) { return _mm_add_ps(a, b); }
  static V product(const float* a, const float* b, Mask m) {
    return _mm_blendv_ps(nothing(), _mm_mul_ps(_mm_broadcast_ss(a), _mm_maskload_ps(b, m)), _mm_castsi128_ps(m));
  }
  static void store(float* to, V v) { _mm_storeu_ps(to, v); }
};

template <class S>
inline void add_blocks(const RowInput<typename S::T>& row, const BlockSteps& of, size_t nnz, typename S::T* values) {
  using T = typename S::T;
  // As numbers: a block may begin before its row of B, and before the first of them all.
  const uintptr_t b = reinterpret_cast<uintptr_t>(row.b_values);
  for (size_t e = 0; e < row.n; e++)
    of.bases[e] = reinterpret_cast<const void*>(b + sizeof(T) * row.extents[row.columns[e]].begin);
  const BlockStep* step = of.steps;
  for (size_t v = 0; v < of.blocks; v++) {
    typename S::V sum = S::nothing();
    for (const BlockStep* const end = of.steps + of.ends[v]; step < end; step++) {
      const uintptr_t from = reinterpret_cast<uintptr_t>(of.bases[step->entry]) +
                             static_cast<uintptr_t>(static_cast<intptr_t>(sizeof(T)) * step->offset);
      sum = S::add(sum, S::product(row.values + step->entry, reinterpret_cast<const T*>(from), S::mask(step->lanes)));
    }
    const size_t place = v * BlockSteps::kLanes;
    if (place + BlockSteps::kLanes <= nnz) {
      S::store(values + place, sum);
      continue;
    }
    T last[BlockSteps::kLanes];
    S::store(last, sum);
    for (size_t l = 0; place + l < nnz; l++) values[place + l] = last[l];
  }
}

}  // namespace

void add_by_block_f64_x4__avx2(const RowInput<double>& row, const BlockSteps& steps, size_t nnz, double* values) {
  add_blocks<F64x4>(row, steps, nnz, values);
}
void add_by_block_f32_x4__avx2(const RowInput<float>& row, const BlockSteps& steps, size_t nnz, float* values) {
  add_blocks<F32x4>(row, steps, nnz, values);
}

const PatternKernels spgemm_pattern__avx2 = {mark_bits, mark_bits_of_blocks, count_few_columns, count_bits_and_clear,
                                             rank_bits, find_places};
const RowKernels<double> spgemm_rows_f64__avx2 = {add_by_rank_of<double>,    add_allowed_of<double>,
                                                  add_dense_of<double>,      add_by_place_of<double>,
                                                  add_by_block_f64_x4__avx2, take_sums<double>};
const RowKernels<float> spgemm_rows_f32__avx2 = {add_by_rank_of<float>,  add_allowed_of<float>,     add_dense_of<float>,
                                                 add_by_place_of<float>, add_by_block_f32_x4__avx2, take_sums<float>};
const RowKernels<int32_t> spgemm_rows_i32__avx2 = {
    add_by_rank_of<int32_t>, add_allowed_of<int32_t>, add_dense_of<int32_t>, add_by_place_of<int32_t>, nullptr,
    take_sums<int32_t>};

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
