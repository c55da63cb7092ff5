#include "sparse/accumulators.h"

#include <chrono>
#include <utility>

#include "core/dispatch.h"
#include "core/philox.h"

namespace lapidary {
namespace {

constexpr KernelTable<DrainBits, 1 + LAPIDARY_X86> kDrainBits = {{
    {Isa::portable, drain_bits__portable},
#if LAPIDARY_X86
    {Isa::avx2, drain_bits__avx2},
#endif
}};

}  // namespace

DrainBits drain_bits() { return kDrainBits.pick(); }

size_t drain_bits__portable(uint64_t* words, const uint32_t* list, size_t n, uint32_t* out) {
  size_t count = 0;
  for (size_t e = 0; e < n; e++) {
    const uint32_t w = list == nullptr ? static_cast<uint32_t>(e) : list[e];
    for (uint64_t word = words[w]; word != 0; word &= word - 1)
      out[count++] = 64 * w + static_cast<uint32_t>(std::countr_zero(word));
    words[w] = 0;
  }
  return count;
}

uint64_t hash_multiplier() {
  static const uint64_t multiplier = [] {
    const auto now = static_cast<uint64_t>(std::chrono::high_resolution_clock::now().time_since_epoch().count());
    const auto place = reinterpret_cast<uintptr_t>(&now);  // address space is laid out at random
    const PhiloxBlock block = philox_block(now, place, 0);
    return (uint64_t{block[0]} << 32 | block[1]) | 1;
  }();
  return multiplier;
}

void sort_by_column(uint64_t* keys, uint64_t* other, size_t n, uint32_t low, uint32_t high) {
  if (n <= 24) {
    for (size_t i = 1; i < n; i++) {
      const uint64_t key = keys[i];
      size_t j = i;
      for (; j > 0 && keys[j - 1] > key; j--) keys[j] = keys[j - 1];
      keys[j] = key;
    }
    return;
  }
  uint64_t* from = keys;
  uint64_t* to = other;
  for (unsigned shift = 0; shift < 32 && (high - low) >> shift != 0; shift += 8) {
    uint32_t count[256] = {};
    const auto digit = [&](uint64_t key) { return (static_cast<uint32_t>(key >> 32) - low) >> shift & 255; };
    for (size_t i = 0; i < n; i++) count[digit(from[i])]++;
    uint32_t sum = 0;
    for (uint32_t& c : count) sum += std::exchange(c, sum);
    for (size_t i = 0; i < n; i++) to[count[digit(from[i])]++] = from[i];
    std::swap(from, to);
  }
  if (from != keys) std::memcpy(keys, from, n * sizeof *keys);
}

}  // namespace lapidary
