#include "sparse/spgemm_blocks.h"

#include <algorithm>
#include <utility>

namespace lapidary {
namespace {

constexpr uint32_t kLanes = BlockSteps::kLanes;

// Calls use(block, step) for each run of products that fall on neighbouring places of one block, entries of A
// ascending.
template <class Use>
void for_steps(const RowPattern& row, const uint32_t* places, Use use) {
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extents[row.columns[e]];
    const uint32_t n = k.end - k.begin;
    for (uint32_t q = 0; q < n;) {
      const uint32_t lane = places[q] % kLanes;
      uint32_t length = 1;
      while (q + length < n && lane + length < kLanes && places[q + length] == places[q] + length) length++;
      const uint32_t lanes = ((1u << length) - 1) << lane;
      use(places[q] / kLanes,
          BlockStep{static_cast<uint32_t>(e), static_cast<int32_t>(q) - static_cast<int32_t>(lane), lanes});
      q += length;
    }
    places += n;
  }
}

}  // namespace

bool PlaceBlocks::init(ArenaFrame& scratch, size_t most) {
  most_ = most;
  ends_ = scratch.take<uint32_t>(most / kLanes + 1);
  steps_ = scratch.take<BlockStep>(most);
  bases_ = scratch.take<const void*>(most);
  return ends_ != nullptr && steps_ != nullptr && bases_ != nullptr;
}

bool PlaceBlocks::build(const RowPattern& row, const uint32_t* places, size_t products, size_t count) {
  if (row.n > most_) return false;
  blocks_ = (count + kLanes - 1) / kLanes;
  std::fill_n(ends_, blocks_, 0);
  uint32_t total = 0;
  for_steps(row, places, [&](uint32_t block, const BlockStep&) {
    ends_[block]++;
    total++;
  });
  if (2 * size_t{total} > products) return false;
  uint32_t begin = 0;
  for (size_t block = 0; block < blocks_; block++) begin += std::exchange(ends_[block], begin);
  for_steps(row, places, [&](uint32_t block, const BlockStep& step) { steps_[ends_[block]++] = step; });
  return true;
}

}  // namespace lapidary
