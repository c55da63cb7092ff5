#include "sparse/spgemm_tiles.h"

#include <algorithm>
#include <utility>

namespace lapidary {
namespace {

constexpr size_t kMostRows = 64;  // of a tile
constexpr size_t kMostGroups = 128;

}  // namespace

template <class T>
bool RowTiles<T>::init(ArenaFrame& scratch, size_t most) {
  ends_ = scratch.take<uint32_t>(most);
  steps_ = scratch.take<TileStep>(most);
  most_groups_ = std::min(most, kMostGroups);
  groups_ = scratch.take<TileGroup<T>>(most_groups_);
  return ends_ != nullptr && steps_ != nullptr && groups_ != nullptr;
}

// Entries of A whose columns are neighbours name rows of B that overlap from row to row of C: these are a group and
// turned around once. So is the row of A where it is one of them: in a square of a matrix with a diagonal.
template <class T>
bool RowTiles<T>::build(const RowInput<T>& row, bool square, size_t lanes, const uint32_t* places, size_t products,
                        size_t count) {
  groups_used_ = 0;
  within_b_ = false;
  size_t own_group = 0, own_offset = 0;
  for (size_t e = 0; e < row.n; e++) {
    if (e > 0 && row.columns[e] == row.columns[e - 1] + 1) {
      groups_[groups_used_ - 1].more++;
    } else {
      if (groups_used_ == most_groups_) return false;
      groups_[groups_used_++] = {nullptr, static_cast<uint32_t>(e), row.extent(e).end - row.extent(e).begin, 0, 0, 0};
    }
    if (!square || row.b_values + row.extent(e).begin != row.values) continue;
    within_b_ = true;
    own_group = groups_used_ - 1;
    own_offset = e - groups_[own_group].entry;
  }
  size_t used = 0;
  for (tile_ = kMostRows; tile_ >= lanes; tile_ /= 2) {
    used = within_b_ ? 0 : row.n * tile_;
    for (size_t g = 0; g < groups_used_; g++) {
      TileGroup<T>& group = groups_[g];
      group.at = static_cast<uint32_t>(used);
      group.stride = static_cast<uint32_t>((tile_ + group.more + lanes - 1) / lanes * lanes);
      used += size_t{group.length} * group.stride;
    }
    if (used <= kRoom) break;
  }
  if (tile_ < lanes) return false;

  const size_t a_first = within_b_ ? groups_[own_group].at + own_offset : 0;
  const size_t a_stride = within_b_ ? groups_[own_group].stride : tile_;
  count_ = count;
  std::fill_n(ends_, count, 0);
  for (size_t p = 0; p < products; p++) ends_[places[p]]++;
  uint32_t sum = 0;
  for (size_t place = 0; place < count; place++) sum += std::exchange(ends_[place], sum);
  for (size_t g = 0; g < groups_used_; g++) {
    const TileGroup<T>& group = groups_[g];
    for (size_t e = group.entry; e <= group.entry + group.more; e++)
      for (size_t q = 0; q < group.length; q++)
        steps_[ends_[*places++]++] = {static_cast<uint32_t>(a_first + e * a_stride),
                                      static_cast<uint32_t>(group.at + q * group.stride + (e - group.entry))};
  }
  return true;
}

template <class T>
TileRun<T> RowTiles<T>::run(const RowInput<T>& first, size_t rows, T* lanes) {
  for (size_t g = 0; g < groups_used_; g++) groups_[g].first = first.b_values + first.extent(groups_[g].entry).begin;
  return {ends_,   steps_, count_, groups_, groups_used_, within_b_ ? nullptr : first.values,
          first.n, rows,   tile_,  lanes};
}

template class RowTiles<double>;
template class RowTiles<float>;
template class RowTiles<int32_t>;

}  // namespace lapidary
