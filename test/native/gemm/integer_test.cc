#include "gemm/integer.h"

#include <vector>

#include "check.h"
#include "core/philox.h"
#include "gemm/tuning.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512vnni};

int32_t value(uint8_t x, bool is_signed) { return is_signed ? static_cast<int8_t>(x) : x; }

void fill(uint8_t* x, size_t n, uint64_t stream) {
  for (size_t i = 0; i < n; i++) x[i] = static_cast<uint8_t>(256 * philox_uniform(5, stream, i));
}

// Every operand ends at a page that may not be touched. `apart`: from row to row of B beyond its width.
void check_product(IntegerKind kind, size_t m, size_t n, size_t k, bool ta, bool tb, Route route = Route::automatic,
                   size_t apart = 0) {
  const size_t ldb = (tb ? k : n) + apart, size = ((tb ? n : k) - 1) * ldb + (tb ? k : n);
  Guarded<uint8_t> a(m * k), b(size);
  Guarded<int32_t> c(m * n);
  fill(a.data(), m * k, 1);
  fill(b.data(), size, 2);
  CHECK(integer_gemm(kind, m, n, k, 1, {a.data(), ta ? m : k, ta}, {b.data(), ldb, tb}, 0, c.data(), n, {}, route) ==
        Status::ok);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      int32_t sum = 0;
      for (size_t p = 0; p < k; p++)
        sum += value(a[ta ? p * m + i : i * k + p], kind != IntegerKind::u8i8) *
               value(b[tb ? j * ldb + p : p * ldb + j], kind != IntegerKind::i8u8);
      CHECK(c[i * n + j] == sum);
    }
}

}  // namespace

TEST(integer_products_touch_nothing_beyond_their_operands) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa))
      for (const IntegerKind kind : {IntegerKind::u8i8, IntegerKind::i8i8, IntegerKind::i8u8})
        for (const size_t m : {1, 5, 17, 30})
          for (const size_t n : {1, 3, 33, 70})
            for (const size_t k : {1, 2, 3, 63, 67, 130})
              for (const bool ta : {false, true})
                for (const bool tb : {false, true}) check_product(kind, m, n, k, ta, tb);
  set_active_isa(best);
}

// Rows of B that begin within lines, all at the same place: the first and the last groups of columns are parts of them.
TEST(sums_of_columns_that_begin_within_a_line) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa))
      for (const IntegerKind kind : {IntegerKind::u8i8, IntegerKind::i8i8, IntegerKind::i8u8})
        for (const size_t m : {1, 3, 8})
          for (const size_t k : {1, 4, 7, 16, 21, 34})
            for (const size_t n : {20, 50, 150, 192, 2300})
              check_product(kind, m, n, k, false, false, Route::automatic, (64 - n % 64) % 64);
  set_active_isa(best);
}

// Where dots are the way, the side that is copied may be larger than the scratch space.
TEST(dots_of_more_rows_than_are_copied_at_a_time) {
  const Isa best = active_isa();
  const std::vector<Crossover> always(kTunedOperations * kTunedCells, Crossover{kAnyCount, 0});
  for (Isa isa : kIsas)
    if (set_active_isa(isa))
      for (const bool transposed : {false, true}) {
        check_product(IntegerKind::i8i8, 2100, 3, 4500, transposed, true, Route::dot);
        if (transposed) continue;
        set_tuning(always.data());
        check_product(IntegerKind::u8i8, 3, 2100, 4500, false, false);
        check_product(IntegerKind::i8u8, 2100, 3, 4500, false, true);  // the smaller side is copied
        set_tuning(nullptr);
      }
  set_active_isa(best);
}
