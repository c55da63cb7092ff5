// With VBMI 64 codes of any width are a permutation of bytes, a multishift and a mask.
#include "quant/bit_stream.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstring>

LAPIDARY_BEGIN_AVX512VPOP
namespace lapidary {
namespace {

#include "quant/stream_lanes_vbmi.h"
#include "quant/unpack_masked_lanes.h"

}  // namespace

void unpack_stream__avx512vpop(const uint8_t* stream, size_t count, int bits, uint8_t* codes) {
  if (bits < 8) return unpack_masked(stream, count, bits, codes);
  if (count > 0) std::memcpy(codes, stream, count);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
