#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "check.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/cpuid.h"
#include "core/dispatch.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"

using namespace lapidary;

// The known-answer vectors that the authors publish with Random123 (kat_vectors, philox4x32 10).
TEST(philox_known_answers) {
  CHECK((philox4x32_10({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK(
      (philox4x32_10({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK((philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(philox_uniform_is_in_the_unit_interval) {
  double sum = 0;
  for (uint64_t i = 0; i < 100000; i++) {
    const double u = philox_uniform(7, 3, i);
    CHECK(u >= 0 && u < 1);
    sum += u;
  }
  CHECK_NEAR(sum / 100000, 0.5, 4 * 0.2887 / 316.2);  // four standard errors
}

TEST(checked_arithmetic) {
  const size_t max = std::numeric_limits<size_t>::max();
  CHECK(checked_mul(3, 4) == 12u);
  CHECK(!checked_mul(max, 2));
  CHECK(checked_mul(max, 0) == 0u);
  CHECK(!checked_mul(size_t{1} << 33, size_t{1} << 31));
  CHECK(!checked_add(max, 1));
  CHECK(!checked_round_up(max, 64));
  CHECK(checked_round_up(65, 64) == 128u);
  CHECK(ceil_div(0, 4) == 0 && ceil_div(5, 4) == 2 && ceil_div(max, 2) == max / 2 + 1);
}

TEST(dispatch_starts_from_the_reference) {
  using Fn = int (*)();
  constexpr KernelTable<Fn, 2> table = {{{Isa::portable, [] { return 0; }}, {Isa::avx512, [] { return 2; }}}};
  CHECK(table.pick(Isa::portable)() == 0);
  CHECK(table.pick(Isa::avx2)() == 0);
  CHECK(table.pick(Isa::avx512)() == 2);
  CHECK(table.pick(Isa::avx512vpop)() == 2);
}

// An Intel processor: leaf 4 has 48 KiB, instructions, 2 MiB and 105 MiB of a package.
CpuidRegisters cpuid_intel(uint32_t leaf, uint32_t i) {
  if (leaf == 0) return {0x1b, 0, 0, 0};
  if (leaf == 0x80000000) return {0x80000008, 0, 0, 0};
  if (leaf != 4 || i > 3) return {};
  constexpr uint32_t kTypes[] = {1 | 1 << 5, 2 | 1 << 5, 3 | 2 << 5, 3 | 3 << 5};
  constexpr uint32_t kWays[] = {12, 8, 16, 15}, kSets[] = {64, 64, 2048, 114688};
  return {kTypes[i], (kWays[i] - 1) << 22 | 63, kSets[i] - 1, 0};
}

// AMD under a hypervisor that answers leaf 0x8000001d with zeros; the older leaves have 48 KiB, 1 MiB and 508 MiB.
CpuidRegisters cpuid_hidden(uint32_t leaf, uint32_t) {
  if (leaf == 0) return {0x10, 0, 0, 0};
  if (leaf == 0x80000000) return {0x80000021, 0, 0, 0};
  if (leaf == 0x80000005) return {0, 0, 0x300c0140, 0};
  if (leaf == 0x80000006) return {0, 0, 0x04006140, 0x0fe09140};
  return {};
}

TEST(caches_by_cpuid) {
  const CacheSizes intel = cache_sizes_by(cpuid_intel);
  CHECK(intel.l1d == 48u << 10 && intel.l2 == 2u << 20 && intel.l3 == 32u << 20);
  const CacheSizes amd = cache_sizes_by([](uint32_t leaf, uint32_t i) {
    return leaf == 4 ? CpuidRegisters{} : leaf == 0x8000001d ? cpuid_intel(4, i) : cpuid_hidden(leaf, i);
  });
  CHECK(amd.l1d == intel.l1d && amd.l2 == intel.l2 && amd.l3 == intel.l3);
  const CacheSizes hidden = cache_sizes_by(cpuid_hidden);
  CHECK(hidden.l1d == 48u << 10 && hidden.l2 == 1u << 20 && hidden.l3 == 8u << 20);
  const CacheSizes none = cache_sizes_by([](uint32_t, uint32_t) { return CpuidRegisters{}; });
  CHECK(none.l1d == 0 && none.l2 == 0 && none.l3 == 0);
  CHECK(cache_sizes().l1d >= 8u << 10 && cache_sizes().l2 >= cache_sizes().l1d && cache_sizes().l3 > 0);
}

constexpr CpuidRegisters kAmd = {0x10, 0x68747541, 0x444d4163, 0x69746e65};  // leaf 0
constexpr uint32_t kZen4 = 0xa10f11, kZen5 = 0xb00f21;                       // leaf 1

template <uint32_t kSignature, uint32_t kWidths>
CpuidRegisters cpuid_amd(uint32_t leaf, uint32_t) {
  if (leaf == 0) return kAmd;
  if (leaf == 1) return {kSignature, 0, 0, 0};
  if (leaf == 0x80000000) return {0x80000021, 0, 0, 0};
  return leaf == 0x8000001a ? CpuidRegisters{kWidths, 0, 0, 0} : CpuidRegisters{};
}

TEST(width_of_512_bits_by_cpuid) {
  CHECK(full_width_512_by(cpuid_intel));
  CHECK((!full_width_512_by(cpuid_amd<kZen4, 0x6>)));
  CHECK((full_width_512_by(cpuid_amd<kZen5, 0xe>)));
  CHECK((!full_width_512_by(cpuid_amd<kZen5, 0x6>)));  // the laptops'
  // a hypervisor that hides the widths
  CHECK((!full_width_512_by(cpuid_amd<kZen4, 0x2>)));
  CHECK((full_width_512_by(cpuid_amd<kZen5, 0x2>)));
}

TEST(reading_ahead_by_cpuid) {
  CHECK(!reads_ahead_alone_by(cpuid_intel));
  CHECK((!reads_ahead_alone_by(cpuid_amd<kZen4, 0x6>)));
  CHECK((reads_ahead_alone_by(cpuid_amd<kZen5, 0x6>)));
}

TEST(isa_can_be_lowered_and_restored) {
  const Isa best = active_isa();
  CHECK(isa_supported(best));
  CHECK(set_active_isa(Isa::portable) && active_isa() == Isa::portable);
  CHECK(set_active_isa(best) && active_isa() == best);
  CHECK(!set_active_isa(best == Isa::neon ? Isa::avx2 : Isa::neon));
  CHECK(active_isa() == best);
}

TEST(arena_frames_nest_and_align) {
  const int64_t before = live_allocations();
  {
    ArenaFrame outer;
    char* a = outer.take<char>(10);
    CHECK(a != nullptr && reinterpret_cast<uintptr_t>(a) % kAlignment == 0);
    std::memset(a, 1, 10);
    {
      ArenaFrame inner;
      double* big = inner.take<double>(1 << 20);  // forces a new block
      CHECK(big != nullptr && reinterpret_cast<uintptr_t>(big) % kAlignment == 0);
      big[(1 << 20) - 1] = 2;
    }
    char* b = outer.take<char>(10);
    CHECK(b != nullptr && b != a);
    CHECK(a[0] == 1 && a[9] == 1);
    CHECK(outer.take<double>(std::numeric_limits<size_t>::max() / 4) == nullptr);
  }
  {
    ArenaFrame huge;
    CHECK(huge.take<char>(kArenaKeepBytes + 1) != nullptr);
  }
  {
    ArenaFrame frame;
    frame.take<char>(1);
  }
  CHECK(live_allocations() - before <= 8);  // the huge block is not kept
}

// A steady load allocates nothing from its second call on, whatever the order of its sizes and as long as what is in
// use at a time stays within what may be kept.
TEST(arena_keeps_what_a_steady_load_needs) {
  constexpr size_t kMiB = size_t{1} << 20;
  const std::vector<size_t> loads[] = {
      {12 * kMiB, 12 * kMiB},  // blocks of 12 and 24 MiB would be more than may be kept
      {17 * kMiB, kMiB},      {100, 20 * kMiB, 11 * kMiB},
      {kArenaKeepBytes - 64}, {kMiB, 2 * kMiB, 3 * kMiB, 5 * kMiB, 9 * kMiB, 11 * kMiB},
  };
  std::thread([&] {
    const auto call = [](const std::vector<size_t>& sizes) {
      ArenaFrame outer;
      for (const size_t size : sizes)
        if (outer.take<char>(size) == nullptr) return false;
      ArenaFrame inner;
      return inner.take<char>(1) != nullptr;
    };
    for (const auto& load : loads) {
      CHECK(call(load));
      CHECK(call(load));
      fail_allocation(0);
      CHECK(call(load));
      for (const auto& smaller : {std::vector<size_t>{kMiB, 100}, std::vector<size_t>{1}}) CHECK(call(smaller));
      CHECK(call(load));
      fail_allocation(-1);
    }
    const int64_t live = live_allocations();
    {
      ArenaFrame beyond;
      CHECK(beyond.take<char>(100) != nullptr && beyond.take<char>(3 * kArenaKeepBytes) != nullptr);
    }
    CHECK(live_allocations() <= live);  // the limit holds: only one block is kept
  }).join();
}

TEST(arena_survives_failed_allocations) {
  std::thread([] {  // a thread with an empty arena
    for (int64_t nth = 0; nth < 3; nth++) {
      fail_allocation(nth);
      ArenaFrame frame;
      int got = 0;
      for (size_t i = 0; i < 3; i++) got += frame.take<char>((i + 1) * kArenaKeepBytes + 1) != nullptr;
      CHECK(got == nth);
      fail_allocation(-1);
    }
  })
      .join();
}

TEST(no_allocation_leaks_with_its_thread) {
  const int64_t before = live_allocations();
  for (int i = 0; i < 10; i++) std::thread([] { ArenaFrame().take<char>(1000); }).join();
  CHECK(live_allocations() == before);
}

TEST(parallel_for_runs_every_part_once) {
  for (size_t threads : {1, 2, 3, 7}) {
    set_thread_count(threads);
    for (size_t parts : {0, 1, 2, 3, 100, 10000}) {
      std::vector<std::atomic<int>> seen(parts);
      parallel_for(parts, [&](size_t part) { seen[part]++; });
      for (auto& count : seen) CHECK(count == 1);
    }
  }
  set_thread_count(usable_cpus());
}

TEST(parallel_for_returns_only_when_all_parts_are_done) {
  set_thread_count(3);
  for (int round = 0; round < 20; round++) {
    std::atomic<int> done{0};
    parallel_for(3, [&](size_t part) {
      std::this_thread::sleep_for(std::chrono::milliseconds(part == 0 ? 1 : 4));  // the caller is done first
      done++;
    });
    CHECK(done == 3);
  }
  set_thread_count(usable_cpus());
}

TEST(parallel_for_from_many_threads_and_nested) {
  set_thread_count(3);
  std::atomic<long> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; c++)
    callers.emplace_back([&] {
      for (int round = 0; round < 300; round++)
        parallel_for(5, [&](size_t) { parallel_for(4, [&](size_t part) { total += static_cast<long>(part); }); });
    });
  for (auto& caller : callers) caller.join();
  CHECK(total == 6L * 300 * 5 * (0 + 1 + 2 + 3));
  set_thread_count(usable_cpus());
}
