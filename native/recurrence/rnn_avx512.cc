// Recurrent kernels on 512-bit registers: 24 of the 32 accumulate.
#include "recurrence/rnn_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <limits>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/exp_lanes.h"
#include "recurrence/rnn_lanes.h"

inline __m512 pairs(__m512 x, __m512 y, bool high) {
  const __m512d u = _mm512_castps_pd(x), v = _mm512_castps_pd(y);
  return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(u, v) : _mm512_unpacklo_pd(u, v));
}

// Neighbouring rows, then pairs and fours of them, exchange what belongs to the other's column: 64 shuffles, two a
// cycle, where single values would be 256 loads and stores.
void turn_square(const float* rows, std::size_t stride, std::size_t step, float* out) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(rows + static_cast<std::size_t>(i) * stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      // quarter q holds column 4q + c of rows i … i + 3
      a[i + c] = pairs(b[i + c / 2], b[i + c / 2 + 2], c % 2 == 1);
    }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++)
#pragma GCC unroll 2
    for (int i = 0; i < 16; i += 8) {
      b[i + c] = _mm512_shuffle_f32x4(a[i + c], a[i + c + 4], 0x88);
      b[i + c + 4] = _mm512_shuffle_f32x4(a[i + c], a[i + c + 4], 0xdd);
    }
#pragma GCC unroll 8
  for (int c = 0; c < 8; c++) {
    float* const to = out + static_cast<std::size_t>(c) * step;
    _mm512_storeu_ps(to, _mm512_shuffle_f32x4(b[c], b[c + 8], 0x88));
    _mm512_storeu_ps(to + 8 * step, _mm512_shuffle_f32x4(b[c], b[c + 8], 0xdd));
  }
}

}  // namespace

void rnn_turn_f32_16x16__avx512(const float* rows, std::size_t stride, std::size_t k, std::size_t step, float* out) {
  std::size_t p = 0;
  for (; p + 16 <= k; p += 16) turn_square(rows + p, stride, step, out + p * step);
  for (; p < k; p++)
    for (std::size_t l = 0; l < 16; l++) out[p * step + l] = rows[l * stride + p];
}

LAPIDARY_RNN_DEFINE(F32, LaneMath<F32>, f32, avx512, 8, 6)

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
