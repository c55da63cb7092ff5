// The text of decoded_dots.h, written once over F32 of core/*_lanes.h and, of the file that includes it,
//
//   codes(p)                kLanes bytes as i32
//   floats(i)               i32 to f32
//   table(), look_up(t, i)  values of E2M1

// Of one token two sums by turns, as gemv.h has them, of more one.
template <bool kFloats, int kRows, int kTokens>
inline void decoded_tile(const DecodedRun& r, std::size_t row, std::size_t token) {
  using V = F32::V;
  constexpr int kSide = kTokens == 1 ? 2 : 1;
  constexpr std::size_t kVectors = kDecodedGroup / F32::kLanes;
  V sum[kSide][kRows][kTokens];
#pragma GCC unroll 2
  for (int s = 0; s < kSide; s++)
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; t++) sum[s][i][t] = F32::zero();
  const float* x = r.x + token * r.x_stride;
  [[maybe_unused]] const V values = table();
  const std::uint8_t* from[kRows];
#pragma GCC unroll 2
  for (int i = 0; i < kRows; i++) from[i] = r.row[row + i].codes;

  V factor[kRows], less[kRows], scale[kRows];
  const auto group = [&](std::size_t g) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i++) {
      const GroupFactors& of = r.row[row + i].of;
      scale[i] = F32::broadcast(of.scales + g);
      if constexpr (kFloats) continue;
      factor[i] = F32::broadcast(of.factors + g);
      less[i] = F32::sub(F32::zero(), F32::broadcast(of.zeros + g));
    }
  };
  const auto vector = [&](std::size_t k, int s) __attribute__((always_inline)) {
    V w[kRows];
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i++) {
      const auto c = codes(from[i] + k);
      // The bracket is a whole number: nothing is rounded in it.
      const V whole = kFloats ? look_up(values, c) : F32::fma(floats(c), factor[i], less[i]);
      w[i] = F32::mul(whole, scale[i]);
    }
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kTokens; t++) {
      const V xt = F32::load(x + t * r.x_stride + k);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; i++) sum[s][i][t] = F32::fma(w[i], xt, sum[s][i][t]);
    }
  };
  // The columns of two halves of a step.
  const auto half = [&](std::size_t k, int h) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; v++)
      vector(k + v * F32::kLanes, (h * static_cast<int>(kVectors) + static_cast<int>(v)) % kSide);
  };
  if (r.group % kDecodedStep == 0) {
    for (std::size_t g = 0, k = 0; k < r.cols; g++) {
      group(g);
      for (const std::size_t end = k + r.group < r.cols ? k + r.group : r.cols; k < end; k += kDecodedStep) {
        half(k, 0);
        half(k + kDecodedGroup, 1);
      }
    }
  } else {
    std::size_t g = 0, left = 0;
    const auto next = [&]() __attribute__((always_inline)) {
      if (left == 0) {
        group(g++);
        left = r.group;
      }
      left -= kDecodedGroup;
    };
    for (std::size_t k = 0; k < r.cols; k += kDecodedStep) {
      next();
      half(k, 0);
      next();
      half(k + kDecodedGroup, 1);
    }
  }
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kTokens; t++)
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i++) {
      float lanes[F32::kLanes];
      F32::store(lanes, kSide == 2 ? F32::add(sum[0][i][t], sum[kSide - 1][i][t]) : sum[0][i][t]);
      for (int length = F32::kLanes / 2; length > 0; length /= 2)
        for (int l = 0; l < length; l++) lanes[l] += lanes[l + length];
      r.y[(token + t) * r.y_stride + row + i] = lanes[0];
    }
}

template <bool kFloats, int kTokens>
inline void decoded_tokens(const DecodedRun& r, std::size_t token) {
  if (r.rows == 2) return decoded_tile<kFloats, 2, kTokens>(r, 0, token);
  decoded_tile<kFloats, 1, kTokens>(r, 0, token);
}

template <bool kFloats, int kMost>
void decoded_rows(const DecodedRun& r) {
  std::size_t t = 0;
  if constexpr (kMost == 8)
    for (; t + 8 <= r.tokens; t += 8) decoded_tokens<kFloats, 8>(r, t);
  for (; t + 4 <= r.tokens; t += 4) decoded_tokens<kFloats, 4>(r, t);
  for (; t + 2 <= r.tokens; t += 2) decoded_tokens<kFloats, 2>(r, t);
  if (t < r.tokens) decoded_tokens<kFloats, 1>(r, t);
}
