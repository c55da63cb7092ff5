// The text of the kernels of quantized.h, written once over lanes of this shape, included inside an instruction set's
// region and unnamed namespace after F32 of core/*_lanes.h and StreamLanes of quant/stream_lanes_*.h:
//
//   struct Lanes {
//     using I = <bytes or i32>;
//     static constexpr int kVectors;             // of a chunk of 64 bytes
//     kTokens, rows_of(tokens)                   // of the dots that share registers
//     static constexpr int kRows, kRowVectors;   // of a panel's tile
//     load(p), table(p), low(v), high(v), look_up(table, v)
//     look_up_low(table, v), look_up_high(table, v)   // of nibbles
//     keep(v)   // a value that stays in its register
//     F32::V permute(v, index)   // v[index[i]] in lane i
//     ask(p)    // prefetches the line of p
//     shifted_bytes<n>(p, count)   // the first `count` of kLanes bytes, times 2^n as i32, zeros after them
//     floats_of_bits(i32)
//     unpack(StreamLanes, p)   // a vector of codes out of a stream; reads 64 bytes less those of the vectors before
//     Pairs                    // unpack(v, low, high): of 128 codes out of a stream; where there are dots of pairs
//     F32::V powers(p), small_floats(p)   // 2^(s − 127) of bytes, NaN of 255; E4M3
//     within(p, least, most)   // 4·kLanes bytes are that
//     F32::V positive_floats(p)   // E4M3 that is so
//     nibbles(lo, x0, hi, x1), bytes(w, x), wide_bytes(w, x)  // sums of products of 4 (8) neighbours, as F32::V
//     Sum: zero(), step(sum, w, x), whole(sum) → i32, planes(low, high) → low + 16·high, floats(i32)
//     kSumSteps      // steps over which a Sum of codes below 16 can grow; 0: any number
//     broadcast(p)   // 4 bytes
//     store(p, i32), add(a, b), sub(a, b), mul(a, b)   // of i32
//     sum(F32::V)    // over the lanes, as a tree
//   };

// Bytes of a row's codes ahead of those in use that are asked for at most.
inline constexpr std::size_t kAhead = 2048;

// first + i / each in lane i, for the first that are so many lanes apart.
template <int kEach>
struct Spread {
  alignas(64) std::int32_t index[kEach][F32::kLanes];
  constexpr Spread() : index{} {
    for (int first = 0; first < kEach; first++)
      for (int i = 0; i < F32::kLanes; i++) index[first][i] = first * F32::kLanes / kEach + i / kEach;
  }
};
template <int kEach>
inline constexpr Spread<kEach> kSpread;

// Each of the first values kEach times.
template <class L, int kEach>
inline F32::V each(F32::V values) {
  if constexpr (kEach == 1)
    return values;
  else
    return L::permute(values, L::load(kSpread<kEach>.index[0]));
}

// Where the dots find the scales: in CodeDots::scales, or as ByteScales has them.
enum class ScaleForm : std::uint8_t { floats, powers, small_floats, integers };

// The scales of so many units, zeros after them. No byte is read behind them.
template <class L, ScaleForm kScales, class T>
inline F32::V load_scales(const T* from, int units) {
  if constexpr (kScales == ScaleForm::floats)
    return units == F32::kLanes ? F32::load(from) : F32::load(F32::mask(units), from);
  if constexpr (kScales == ScaleForm::powers) return L::floats_of_bits(L::template shifted_bytes<23>(from, units));
  if constexpr (kScales == ScaleForm::small_floats)  // exponent and mantissa are 2^−120 of the value, or denormal
    return F32::mul(L::floats_of_bits(L::template shifted_bytes<20>(from, units)), F32::all(0x1p120f));
  if constexpr (kScales == ScaleForm::integers) return L::floats(L::template shifted_bytes<0>(from, units));
}

