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
  // left. Each thread begins where it began in a call before: there its cache has the weights and what it wrote.
  template <class Body>
  Status run(const Context& context, Body body) const {
    const std::size_t groups = ceil_div(tokens, group), slots = std::min(threads, groups * parts);
    const std::size_t ranges = std::min(ceil_div(slots, groups), parts), count = groups * ranges;
    ArenaFrame scratch;
    auto* begun = scratch.take<std::atomic<std::size_t>>(count);  // parts of each range of each group
    if (begun == nullptr) return Status::out_of_memory;
    for (std::size_t i = 0; i < count; i++) new (begun + i) std::atomic<std::size_t>(0);
    return each_part(slots, slots > 1, context, [&](std::size_t slot) {
      return body([&](auto one) {
        std::size_t made = groups;
        for (std::size_t i = 0; i < count; i++) {
          const std::size_t at = (slot * count / slots + i) % count, g = at / ranges, range = at % ranges;
          const std::size_t first = range * parts / ranges, length = (range + 1) * parts / ranges - first;
          // A group that others are about to end is not worth its beginning.
          const std::size_t others = begun[at].load(std::memory_order_relaxed);
          if (g != made && others != 0 && others + 2 > length) continue;
          for (std::size_t part; (part = begun[at].fetch_add(1, std::memory_order_relaxed)) < length; made = g) {
            const Status status = one(g * group, std::min(group, tokens - g * group), first + part, made != g);
            if (status != Status::ok) return status;
          }
        }
        return Status::ok;
      });
    });
  }
};

}  // namespace lapidary
