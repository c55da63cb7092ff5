#include "gemm/tuning.h"

#include <vector>

#include "check.h"
#include "core/cpu.h"
#include "core/cpuid.h"
#include "core/thread_pool.h"
#include "gemm/packed_way.h"

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
    return packed_way(PackedWay::automatic, TunedOperation::packed4, tokens, {1024, 1024, 1024, bytes});
  };
  CHECK(way(1, held) == PackedWay::lookups && way(1, beyond) == PackedWay::lookups);
  CHECK(way(2, held) == PackedWay::bytes && way(2, beyond) == PackedWay::lookups);
  CHECK(way(3, held) == PackedWay::bytes && way(3, beyond) == PackedWay::lookups);
  CHECK(way(4, held) == PackedWay::bytes && way(4, beyond) == PackedWay::bytes);
  CHECK(packed_way(PackedWay::bits, TunedOperation::packed4, 1, {1024, 1024, 1024, held}) == PackedWay::bits);
  set_tuning(nullptr);
}

TEST(packed_weights_look_up_for_as_many_tokens_as_was_measured) {
  using enum TunedOperation;
  const auto most = [](TunedOperation operation, size_t rows, size_t cols, size_t group, size_t threads = 1) {
    return lookups_up_to(operation, {rows, cols, group, rows * cols}, threads);
  };
  CHECK(most(packed1, 4096, 4096, 4096) == 11 && most(packed2, 4096, 4096, 4096) == 3);
  CHECK(most(packed3, 4096, 4096, 4096) == 2 && most(packed4, 1024, 256, 256) == 2);
  CHECK(most(packed_ternary, 4096, 4096, 4096) == 4);
  // Sums that end often, and few columns, cost bytes more.
  CHECK(most(packed2_short, 4096, 4096, 32) == 4 && most(packed2_short, 4096, 4096, 64) == 3);
  CHECK(most(packed_ternary, 4096, 256, 256) == 5);
  // Tables made for few rows do not pay.
  CHECK(most(packed1, 4096, 16384, 16384) == 11 && most(packed1, 256, 16384, 16384) == 4);
  CHECK(most(packed1, 40, 16384, 16384) == 0 && most(packed2, 16, 4096, 4096) == 0);
  CHECK(most(packed1, 0, 100, 100) == 0 && most(packed1, 100, 0, 1) == 0);
  // Of more than six tokens an odd number.
  for (size_t rows = 60; rows < 5000; rows += 61) {
    const size_t few = most(packed1, rows, 700, 700);
    CHECK(few < 6 || few % 2 == 1);
    CHECK(few <= most(packed1, rows + 61, 700, 700));
  }
  // Threads that share out rows make the tables of all tokens for fewer of them each.
  CHECK(most(packed2, 250, 32768, 32768) == 2 && most(packed2, 250, 32768, 32768, 4) == 1);
  // Those that share out tokens, as they do where the second-level cache holds the codes, make none twice.
  const auto shared = [](TunedOperation operation, size_t rows, size_t cols) {
    return lookups_up_to(operation, {rows, cols, cols, rows * cols / 8}, 2);
  };
  CHECK(shared(packed1, 256, 256) == 9 && shared(packed1, 64, 4096) == 0);
  CHECK(most(packed1, 256, 4096, 4096) == 5 && shared(packed1, 256, 4096) == 7);
  CHECK(shared(packed2, 256, 256) == 3 && shared(packed3, 256, 4096) == 2 && shared(packed4, 256, 4096) == 2);
  CHECK(shared(packed_ternary, 256, 256) == 3 && shared(packed_ternary, 256, 4096) == 3);
}

TEST(the_table_says_what_the_formula_does_in_the_middle_of_each_class) {
  if (active_isa() != Isa::avx512vpop || !full_width_512()) return;
  set_tuning(nullptr);
  std::vector<Crossover> cells(kTunedOperations * kTunedCells);
  read_tuning(cells.data());
  constexpr size_t kMiddle[] = {256, 1024, 4096};
  for (size_t kind = 0; kind < 9; kind++) {
    const auto operation = static_cast<TunedOperation>(static_cast<size_t>(TunedOperation::packed1) + kind);
    for (size_t cell = 0; cell < kTunedCells; cell++) {
      const size_t rows = kMiddle[cell / 3], cols = kMiddle[cell % 3];
      const size_t group = operation < TunedOperation::packed1_short ? cols : 32;
      const Crossover& by_default = cells[static_cast<size_t>(operation) * kTunedCells + cell];
      CHECK(by_default.dots == lookups_up_to(operation, {rows, cols, group, rows * cols}, 1));
    }
  }
}

TEST(packed_weights_take_the_way_of_a_users_table_before_that_which_was_measured) {
  const PackedSize size{1024, 1024, 1024, 1024 * 1024 / 8};
  const auto up_to = [&] {
    size_t tokens = 0;
    while (tokens < 300 &&
           packed_way(PackedWay::automatic, TunedOperation::packed1, tokens + 1, size) == PackedWay::lookups)
      tokens++;
    return tokens;
  };
  const size_t by_default = up_to();
  if (active_isa() == Isa::avx512vpop && full_width_512())
    CHECK(by_default == lookups_up_to(TunedOperation::packed1, size, thread_count()));
  std::vector<Crossover> cells(kTunedOperations * kTunedCells);
  read_tuning(cells.data());
  const std::vector<Crossover> defaults = cells;
  Crossover& cell = cells[static_cast<size_t>(TunedOperation::packed1) * kTunedCells + 4];
  cell.flat++;
  set_tuning(cells.data());
  CHECK(is_tuned(TunedOperation::packed1, 1024, 1024));
  cell = {77, 77};
  set_tuning(cells.data());
  CHECK(is_tuned(TunedOperation::packed1, 1024, 1024) && !is_tuned(TunedOperation::packed1, 256, 1024));
  CHECK(up_to() == 77);
  set_tuning(defaults.data());  // a table that repeats the defaults leaves the choice as it is
  CHECK(!is_tuned(TunedOperation::packed1, 1024, 1024) && up_to() == by_default);
  set_tuning(nullptr);
}
