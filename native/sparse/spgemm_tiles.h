// Rows of C that repeat a pattern while the rows of B move on by one, one row a lane: a tile of rows of A, and of the
// rows of B that they name, is turned around, so that the same entry of neighbouring rows lies side by side. A product
// is then a load, a multiplication and an addition for as many rows as a register has lanes, whatever the gaps in the
// row of C, and the tile of C is turned back as it is stored. Internal to spgemm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

template <class T>
class RowTiles {
 public:
  static constexpr size_t kFewestRows = 4;  // a run of fewer leaves too many lanes idle

  // Values of a tile, those of A and B: an eighth of a second-level cache.
  static constexpr size_t kRoom = size_t{1} << 14;

  // Room for rows of up to `most` products.
  bool init(ArenaFrame& scratch, size_t most);
  // Lays out tiles for a row, places[p] being the place of its p-th product; `lanes` as in RowKernels. `square`: A and
  // B have the same indptr and values, not merely values that overlap. False if a tile would not fit.
  bool build(const RowInput<T>& row, bool square, size_t lanes, const uint32_t* places, size_t products, size_t count);
  // `rows` rows from `first` on, two at least: all have its pattern, each row of B is the one after that of the row
  // before. `lanes` has room for kRoom values.
  TileRun<T> run(const RowInput<T>& first, size_t rows, T* lanes);

 private:
  size_t count_ = 0;
  size_t tile_ = 0;
  size_t groups_used_ = 0;
  size_t most_groups_ = 0;
  uint32_t* ends_ = nullptr;
  TileStep* steps_ = nullptr;
  TileGroup<T>* groups_ = nullptr;
  bool within_b_ = false;  // the row of A is one of those of B
};

}  // namespace lapidary
