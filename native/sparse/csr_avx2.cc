// Descents in a run of column indices, 8 at a time. AVX2 compares signed only: both sides are shifted by 2^31.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/csr.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX2

size_t count_descents_u32_x8__avx2(const uint32_t* index, size_t n) {
  if (n == 0) return 0;
  const __m256i bias = _mm256_set1_epi32(INT32_MIN);
  size_t ascents = 0, p = 1;
  for (; p + 8 <= n; p += 8) {
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index + p));
    const __m256i before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index + p - 1));
    const __m256i up = _mm256_cmpgt_epi32(_mm256_xor_si256(here, bias), _mm256_xor_si256(before, bias));
    ascents +=
        static_cast<size_t>(__builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(up)))));
  }
  for (; p < n; p++) ascents += index[p] > index[p - 1];
  return n - 1 - ascents;
}

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