// kLoop: blocks are loops too, for the few rows at the end of a matrix and for numbers of tokens that are rare.
template <class L, CodeForm kForm, Span kSpan, ScaleForm kScales, int kRows, int kTokens, bool kLoop = false>
inline void code_dots_of(const CodeDots& d, std::size_t row) {
  constexpr bool kNibbles = kForm == CodeForm::nibbles || kForm == CodeForm::looked_up;
  constexpr bool kPacked = kForm == CodeForm::packed, kTwo = comes_in_two(kForm);
  // A register of scales serves a block of as many vectors of codes as there are sums that share a scale.
  constexpr int kShare = kSpan == Span::half_lane ? 2 : 4, kBlock = kShare;
  constexpr std::size_t kBlockUnits = kBlock * units_of(kSpan) / L::kVectors;
  constexpr int kUnitSlots = F32::kLanes / kBlockUnits;
  // One sum for each row and token, in the order of k: a token's bits do not depend on how many share the call.
  F32::V sums[kRows][kTokens];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; t++) sums[r][t] = F32::zero();
  [[maybe_unused]] typename L::I table;
  if constexpr (kForm == CodeForm::looked_up) table = L::table(d.table);
  const StreamLanes stream(kPacked ? d.bits : 1);
  [[maybe_unused]] const typename L::Pairs pairs(kForm == CodeForm::pairs ? d.bits : 1);
  // Bytes of a chunk, and of the codes in one of its vectors.
  const std::size_t step = chunk_bytes(kForm, d.bits), part = step / L::kVectors;
  const std::uint8_t* const codes = d.codes + row * d.codes_stride;
  const auto* const scales = [&] {
    if constexpr (kScales == ScaleForm::floats)
      return d.scales + row * d.scales_stride;
    else
      return d.byte_scales + row * d.scales_stride;
  }();
  const F32::V zero = F32::all(d.zero);
  // What follows in the rows is asked for, towards their end the next rows: the hardware does not read ahead over the
  // end of a page, and too late where much is computed between two loads. What lies past the matrix is not read.
  std::size_t ahead = kAhead < d.codes_stride ? kAhead : d.codes_stride;
  const std::size_t vectors = d.chunks * L::kVectors;
  const std::size_t turn = (d.codes_stride - ahead) / step * L::kVectors / kBlock * kBlock;
  const std::size_t scales_ahead = kRows * d.scales_stride;

  // A block of `size` vectors from `first` on. The last of a row, where one is cut short, is a loop: unrolled it would
  // be nearly half of the code of all dots.
  const auto block = [&](std::size_t first, auto size) __attribute__((always_inline)) {
    const int count = size;
    const std::size_t first_unit = first / kBlock * kBlockUnits;
    const int units = count * static_cast<int>(kBlockUnits) / kBlock;
    const float* zeros = d.zeros == nullptr ? nullptr : d.zeros + row * d.scales_stride + first_unit;
    F32::V of_row[kRows], scale[kRows][kTokens];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; r++) {
      const auto* s = scales + r * d.scales_stride + first_unit;
      __builtin_prefetch(s + scales_ahead);
      F32::V values = load_scales<L, kScales>(s, units);
      if constexpr (kScales == ScaleForm::integers) values = F32::mul(values, F32::broadcast(d.row_scales + row + r));
      of_row[r] = each<L, kUnitSlots>(values);
    }
    // What comes off each code, for all codes of a scale at once.
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kTokens; t++) {
      const float* a = d.a + t * d.a_stride + first / kBlock * F32::kLanes;
      const float* q = d.q + t * d.a_stride + first / kBlock * F32::kLanes;
      const F32::V at = F32::load(a), qt = F32::load(q);
      F32::V off = F32::mul(zero, qt);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kRows; r++) {
        if constexpr (kScales == ScaleForm::integers) {
          const std::uint8_t* bytes = d.byte_zeros + (row + r) * d.scales_stride + first_unit;
          off = F32::mul(each<L, kUnitSlots>(load_scales<L, kScales>(bytes, units)), qt);
        } else if (zeros != nullptr) {
          off =
              F32::mul(each<L, kUnitSlots>(load_scales<L, ScaleForm::floats>(zeros + r * d.scales_stride, units)), qt);
        }
        scale[r][t] = F32::mul(of_row[r], at);
        sums[r][t] = F32::fnma(scale[r][t], off, sums[r][t]);
      }
    }
    const auto vector = [&](int b) __attribute__((always_inline)) {
      constexpr std::size_t kBytes = kCodeChunk / L::kVectors;
      const std::size_t chunk = (first + static_cast<std::size_t>(b)) / L::kVectors;
      const std::size_t v = static_cast<std::size_t>(b) % L::kVectors;
      const typename L::I spread = L::load(kSpread<kShare>.index[b]);
      typename L::I low[kRows], high[kRows];
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kRows; r++) {
        const std::uint8_t* from = codes + r * d.codes_stride + chunk * step + v * part;
        L::ask(from + ahead);
        typename L::I w;
        if constexpr (kPacked)
          w = L::unpack(stream, from);
        else
          w = L::load(from);
        low[r] = high[r] = w;
        if constexpr (kForm == CodeForm::pairs) pairs.unpack(w, low[r], high[r]);
        if constexpr (kNibbles) {
          // One load for both: arrays of JavaScript begin 16 bytes into a line, so that each touches two.
          L::keep(w);
          low[r] = kForm == CodeForm::nibbles ? L::low(w) : L::look_up_low(table, w);
          high[r] = kForm == CodeForm::nibbles ? L::high(w) : L::look_up_high(table, w);
        }
      }
