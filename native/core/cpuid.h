// What few files ask of CPUID; what all do is in cpu.h.
#pragma once

#include <cstdint>

#include "core/cpu.h"

namespace lapidary {

// 512-bit operations in one piece: Intel and Zen 5. Zen 4 takes them in two.
bool full_width_512();
// Reads ahead by itself, across pages too, so well that asking for memory in long runs only slows it down: Zen 5.
bool reads_ahead_alone();

struct CpuidRegisters {
  uint32_t eax, ebx, ecx, edx;
};
using CpuidFn = CpuidRegisters (*)(uint32_t leaf, uint32_t subleaf);

// The two by CPUID.
bool full_width_512_by(CpuidFn cpuid);
bool reads_ahead_alone_by(CpuidFn cpuid);

// The caches by CPUID, 0 where it does not say, for machines whose operating system does not tell: virtual ones,
// mostly. A third-level cache counts as at most 32 MiB, and where only that of all cores together is known as at most 8
// MiB: the rest belongs to others.
CacheSizes cache_sizes_by(CpuidFn cpuid);

}  // namespace lapidary
