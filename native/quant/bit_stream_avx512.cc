// AVX-512 BW: 64 codes at a time in seven operations, whatever their width.
#include "quant/bit_stream.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstring>

#include "quant/stream_table.h"

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "quant/stream_lanes_avx512.h"
#include "quant/unpack_masked_lanes.h"

}  // namespace

void unpack_stream__avx512(const uint8_t* stream, size_t count, int bits, uint8_t* codes) {
  if (bits < 8) return unpack_masked(stream, count, bits, codes);
  if (count > 0) std::memcpy(codes, stream, count);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