#pragma GCC unroll 8
      for (std::size_t t = 0; t < kTokens; t++) {
        const std::int8_t* xt = d.x + t * d.x_stride + chunk * kCodeChunk * (kTwo ? 2 : 1) + v * kBytes;
#pragma GCC unroll 8
        for (int r = 0; r < kRows; r++) {
          F32::V whole;
          if constexpr (kTwo)
            whole = L::nibbles(low[r], L::load(xt), high[r], L::load(xt + kCodeChunk));
          else if constexpr (kForm == CodeForm::wide_bytes)
            whole = L::wide_bytes(low[r], L::load(xt));
          else
            whole = L::bytes(low[r], L::load(xt));
          sums[r][t] = F32::fma(whole, L::permute(scale[r][t], spread), sums[r][t]);
        }
      }
    };
    if constexpr (std::is_same_v<decltype(size), int>) {
#pragma GCC unroll 1
      for (int b = 0; b < count; b++) vector(b);
    } else {
#pragma GCC unroll 4
      for (int b = 0; b < kBlock; b++) vector(b);
    }
  };
  const std::size_t whole = vectors / kBlock * kBlock;
  std::size_t first = 0;
  for (std::size_t end = turn < whole ? turn : whole; first < whole; end = whole) {
    if (first == turn) ahead += (kRows - 1) * d.codes_stride;
    for (; first < end; first += kBlock) {
      if constexpr (kLoop)
        block(first, kBlock);
      else
        block(first, std::integral_constant<int, kBlock>{});
    }
  }
  if (first < vectors) block(first, static_cast<int>(vectors - first));

#pragma GCC unroll 8
  for (std::size_t t = 0; t < kTokens; t++)
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; r++) d.sums[t * d.sums_stride + row + r] = L::sum(sums[r][t]);
}

template <class L, CodeForm kForm, Span kSpan, ScaleForm kScales, int kTokens>
inline void code_dots_up_to(const CodeDots& d) {
  if (d.tokens == kTokens) {
    constexpr int kRows = L::rows_of(kTokens);
    // As loops where the numbers of tokens are rare, except for bytes on 512 bits, which lose a fifth by it, and for
    // codes in a stream, which take so long to come apart that little is lost (6 bits, 4 tokens: a tenth).
    constexpr bool kLoses = kForm == CodeForm::wide_bytes && L::kVectors == 1;
    constexpr bool kRare = kTokens > 2 && kTokens < L::kTokens && !kLoses;
    constexpr bool kLoop = kRare || kForm == CodeForm::packed;
    std::size_t row = 0;
    for (; row + kRows <= d.rows; row += kRows) code_dots_of<L, kForm, kSpan, kScales, kRows, kTokens, kLoop>(d, row);
    if constexpr (kRows > 1)
      for (; row < d.rows; row++) code_dots_of<L, kForm, kSpan, kScales, 1, kTokens, true>(d, row);
  } else if constexpr (kTokens > 1) {
    code_dots_up_to<L, kForm, kSpan, kScales, kTokens - 1>(d);
  }
}

template <class L, CodeForm kForm, Span kSpan, ScaleForm kScales = ScaleForm::floats>
void code_dots(const CodeDots& d) {
  code_dots_up_to<L, kForm, kSpan, kScales, L::kTokens>(d);
}

