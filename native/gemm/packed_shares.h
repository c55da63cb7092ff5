// What the threads of a product with packed weights share out: groups of tokens, each against parts of the rows.
//
// What a group of tokens is made into first, tables or padded rows, each thread makes for itself. To read what another
// core has just written takes as long as making it, or several times that where the two share no cache.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <new>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "core/status.h"

namespace lapidary {

struct Shares {
  std::size_t tokens, group, parts, threads;  // tokens of a group, but for the last; at least 1 of each

  // For each thread body(take) → Status, where take(one) → Status calls one(the first token of a group, their number, a
  // part, whether the part begins the group for this thread) → Status for parts that nobody else takes, until none is
  // left.
  template <class Body>
  Status run(const Context& context, Body body) const {
    const std::size_t groups = ceil_div(tokens, group), slots = std::min(threads, groups * parts);
    ArenaFrame scratch;
    auto* next = scratch.take<std::atomic<std::size_t>>(groups);  // of each group the first part that is left
    if (next == nullptr) return Status::out_of_memory;
    for (std::size_t g = 0; g < groups; g++) new (next + g) std::atomic<std::size_t>(0);
    return each_part(slots, slots > 1, context, [&](std::size_t slot) {
      return body([&](auto one) {
        for (std::size_t i = 0; i < groups; i++) {
          const std::size_t g = (slot * groups / slots + i) % groups, first = g * group;
          // A group that others are about to end is not worth its beginning.
          const std::size_t begun = next[g].load(std::memory_order_relaxed);
          if (begun != 0 && begun + 2 > parts) continue;
          bool begins = true;
          for (std::size_t part; (part = next[g].fetch_add(1, std::memory_order_relaxed)) < parts; begins = false) {
            const Status status = one(first, std::min(group, tokens - first), part, begins);
            if (status != Status::ok) return status;
          }
        }
        return Status::ok;
      });
    });
  }
};

}  // namespace lapidary
