// A batch of sequences one after another, cut into parts for threads: each part is a block of channels (or a head) of
// one sequence.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/arena.h"
#include "core/context.h"
#include "core/status.h"
#include "core/thread_pool.h"

namespace lapidary {

// Calls body(sequence, first token, tokens, block) → Status for each block of each sequence; `parallel`: on all
// threads. Returns the first failure that is seen; a failure ends the other parts early.
template <class Body>
Status each_sequence(std::span<const uint32_t> lengths, std::size_t blocks, bool parallel, Body&& body) {
  ArenaFrame scratch;
  auto* first = scratch.take<std::size_t>(lengths.size());
  if (first == nullptr) return Status::out_of_memory;
  std::size_t token = 0;
  for (std::size_t s = 0; s < lengths.size(); s++) {
    first[s] = token;
    token += lengths[s];
  }
  std::atomic<Status> status{Status::ok};
  const auto one = [&](std::size_t part) {
    if (status.load(std::memory_order_relaxed) != Status::ok) return;
    const std::size_t s = part / blocks;
    const Status ended = body(s, first[s], std::size_t{lengths[s]}, part % blocks);
    if (ended != Status::ok) status.store(ended, std::memory_order_relaxed);
  };
  const std::size_t parts = lengths.size() * blocks;
  if (parallel)
    parallel_for(parts, one);
  else
    for (std::size_t part = 0; part < parts; part++) one(part);
  return status;
}

}  // namespace lapidary
