#include "core/memory.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace lapidary {
namespace {

constexpr uintptr_t kHugePage = uintptr_t{2} << 20;

std::atomic<int64_t> calls_before_failure{-1};
std::atomic<int64_t> failed{0};
std::atomic<int64_t> live{0};

bool must_fail() {
  if (calls_before_failure.load(std::memory_order_relaxed) < 0) return false;
  // Stays at 0 once reached, so that a retry inside the same operation fails too.
  int64_t left = calls_before_failure.load();
  while (left > 0 && !calls_before_failure.compare_exchange_weak(left, left - 1)) {
  }
  if (left == 0) failed.fetch_add(1, std::memory_order_relaxed);
  return left == 0;
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (must_fail()) return nullptr;
  const std::size_t rounded = (bytes + kAlignment) & ~(kAlignment - 1);  // never 0, a multiple of the alignment
  if (rounded < bytes) return nullptr;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory != nullptr) live.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void deallocate(void* memory) {
  if (memory == nullptr) return;
  live.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

void expect_full_write([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__GLIBC__)
  // glibc keeps twice as much free memory as the largest block that it had from the system for itself and that was
  // freed (mallopt(3), M_MMAP_THRESHOLD): this is the largest that counts. Nobody touches it.
  static const bool kept = [] {
    void* volatile block = std::malloc((std::size_t{32} << 20) - (std::size_t{64} << 10));
    std::free(block);
    return true;
  }();
  static_cast<void>(kept);
#endif
#if defined(__linux__)
  // Only whole huge pages inside the block: its neighbours are none of our business.
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = start + to_huge_page(memory);
  const uintptr_t end = (start + bytes) & ~(kHugePage - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a hint: may be refused
#endif
}

void clear_untouched(void* memory, std::size_t bytes) {
  uint8_t* begin = static_cast<uint8_t*>(memory);
  uint8_t* const end = begin + bytes;
#if defined(__linux__)
  constexpr std::size_t kPages = 512;
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uint8_t* const first = std::min(end, begin + (-reinterpret_cast<uintptr_t>(begin) & (page - 1)));
  std::fill(begin, first, uint8_t{0});
  begin = first;
  while (static_cast<uintptr_t>(end - begin) >= page) {
    const std::size_t pages = std::min(static_cast<std::size_t>(end - begin) / page, kPages);
    unsigned char there[kPages];
    if (mincore(begin, pages * page, there) != 0) break;
    // A page that is not there, since nobody has written it or it is swapped out, is given up with others of its kind.
    for (std::size_t p = 0; p < pages;) {
      const bool is_there = there[p] & 1;
      std::size_t n = 1;
      while (p + n < pages && (there[p + n] & 1) == is_there) n++;
      if (is_there || madvise(begin, n * page, MADV_DONTNEED) != 0)  // refused where memory is locked
        std::fill_n(begin, n * page, uint8_t{0});
      begin += n * page;
      p += n;
    }
  }
#endif
  std::fill(begin, end, uint8_t{0});
}

std::size_t to_huge_page(const void* memory) { return -reinterpret_cast<uintptr_t>(memory) & (kHugePage - 1); }

void fail_allocation(int64_t nth) { calls_before_failure.store(nth); }

int64_t failed_allocations() { return failed.load(); }

int64_t live_allocations() { return live.load(); }

}  // namespace lapidary
