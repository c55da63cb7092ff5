// The reference. Eight codes at a time in one 64-bit word, by three halvings of the gaps between them: about ten
// operations for eight codes whatever their width, on any processor, so that packing costs a fraction of the f32
// traffic beside it.
#include "quant/bit_stream.h"

#include <cstring>

namespace lapidary {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken apart by their bytes");

// The low `bits` bits of each byte of x, side by side.
template <int bits>
uint64_t compress(uint64_t x) {
  x = (x & 0x00ff00ff00ff00ff) | ((x & 0xff00ff00ff00ff00) >> (8 - bits));
  x = (x & 0x0000ffff0000ffff) | ((x & 0xffff0000ffff0000) >> (16 - 2 * bits));
  return (x & 0x00000000ffffffff) | ((x >> 32) << (4 * bits));
}

template <int bits>
uint64_t expand(uint64_t x) {
  constexpr uint64_t kQuad = (uint64_t{1} << 4 * bits) - 1, kPair = (uint64_t{1} << 2 * bits) - 1;
  constexpr uint64_t kOne = (uint64_t{1} << bits) - 1;
  x = (x & kQuad) | ((x >> 4 * bits & kQuad) << 32);
  x = (x & (kPair | kPair << 32)) | ((x & (kPair | kPair << 32) << 2 * bits) << (16 - 2 * bits));
  constexpr uint64_t kEven = kOne | kOne << 16 | kOne << 32 | kOne << 48;
  return (x & kEven) | ((x & kEven << bits) << (8 - bits));
}

template <int bits>
void pack(const uint8_t* codes, size_t count, uint8_t* stream) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8, stream += bits) {
    uint64_t word;
    std::memcpy(&word, codes + i, 8);
    word = compress<bits>(word);
    std::memcpy(stream, &word, bits);
  }
  if (i < count) {
    uint64_t word = 0;
    std::memcpy(&word, codes + i, count - i);
    word = compress<bits>(word);
    std::memcpy(stream, &word, stream_bytes(count - i, bits));
  }
}

template <int bits>
void unpack(const uint8_t* stream, size_t count, uint8_t* codes) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8, stream += bits) {
    uint64_t word = 0;
    std::memcpy(&word, stream, bits);
    word = expand<bits>(word);
    std::memcpy(codes + i, &word, 8);
  }
  if (i < count) {
    uint64_t word = 0;
    std::memcpy(&word, stream, stream_bytes(count - i, bits));
    word = expand<bits>(word);
    std::memcpy(codes + i, &word, count - i);
  }
}

}  // namespace

void pack_stream(const uint8_t* codes, size_t count, int bits, uint8_t* stream) {
  switch (bits) {
    case 1:
      return pack<1>(codes, count, stream);
    case 2:
      return pack<2>(codes, count, stream);
    case 3:
      return pack<3>(codes, count, stream);
    case 4:
      return pack<4>(codes, count, stream);
    case 5:
      return pack<5>(codes, count, stream);
    case 6:
      return pack<6>(codes, count, stream);
    case 7:
      return pack<7>(codes, count, stream);
    default:
      if (count > 0) std::memcpy(stream, codes, count);
  }
}

void unpack_stream__portable(const uint8_t* stream, size_t count, int bits, uint8_t* codes) {
  switch (bits) {
    case 1:
      return unpack<1>(stream, count, codes);
    case 2:
      return unpack<2>(stream, count, codes);
    case 3:
      return unpack<3>(stream, count, codes);
    case 4:
      return unpack<4>(stream, count, codes);
    case 5:
      return unpack<5>(stream, count, codes);
    case 6:
      return unpack<6>(stream, count, codes);
    case 7:
      return unpack<7>(stream, count, codes);
    default:
      if (count > 0) std::memcpy(codes, stream, count);
  }
}

}  // namespace lapidary
