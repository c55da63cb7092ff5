// Philox 4x32-10, a counter-based random generator: block `index` of stream `stream` under key `seed` is a pure
// function of the three, so any thread can draw any number and results do not depend on who drew it. lib/core/philox.ts
// gives the same bits.
//
// Source: Salmon, Moraes, Dror & Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011), section 3.3 and table 2.
#pragma once

#include <array>
#include <cstdint>

namespace lapidary {

using PhiloxBlock = std::array<uint32_t, 4>;

constexpr PhiloxBlock philox4x32_10(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9u;  // golden ratio
    key[1] += 0xBB67AE85u;  // sqrt(3) − 1
  }
  return counter;
}

// Our addressing: key = seed, counter = (index, stream), low words first.
constexpr PhiloxBlock philox_block(uint64_t seed, uint64_t stream, uint64_t index) {
  return philox4x32_10({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), static_cast<uint32_t>(stream),
                        static_cast<uint32_t>(stream >> 32)},
                       {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
}

// Word i of the stream: block i/4, word i%4.
constexpr uint32_t philox_uint32(uint64_t seed, uint64_t stream, uint64_t i) {
  return philox_block(seed, stream, i / 4)[i % 4];
}

// Number i of the stream, uniform in [0, 1) with 53 bits: words 2i and 2i+1.
constexpr double philox_uniform(uint64_t seed, uint64_t stream, uint64_t i) {
  const PhiloxBlock block = philox_block(seed, stream, i / 2);
  const uint64_t hi = block[2 * (i % 2)] >> 5, lo = block[2 * (i % 2) + 1] >> 6;
  return static_cast<double>((hi << 26) | lo) * 0x1p-53;
}

}  // namespace lapidary
