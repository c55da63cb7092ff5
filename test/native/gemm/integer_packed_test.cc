#include "gemm/integer_packed.h"

#include <vector>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512vnni};

void fill(uint8_t* x, size_t n, uint64_t stream) {
  for (size_t i = 0; i < n; i++) x[i] = static_cast<uint8_t>(256 * philox_uniform(5, stream, i));
}

int32_t value(uint8_t x, bool is_signed) { return is_signed ? static_cast<int8_t>(x) : x; }

// Every operand ends at a page that may not be touched. `bits` of the weights: with 7, no pair of their products can
// saturate.
void check_product(size_t m, size_t n, size_t k, bool is_signed, bool ta, bool tb, int bits) {
  Guarded<uint8_t> a(m * k), b(k * n), packed(packed_panels(n) * packed_panel_bytes(k));
  Guarded<int32_t> c(m * n), sums(n);
  fill(a.data(), m * k, 1);
  fill(b.data(), k * n, 2);
  for (size_t i = 0; i < k * n; i++) b[i] = static_cast<uint8_t>(static_cast<int8_t>(b[i]) >> (8 - bits));
  fill(packed.data(), packed_panels(n) * packed_panel_bytes(k), 3);
  CHECK(pack_integer(n, k, {b.data(), tb ? k : n, tb}, packed.data(), sums.data(), {}) == Status::ok);
  for (size_t panel = 0; panel < packed_panels(n); panel++)
    for (size_t p = 0; p < (k + 3) / 4 * 4; p++)
      for (size_t q = 0; q < 32; q++) {
        const size_t j = panel * 32 + q;
        const uint8_t want = j < n && p < k ? b[tb ? j * k + p : p * n + j] : 0;
        CHECK(packed[panel * ((k + 3) / 4 * 128) + p / 4 * 128 + q * 4 + p % 4] == want);
      }
  const PackedInteger w{n, k, packed.data(), sums.data()};
  CHECK(packed_integer_gemm(is_signed, m, 1, {a.data(), ta ? m : k, ta}, w, 0, c.data(), n, {}) == Status::ok);
  for (size_t j = 0; j < n; j++) {
    int32_t column = 0;
    for (size_t p = 0; p < k; p++) column += value(b[tb ? j * k + p : p * n + j], true);
    CHECK(sums[j] == column);
    for (size_t i = 0; i < m; i++) {
      int32_t sum = 0;
      for (size_t p = 0; p < k; p++)
        sum += value(a[ta ? p * m + i : i * k + p], is_signed) * value(b[tb ? j * k + p : p * n + j], true);
      CHECK(c[i * n + j] == sum);
    }
  }
}

}  // namespace

TEST(products_with_packed_bytes_touch_nothing_beyond_their_operands) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa)) {
      for (const bool is_signed : {false, true})
        for (const bool ta : {false, true})
          for (const bool tb : {false, true}) {
            for (const size_t m : {1, 5, 17, 30})
              for (const size_t n : {1, 31, 33, 70})
                for (const size_t k : {1, 2, 3, 63, 65, 130})
                  for (const int bits : {7, 8}) check_product(m, n, k, is_signed, ta, tb, bits);
            for (const int bits : {7, 8}) check_product(16, 40, 1600, is_signed, ta, tb, bits);  // several blocks of k
            check_product(2, 40, 1601, is_signed, ta, tb, 8);
            check_product(9, 40, 1601, is_signed, ta, tb, 8);
          }
      check_product(700, 33, 770, true, false, false, 7);  // several parts of A
    }
  set_active_isa(best);
}
