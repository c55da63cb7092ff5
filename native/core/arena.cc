#include "core/arena.h"

#include <algorithm>

namespace lapidary {
namespace {

// Blocks never move while in use: a request that does not fit opens a further block, twice as large as the last. Once
// nothing is in use, several blocks give way to one that holds what was in use at most, up to kArenaKeepBytes, so that
// a call like the last one finds everything there.
struct Arena {
  static constexpr std::size_t kMaxBlocks = 48;  // doubling from 64 KiB, enough for any address space
  static constexpr std::size_t kFirstBlock = std::size_t{64} << 10;

  struct Block {
    char* data;
    std::size_t size;
  };
  Block blocks[kMaxBlocks] = {};
  std::size_t count = 0;            // blocks owned
  std::size_t current = 0;          // the block being filled
  std::size_t used = 0;             // bytes taken of it
  std::size_t depth = 0;            // open frames
  std::size_t taken = 0;            // bytes in use
  std::size_t most = 0;             // the most that were in use since there was no frame
  std::size_t first = kFirstBlock;  // size of the first block

  ~Arena() { release_from(0); }

  void release_from(std::size_t first) {
    while (count > first) deallocate(blocks[--count].data);
  }

  // With no frame open: keeps the first block where it suffices; else the next request opens one that does.
  void trim() {
    const std::size_t wanted = std::min(most, kArenaKeepBytes);
    most = 0;
    if (count == 0) return;
    const bool suffices = blocks[0].size >= wanted && blocks[0].size <= kArenaKeepBytes;
    release_from(suffices ? 1 : 0);
    first = suffices ? first : std::max(wanted, kFirstBlock);
  }

  void* take(std::size_t bytes) {
    const auto rounded = checked_round_up(bytes, kAlignment);
    if (!rounded) return nullptr;
    void* memory = find(*rounded);
    if (memory == nullptr) return nullptr;
    taken += *rounded;
    most = std::max(most, taken);
    return memory;
  }

  void* find(std::size_t bytes) {
    while (current < count) {
      if (blocks[current].size - used >= bytes) {
        void* memory = blocks[current].data + used;
        used += bytes;
        return memory;
      }
      // A kept block that is too small for this request is skipped until the frame ends.
      if (current + 1 == count) break;
      current++;
      used = 0;
    }
    if (count == kMaxBlocks) return nullptr;
    const std::size_t grown = count == 0 ? first : 2 * blocks[count - 1].size;
    const std::size_t size = std::max(bytes, std::min(grown, kArenaKeepBytes));
    char* data = static_cast<char*>(allocate(size));
    if (data == nullptr) return nullptr;
    expect_full_write(data, size);  // what is used of it is; a page of 4 KiB costs up to a tenth of one of 2 MiB
    blocks[count] = {data, size};
    current = count++;
    used = bytes;
    return data;
  }
};

Arena& arena() {
  thread_local Arena mine;
  return mine;
}

}  // namespace

ArenaFrame::ArenaFrame() : block_(arena().current), used_(arena().used), taken_(arena().taken) { arena().depth++; }

ArenaFrame::~ArenaFrame() {
  Arena& a = arena();
  a.current = block_;
  a.used = used_;
  a.taken = taken_;
  if (--a.depth == 0) {
    a.current = a.used = 0;
    a.trim();
  }
}

void* ArenaFrame::take_bytes(std::size_t bytes) { return arena().take(bytes); }

}  // namespace lapidary
