// Memory that is cleared before a caller sees it, and what stays of memory that is freed.
#include "core/memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "check.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>

namespace {

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));

// How many of the pages that begin in n bytes are in memory.
size_t pages_there(const void* memory, size_t n) {
  const uintptr_t first = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) & ~(kPage - 1);
  std::vector<unsigned char> there(n / kPage);
  mincore(reinterpret_cast<void*>(first), there.size() * kPage, there.data());
  size_t found = 0;
  for (const unsigned char page : there) found += page & 1;
  return found;
}

}  // namespace

TEST(clear_untouched_writes_pages_that_are_there_and_no_others) {
  constexpr size_t kPages = 1200;  // more than go together
  const size_t bytes = kPages * kPage;
  uint8_t* const memory = static_cast<uint8_t*>(
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  // Runs of 1, 2, 3, … pages, every other one written; a part of a page at either end.
  const size_t begin = 100, end = bytes - 200;
  bool written = true;
  for (size_t page = 0, run = 1; page < kPages; page += run++, written = !written)
    for (size_t p = page; written && p < std::min(page + run, kPages); p++)
      std::memset(memory + p * kPage, 0xff, kPage);
  memory[0] = memory[bytes - 1] = 7;
  const size_t there = pages_there(memory, bytes);
  CHECK(there > kPages / 3 && there < kPages * 2 / 3);
  lapidary::clear_untouched(memory + begin, end - begin);
  CHECK(pages_there(memory, bytes) == there);
  CHECK(memory[0] == 7 && memory[begin - 1] == 0xff && memory[bytes - 1] == 7);
  size_t other = 0;
  for (size_t b = begin; b < end; b++) other += memory[b] != 0;
  CHECK(other == 0);
  munmap(memory, bytes);

  uint8_t small[64];
  for (const size_t n : {size_t{0}, size_t{1}, size_t{17}, size_t{63}}) {
    std::memset(small, 0xff, sizeof small);
    lapidary::clear_untouched(small, n);
    for (size_t b = 0; b < sizeof small; b++) CHECK(small[b] == (b < n ? 0 : 0xff));
  }
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Three blocks together are more than glibc would keep of blocks of their size.
TEST(freed_memory_of_results_stays_with_the_process) {
  constexpr size_t kBytes = size_t{15} << 20, kBlocks = 3;
  size_t there = 0;
  for (int round = 0; round < 3; round++) {
    void* volatile blocks[kBlocks];
    there = 0;
    for (auto& block : blocks) {
      block = std::malloc(kBytes);
      there += pages_there(block, kBytes);
      lapidary::expect_full_write(block, kBytes);
      std::memset(block, 1, kBytes);
    }
    for (auto& block : blocks) std::free(block);
  }
  CHECK(there > kBlocks * (kBytes / kPage - 8));
}
#endif
#endif
