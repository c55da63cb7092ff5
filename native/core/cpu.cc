#include "core/cpu.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "core/cpuid.h"

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

#if LAPIDARY_X86
CpuidRegisters cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r;
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}
#endif

constexpr uint32_t kZen5 = 0x1a;  // and what comes after it

uint32_t family(CpuidFn cpuid) {
  const uint32_t signature = cpuid(1, 0).eax, base = signature >> 8 & 15;
  return base == 15 ? base + (signature >> 20 & 255) : base;
}

bool is_amd(CpuidFn cpuid) {
  const CpuidRegisters r = cpuid(0, 0);
  return r.ebx == 0x68747541 && r.edx == 0x69746e65 && r.ecx == 0x444d4163;  // AuthenticAMD
}

constexpr CacheSizes kUsualCaches = {32 << 10, 1 << 20, 8 << 20};
constexpr size_t kMostL3 = 32 << 20;

// What the operating system says, else the processor, else what is usual.
CacheSizes find_cache_sizes() {
#if LAPIDARY_X86
  const CacheSizes told = cache_sizes_by(cpuid);
#else
  constexpr CacheSizes told = {};
#endif
  const auto size = [](int index, size_t by_cpuid, size_t usual) {
    return read_cache_size(index, by_cpuid != 0 ? by_cpuid : usual);
  };
  return {size(0, told.l1d, kUsualCaches.l1d), size(2, told.l2, kUsualCaches.l2), size(3, told.l3, kUsualCaches.l3)};
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
  static const CacheSizes sizes = find_cache_sizes();
  return sizes;
}

bool full_width_512_by(CpuidFn cpuid) {
  // AMD has a leaf about widths; Intel's units have had full width from the beginning. Some hypervisors clear the bits
  // for 256 and 512 both: then the family tells.
  constexpr uint32_t kWidths = 0x8000001a, k256 = 1u << 2, k512 = 1u << 3;
  if (!is_amd(cpuid)) return true;
  const uint32_t widths = cpuid(0x80000000, 0).eax < kWidths ? 0 : cpuid(kWidths, 0).eax & (k256 | k512);
  return widths == 0 ? family(cpuid) >= kZen5 : (widths & k512) != 0;
}

bool reads_ahead_alone_by(CpuidFn cpuid) { return is_amd(cpuid) && family(cpuid) >= kZen5; }

#if LAPIDARY_X86
bool full_width_512() {
  static const bool full = cpu_features().avx512f && full_width_512_by(cpuid);
  return full;
}

bool reads_ahead_alone() {
  static const bool alone = reads_ahead_alone_by(cpuid);
  return alone;
}
#else
bool full_width_512() { return false; }
bool reads_ahead_alone() { return false; }
#endif

CacheSizes cache_sizes_by(CpuidFn cpuid) {
  const uint32_t last = cpuid(0, 0).eax, last_extended = cpuid(0x80000000, 0).eax;
  CacheSizes sizes = {};
  // One cache a subleaf, of Intel and of AMD in the same form; all zero where the hypervisor hides them.
  for (const uint32_t leaf : {4u, 0x8000001du}) {
    if (leaf > (leaf == 4 ? last : last_extended)) continue;
    for (uint32_t i = 0; i < 8; i++) {
      const CpuidRegisters r = cpuid(leaf, i);
      const uint32_t type = r.eax & 31, level = r.eax >> 5 & 7;
      if (type == 0) break;
      if (type == 2) continue;  // instructions
      const size_t ways = (r.ebx >> 22) + 1, partitions = (r.ebx >> 12 & 1023) + 1, line = (r.ebx & 4095) + 1;
      const size_t bytes = ways * partitions * line * (size_t{r.ecx} + 1);
      if (level == 1) sizes.l1d = bytes;
      if (level == 2) sizes.l2 = bytes;
      if (level == 3) sizes.l3 = std::min(bytes, kMostL3);
    }
    if (sizes.l1d != 0) return sizes;
  }
  // AMD's older leaves: KiB of the first two, half MiB of the third level of the whole processor.
  if (last_extended < 0x80000006) return sizes;
  sizes.l1d = size_t{cpuid(0x80000005, 0).ecx >> 24} << 10;
  const CpuidRegisters r = cpuid(0x80000006, 0);
  sizes.l2 = size_t{r.ecx >> 16} << 10;
  sizes.l3 = std::min(size_t{r.edx >> 18} << 19, kUsualCaches.l3);
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
