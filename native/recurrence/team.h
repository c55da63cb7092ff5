// Steps that follow one another, each cut into blocks: block (t, b) may begin when all blocks of step t − 1 are done.
//
// Threads meet after each step, which takes a fraction of a microsecond where each has a processor. A thread never
// waits for a block that nobody has begun: if no other thread comes, or a late one, whoever is there does everything.
// Which thread does a block is left to chance, so body(t, b) must not depend on it. Each thread begins with blocks of
// its own, the same in every step, so that what they read stays in its caches.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "core/arena.h"
#include "core/status.h"
#include "core/thread_pool.h"

namespace lapidary {

class Team {
 public:
  // body(t, b) → bool for t < steps and b < blocks; false stops everything. Scratch: a cache line for each block.
  template <class Body>
  static Status run(std::size_t steps, std::size_t blocks, Body&& body) {
    if (blocks == 1 || thread_count() == 1) {
      for (std::size_t t = 0; t < steps; t++)
        for (std::size_t b = 0; b < blocks; b++)
          if (!body(t, b)) return Status::aborted;
      return Status::ok;
    }
    ArenaFrame scratch;
    Claim* claims = scratch.take<Claim>(blocks);
    if (claims == nullptr) return Status::out_of_memory;
    for (std::size_t b = 0; b < blocks; b++) new (&claims[b]) Claim;
    Team team(steps, blocks, claims);
    parallel_for(blocks, [&](std::size_t) { team.work(body); });
    return team.stopped_ ? Status::aborted : Status::ok;
  }

 private:
  struct alignas(64) Claim {
    std::atomic<std::size_t> next{0};  // the step of which this block is to be done next
  };

  Team(std::size_t steps, std::size_t blocks, Claim* claims) : steps_(steps), blocks_(blocks), claims_(claims) {}

  // Waits until `count` blocks are done; false if the work was stopped.
  bool wait(std::size_t count) {
    for (int spin = 0; done_.load(std::memory_order_acquire) < count; spin++) {
      if (stopped_.load(std::memory_order_relaxed)) return false;
      if (spin < 4096) {
#if LAPIDARY_X86
        __builtin_ia32_pause();
#endif
      } else {
        std::this_thread::yield();
      }
    }
    return !stopped_.load(std::memory_order_relaxed);
  }

  template <class Body>
  void work(Body&& body) {
    const std::size_t members = thread_count() < blocks_ ? thread_count() : blocks_;
    const std::size_t first = members_.fetch_add(1) % members * blocks_ / members;
    for (std::size_t t = done_.load(std::memory_order_acquire) / blocks_; t < steps_; t++) {
      if (!wait(t * blocks_)) return;
      for (std::size_t i = 0; i < blocks_; i++) {
        const std::size_t b = first + i < blocks_ ? first + i : first + i - blocks_;
        std::size_t step = t;
        if (claims_[b].next.load(std::memory_order_relaxed) != t ||
            !claims_[b].next.compare_exchange_strong(step, t + 1, std::memory_order_relaxed))
          continue;
        if (!body(t, b)) {
          stopped_.store(true, std::memory_order_relaxed);
          return;
        }
        done_.fetch_add(1, std::memory_order_release);
      }
    }
  }

  const std::size_t steps_, blocks_;
  Claim* const claims_;
  alignas(64) std::atomic<std::size_t> done_{0};
  alignas(64) std::atomic<std::size_t> members_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace lapidary
