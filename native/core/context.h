// What a call carries besides its data. The cancel flag is an int32 in memory that JavaScript shares between threads;
// long kernels look at it between blocks (about once a millisecond) and return Status::aborted.
#pragma once

#include <atomic>
#include <cstdint>

namespace lapidary {

inline constexpr int32_t kCancelAbort = 1;

struct Context {
  const std::atomic<int32_t>* cancel = nullptr;

  bool cancelled() const { return cancel != nullptr && cancel->load(std::memory_order_relaxed) == kCancelAbort; }
};

}  // namespace lapidary
