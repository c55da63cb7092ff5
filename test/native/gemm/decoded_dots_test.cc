#include "gemm/decoded_dots.h"

#include <array>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};
constexpr float kFloats[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6};

int below(int bound, uint64_t stream, size_t i) { return static_cast<int>(philox_uniform(6, stream, i) * bound); }

// One or two rows of codes where every array ends at a page that may not be touched. Halves so small that every order
// of sums gives the same. A row that is not there has no codes.
template <bool kOfFloats>
void check_dots(const DecodedDots& kernels, size_t rows, size_t cols, size_t group, size_t tokens) {
  const size_t groups = (cols + group - 1) / group, ldy = rows + 3;
  Guarded<uint8_t> codes(rows * cols);
  Guarded<float> factors(rows * groups), zeros(rows * groups), scales(rows * groups);
  Guarded<float> x(tokens * cols), y((tokens - 1) * ldy + rows);
  for (size_t i = 0; i < rows * cols; i++) codes[i] = static_cast<uint8_t>(below(kOfFloats ? 16 : 100, 1, i));
  for (size_t g = 0; g < rows * groups; g++) {
    factors[g] = static_cast<float>(1 + below(2, 2, g));
    zeros[g] = static_cast<float>(below(16, 3, g));
    scales[g] = 0.5f * static_cast<float>(1 + below(2, 4, g));
  }
  for (size_t i = 0; i < tokens * cols; i++) x[i] = static_cast<float>(below(7, 5, i) - 3);
  for (size_t i = 0; i < (tokens - 1) * ldy + rows; i++) y[i] = 77;

  DecodedRun r{};
  r.rows = rows;
  r.cols = cols;
  r.group = group;
  r.x = x.data();
  r.x_stride = cols;
  r.tokens = tokens;
  r.y = y.data();
  r.y_stride = ldy;
  // Arrays of E2M1 have no factors and no zeros.
  const auto part = [](float* all, size_t at) { return kOfFloats ? nullptr : all + at; };
  for (size_t i = 0; i < rows; i++)
    r.row[i] = {codes.data() + i * cols,
                {part(factors.data(), i * groups), part(zeros.data(), i * groups), scales.data() + i * groups}};
  kernels.dots[kOfFloats](r);

  for (size_t t = 0; t < tokens; t++)
    for (size_t i = 0; i < ldy; i++) {
      if (t + 1 == tokens && i >= rows) break;
      float sum = 0;
      for (size_t k = 0; i < rows && k < cols; k++) {
        const size_t g = i * groups + k / group;
        const uint8_t code = codes[i * cols + k];
        const float whole = kOfFloats ? kFloats[code] : factors[g] * code - zeros[g];
        sum += scales[g] * whole * x[t * cols + k];
      }
      CHECK(y[t * ldy + i] == (i < rows ? sum : 77));
    }
}

}  // namespace

TEST(decoded_dots_touch_nothing_beyond_their_operands_and_are_exact) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    const DecodedDots& kernels = *kDecodedDots.pick();
    if (kernels.dots[0] == nullptr) continue;
    for (const size_t rows : {1, 2})
      for (const auto& [cols, group] : {std::array<size_t, 2>{32, 16}, {32, 32}, {96, 48}, {160, 64}, {416, 416}})
        for (const size_t tokens : {1, 2, 3, 4, 5, 7, 8, 9, 15}) {
          check_dots<false>(kernels, rows, cols, group, tokens);
          check_dots<true>(kernels, rows, cols, group, tokens);
        }
  }
  set_active_isa(best);
}
