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

// Where a column is that is there.
size_t place_of(uint32_t column, const uint32_t* columns) {
  size_t place = 0;
  while (columns[place] != column) place++;
  return place;
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

// The first place of a block may lie before the row of B, and before the first of them all: masked lanes are not read.
template <class T>
inline const T* lane_zero(const T* b, uintptr_t offset) {
  return reinterpret_cast<const T*>(reinterpret_cast<uintptr_t>(b) + sizeof(T) * offset);
}
inline uintptr_t offset_of_lane_zero(const BlockStep& step) {
  return uintptr_t{step.offset} - static_cast<uintptr_t>(__builtin_ctz(step.lanes));
}

// Lanes outside a step get −0, which changes no sum.
struct F64x4 {
  using T = double;
  using V = __m256d;
  static constexpr size_t kLanes = 4;
  static V nothing() { return _mm256_set1_pd(-0.0); }
  struct Step {
    __m256i mask;
    uintptr_t offset;
    explicit Step(const BlockStep& s)
        : mask(_mm256_cvtepi32_epi64(masks_of(s.lanes))), offset(offset_of_lane_zero(s)) {}
    V add(V sum, const double* b, double a) const {
      const V product = _mm256_mul_pd(_mm256_set1_pd(a), _mm256_maskload_pd(lane_zero(b, offset), mask));
      return _mm256_add_pd(sum, _mm256_blendv_pd(nothing(), product, _mm256_castsi256_pd(mask)));
    }
  };
  static void store(double* to, V v, size_t n) {
    if (n >= kLanes) return _mm256_storeu_pd(to, v);
    _mm256_maskstore_pd(to, _mm256_cvtepi32_epi64(masks_of((1u << n) - 1)), v);
  }
};

struct F32x4 {
  using T = float;
  using V = __m128;
  static constexpr size_t kLanes = 4;
  static V nothing() { return _mm_set1_ps(-0.0f); }
  struct Step {
    __m128i mask;
    uintptr_t offset;
    explicit Step(const BlockStep& s) : mask(masks_of(s.lanes)), offset(offset_of_lane_zero(s)) {}
    V add(V sum, const float* b, float a) const {
      const V product = _mm_mul_ps(_mm_set1_ps(a), _mm_maskload_ps(lane_zero(b, offset), mask));
      return _mm_add_ps(sum, _mm_blendv_ps(nothing(), product, _mm_castsi128_ps(mask)));
    }
  };
  static void store(float* to, V v, size_t n) {
    if (n >= kLanes) return _mm_storeu_ps(to, v);
    _mm_maskstore_ps(to, masks_of((1u << n) - 1), v);
  }
};

constexpr BlockShape kBlocks = {2, false};

#include "sparse/spgemm_tile_lanes.h"
#include "sparse/tile_avx2_lanes.h"

struct TileI32x8 {
  using T = int32_t;
  using V = __m256;  // of integers
  static constexpr size_t kLanes = 8, kTogether = 8;
  static const float* bits(const int32_t* p) { return reinterpret_cast<const float*>(p); }
  static float* bits(int32_t* p) { return reinterpret_cast<float*>(p); }
  static V load(const int32_t* from) { return TileF32x8::load(bits(from)); }
  static V load(const int32_t* from, size_t n) { return TileF32x8::load(bits(from), n); }
  static void store(int32_t* to, V v) { TileF32x8::store(bits(to), v); }
  static void store(int32_t* to, V v, size_t n) { TileF32x8::store(bits(to), v, n); }
  static V add(V x, V y) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)));
  }
  static V multiply(V x, V y) {
    return _mm256_castsi256_ps(_mm256_mullo_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)));
  }
  [[gnu::always_inline]] static inline void turn(V* x) { TileF32x8::turn(x); }
};

