// The text of decoded_dots.h, written once over F32 of core/*_lanes.h and, of the file that includes it,
//
//   codes(p)                kLanes bytes as i32
//   floats(i)               i32 to f32
//   table(), look_up(t, i)  values of E2M1

// The sum of the lanes by halves, as gemv.h has it.
__attribute__((noinline)) float total(F32::V v) {
  float lanes[F32::kLanes];
  F32::store(lanes, v);
  for (int half = F32::kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

// Of one token two sums by turns, as gemv.h has them, of more one. Two rows: a last one alone is taken twice.
template <bool kFloats, int kTokens>
void decoded_tile(const DecodedRun& r, std::size_t token) {
  using V = F32::V;
  constexpr int kRows = DecodedRun::kRows, kSide = kTokens == 1 ? 2 : 1;
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
  const DecodedRun::Row* const rows[kRows] = {r.row, r.row + r.rows - 1};

  V factor[kRows], less[kRows], scale[kRows];
  const auto begin = [&](std::size_t group) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i++) {
      const GroupFactors& of = rows[i]->of;
      scale[i] = F32::broadcast(of.scales + group);
      if constexpr (kFloats) continue;
      factor[i] = F32::broadcast(of.factors + group);
      less[i] = F32::sub(F32::zero(), F32::broadcast(of.zeros + group));
    }
  };
  // The columns of one half of a step.
  const auto half = [&](std::size_t k, int h) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; v++) {
      const std::size_t at = k + v * F32::kLanes;
      const int s = (h * static_cast<int>(kVectors) + static_cast<int>(v)) % kSide;
      V w[kRows];
#pragma GCC unroll 2
      for (int i = 0; i < kRows; i++) {
        const auto c = codes(rows[i]->codes + at);
        // The bracket is a whole number: nothing is rounded in it.
        const V whole = kFloats ? look_up(values, c) : F32::fma(floats(c), factor[i], less[i]);
        w[i] = F32::mul(whole, scale[i]);
      }
#pragma GCC unroll 8
      for (std::size_t t = 0; t < kTokens; t++) {
        const V xt = F32::load(x + t * r.x_stride + at);
#pragma GCC unroll 2
        for (int i = 0; i < kRows; i++) sum[s][i][t] = F32::fma(w[i], xt, sum[s][i][t]);
      }
    }
  };
  std::size_t group = 0;
  if constexpr (kSide == 1) {
    for (std::size_t k = 0; k < r.cols;) {
      begin(group++);
      for (const std::size_t end = k + r.group < r.cols ? k + r.group : r.cols; k < end; k += kDecodedGroup) half(k, 0);
    }
  } else {
    // Groups may begin in the middle of a step.
    std::size_t left = 0;
    const auto next = [&]() __attribute__((always_inline)) {
      if (left == 0) {
        begin(group++);
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
    for (std::size_t i = 0; i < kRows; i++) {
      const V all = kSide == 2 ? F32::add(sum[0][i][t], sum[kSide - 1][i][t]) : sum[0][i][t];
      if (i < r.rows) r.y[(token + t) * r.y_stride + i] = total(all);
    }
}

template <bool kFloats, int kMost>
void decoded_rows(const DecodedRun& r) {
  std::size_t t = 0;
  if constexpr (kMost == 8)
    for (; t + 8 <= r.tokens; t += 8) decoded_tile<kFloats, 8>(r, t);
  for (; t + 4 <= r.tokens; t += 4) decoded_tile<kFloats, 4>(r, t);
  for (; t + 2 <= r.tokens; t += 2) decoded_tile<kFloats, 2>(r, t);
  if (t < r.tokens) decoded_tile<kFloats, 1>(r, t);
}