// to[i] = decode(from + i), kLanes at a time.
template <F32::V (*decode)(const std::uint8_t*)>
inline void decode_bytes(const std::uint8_t* from, std::size_t count, float* to) {
  std::size_t i = 0;
  for (; i + F32::kLanes <= count; i += F32::kLanes) F32::store(to + i, decode(from + i));
  if (i == count) return;
  std::uint8_t rest[F32::kLanes] = {};
  __builtin_memcpy(rest, from + i, count - i);
  F32::store(F32::mask(static_cast<int>(count - i)), to + i, decode(rest));
}

template <class L>
void powers_of_two(const std::uint8_t* from, std::size_t count, float* to) {
  decode_bytes<L::powers>(from, count, to);
}

// Scales are positive numbers, but for those of strangers: then there is less to do.
template <class L>
void small_floats(const std::uint8_t* from, std::size_t count, float* to) {
  constexpr std::size_t kBytes = 4 * F32::kLanes;
  for (; count >= kBytes; count -= kBytes, from += kBytes, to += kBytes) {
    if (!L::within(from, 0, 0x7e)) {
      decode_bytes<L::small_floats>(from, kBytes, to);
      continue;
    }
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kBytes; i += F32::kLanes) F32::store(to + i, L::positive_floats(from + i));
  }
  decode_bytes<L::small_floats>(from, count, to);
}

template <class L>
bool within(const std::uint8_t* from, std::size_t count, std::uint8_t least, std::uint8_t most) {
  constexpr std::size_t kBytes = 4 * F32::kLanes;
  std::size_t i = 0;
  for (; i + kBytes <= count; i += kBytes)
    if (!L::within(from + i, least, most)) return false;
  for (; i < count; i++)
    if (from[i] < least || from[i] > most) return false;
  return true;
}

// Each of the values kEach times, out of a register of them: stores that overlap would keep the loads that follow
// waiting.
template <class L, int kEach>
inline void repeat_few(const float* from, std::size_t count, float* to) {
  for (std::size_t i = 0; i < count; i += F32::kLanes, to += kEach * F32::kLanes) {
    const int n = static_cast<int>(count - i < F32::kLanes ? count - i : F32::kLanes);
    const F32::V values = F32::load(F32::mask(n), from + i);
    for (int v = 0; v * F32::kLanes < n * kEach; v++)
      F32::store(to + v * F32::kLanes, L::permute(values, L::load(kSpread<kEach>.index[v])));
  }
}

// Whole vectors, each over what is too much of the one before.
template <class L>
void repeat(const float* from, std::size_t count, std::size_t each, float* to) {
  static_assert(F32::kLanes <= kRepeatSlack);
  if (each == 2) return repeat_few<L, 2>(from, count, to);
  if (each == 4) return repeat_few<L, 4>(from, count, to);
  if (each == 8) return repeat_few<L, 8>(from, count, to);
  for (std::size_t i = 0; i < count; i++, to += each) {
    const F32::V value = F32::broadcast(from + i);
    for (std::size_t k = 0; k < each; k += F32::kLanes) F32::store(to + k, value);
  }
}

