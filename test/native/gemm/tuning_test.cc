#include "gemm/tuning.h"

#include <vector>

#include "check.h"

using namespace lapidary;

TEST(no_cell_that_can_be_set_counts_as_not_set) {
  std::vector<Crossover> cells(kTunedOperations * kTunedCells, {kAnyCount, kAnyCount});
  set_tuning(cells.data());
  std::vector<Crossover> got(cells.size(), {0, 0});
  read_tuning(got.data());
  set_tuning(nullptr);
  for (const Crossover& cell : got) CHECK(cell.dots == kAnyCount && cell.flat == kAnyCount);
}
