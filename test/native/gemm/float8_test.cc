#include "gemm/float8.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"
#include "quant/codec.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512vpop};
constexpr Scheme kSchemes[] = {Scheme::e4m3, Scheme::e5m2};

template <class Body>
void on_each(Body&& body) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas)
    if (set_active_isa(isa))
      for (const Scheme scheme : kSchemes) body(scheme);
  set_active_isa(best);
}

double value_of(Scheme scheme, uint8_t code) {
  float value;
  (scheme == Scheme::e4m3 ? codec__portable.decode_e4m3 : codec__portable.decode_e5m2)(&code, 1, 1.0f, &value);
  return static_cast<double>(value);
}

QuantLayout layout_of(Scheme scheme, size_t rows, size_t cols, size_t group) {
  QuantLayout layout{};
  layout.scheme = scheme;
  layout.rows = rows;
  layout.cols = cols;
  layout.group = group;
  layout.bits = 8;
  return layout;
}

// Random numbers where every array ends at a page that may not be touched, against sums in f64.
void check_layer(Scheme scheme, size_t tokens, size_t rows, size_t cols, size_t group) {
  const QuantLayout layout = layout_of(scheme, rows, cols, group);
  const size_t groups = layout.groups();
  Guarded<uint8_t> codes(rows * cols);
  Guarded<float> x(tokens * cols), y(tokens * rows), scales(rows * groups);
  for (size_t i = 0; i < rows * cols; i++) {
    const auto code = static_cast<uint8_t>(philox_uniform(1, 0, i) * 256);
    codes[i] = std::isfinite(value_of(scheme, code)) ? code : uint8_t{0x81};
  }
  for (size_t i = 0; i < tokens * cols; i++) x[i] = static_cast<float>(philox_uniform(2, 0, i)) - 0.5f;
  for (size_t i = 0; i < rows * groups; i++) scales[i] = static_cast<float>(philox_uniform(3, 0, i));
  QuantInput parts{};
  parts.codes = codes.data();
  parts.scales = scales.data();
  CHECK(float8_product(tokens, x.data(), layout, parts, {}, y.data(), {}) == Status::ok);
  for (size_t t = 0; t < tokens; t++)
    for (size_t r = 0; r < rows; r++) {
      double sum = 0, size = 0;
      for (size_t p = 0; p < cols; p++) {
        const double term = static_cast<double>(x[t * cols + p]) * value_of(scheme, codes[r * cols + p]) *
                            static_cast<double>(scales[r * groups + p / group]);
        sum += term;
        size += std::abs(term);
      }
      const double most = static_cast<double>(cols + 8) * 0x1p-24 * size;
      CHECK(std::abs(static_cast<double>(y[t * rows + r]) - sum) <= most);
    }
}

}  // namespace

TEST(products_of_8_bit_floats_are_near_and_touch_nothing_beyond_their_operands) {
  on_each([](Scheme scheme) {
    for (const size_t rows : {1, 3, 4, 6, 17})
      for (const size_t cols : {1, 15, 63, 64, 65, 127, 130})
        for (const size_t tokens : {1, 2}) check_layer(scheme, tokens, rows, cols, cols);
    for (const size_t group : {256, 272, 700})
      for (const size_t tokens : {1, 2}) check_layer(scheme, tokens, 5, 700, group);
  });
}

TEST(every_8_bit_float_at_every_place_is_its_value) {
  constexpr size_t kRows = 256, kCols = 130;
  std::vector<uint8_t> codes(kRows * kCols);
  std::vector<float> x(kCols), y(kRows), scales(kRows, 1.0f);
  on_each([&](Scheme scheme) {
    for (size_t p = 0; p < kCols; p++) {
      std::fill(codes.begin(), codes.end(), uint8_t{0});
      std::fill(x.begin(), x.end(), 0.0f);
      x[p] = 1;
      for (size_t r = 0; r < kRows; r++) codes[r * kCols + p] = static_cast<uint8_t>(r);
      QuantInput parts{};
      parts.codes = codes.data();
      parts.scales = scales.data();
      CHECK(float8_product(1, x.data(), layout_of(scheme, kRows, kCols, kCols), parts, {}, y.data(), {}) == Status::ok);
      for (size_t r = 0; r < kRows; r++) {
        const double want = value_of(scheme, static_cast<uint8_t>(r));
        CHECK(std::isnan(want) ? std::isnan(y[r]) : static_cast<double>(y[r]) == want);
      }
    }
  });
}
