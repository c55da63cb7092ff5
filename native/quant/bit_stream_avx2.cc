// AVX2: 32 codes at a time in eight operations, whatever their width.
#include "quant/bit_stream.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstring>

#include "quant/stream_table.h"

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "quant/stream_lanes_avx2.h"

void store(uint8_t* to, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }

}  // namespace

void unpack_stream__avx2(const uint8_t* stream, size_t count, int bits, uint8_t* codes) {
  if (bits == 8) {
    if (count > 0) std::memcpy(codes, stream, count);
    return;
  }
  constexpr size_t kCodes = StreamLanes::kCodes;
  const StreamLanes lanes(bits);
  const size_t step = kCodes * static_cast<size_t>(bits) / 8, reach = step / 2 + 16;
  size_t bytes = stream_bytes(count, bits), k = 0;
  for (; k + kCodes <= count && bytes >= reach; k += kCodes, stream += step, bytes -= step)
    store(codes + k, lanes.unpack(stream));
  // The rest, up to 30 bytes, where there is room to read on.
  uint8_t rest[64] = {}, unpacked[kCodes];
  std::memcpy(rest, stream, bytes);
  for (const uint8_t* from = rest; k < count; k += kCodes, from += step) {
    const size_t left = count - k < kCodes ? count - k : kCodes;
    store(unpacked, lanes.unpack(from));
    std::memcpy(codes + k, unpacked, left);
  }
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