template <class L, int kRows, std::size_t kSteps>
inline void panel_of(const PanelTile& p) {
  constexpr int kVectors = L::kRowVectors;
  constexpr std::size_t kColumns = kVectors * F32::kLanes;
  alignas(64) float y[kRows][kColumns] = {};
  const std::uint8_t* w = p.w;
  const std::int8_t* x = p.x;
  const float* scales = p.scales;
  for (std::size_t u = 0; u < p.units; u++, x += 4 * kSteps, scales += 2 * kColumns) {
    typename L::I whole[kRows][kVectors];
    const auto plane = [&](auto take) __attribute__((always_inline)) {
      typename L::Sum sum[kRows][kVectors];
#pragma GCC unroll 8
      for (int t = 0; t < kRows; t++)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; v++) sum[t][v] = L::zero();
#pragma GCC unroll 8
      for (std::size_t s = 0; s < kSteps; s++, w += 4 * kColumns) {
        typename L::I wv[kVectors];
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; v++) wv[v] = L::load(w + v * 4 * F32::kLanes);
#pragma GCC unroll 8
        for (int t = 0; t < kRows; t++) {
          const typename L::I xv = L::broadcast(x + t * p.x_stride + 4 * s);
#pragma GCC unroll 2
          for (int v = 0; v < kVectors; v++) sum[t][v] = L::step(sum[t][v], wv[v], xv);
        }
      }
#pragma GCC unroll 8
      for (int t = 0; t < kRows; t++)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; v++) take(t, v, L::whole(sum[t][v]));
    };
    const auto add = [&](int t, int v, typename L::I sum) __attribute__((always_inline)) {
      const std::size_t at = t * p.a_stride + u;
      float* to = y[t] + v * F32::kLanes;
      const float* scale = scales + v * F32::kLanes;
      const F32::V exact = F32::fnma(F32::load(scale + kColumns), F32::broadcast(p.q + at), L::floats(sum));
      F32::store(to, F32::fma(exact, F32::mul(F32::load(scale), F32::broadcast(p.a + at)), F32::load(to)));
    };
    if (p.planes == 1) {
      plane(add);
    } else {
      plane([&](int t, int v, typename L::I sum) { whole[t][v] = sum; });
      plane([&](int t, int v, typename L::I sum) { add(t, v, L::planes(whole[t][v], sum)); });
    }
  }
  for (int t = 0; t < kRows; t++) {
    float* to = p.y + t * p.ldy;
    for (std::size_t j = 0; j < p.width; j++) to[j] = p.add ? to[j] + y[t][j] : y[t][j];
  }
}

template <class L, int kRows>
inline void panel_up_to(const PanelTile& p) {
  if (p.tokens == kRows) {
    if (p.steps == 8)
      panel_of<L, kRows, 8>(p);
    else
      panel_of<L, kRows, 4>(p);
  } else if constexpr (kRows > 1) {
    panel_up_to<L, kRows - 1>(p);
  }
}

// Steps of a few tokens from which sums apart save more than it costs to begin and to join them.
constexpr std::size_t kManySteps = 24;

template <class L, int kRows>
inline void whole_of(const WholePanel& p, std::size_t token) {
  constexpr int kVectors = L::kRowVectors;
  constexpr std::size_t kColumns = kVectors * F32::kLanes;
  const std::uint8_t* w = p.w;
  const std::int8_t* x = p.x + token * p.x_stride;
  typename L::I whole[kRows][kVectors];
  // Adds the products of the next steps.
  const auto steps = [&](std::size_t count, bool begin) __attribute__((always_inline)) {
    typename L::Sum sum[kRows][kVectors];
#pragma GCC unroll 8
    for (int t = 0; t < kRows; t++)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) sum[t][v] = L::zero();
    const auto step = [&](typename L::Sum(&to)[kRows][kVectors]) __attribute__((always_inline)) {
      typename L::I wv[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) wv[v] = L::load(w + v * 4 * F32::kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < kRows; t++) {
        const typename L::I xv = L::broadcast(x + static_cast<std::size_t>(t) * p.x_stride);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; v++) to[t][v] = L::step(to[t][v], wv[v], xv);
      }
      w += 4 * kColumns;
      x += 4;
    };
    // So few sums would wait for each other: those of neighbouring steps are apart, if steps are many.
    if constexpr (L::kSumSteps == 0 && kRows <= 2)
      if (count >= kManySteps) {
        constexpr int kApart = 4 / kRows;
        typename L::Sum others[kApart - 1][kRows][kVectors];
#pragma GCC unroll 4
        for (int u = 1; u < kApart; u++)
#pragma GCC unroll 2
          for (int t = 0; t < kRows; t++)
#pragma GCC unroll 2
            for (int v = 0; v < kVectors; v++) others[u - 1][t][v] = L::zero();
        for (; count >= kApart; count -= kApart) {
          step(sum);
#pragma GCC unroll 4
          for (int u = 1; u < kApart; u++) step(others[u - 1]);
        }
#pragma GCC unroll 4
        for (int u = 1; u < kApart; u++)
#pragma GCC unroll 2
          for (int t = 0; t < kRows; t++)
#pragma GCC unroll 2
            for (int v = 0; v < kVectors; v++) sum[t][v] = L::add(sum[t][v], others[u - 1][t][v]);
      }
    for (; count > 0; count--) step(sum);
