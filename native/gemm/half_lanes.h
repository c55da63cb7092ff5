// The text of the kernels over stored floats, written once over F32 of core/*_lanes.h and storages of this shape
// (FromF32, FromF16, FromBf16, FromE4M3, FromE5M2):
//
//   struct FromF16 {
//     using T = <a value in memory>;
//     load(p), load(n, p): kLanes values widened; or the first n of them, the others 0 and not read
//     load_two(p, a, b): two at a time, where that costs less
//   };
//
// Magnitudes { take(p); has_nan() }, the largest 8-bit floats without sign of registers; and kDotRows, the rows of x
// whose sums with four rows of w fit the registers, and sum4(a, b, c, d), the sums over the lanes of four vectors.

// What a tile asks for of the rows of w that are read next: `count` of them. From memory they come evenly so, not in a
// burst when the first tile of x meets them.
struct Ahead {
  std::uintptr_t from;
  std::size_t stride, count;  // in bytes
};

template <class S, int kRows, int kCols>
inline void dots_tile(const float* x, std::size_t x_stride, const typename S::T* w, std::size_t w_stride, std::size_t k,
                      Ahead ahead, float* y, std::size_t ldy) {
  F32::V sum[kRows][4];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) sum[i][j] = F32::zero();
  // The odd end first: after the loop GCC would keep a copy of every sum in memory for it.
  const std::size_t whole = k / F32::kLanes * F32::kLanes;
  if (whole < k) {
    const int left = static_cast<int>(k - whole);
    F32::V wv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; j++) wv[j] = S::load(left, w + j * w_stride + whole);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++) {
      const F32::V xv = F32::load(F32::mask(left), x + i * x_stride + whole);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) sum[i][j] = F32::fma(xv, wv[j], sum[i][j]);
    }
  }
  std::size_t p = 0;
  // As long as two registers of each row leave room for the sums.
  if constexpr (kRows <= 2 && requires(const typename S::T* q, F32::V& v) { S::load_two(q, v, v); })
    for (; p + 2 * F32::kLanes <= whole; p += 2 * F32::kLanes) {
      F32::V wv[2][kCols];
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) S::load_two(w + j * w_stride + p, wv[0][j], wv[1][j]);
      std::uintptr_t next = ahead.from + p * sizeof(typename S::T);
      for (std::size_t j = ahead.count; j > 0; j--, next += ahead.stride)
        __builtin_prefetch(reinterpret_cast<const void*>(next));
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; v++)
#pragma GCC unroll 2
        for (int i = 0; i < kRows; i++) {
          const F32::V xv = F32::load(x + i * x_stride + p + v * F32::kLanes);
#pragma GCC unroll 4
          for (int j = 0; j < kCols; j++) sum[i][j] = F32::fma(xv, wv[v][j], sum[i][j]);
        }
    }
  for (; p < whole; p += F32::kLanes) {
    F32::V wv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; j++) wv[j] = S::load(w + j * w_stride + p);
    std::uintptr_t next = ahead.from + p * sizeof(typename S::T);
    for (std::size_t j = ahead.count; j > 0; j--, next += ahead.stride)
      __builtin_prefetch(reinterpret_cast<const void*>(next));
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++) {
      const F32::V xv = F32::load(x + i * x_stride + p);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) sum[i][j] = F32::fma(xv, wv[j], sum[i][j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; i++) {
    const __m128 sums = sum4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
    float* to = y + i * ldy;
    if constexpr (kCols == 4)
      _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to), sums));
    else
      *to += _mm_cvtss_f32(sums);
  }
}

// The rest of the rows, below kRows of them.
template <class S, int kRows, int kCols>
inline void dots_rest(const float* x, std::size_t x_stride, std::size_t rows, const typename S::T* w,
                      std::size_t w_stride, std::size_t k, Ahead ahead, float* y, std::size_t ldy) {
  if (rows == kRows)
    dots_tile<S, kRows, kCols>(x, x_stride, w, w_stride, k, ahead, y, ldy);
  else if constexpr (kRows > 1)
    dots_rest<S, kRows - 1, kCols>(x, x_stride, rows, w, w_stride, k, ahead, y, ldy);
}

