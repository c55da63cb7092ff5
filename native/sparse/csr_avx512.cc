// Descents in a run of column indices, 16 at a time; the tail by mask, so that short runs take no scalar loop.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/csr.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX512

size_t count_descents_u32_x16__avx512(const uint32_t* index, size_t n) {
  if (n == 0) return 0;
  size_t count = 0, p = 1;
  for (; p + 16 <= n; p += 16) {
    const __mmask16 down = _mm512_cmple_epu32_mask(_mm512_loadu_si512(index + p), _mm512_loadu_si512(index + p - 1));
    count += static_cast<size_t>(__builtin_popcount(down));
  }
  const __mmask16 tail = static_cast<__mmask16>((1u << (n - p)) - 1);
  const __mmask16 down = _mm512_mask_cmple_epu32_mask(tail, _mm512_maskz_loadu_epi32(tail, index + p),
                                                      _mm512_maskz_loadu_epi32(tail, index + p - 1));
  return count + static_cast<size_t>(__builtin_popcount(down));
}

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
