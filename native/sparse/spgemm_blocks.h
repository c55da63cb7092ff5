// Rows of C that repeat the pattern of the row before, from the side of C: a register of neighbouring sums at a time,
// which stay there while the products that fall on them pass by. Added the other way round, rows of B that are shifted
// by one against each other make loads that take parts of two recent stores, and each waits until both are in the
// cache. Internal to spgemm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

template <class T>
class PlaceBlocks {
 public:
  // Room for rows of up to `most` products.
  bool init(ArenaFrame& scratch, size_t most);
  // Cuts the products of a row, places[p] that of the p-th, into steps. False if that does not pay: then most steps
  // have one product.
  bool build(const RowPattern& row, BlockShape shape, const uint32_t* places, size_t products, size_t count);
  // `rows` rows from `first` on, which has this pattern; `shifted`: each row of B is the one after that of the row
  // before, else the same. `bases` and `moves` have room for the entries of its row of A.
  BlockRun<T> run(const RowInput<T>& first, size_t rows, bool shifted, const T** bases, uint32_t* moves) const;

 private:
  size_t blocks_ = 0;
  uint32_t* ends_ = nullptr;
  BlockStep* steps_ = nullptr;
};

}  // namespace lapidary
