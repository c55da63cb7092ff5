// What this processor can run, found once from CPUID and XGETBV (the operating system must save the registers too).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#define LAPIDARY_X86 1
#else
#define LAPIDARY_X86 0
#endif
#if defined(__aarch64__)
#define LAPIDARY_ARM64 1
#else
#define LAPIDARY_ARM64 0
#endif

namespace lapidary {

// Ordered: on one architecture a later set includes the earlier ones.
enum class Isa : uint8_t {
  portable = 0,
  avx2 = 1,        // AVX2, FMA, F16C, BMI2
  avx512 = 2,      // AVX-512 F, CD, BW, DQ, VL
  avx512vnni = 3,  // and VNNI
  avx512vpop = 4,  // and VPOPCNTDQ, VBMI, VBMI2, BITALG (Ice Lake, Zen 4)
  neon = 5,        // arm64 only, where the x86 sets never run
};
inline constexpr size_t kIsaCount = 6;

const char* isa_name(Isa isa);
// True if this machine can execute `isa`.
bool isa_supported(Isa isa);
// The widest set this process uses: the best supported one, lowered by LAPIDARY_ISA or set_active_isa.
Isa active_isa();
// Lowers (or restores) the set in use; false if the machine cannot run it or LAPIDARY_ISA forbids it. For tests.
bool set_active_isa(Isa isa);

struct CpuFeatures {
  bool avx2, fma, f16c, bmi2;
  bool avx512f, avx512bw, avx512dq, avx512vl, avx512cd, avx512vnni, avx512vpopcntdq, avx512vbmi, avx512bf16;
  bool neon;
};
const CpuFeatures& cpu_features();

// Bytes of cache that one core sees; sensible defaults where the machine does not say.
struct CacheSizes {
  size_t l1d, l2, l3;
};
const CacheSizes& cache_sizes();

// CPUs this process may use: affinity mask and cgroup quota respected, at least 1.
size_t usable_cpus();

}  // namespace lapidary
