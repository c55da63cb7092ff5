// The reference micro-kernels: what every other row of the table must compute, with product and sum rounded separately.
#include "gemm/microkernel.h"

namespace lapidary {
namespace {

// kFull: the tile is kM × kN and its loops have constant bounds, which the compiler can vectorise.
template <class T, std::size_t kM, std::size_t kN, bool kFull>
void tile(const GemmTile<T>& t) {
  const std::size_t m = kFull ? kM : t.m, n = kFull ? kN : t.n;
  T sum[kM][kN] = {};
  for (std::size_t p = 0; p < t.k; p++)
    for (std::size_t i = 0; i < m; i++) {
      const T a = t.a[i * t.a_row + p * t.a_step];
      for (std::size_t j = 0; j < n; j++) sum[i][j] += a * t.b[p * t.b_step + j];
    }
  for (std::size_t i = 0; i < m; i++)
    for (std::size_t j = 0; j < n; j++) {
      T& c = t.c[i * t.ldc + j];
      const T product = t.alpha * sum[i][j];
      c = t.beta == 0 ? product : product + t.beta * c;
    }
}

template <class T, std::size_t kM, std::size_t kN>
void run(const GemmTile<T>& t) {
  if (t.m == kM && t.n == kN)
    tile<T, kM, kN, true>(t);
  else
    tile<T, kM, kN, false>(t);
}

}  // namespace

void gemm_f32_4x8__portable(const GemmTile<float>& t) { run<float, 4, 8>(t); }

void gemm_f64_4x4__portable(const GemmTile<double>& t) { run<double, 4, 4>(t); }

}  // namespace lapidary