#pragma GCC unroll 8
    for (int t = 0; t < kRows; t++)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++)
        whole[t][v] = begin ? L::whole(sum[t][v]) : L::add(whole[t][v], L::whole(sum[t][v]));
  };
  std::size_t done = L::kSumSteps != 0 && p.steps > L::kSumSteps ? L::kSumSteps : p.steps;
  steps(done, true);
  if constexpr (L::kSumSteps != 0)
    for (std::size_t count; done < p.steps; done += count) {
      count = p.steps - done < L::kSumSteps ? p.steps - done : L::kSumSteps;
      steps(count, false);
    }
  const auto each = [&](auto body) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kRows; t++)
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; v++)
        body(whole[t][v], token + t, v * F32::kLanes, (token + t) * p.ldy + v * F32::kLanes);
  };
  using I = typename L::I;
  if (!p.first) each([&](I& sum, auto, auto, std::size_t at) { sum = L::add(sum, L::load(p.whole + at)); });
  if (!p.last) return each([&](I sum, auto, auto, std::size_t at) { L::store(p.whole + at, sum); });
  if (p.doubled) each([](I& sum, auto, auto, auto) { sum = L::add(sum, sum); });
  each([&](I sum, std::size_t row, std::size_t lane, std::size_t at) {
    sum = L::sub(sum, L::mul(L::load(p.zeros + lane), L::broadcast(p.q + row * p.q_stride)));
    const F32::V scaled = F32::mul(F32::load(p.scales + lane), L::floats(sum));
    F32::store(p.y + at, F32::add(F32::load(p.y + at), scaled));
  });
}

// As many tokens as are left at a time, of the heights that there are: kRows, 2 less and so on, and 1.
template <class L, int kRows>
inline void whole_from(const WholePanel& p, std::size_t token) {
  for (; token + kRows <= p.tokens; token += kRows) whole_of<L, kRows>(p, token);
  if constexpr (kRows > 1) whole_from<L, kRows == 2 ? 1 : kRows - 2>(p, token);
}

template <class L>
inline void whole_panel(const WholePanel& p) {
  whole_from<L, L::kRows>(p, 0);
}

// With several vectors in a chunk the scales of a block are too few bytes to be worth it.
template <class L>
constexpr auto integer_scaled_dots() -> void (*)(const CodeDots&) {
  if constexpr (L::kVectors == 1)
    return code_dots<L, CodeForm::nibbles, Span::chunk, ScaleForm::integers>;
  else
    return nullptr;
}

template <class L>
constexpr QuantizedKernels kernels_of(int raised, void (*tile)(const PanelTile&), int plane_bits,
                                      std::size_t table_steps, decltype(QuantizedKernels::expand) expand) {
  using enum CodeForm;
  using enum Span;
  return {
      {{code_dots<L, nibbles, half_lane>, code_dots<L, nibbles, lane>, code_dots<L, nibbles, two_lanes>,
        code_dots<L, nibbles, chunk>},
       {code_dots<L, looked_up, half_lane>, code_dots<L, looked_up, lane>, code_dots<L, looked_up, two_lanes>,
        code_dots<L, looked_up, chunk>},
       {nullptr, code_dots<L, bytes, lane>, code_dots<L, bytes, two_lanes>, code_dots<L, bytes, chunk>},
       {nullptr, code_dots<L, wide_bytes, lane>, code_dots<L, wide_bytes, two_lanes>, code_dots<L, wide_bytes, chunk>},
       {nullptr, code_dots<L, packed, lane>, code_dots<L, packed, two_lanes>, code_dots<L, packed, chunk>},
       {}},
      {code_dots<L, looked_up, lane, ScaleForm::powers>, code_dots<L, looked_up, half_lane, ScaleForm::small_floats>,
       integer_scaled_dots<L>()},
      L::kTokens,
      raised,
      L::kRows,
      L::kRowVectors * F32::kLanes,
      tile,
      whole_panel<L>,
      plane_bits,
      table_steps,
      expand,
      powers_of_two<L>,
      small_floats<L>,
      within<L>,
      repeat<L>};
}
