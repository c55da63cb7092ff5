#include "sparse/spgemm_blocks.h"

#include <algorithm>
#include <utility>

namespace lapidary {
namespace {

// Calls use(block, e, begin, end) for the steps of a row: products begin … end − 1 of entry e, whose places come first
// in `to`. Entries of A ascending.
template <class Use>
void for_steps(const RowPattern& row, BlockShape shape, const uint32_t* places, Use use) {
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    const uint32_t n = k.end - k.begin;
    for (uint32_t q = 0; q < n;) {
      const uint32_t block = places[q] >> shape.log_lanes, begin = q++;
      while (q < n && places[q] >> shape.log_lanes == block && (shape.gaps || places[q] == places[q - 1] + 1)) q++;
      use(block, e, begin, q, places);
    }
    places += n;
  }
}

}  // namespace

template <class T>
bool PlaceBlocks<T>::init(ArenaFrame& scratch, size_t most) {
  ends_ = scratch.take<uint32_t>(most);
  steps_ = scratch.take<BlockStep>(most);
  return ends_ != nullptr && steps_ != nullptr;
}

template <class T>
bool PlaceBlocks<T>::build(const RowPattern& row, BlockShape shape, const uint32_t* places, size_t products,
                           size_t count) {
  if (shape.log_lanes == 0) return false;
  const uint32_t lanes = 1u << shape.log_lanes;
  blocks_ = (count + lanes - 1) / lanes;
  std::fill_n(ends_, blocks_, 0);
  uint32_t total = 0;
  for_steps(row, shape, places, [&](uint32_t block, size_t, uint32_t, uint32_t, const uint32_t*) {
    ends_[block]++;
    total++;
  });
  if (2 * size_t{total} > products + row.n) return false;
  uint32_t sum = 0;
  for (size_t block = 0; block < blocks_; block++) sum += std::exchange(ends_[block], sum);
  for_steps(row, shape, places, [&](uint32_t block, size_t e, uint32_t begin, uint32_t end, const uint32_t* to) {
    BlockStep& step = steps_[ends_[block]++];
    uint32_t bits = 0;
    for (uint32_t q = begin; q < end; q++) {
      const uint32_t lane = to[q] & (lanes - 1);
      bits |= 1u << lane;
      step.from[lane] = static_cast<uint8_t>(q - begin);
    }
    step.entry = static_cast<uint32_t>(e);
    step.offset = begin;
    step.lanes = static_cast<uint16_t>(bits);
    step.front = static_cast<uint16_t>((1u << (end - begin)) - 1);
  });
  return true;
}

template <class T>
BlockRun<T> PlaceBlocks<T>::run(const RowInput<T>& first, size_t rows, bool shifted, const T** bases,
                                uint32_t* moves) const {
  for (size_t e = 0; e < first.n; e++) {
    const RowExtent k = first.extent(e);
    bases[e] = first.b_values + k.begin;
    moves[e] = shifted ? k.end - k.begin : 0;
  }
  return {ends_, steps_, blocks_, bases, moves, first.n, rows, first.values};
}

template class PlaceBlocks<double>;
template class PlaceBlocks<float>;
template class PlaceBlocks<int32_t>;

}  // namespace lapidary
