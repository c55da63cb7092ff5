#include "gemm/tuning.h"

#include <vector>

#include "check.h"
#include "core/cpu.h"
#include "gemm/packed_bytes.h"

using namespace lapidary;

TEST(no_cell_that_can_be_set_counts_as_not_set) {
  std::vector<Crossover> cells(kTunedOperations * kTunedCells, {kAnyCount, kAnyCount});
  set_tuning(cells.data());
  std::vector<Crossover> got(cells.size(), {0, 0});
  read_tuning(got.data());
  set_tuning(nullptr);
  for (const Crossover& cell : got) CHECK(cell.dots == kAnyCount && cell.flat == kAnyCount);
}

TEST(packed_weights_ask_the_row_of_their_bits_and_groups) {
  using enum TunedOperation;
  CHECK(packed_operation(1, 4096, 4096) == packed1 && packed_operation(4, 128, 4096) == packed4);
  CHECK(packed_operation(1, 32, 4096) == packed1_short && packed_operation(4, 127, 4096) == packed4_short);
  CHECK(packed_operation(2, 64, 64) == packed2 && packed_operation(2, 4096, 64) == packed2);  // one group a row
  CHECK(packed_operation(3, 64, 65) == packed3_short);
}

TEST(packed_weights_look_up_longer_where_no_cache_holds_their_codes) {
  std::vector<Crossover> cells(kTunedOperations * kTunedCells, {0, 0});
  cells[static_cast<size_t>(TunedOperation::packed4) * kTunedCells + 4] = {1, 3};
  set_tuning(cells.data());
  const size_t held = cache_sizes().l3, beyond = held + 1;
  const auto way = [](size_t tokens, size_t bytes) {
    return packed_way(PackedWay::automatic, TunedOperation::packed4, tokens, 1024, 1024, bytes);
  };
  CHECK(way(1, held) == PackedWay::lookups && way(1, beyond) == PackedWay::lookups);
  CHECK(way(2, held) == PackedWay::bytes && way(2, beyond) == PackedWay::lookups);
  CHECK(way(3, held) == PackedWay::bytes && way(3, beyond) == PackedWay::lookups);
  CHECK(way(4, held) == PackedWay::bytes && way(4, beyond) == PackedWay::bytes);
  CHECK(packed_way(PackedWay::bits, TunedOperation::packed4, 1, 1024, 1024, held) == PackedWay::bits);
  set_tuning(nullptr);
}