template <class S, int kCols>
inline void dots_rows(const float* x, std::size_t x_stride, std::size_t rows, const typename S::T* w,
                      std::size_t w_stride, std::size_t k, std::size_t ahead, float* y, std::size_t ldy) {
  const std::size_t tiles = (rows + kDotRows - 1) / kDotRows, stride = w_stride * sizeof(typename S::T);
  const std::uintptr_t next = reinterpret_cast<std::uintptr_t>(w) + ahead * sizeof(typename S::T);
  std::size_t asked = 0;
  for (std::size_t i = 0, left = tiles; left > 0; left--) {
    const std::size_t count = (rows - i + left - 1) / left;  // nearly equal tiles
    const std::size_t share = (kCols - asked + left - 1) / left;
    dots_rest<S, kDotRows, kCols>(x + i * x_stride, x_stride, count, w, w_stride, k,
                                  {next + asked * stride, stride, share}, y + i * ldy, ldy);
    i += count;
    asked += share;
  }
}

template <class S>
void stored_dots(const float* x, std::size_t x_stride, std::size_t rows, const void* from, std::size_t w_stride,
                 std::size_t cols, std::size_t k, std::size_t ahead, float* y, std::size_t ldy) {
  const auto* w = static_cast<const typename S::T*>(from);
  std::size_t j = 0;
  for (; j + 4 <= cols; j += 4) dots_rows<S, 4>(x, x_stride, rows, w + j * w_stride, w_stride, k, ahead, y + j, ldy);
  for (; j < cols; j++) dots_rows<S, 1>(x, x_stride, rows, w + j * w_stride, w_stride, k, ahead, y + j, ldy);
}

template <class S>
void widen(const void* from, std::size_t n, float* out) {
  const auto* x = static_cast<const typename S::T*>(from);
  std::size_t i = 0;
  for (; i + F32::kLanes <= n; i += F32::kLanes) F32::store(out + i, S::load(x + i));
  const int left = static_cast<int>(n - i);
  if (left > 0) F32::store(F32::mask(left), out + i, S::load(left, x + i));
}

template <class S>
void widen_panels(const void* from, std::size_t stride, std::size_t depth, std::size_t width, std::size_t panel,
                  float* out) {
  const auto* x = static_cast<const typename S::T*>(from);
  // Along the rows: the hardware reads ahead on a few long stretches, not on many short ones.
  for (std::size_t p = 0; p < depth; p++)
    for (std::size_t j = 0; j < width; j += panel) {
      float* to = out + j * depth + p * panel;
      for (std::size_t i = 0; i < panel; i += F32::kLanes) {
        const std::size_t held = width > j + i ? width - j - i : 0, room = panel - i;
        const typename S::T* at = x + p * stride + j + i;
        const int count = static_cast<int>(held < room ? held : room);
        const F32::V v = count >= F32::kLanes ? S::load(at) : count > 0 ? S::load(count, at) : F32::zero();
        if (room >= F32::kLanes)
          F32::store(to + i, v);
        else
          F32::store(F32::mask(static_cast<int>(room)), to + i, v);
      }
    }
}

// Four maxima by turns: one would wait for itself.
bool has_nan(const std::uint8_t* w, std::size_t n) {
  Magnitudes most[4] = {};
  std::size_t i = 0;
  for (; i + sizeof most <= n; i += sizeof most)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < 4; v++) most[v].take(w + i + v * sizeof(Magnitudes));
  std::uint8_t rest = 0;
  for (; i < n; i++) {
    const std::uint8_t magnitude = w[i] & 0x7f;
    rest = magnitude > rest ? magnitude : rest;
  }
  return rest == 0x7f || most[0].has_nan() || most[1].has_nan() || most[2].has_nan() || most[3].has_nan();
}

constexpr HalfKernels kKernels = {
    {stored_dots<FromF32>, stored_dots<FromF16>, stored_dots<FromBf16>},
    {stored_dots<FromE4M3>, stored_dots<FromE5M2>},
    has_nan,
    {nullptr, widen<FromF16>, widen<FromBf16>},
    {nullptr, widen_panels<FromF16>, widen_panels<FromBf16>},
};
