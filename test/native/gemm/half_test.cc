#include "gemm/half.h"

#include <cstring>

#include "check.h"
#include "core/philox.h"
#include "gemm/linear.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};
constexpr Storage kStoredAs[] = {Storage::f32, Storage::f16, Storage::bf16};

// Small whole numbers, whose products are exact in every storage and order.
float whole(uint64_t stream, size_t i) {
  return static_cast<float>(static_cast<int>(9 * philox_uniform(3, stream, i)) - 4);
}

// A matrix in this storage that ends where memory ends.
class StoredMatrix {
 public:
  StoredMatrix(Storage storage, size_t n, uint64_t stream) : storage_(storage), bytes_(n * bytes_of(storage)) {
    for (size_t i = 0; i < n; i++) {
      const float x = whole(stream, i);
      uint32_t word;
      std::memcpy(&word, &x, sizeof word);
      const auto upper = static_cast<uint16_t>(word >> 16);
      // Whole numbers from −4 to 4 in binary16: sign, exponent rebiased, two bits of the fraction.
      const uint32_t exponent = (word >> 23 & 255) - 112;
      const auto half =
          static_cast<uint16_t>((word >> 16 & 0x8000) | (x == 0 ? 0 : exponent << 10 | (word >> 13 & 1023)));
      if (storage == Storage::f32) std::memcpy(bytes_.data() + 4 * i, &x, 4);
      if (storage == Storage::f16) std::memcpy(bytes_.data() + 2 * i, &half, 2);
      if (storage == Storage::bf16) std::memcpy(bytes_.data() + 2 * i, &upper, 2);
    }
  }
  StoredOperand operand(size_t stride, bool transposed) { return {bytes_.data(), storage_, stride, transposed}; }

 private:
  Storage storage_;
  Guarded<uint8_t> bytes_;
};

float exact(size_t i, size_t j, size_t m, size_t n, size_t k, bool ta, bool tb) {
  float sum = 0;
  for (size_t p = 0; p < k; p++) sum += whole(1, ta ? p * m + i : i * k + p) * whole(2, tb ? j * k + p : p * n + j);
  return sum;
}

void check_product(Storage sa, Storage sb, size_t m, size_t n, size_t k, bool ta, bool tb, Route route) {
  StoredMatrix a(sa, m * k, 1), b(sb, k * n, 2);
  Guarded<float> c(m * n);
  CHECK(half_gemm(m, n, k, 1, a.operand(ta ? m : k, ta), b.operand(tb ? k : n, tb), 0, c.data(), n, {}, nullptr,
                  route) == Status::ok);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) CHECK(c[i * n + j] == exact(i, j, m, n, k, ta, tb));
}

// y = relu(x·wᵀ + bias)
void check_layer(Storage sx, Storage sw, size_t m, size_t n, size_t k, Route route) {
  StoredMatrix x(sx, m * k, 1), w(sw, n * k, 2);
  Guarded<float> bias(n), y(m * n);
  for (size_t j = 0; j < n; j++) bias[j] = whole(3, j);
  Head<float> head{};
  head.epilogue.bias = bias.data();
  head.epilogue.activation = Activation::relu;
  CHECK(linear(m, n, k, x.operand(k, false), w.operand(k, true), head, y.data(), route, {}) == Status::ok);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      const float z = exact(i, j, m, n, k, false, true) + bias[j];
      CHECK(y[i * n + j] == (z > 0 ? z : 0));
    }
}

template <class Body>
void on_each_isa(Body&& body) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas)
    if (set_active_isa(isa)) body();
  set_active_isa(best);
}

}  // namespace

TEST(stored_floats_touch_nothing_beyond_their_operands) {
  on_each_isa([] {
    for (const Storage sa : kStoredAs)
      for (const Storage sb : kStoredAs)
        for (const size_t m : {1, 7, 18})
          for (const size_t n : {1, 5, 35})
            for (const size_t k : {1, 9, 66})
              for (const bool ta : {false, true})
                for (const bool tb : {false, true}) check_product(sa, sb, m, n, k, ta, tb, Route::automatic);
  });
}

TEST(layers_touch_nothing_beyond_their_operands) {
  on_each_isa([] {
    for (const Storage sx : kStoredAs)
      for (const Storage sw : kStoredAs)
        for (const Route route : {Route::automatic, Route::dot, Route::flat, Route::blocked})
          for (const size_t m : {1, 5, 19})
            for (const size_t n : {1, 6, 37})
              for (const size_t k : {1, 11, 67}) check_layer(sx, sw, m, n, k, route);
  });
}
