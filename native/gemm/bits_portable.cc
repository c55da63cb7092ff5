// The reference: pair of planes by pair of planes, word by word.
#include <bit>

#include "gemm/bits.h"

namespace lapidary {

void bits_4x8__portable(const BitTile& t) {
  constexpr std::size_t kWidth = 8;
  for (std::size_t i = 0; i < t.m; i++)
    for (std::size_t j = 0; j < t.n; j++) {
      std::uint32_t sum = 0;
      for (int p = 0; p < t.a_bits; p++)
        for (int q = 0; q < t.b_bits; q++) {
          const std::int32_t* a = t.a + static_cast<std::size_t>(p) * t.a_plane + i * t.a_row;
          const std::int32_t* b = t.b + static_cast<std::size_t>(q) * t.b_plane + j;
          std::uint32_t count = 0;
          for (std::size_t w = 0; w < t.words; w++) {
            const std::int32_t both = t.exclusive_or ? a[w] ^ b[w * kWidth] : a[w] & b[w * kWidth];
            count += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint32_t>(both)));
          }
          const bool minus = (t.a_signed && p == t.a_bits - 1) != (t.b_signed && q == t.b_bits - 1);
          sum += (minus ? 0u - count : count) << (p + q);
        }
      std::int32_t& c = t.c[i * t.ldc + j];
      c = static_cast<std::int32_t>(static_cast<std::uint32_t>(c) + static_cast<std::uint32_t>(t.alpha) * sum);
    }
}

}  // namespace lapidary
