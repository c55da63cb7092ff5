#include "core/cpu.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#if LAPIDARY_X86
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

namespace lapidary {
namespace {

constexpr const char* kIsaNames[kIsaCount] = {"portable", "avx2", "avx512", "avx512vnni", "avx512vpop", "neon"};

#if LAPIDARY_X86
// XCR0 tells which register files the operating system saves; without them the instructions fault.
uint64_t xgetbv0() {
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (static_cast<uint64_t>(hi) << 32) | lo;
}

CpuFeatures detect() {
  CpuFeatures f{};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool osxsave = c & (1u << 27);
  if (!osxsave) return f;
  const uint64_t xcr0 = xgetbv0();
  const bool os_ymm = (xcr0 & 0x6) == 0x6;
  const bool os_zmm = (xcr0 & 0xe6) == 0xe6;
  if (!os_ymm) return f;
  f.fma = c & (1u << 12);
  f.f16c = c & (1u << 29);
  uint32_t a7, b7, c7, d7;
  if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return f;
  f.avx2 = b7 & (1u << 5);
  f.bmi2 = b7 & (1u << 8);
  if (!os_zmm) return f;
  f.avx512f = b7 & (1u << 16);
  f.avx512dq = b7 & (1u << 17);
  f.avx512cd = b7 & (1u << 28);
  f.avx512bw = b7 & (1u << 30);
  f.avx512vl = b7 & (1u << 31);
  f.avx512vbmi = (c7 & (1u << 1)) && (c7 & (1u << 6)) && (c7 & (1u << 12));  // VBMI, VBMI2 and BITALG together
  f.avx512vnni = c7 & (1u << 11);
  f.avx512vpopcntdq = c7 & (1u << 14);
  uint32_t a71, b71, c71, d71;
  if (a7 >= 1 && __get_cpuid_count(7, 1, &a71, &b71, &c71, &d71)) f.avx512bf16 = a71 & (1u << 5);
  return f;
}

Isa best_isa(const CpuFeatures& f) {
  if (!(f.avx2 && f.fma && f.f16c && f.bmi2)) return Isa::portable;
  if (!(f.avx512f && f.avx512cd && f.avx512bw && f.avx512dq && f.avx512vl)) return Isa::avx2;
  if (!f.avx512vnni) return Isa::avx512;
  return f.avx512vpopcntdq && f.avx512vbmi ? Isa::avx512vpop : Isa::avx512vnni;
}
#elif LAPIDARY_ARM64
CpuFeatures detect() {
  CpuFeatures f{};
  f.neon = true;  // part of the arm64 baseline
  return f;
}
Isa best_isa(const CpuFeatures&) { return Isa::neon; }
#else
CpuFeatures detect() { return {}; }
Isa best_isa(const CpuFeatures&) { return Isa::portable; }
#endif

bool runs_on(Isa isa, Isa best) {
  if (isa == Isa::portable) return true;
  if (best == Isa::neon) return isa == Isa::neon;
  return isa <= best;
}

// LAPIDARY_ISA may only lower: a name the machine cannot run, or an unknown one, leaves the best in place.
Isa allowed_isa() {
  static const Isa allowed = [] {
    const Isa best = best_isa(cpu_features());
    const char* wanted = std::getenv("LAPIDARY_ISA");
    if (wanted == nullptr) return best;
    for (size_t i = 0; i < kIsaCount; i++) {
      const Isa isa = static_cast<Isa>(i);
      if (std::strcmp(wanted, kIsaNames[i]) == 0 && runs_on(isa, best)) return isa;
    }
    return best;
  }();
  return allowed;
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{allowed_isa()};
  return isa;
}

size_t read_cache_size(int index, size_t fallback) {
#if defined(__linux__)
  char path[96];
  std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
  if (std::FILE* file = std::fopen(path, "r")) {
    unsigned long value = 0;
    char unit = 0;
    const int got = std::fscanf(file, "%lu%c", &value, &unit);
    std::fclose(file);
    if (got >= 1 && value > 0) return value << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
  }
#endif
  (void)index;
  return fallback;
}

#if defined(__linux__)
// "quota period" of cgroup v2, or the two files of v1; 0 if unlimited or not found.
size_t cgroup_cpus() {
  long quota = 0, period = 0;
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%ld %ld", &quota, &period) != 2) quota = 0;
    std::fclose(file);
  } else if (std::FILE* v1 = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
    if (std::fscanf(v1, "%ld", &quota) != 1) quota = 0;
    std::fclose(v1);
    if (std::FILE* p = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
      if (std::fscanf(p, "%ld", &period) != 1) period = 0;
      std::fclose(p);
    }
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<size_t>((quota + period - 1) / period);
}
#endif

}  // namespace

const char* isa_name(Isa isa) { return kIsaNames[static_cast<size_t>(isa)]; }

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

bool isa_supported(Isa isa) { return runs_on(isa, best_isa(cpu_features())); }

Isa active_isa() { return active().load(std::memory_order_relaxed); }

bool set_active_isa(Isa isa) {
  if (!runs_on(isa, allowed_isa())) return false;
  active().store(isa, std::memory_order_relaxed);
  return true;
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = {read_cache_size(0, 32 << 10), read_cache_size(2, 1 << 20),
                                   read_cache_size(3, 8 << 20)};
  return sizes;
}

size_t usable_cpus() {
  size_t cpus = std::max<size_t>(1, std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) cpus = std::max(1, CPU_COUNT(&mask));
  if (const size_t limit = cgroup_cpus()) cpus = std::min(cpus, limit);
#endif
  return std::max<size_t>(1, cpus);
}

}  // namespace lapidary
