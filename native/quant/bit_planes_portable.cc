// Eight codes in a 64-bit word: a mask picks bit p of each byte and a multiplication gathers the eight into one byte.
#include <cstring>

#include "quant/bit_planes.h"

namespace lapidary {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken apart by their bytes");
constexpr uint64_t kOnes = 0x0101010101010101;

void split_u8_64__portable(const uint8_t* codes, int bits, uint64_t* words, size_t stride) {
  for (int p = 0; p < bits; p++) {
    uint64_t word = 0;
    for (int b = 0; b < 8; b++) {
      uint64_t eight;
      std::memcpy(&eight, codes + 8 * b, 8);
      word |= ((eight >> p & kOnes) * 0x0102040810204080 >> 56) << 8 * b;
    }
    words[static_cast<size_t>(p) * stride] = word;
  }
}

void join_u8_64__portable(const uint64_t* words, size_t stride, int bits, uint8_t* codes) {
  for (int b = 0; b < 8; b++) {
    uint64_t eight = 0;
    for (int p = 0; p < bits; p++) {
      const uint64_t byte = words[static_cast<size_t>(p) * stride] >> 8 * b & 0xff;
      // The byte in every byte, its bit i kept in byte i, and moved to the lowest place by a carry into the top bit.
      const uint64_t spread = (byte * kOnes & 0x8040201008040201) + 0x00406070787c7e7f;
      eight |= (spread >> 7 & kOnes) << p;
    }
    std::memcpy(codes + 8 * b, &eight, 8);
  }
}

}  // namespace lapidary
