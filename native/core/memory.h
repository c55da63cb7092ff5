// Aligned memory from the C heap. Every native allocation goes through allocate(), whose n-th call can be made to fail:
// tests run each kernel with n = 0, 1, 2, ... until it succeeds and see that nothing crashes or leaks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lapidary {

inline constexpr std::size_t kAlignment = 64;  // a cache line and a full AVX-512 register

// nullptr if there is no memory. Uninitialised; alignment kAlignment. allocate(0) gives a valid pointer.
void* allocate(std::size_t bytes);
void deallocate(void* memory);

// Says that this memory, wherever it comes from, is about to be written in full for the first time. Where the system
// lets programs choose (Linux with transparent huge pages on "madvise"), large results then cost a page fault for each
// 2 MiB instead of each 4 KiB, and random reads of them miss the TLB less. What such memory there is will be freed and
// asked for again: from the first call on glibc keeps up to 64 MiB of what is freed in each arena, where its limits are
// not set by the environment, instead of giving it back and paying for each page once more.
void expect_full_write(void* memory, std::size_t bytes);

// Zeroes memory of ours that a caller may see and that mostly nobody has written. Pages that are not in memory go back
// to the system, which gives zeros when they are read: to write them would cost a page fault each. Pages that are there
// are written: given back, they would cost whoever is given this memory next a fault each, and tear huge pages apart.
void clear_untouched(void* memory, std::size_t bytes);

// Bytes from `memory` on to where a huge page begins.
std::size_t to_huge_page(const void* memory);

// The call with this number, counted from now, fails, and so do all after it; negative: none. For tests.
void fail_allocation(int64_t nth);
// Calls that failed for that, so far.
int64_t failed_allocations();
// Blocks allocated and not yet freed, process-wide.
int64_t live_allocations();

}  // namespace lapidary
