// Codes of `bits` bits as a stream: code j of a row fills the bits j·bits to j·bits + bits − 1 of the row's bytes, bit
// 0 being the lowest of the first byte. So 4-bit codes stand two in a byte, the even one low; 2-bit codes four in a
// byte, from the lowest up; eight 3-bit codes fill three bytes. The bits after the last code of a row are zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/checked.h"
#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

// Bytes of a row of `cols` codes. cols·bits must not overflow.
constexpr size_t stream_bytes(size_t cols, int bits) { return ceil_div(cols * static_cast<size_t>(bits), 8); }

// Packs `count` codes, one a byte, each below 2^bits, 1 ≤ bits ≤ 8; writes stream_bytes(count, bits) bytes.
void pack_stream(const uint8_t* codes, size_t count, int bits, uint8_t* stream);

// The inverse: reads stream_bytes(count, bits) bytes and writes `count`, nothing past either end. Bound: writing the
// codes to the nearest cache.
using UnpackStream = void (*)(const uint8_t* stream, size_t count, int bits, uint8_t* codes);
void unpack_stream__portable(const uint8_t* stream, size_t count, int bits, uint8_t* codes);
#if LAPIDARY_X86
void unpack_stream__avx2(const uint8_t* stream, size_t count, int bits, uint8_t* codes);
void unpack_stream__avx512(const uint8_t* stream, size_t count, int bits, uint8_t* codes);
void unpack_stream__avx512vpop(const uint8_t* stream, size_t count, int bits, uint8_t* codes);
#endif

inline constexpr KernelTable<UnpackStream, 1 + 3 * LAPIDARY_X86> kUnpackStream = {{
    {Isa::portable, unpack_stream__portable},
#if LAPIDARY_X86
    {Isa::avx2, unpack_stream__avx2},
    {Isa::avx512, unpack_stream__avx512},
    {Isa::avx512vpop, unpack_stream__avx512vpop},
#endif
}};

inline void unpack_stream(const uint8_t* stream, size_t count, int bits, uint8_t* codes) {
  kUnpackStream.pick()(stream, count, bits, codes);
}

}  // namespace lapidary
