// The text of the matrix-vector kernels, written once over F32 and F64 of core/avx2_lanes.h or core/avx512_lanes.h.

// The sum of the lanes by halves: the same tree for every caller.
template <class S>
inline typename S::T sum_lanes(typename S::V v) {
  typename S::T lanes[S::kLanes];
  S::store(lanes, v);
  for (int half = S::kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

template <class S, int kRows>
inline void dots_rows(const typename S::T* a, std::size_t stride, std::size_t n, const typename S::T* x,
                      typename S::T* y) {
  using V = typename S::V;
  constexpr std::size_t kStep = 2 * S::kLanes;
  V sum[kRows][2];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++) sum[i][0] = sum[i][1] = S::zero();
  std::size_t j = 0;
  for (; j + kStep <= n; j += kStep) {
    const V x0 = S::load(x + j), x1 = S::load(x + j + S::kLanes);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) {
      sum[i][0] = S::fma(S::load(a + i * stride + j), x0, sum[i][0]);
      sum[i][1] = S::fma(S::load(a + i * stride + j + S::kLanes), x1, sum[i][1]);
    }
  }
  for (; j < n; j += S::kLanes) {
    const std::size_t left = n - j;
    const typename S::Mask mask = S::mask(left < S::kLanes ? static_cast<int>(left) : S::kLanes);
    const V x0 = S::load(mask, x + j);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) sum[i][0] = S::fma(S::load(mask, a + i * stride + j), x0, sum[i][0]);
  }
  for (int i = 0; i < kRows; i++) y[i] += sum_lanes<S>(S::add(sum[i][0], sum[i][1]));
}

template <class S>
inline void dots(const typename S::T* a, std::size_t stride, std::size_t rows, std::size_t n, const typename S::T* x,
                 typename S::T* y) {
  std::size_t i = 0;
  for (; i + 4 <= rows; i += 4) dots_rows<S, 4>(a + i * stride, stride, n, x, y + i);
  for (; i < rows; i++) dots_rows<S, 1>(a + i * stride, stride, n, x, y + i);
}

template <class S, int kRows>
inline void sums_rows(const typename S::T* a, std::size_t stride, std::size_t n, const typename S::T* x,
                      typename S::T* y) {
  using V = typename S::V;
  V xi[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) xi[i] = S::broadcast(x + i);
  std::size_t j = 0;
  for (; j + S::kLanes <= n; j += S::kLanes) {
    V sum = S::load(y + j);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; i++) sum = S::fma(xi[i], S::load(a + i * stride + j), sum);
    S::store(y + j, sum);
  }
  if (j == n) return;
  const typename S::Mask mask = S::mask(static_cast<int>(n - j));
  V sum = S::load(mask, y + j);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) sum = S::fma(xi[i], S::load(mask, a + i * stride + j), sum);
  S::store(mask, y + j, sum);
}

template <class S>
inline void sums(const typename S::T* a, std::size_t stride, std::size_t rows, std::size_t n, const typename S::T* x,
                 typename S::T* y) {
  std::size_t i = 0;
  for (; i + 8 <= rows; i += 8) sums_rows<S, 8>(a + i * stride, stride, n, x + i, y);
  for (; i < rows; i++) sums_rows<S, 1>(a + i * stride, stride, n, x + i, y);
}
