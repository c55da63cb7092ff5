#include "core/arena.h"

#include <algorithm>

namespace lapidary {
namespace {

// Blocks never move while in use: a request that does not fit opens a further block, twice as large as the last.
struct Arena {
  static constexpr std::size_t kMaxBlocks = 48;  // doubling from 64 KiB, enough for any address space
  static constexpr std::size_t kFirstBlock = std::size_t{64} << 10;

  struct Block {
    char* data;
    std::size_t size;
  };
  Block blocks[kMaxBlocks] = {};
  std::size_t count = 0;    // blocks owned
  std::size_t current = 0;  // the block being filled
  std::size_t used = 0;     // bytes taken of it
  std::size_t depth = 0;    // open frames

  ~Arena() { release_from(0); }

  void release_from(std::size_t first) {
    while (count > first) deallocate(blocks[--count].data);
  }

  // With no frame open: keeps the leading blocks that together stay within the limit.
  void trim() {
    std::size_t kept = 0, total = 0;
    while (kept < count && total + blocks[kept].size <= kArenaKeepBytes) total += blocks[kept++].size;
    release_from(kept);
  }

  void* take(std::size_t bytes) {
    const auto rounded = checked_round_up(bytes, kAlignment);
    if (!rounded) return nullptr;
    while (current < count) {
      if (blocks[current].size - used >= *rounded) {
        void* memory = blocks[current].data + used;
        used += *rounded;
        return memory;
      }
      // A kept block that is too small for this request is skipped until the frame ends.
      if (current + 1 == count) break;
      current++;
      used = 0;
    }
    if (count == kMaxBlocks) return nullptr;
    const std::size_t grown = count == 0 ? kFirstBlock : 2 * blocks[count - 1].size;
    const std::size_t size = std::max(*rounded, std::min(grown, kArenaKeepBytes));
    char* data = static_cast<char*>(allocate(size));
    if (data == nullptr) return nullptr;
    blocks[count] = {data, size};
    current = count++;
    used = *rounded;
    return data;
  }
};

Arena& arena() {
  thread_local Arena mine;
  return mine;
}

}  // namespace

ArenaFrame::ArenaFrame() : block_(arena().current), used_(arena().used) { arena().depth++; }

ArenaFrame::~ArenaFrame() {
  Arena& a = arena();
  a.current = block_;
  a.used = used_;
  if (--a.depth == 0) {
    a.current = a.used = 0;
    a.trim();
  }
}

void* ArenaFrame::take_bytes(std::size_t bytes) { return arena().take(bytes); }

}  // namespace lapidary
