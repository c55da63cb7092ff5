// The text of the byte dot products, written once. Included inside an instruction set's region and unnamed namespace,
// after structs of this shape:
//
//   struct DotsU8I8 {
//     using V = <sums of i32>;  using X = <values of x>;  using W = <values of w>;
//     static constexpr int kBytes, kRows;   // values of k a step; rows of x at a time
//     zero(), load_x(p), load_w(p), load_x(p, n), load_w(p, n): only n < kBytes values, the others of x zero
//     step(x, w, sum), sum4(a, b, c, d): four sums over lanes as __m128i
//   };

template <class S, int kRows, int kCols>
inline void dots_tile(const std::uint8_t* x, std::size_t x_stride, const std::uint8_t* w, std::size_t w_stride,
                      std::size_t k, std::int32_t* y, std::size_t ldy) {
  typename S::V sum[kRows][4];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) sum[i][j] = S::zero();
  // The odd end first: after the loop GCC would keep a copy of every sum in memory for it.
  const std::size_t whole = k / S::kBytes * S::kBytes;
  if (whole < k) {
    const int left = static_cast<int>(k - whole);
    typename S::W wv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; j++) wv[j] = S::load_w(w + j * w_stride + whole, left);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++) {
      const typename S::X xv = S::load_x(x + i * x_stride + whole, left);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) sum[i][j] = S::step(xv, wv[j], sum[i][j]);
    }
  }
  for (std::size_t p = 0; p < whole; p += S::kBytes) {
    typename S::W wv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; j++) wv[j] = S::load_w(w + j * w_stride + p);
    // Few rows of x wait for w, and the hardware stops reading ahead at the end of a page, which is a row or so: the
    // next tile's rows are asked for, by their addresses, since they may lie past the end. For more rows than two,
    // whose x fills the first-level cache, they wait in the second.
    if constexpr (kRows <= 4 && kCols == 4)
      if (p % 64 == 0)
#pragma GCC unroll 4
        for (int j = 0; j < kCols; j++)
          _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(w) + (kCols + j) * w_stride + p),
                       _MM_HINT_T0);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++) {
      const typename S::X xv = S::load_x(x + i * x_stride + p);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) sum[i][j] = S::step(xv, wv[j], sum[i][j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; i++) {
    __m128i* to = reinterpret_cast<__m128i*>(y + i * ldy);
    const __m128i sums = S::sum4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
    if constexpr (kCols == 4)
      _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), sums));
    else
      y[i * ldy] = _mm_cvtsi128_si32(_mm_add_epi32(_mm_cvtsi32_si128(y[i * ldy]), sums));
  }
}

// The rest of the rows, below kRows of them.
template <class S, int kRows, int kCols>
inline void dots_rest(const std::uint8_t* x, std::size_t x_stride, std::size_t rows, const std::uint8_t* w,
                      std::size_t w_stride, std::size_t k, std::int32_t* y, std::size_t ldy) {
  if (rows == kRows)
    dots_tile<S, kRows, kCols>(x, x_stride, w, w_stride, k, y, ldy);
  else if constexpr (kRows > 1)
    dots_rest<S, kRows - 1, kCols>(x, x_stride, rows, w, w_stride, k, y, ldy);
}

template <class S, int kCols>
inline void dots_rows(const std::uint8_t* x, std::size_t x_stride, std::size_t rows, const std::uint8_t* w,
                      std::size_t w_stride, std::size_t k, std::int32_t* y, std::size_t ldy) {
  const std::size_t tiles = (rows + S::kRows - 1) / S::kRows;
  for (std::size_t i = 0, left = tiles; left > 0; left--) {
    const std::size_t count = (rows - i + left - 1) / left;  // nearly equal tiles
    dots_rest<S, S::kRows, kCols>(x + i * x_stride, x_stride, count, w, w_stride, k, y + i * ldy, ldy);
    i += count;
  }
}

template <class S>
void byte_dots(const std::uint8_t* x, std::size_t x_stride, std::size_t rows, const std::uint8_t* w,
               std::size_t w_stride, std::size_t cols, std::size_t k, std::int32_t* y, std::size_t ldy) {
  std::size_t j = 0;
  for (; j + 4 <= cols; j += 4) dots_rows<S, 4>(x, x_stride, rows, w + j * w_stride, w_stride, k, y + j, ldy);
  for (; j < cols; j++) dots_rows<S, 1>(x, x_stride, rows, w + j * w_stride, w_stride, k, y + j, ldy);
}
