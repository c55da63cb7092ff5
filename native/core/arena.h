// Scratch space of one thread. A kernel opens a frame, takes what it needs, and the frame's end gives it back:
//
//   ArenaFrame scratch;
//   float* packed = scratch.take<float>(n);
//   if (packed == nullptr) return Status::out_of_memory;
//
// Frames nest. Blocks are kept for the next call up to kArenaKeepBytes a thread, so a steady load allocates nothing and
// one huge call does not pin its memory for the life of the process.
#pragma once

#include <cstddef>

#include "core/checked.h"
#include "core/memory.h"

namespace lapidary {

inline constexpr std::size_t kArenaKeepBytes = std::size_t{32} << 20;

class ArenaFrame {
 public:
  ArenaFrame();
  ~ArenaFrame();
  ArenaFrame(const ArenaFrame&) = delete;
  ArenaFrame& operator=(const ArenaFrame&) = delete;

  // n values of T, uninitialised, aligned to 64 bytes; nullptr if there is no memory or n·sizeof(T) overflows.
  template <class T>
  T* take(std::size_t n) {
    const auto bytes = checked_mul(n, sizeof(T));
    return bytes ? static_cast<T*>(take_bytes(*bytes)) : nullptr;
  }

 private:
  void* take_bytes(std::size_t bytes);

  std::size_t block_;  // the block and offset to return to
  std::size_t used_;
  std::size_t taken_;
};

}  // namespace lapidary
