#include "gemm/bits.h"

#include <vector>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512vpop, Isa::neon};
constexpr BitEncoding kEncodings[] = {BitEncoding::natural, BitEncoding::twos, BitEncoding::bipolar};

int64_t value(uint32_t code, int bits, BitEncoding encoding) {
  if (encoding == BitEncoding::bipolar) return 2 * int64_t{code} - ((1 << bits) - 1);
  if (encoding == BitEncoding::twos && code >> (bits - 1) != 0) return int64_t{code} - (1 << bits);
  return code;
}

enum class Fill { random, zeros, ones };

// Codes and their planes; the padding holds ones, which must not matter.
struct Matrix {
  Matrix(size_t rows, size_t k, int bits, BitEncoding encoding, Fill fill, uint64_t stream)
      : planes(rows * bit_words(k) * static_cast<size_t>(bits)), values(rows * k) {
    const size_t words = bit_words(k);
    for (size_t w = 0; w < rows * words * static_cast<size_t>(bits); w++) planes[w] = ~uint64_t{0};
    for (size_t i = 0; i < rows; i++)
      for (size_t p = 0; p < k; p++) {
        const uint32_t most = (1u << bits) - 1;
        const uint32_t code = fill == Fill::zeros ? 0
                              : fill == Fill::ones
                                  ? most
                                  : static_cast<uint32_t>(philox_uniform(9, stream, i * k + p) * (most + 1));
        values[i * k + p] = value(code, bits, encoding);
        for (int bit = 0; bit < bits; bit++)
          if ((code >> bit & 1) == 0)
            planes[(static_cast<size_t>(bit) * rows + i) * words + p / 64] &= ~(uint64_t{1} << p % 64);
      }
    operand = {planes.data(), rows, bits, encoding};
  }
  Guarded<uint64_t> planes;
  std::vector<int64_t> values;
  BitOperand operand;
};

void check_product(size_t m, size_t n, size_t k, int a_bits, int b_bits, BitEncoding ea, BitEncoding eb, Fill fill) {
  Matrix a(m, k, a_bits, ea, fill, 1), b(n, k, b_bits, eb, fill, 2);
  Guarded<int32_t> c(m * n);
  for (size_t i = 0; i < m * n; i++) c[i] = 77;
  CHECK(bit_gemm(a.operand, b.operand, k, c.data(), n, {}) == Status::ok);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      int64_t sum = 0;
      for (size_t p = 0; p < k; p++) sum += a.values[i * k + p] * b.values[j * k + p];
      if (!CHECK(c[i * n + j] == sum)) return;
    }
}

template <class Body>
void each_isa(Body&& body) {
  const Isa best = active_isa();
  for (Isa isa : kIsas)
    if (set_active_isa(isa)) body();
  set_active_isa(best);
}

}  // namespace

TEST(bit_products_are_exact_for_every_pair_of_widths_and_encodings) {
  each_isa([] {
    for (int a_bits = 1; a_bits <= 8; a_bits++)
      for (int b_bits = 1; b_bits <= 8; b_bits++)
        for (const BitEncoding ea : kEncodings)
          for (const BitEncoding eb : kEncodings) check_product(5, 35, 131, a_bits, b_bits, ea, eb, Fill::random);
  });
}

TEST(bit_products_are_exact_for_odd_depths_and_extreme_codes) {
  each_isa([] {
    for (const size_t k : {0, 1, 63, 64, 65, 511, 512, 513, 4096})
      for (const Fill fill : {Fill::random, Fill::zeros, Fill::ones})
        for (const BitEncoding encoding : kEncodings) {
          check_product(3, 2, k, 1, 1, encoding, encoding, fill);
          check_product(2, 5, k, 8, 8, encoding, encoding, fill);
          check_product(1, 1, k, 2, 8, encoding, BitEncoding::twos, fill);
        }
  });
}

TEST(bit_products_cover_tiles_strips_and_floors) {
  each_isa([] {
    for (const size_t m : {1, 11, 13, 25})
      for (const size_t n : {1, 16, 31, 33, 130, 257})
        check_product(m, n, 600, 2, 3, BitEncoding::twos, BitEncoding::bipolar, Fill::random);
  });
  check_product(800, 140, 70, 1, 1, BitEncoding::bipolar, BitEncoding::bipolar, Fill::random);
  check_product(3, 40, 40000, 1, 2, BitEncoding::bipolar, BitEncoding::bipolar, Fill::random);
}
