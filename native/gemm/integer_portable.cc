// The reference kernels of the integer products: words, two products a step.
#include <cstring>

#include "gemm/integer.h"

namespace lapidary {
namespace {

using std::int16_t, std::int32_t, std::size_t, std::uint32_t, std::uint8_t;

// Sums wrap modulo 2^32, as the vector instructions do.
int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }

int32_t product(int32_t a, int32_t b) {
  int16_t x[2], y[2];
  std::memcpy(x, &a, sizeof a);
  std::memcpy(y, &b, sizeof b);
  return x[0] * y[0] + x[1] * y[1];
}

void gemm_i16_4x8__portable(const GemmTile<int32_t>& t) {
  uint32_t sum[4][8] = {};
  for (size_t p = 0; p < t.k; p++)
    for (size_t i = 0; i < t.m; i++)
      for (size_t j = 0; j < t.n; j++)
        sum[i][j] += static_cast<uint32_t>(product(t.a[i * t.a_row + p * t.a_step], t.b[p * t.b_step + j]));
  for (size_t i = 0; i < t.m; i++)
    for (size_t j = 0; j < t.n; j++) {
      int32_t& c = t.c[i * t.ldc + j];
      const uint32_t whole = sum[i][j] + (t.row_term == nullptr ? 0u : static_cast<uint32_t>(t.row_term[i]));
      const uint32_t scaled = static_cast<uint32_t>(t.alpha) * whole;
      c = wrap(t.beta == 0 ? scaled : scaled + static_cast<uint32_t>(t.beta) * static_cast<uint32_t>(c));
    }
}

int32_t widen(uint8_t x, bool is_signed) { return is_signed ? static_cast<std::int8_t>(x) : x; }

template <bool kXSigned, bool kWSigned>
void dots(const uint8_t* x, size_t x_stride, size_t rows, const uint8_t* w, size_t w_stride, size_t cols, size_t k,
          int32_t* y, size_t ldy) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) {
      uint32_t sum = static_cast<uint32_t>(y[i * ldy + j]);
      for (size_t p = 0; p < k; p++)
        sum += static_cast<uint32_t>(widen(x[i * x_stride + p], kXSigned) * widen(w[j * w_stride + p], kWSigned));
      y[i * ldy + j] = wrap(sum);
    }
}

int32_t step_of(uint8_t a, uint8_t b, bool is_signed) {
  const int16_t pair[2] = {static_cast<int16_t>(widen(a, is_signed)), static_cast<int16_t>(widen(b, is_signed))};
  int32_t step;
  std::memcpy(&step, pair, sizeof step);
  return step;
}

void pack_rows(const uint8_t* x, size_t stride, size_t count, size_t k, uint8_t, bool is_signed, int32_t* out,
               size_t pitch) {
  for (size_t i = 0; i < count; i++)
    for (size_t p = 0; p < k; p += 2) {
      const uint8_t* from = x + i * stride + p;
      out[i * pitch + p / 2] = step_of(from[0], p + 1 < k ? from[1] : 0, is_signed);
    }
}

void pack_panels(const uint8_t* x, size_t stride, size_t k, size_t width, size_t panel, uint8_t, bool is_signed,
                 int32_t* out) {
  for (size_t j = 0; j < width; j += panel)
    for (size_t p = 0; p < k; p += 2)
      for (size_t q = 0; q < panel; q++, out++) {
        const uint8_t* from = x + p * stride + j + q;
        *out = j + q < width ? step_of(from[0], p + 1 < k ? from[stride] : 0, is_signed) : 0;
      }
}

void widen_panel(const uint8_t* panel, size_t steps, int32_t* out) {
  constexpr size_t kWidth = 8;
  for (size_t s = 0; s < steps; s++)
    for (size_t j = 0; j < kPanelColumns; j++, panel += 4)
      for (size_t half = 0; half < 2; half++)
        out[j / kWidth * 2 * steps * kWidth + (2 * s + half) * kWidth + j % kWidth] =
            step_of(panel[2 * half], panel[2 * half + 1], true);
}

constexpr IntegerKernels kKernels = {
    StepForm::words,
    4,
    8,
    {gemm_i16_4x8__portable, gemm_i16_4x8__portable, gemm_i16_4x8__portable},
    {dots<false, true>, dots<true, true>, dots<true, false>},
    false,
    pack_rows,
    pack_panels,
    widen_panel,
};

}  // namespace

const IntegerKernels& integer_kernels__portable() { return kKernels; }

}  // namespace lapidary