// Where the lanes of each set of four are, ascending: what compresses a register to them.
struct LaneTables {
  alignas(64) int32_t lanes[16][4];
  alignas(64) int32_t pairs[16][8];  // the same for values of 64 bits, as pairs of 32
};
constexpr LaneTables make_lane_tables() {
  LaneTables t{};
  for (int set = 0; set < 16; set++) {
    int n = 0;
    for (int lane = 0; lane < 4; lane++)
      if (set >> lane & 1) t.lanes[set][n++] = lane;
    for (int half = 0; half < 8; half++) t.pairs[set][half] = 2 * t.lanes[set][half / 2] + half % 2;
  }
  return t;
}
constexpr LaneTables kLaneTables = make_lane_tables();
inline __m128i load(const int32_t (&four)[4]) { return _mm_load_si128(reinterpret_cast<const __m128i*>(four)); }
inline __m256i load(const int32_t (&eight)[8]) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(eight)); }

// Four sums at a time, compressed in registers; those of few bits one by one. A register is written whole, so that up
// to four entries must follow: the last words go one by one too.
size_t take_sums_x4(uint64_t* bits, size_t n, uint32_t base, double* sums, double nothing_yet, uint32_t* indices,
                    double* values) {
  constexpr size_t kCrowded = 20;  // bits of a word
  const __m256d clean = _mm256_set1_pd(nothing_yet);
  size_t found = 0, by_register = n;
  for (size_t after = 0; by_register > 0 && after < 4;) after += popcount64(bits[--by_register]);
  for (size_t w = 0; w < n; w++) {
    uint64_t word = bits[w];
    if (w >= by_register || popcount64(word) < kCrowded) {
      for (; word != 0; word &= word - 1) {
        const size_t j = 64 * w + static_cast<size_t>(__builtin_ctzll(word));
        indices[found] = base + static_cast<uint32_t>(j);
        values[found++] = sums[j];
        sums[j] = nothing_yet;
      }
    } else {
      double* const from = sums + 64 * w;
      const uint32_t first = base + static_cast<uint32_t>(64 * w);
      for (uint32_t lane = 0; lane < 64; lane += 4) {
        const size_t set = word >> lane & 15;
        const __m256i x = _mm256_castpd_si256(_mm256_loadu_pd(from + lane));
        const __m256i packed = _mm256_permutevar8x32_epi32(x, load(kLaneTables.pairs[set]));
        const __m128i columns =
            _mm_add_epi32(_mm_set1_epi32(static_cast<int>(first + lane)), load(kLaneTables.lanes[set]));
        _mm256_storeu_pd(values + found, _mm256_castsi256_pd(packed));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(indices + found), columns);
        _mm256_storeu_pd(from + lane, clean);
        found += popcount64(set);
      }
    }
    bits[w] = 0;
  }
  return found;
}

}  // namespace

const PatternKernels spgemm_pattern__avx2 = {
    mark_bits, mark_rows_in_words, nullptr,           count_few_columns, count_bits_and_clear,
    rank_bits, find_places,        repeat_columns_of, mark_few_bits,     rank_listed_bits};
const RowKernels<double> spgemm_rows_f64__avx2 = {add_by_rank_of<double>,
                                                  nullptr,
                                                  append_row<double>,
                                                  add_allowed_of<double>,
                                                  add_dense_of<double>,
                                                  add_by_place_of<double>,
                                                  add_blocks<F64x4>,
                                                  take_sums_x4,
                                                  kBlocks,
                                                  nullptr,
                                                  add_tiles<TileF64x4>,
                                                  TileF64x4::kLanes};
const RowKernels<float> spgemm_rows_f32__avx2 = {add_by_rank_of<float>,
                                                 nullptr,
                                                 append_row<float>,
                                                 add_allowed_of<float>,
                                                 add_dense_of<float>,
                                                 add_by_place_of<float>,
                                                 add_blocks<F32x4>,
                                                 take_sums<float>,
                                                 kBlocks,
                                                 nullptr,
                                                 add_tiles<TileF32x8>,
                                                 TileF32x8::kLanes};
const RowKernels<int32_t> spgemm_rows_i32__avx2 = {add_by_rank_of<int32_t>,
                                                   nullptr,
                                                   append_row<int32_t>,
                                                   add_allowed_of<int32_t>,
                                                   add_dense_of<int32_t>,
                                                   add_by_place_of<int32_t>,
                                                   nullptr,
                                                   take_sums<int32_t>,
                                                   {},
                                                   nullptr,
                                                   add_tiles<TileI32x8>,
                                                   TileI32x8::kLanes};

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
