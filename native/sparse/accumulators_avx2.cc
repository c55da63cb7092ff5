// Bits to positions with the population count that comes with AVX2: the first four bits of a word are written whether
// they are there or not, so that words of up to four take no branch that depends on data.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/dispatch.h"
#include "sparse/accumulators.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX2

size_t drain_bits__avx2(uint64_t* words, const uint32_t* list, size_t n, uint32_t* out) {
  constexpr uint64_t kGuard = uint64_t{1} << 63;  // counting the zeros of 0 is undefined
  uint32_t* const begin = out;
  for (size_t e = 0; e < n; e++) {
    const uint32_t w = list == nullptr ? static_cast<uint32_t>(e) : list[e];
    uint64_t word = words[w];
    words[w] = 0;
    const int bits = __builtin_popcountll(word);
    int first = 0;
    do {
      for (int k = 0; k < 4; k++) {
        out[first + k] = 64 * w + static_cast<uint32_t>(__builtin_ctzll(word | kGuard));
        word &= word - 1;
      }
      first += 4;
    } while (first < bits);
    out += bits;
  }
  return static_cast<size_t>(out - begin);
}

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
