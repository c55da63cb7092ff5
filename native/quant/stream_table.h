// Where the 16 codes of 2·bits bytes of a stream (bit_stream.h) stand, 1 ≤ bits ≤ 7, for vector code that takes them
// apart in lanes of 16 bytes. 16-bit word k of a lane becomes codes 2k and 2k + 1: each is moved into a word of its own
// with the byte behind it, where it begins at one of the bits 0 to 7 and ends before bit 15.
#pragma once

#include <cstdint>

namespace lapidary {

struct StreamTable {
  alignas(16) std::uint8_t even[16], odd[16];               // the two bytes of each code
  alignas(16) std::uint16_t even_bit[8], odd_bit[8];        // where it begins in them
  alignas(16) std::uint16_t even_factor[8], odd_factor[8];  // 2^(8 − bit): what moves it to bit 8
};

constexpr StreamTable stream_table_of(int bits) {
  StreamTable t{};
  for (int k = 0; k < 8; k++) {
    const int even = 2 * k * bits, odd = even + bits;
    for (int b = 0; b < 2; b++) {
      t.even[2 * k + b] = static_cast<std::uint8_t>(even / 8 + b);
      t.odd[2 * k + b] = static_cast<std::uint8_t>(odd / 8 + b);
    }
    t.even_bit[k] = static_cast<std::uint16_t>(even % 8);
    t.odd_bit[k] = static_cast<std::uint16_t>(odd % 8);
    t.even_factor[k] = static_cast<std::uint16_t>(256 >> even % 8);
    t.odd_factor[k] = static_cast<std::uint16_t>(256 >> odd % 8);
  }
  return t;
}

constexpr StreamTable kStreamTables[7] = {stream_table_of(1), stream_table_of(2), stream_table_of(3),
                                          stream_table_of(4), stream_table_of(5), stream_table_of(6),
                                          stream_table_of(7)};

}  // namespace lapidary
