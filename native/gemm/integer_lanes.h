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
                      std::size_t k, const std::int32_t* term, std::int32_t* y, std::size_t ldy) {
  typename S::V sum[kRows][4];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) sum[i][j] = S::zero();
  std::size_t p = 0;
  for (; p + S::kBytes <= k; p += S::kBytes) {
    typename S::W wv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; j++) wv[j] = S::load_w(w + j * w_stride + p);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) {
      const typename S::X xv = S::load_x(x + i * x_stride + p);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) sum[i][j] = S::step(xv, wv[j], sum[i][j]);
    }
  }
  if (p < k) {
    const int left = static_cast<int>(k - p);
    typename S::W wv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; j++) wv[j] = S::load_w(w + j * w_stride + p, left);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) {
      const typename S::X xv = S::load_x(x + i * x_stride + p, left);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; j++) sum[i][j] = S::step(xv, wv[j], sum[i][j]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++) {
    std::int32_t sums[4];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums), S::sum4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
    const std::uint32_t added = term == nullptr ? 0u : static_cast<std::uint32_t>(term[i]);
    for (int j = 0; j < kCols; j++)
      y[i * ldy + j] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[j]) + added);
  }
}

template <class S, int kCols>
inline void dots_rows(const std::uint8_t* x, std::size_t x_stride, std::size_t rows, const std::uint8_t* w,
                      std::size_t w_stride, std::size_t k, const std::int32_t* term, std::int32_t* y, std::size_t ldy) {
  const auto at = [&](std::size_t i) { return term == nullptr ? nullptr : term + i; };
  std::size_t i = 0;
  for (; i + S::kRows <= rows; i += S::kRows)
    dots_tile<S, S::kRows, kCols>(x + i * x_stride, x_stride, w, w_stride, k, at(i), y + i * ldy, ldy);
  for (; i < rows; i++) dots_tile<S, 1, kCols>(x + i * x_stride, x_stride, w, w_stride, k, at(i), y + i * ldy, ldy);
}

template <class S>
void byte_dots(const std::uint8_t* x, std::size_t x_stride, std::size_t rows, const std::uint8_t* w,
               std::size_t w_stride, std::size_t cols, std::size_t k, const std::int32_t* term, std::int32_t* y,
               std::size_t ldy) {
  std::size_t j = 0;
  for (; j + 4 <= cols; j += 4) dots_rows<S, 4>(x, x_stride, rows, w + j * w_stride, w_stride, k, term, y + j, ldy);
  for (; j < cols; j++) dots_rows<S, 1>(x, x_stride, rows, w + j * w_stride, w_stride, k, term, y + j, ldy);
}
