// The kernels of lmul.h, written once over the lanes `L` of codec_lanes.h and included behind it.

// Fields of a format: `kLargest` is the largest finite code, `kOver` what lies beyond it becomes.
struct LmulF32 {
  static constexpr int kMantissa = 23, kBias = 127, kSignBit = 31;
  static constexpr int kLargest = 0x7f7fffff, kOver = 0x7f800000, kNan = 0x7fc00000;
};
struct LmulBfloat16 {
  static constexpr int kMantissa = 7, kBias = 127, kSignBit = 15;
  static constexpr int kLargest = 0x7f7f, kOver = 0x7f80, kNan = 0x7fc0;
};
struct LmulHalf {
  static constexpr int kMantissa = 10, kBias = 15, kSignBit = 15;
  static constexpr int kLargest = 0x7bff, kOver = 0x7c00, kNan = 0x7e00;
};
struct LmulE4M3 : E4M3 {
  static constexpr int kOver = kLargest;
};
struct LmulE5M2 : E5M2 {
  static constexpr int kOver = kSpecial;
};

// One product of codes. Magnitudes are below 2^31, so that signed comparisons order them; the sum itself may leave 31
// bits, which `over` sees before it is formed.
template <class L, class Format, bool kFormula>
inline typename L::I lmul_product(typename L::I a, typename L::I b, typename L::I bump) {
  using I = typename L::I;
  constexpr int kSign = static_cast<int>(1u << Format::kSignBit), kMagnitude = static_cast<int>(~0u >> 1);
  constexpr int kField = (1 << Format::kMantissa) - 1;
  const I zero = L::all_i(0), smallest = L::all_i(1 << Format::kMantissa), largest = L::all_i(Format::kLargest);
  const I nan = L::all_i(Format::kNan), beyond = L::all_i(Format::kOver);
  const I magnitude = L::all_i(Format::kSignBit == 31 ? kMagnitude : kSign - 1);
  const I x = L::and_(a, magnitude), y = L::and_(b, magnitude);
  const I sign = L::and_(L::sub_i(L::or_(a, b), L::and_(a, b)), L::all_i(kSign));  // exclusive or
  I left = L::sub_i(L::add_i(x, bump), L::all_i(Format::kBias << Format::kMantissa));
  if constexpr (kFormula) {
    const I field = L::all_i(kField);
    const I sum = L::add_i(L::add_i(L::and_(x, field), L::and_(y, field)), bump);
    const I over = L::sub_i(sum, smallest);  // 2^m·(s − 1), to be halved
    const I odd = L::and_(L::template shift_right<1>(over), L::all_i(1));
    const I halved = L::template shift_right<1>(L::add_i(over, odd));
    left = L::sub_i(left, L::select(L::greater(sum, field), L::sub_i(over, halved), zero));
  }
  const I sum = L::add_i(left, y);
  I finite = L::select(L::greater(smallest, sum), zero, sum);
  finite = L::select(L::greater(left, L::sub_i(largest, y)), beyond, finite);
  finite = L::select(L::greater(smallest, x), zero, L::select(L::greater(smallest, y), zero, finite));
  const I most = L::max_i(x, y);
  I special = L::select(L::greater(most, beyond), nan, L::or_(beyond, sign));
  special = L::select(L::greater(smallest, x), nan, L::select(L::greater(smallest, y), nan, special));
  return L::select(L::greater(most, largest), special, L::or_(finite, sign));
}

template <class L, bool kFormula>
void lmul_f32(const float* a, const float* b, size_t count, int bump, float* y) {
  const auto bumps = L::all_i(bump);
  const auto product = [&](typename L::F u, typename L::F v) {
    return L::floats(lmul_product<L, LmulF32, kFormula>(L::bits(u), L::bits(v), bumps));
  };
  each_vector<L>(
      count, [&](size_t i) { L::store(y + i, product(L::load(a + i), L::load(b + i))); },
      [&](size_t i, typename L::Mask m) { L::store(m, y + i, product(L::load(m, a + i), L::load(m, b + i))); });
}

// 2^(m − l) of a format whose m is its own.
template <class L, class Format>
inline typename L::I bump_of() {
  return L::all_i(1 << (Format::kMantissa - lmul_shift(Format::kMantissa)));
}

template <class L, class Format, bool kFormula>
void lmul_u16(const uint16_t* a, const uint16_t* b, size_t count, int, uint16_t* y) {
  const auto bumps = bump_of<L, Format>();
  const auto product = [&](typename L::I u, typename L::I v) { return lmul_product<L, Format, kFormula>(u, v, bumps); };
  each_vector<L>(
      count, [&](size_t i) { L::store_u16(y + i, product(L::load_u16(a + i), L::load_u16(b + i))); },
      [&](size_t i, typename L::Mask m) {
        L::store_u16(m, y + i, product(L::load_u16(m, a + i), L::load_u16(m, b + i)));
      });
}

template <class L, class Format, bool kFormula>
void lmul_u8(const uint8_t* a, const uint8_t* b, size_t count, int, uint8_t* y) {
  const auto bumps = bump_of<L, Format>();
  const auto product = [&](typename L::I u, typename L::I v) { return lmul_product<L, Format, kFormula>(u, v, bumps); };
  each_vector<L>(
      count, [&](size_t i) { L::store_u8(y + i, product(L::load_u8(a + i), L::load_u8(b + i))); },
      [&](size_t i, typename L::Mask m) {
        L::store_u8(m, y + i, product(L::load_u8(m, a + i), L::load_u8(m, b + i)));
      });
}

// The nearest E4M3, saturated; NaN stays NaN. Decoded like decode_e4m3, whose NaN does not occur here.
template <class L>
inline typename L::F round_to_e4m3(typename L::F v) {
  using I = typename L::I;
  const I code = minifloat<L, E4M3>(v, L::all_i(E4M3::kLargest));
  const I half = L::or_(L::template shift_left<8>(L::and_(code, L::all_i(0x80))),
                        L::template shift_left<7>(L::and_(code, L::all_i(0x7f))));
  const I value = L::bits(L::mul(L::half_to_float(half), L::all(256.0f)));
  return L::floats(L::select(L::greater(magnitude_of<L>(v), L::all_i(0x7f800000)), L::bits(v), value));
}

template <class L>
inline typename L::I bits_at(const float* x) {
  int bits;
  __builtin_memcpy(&bits, x, sizeof bits);
  return L::all_i(bits);
}

enum class LmulPath { plain, zeros, adder, formula };

template <class L, LmulPath kPath, bool kRound, int kRows>
inline void lmul_rows(const LmulTile& t) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr int kVectors = static_cast<int>(kLmulColumns) / L::kLanes;
  F sums[kRows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; v++) sums[r][v] = L::all(0);
  const I bump = L::all_i(t.bump), offset = L::all_i((127 << 23) - t.bump);
  const I none = L::all_i(0), every = L::all_i(-1), magnitude = L::all_i(0x7fffffff);
  const auto seen = [&](I x) { return L::select(L::greater(L::and_(x, magnitude), none), every, none); };
  for (size_t p = 0; p < t.k; p++) {
    const float* b = t.b + p * kLmulColumns;
    I y[kVectors], y_seen[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; v++) {
      y[v] = L::bits(L::load(b + v * L::kLanes));
      if constexpr (kPath == LmulPath::zeros) y_seen[v] = seen(y[v]);
      if constexpr (kPath == LmulPath::plain || kPath == LmulPath::zeros) y[v] = L::sub_i(y[v], offset);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) {
      const I x = bits_at<L>(t.a + static_cast<size_t>(r) * t.a_row + p);
      const I x_seen = kPath == LmulPath::zeros ? seen(x) : x;
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; v++) {
        I product;
        if constexpr (kPath == LmulPath::plain)
          product = L::add_i(x, y[v]);  // signs add modulo 2, since no magnitude leaves its 31 bits
        else if constexpr (kPath == LmulPath::zeros)
          product =
              L::and_(L::add_i(x, y[v]), L::and_(x_seen, y_seen[v]));  // +0 for −0 changes no sum that began at +0
        else
          product = lmul_product<L, LmulF32, kPath == LmulPath::formula>(x, y[v], bump);
        sums[r][v] = L::add(sums[r][v], L::floats(product));
        if constexpr (kRound) sums[r][v] = round_to_e4m3<L>(sums[r][v]);
      }
    }
  }
  float staged[kLmulColumns];
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; v++) L::store(staged + v * L::kLanes, sums[r][v]);
    for (size_t j = 0; j < t.cols; j++) t.c[static_cast<size_t>(r) * t.ldc + j] = staged[j];
  }
}

template <class L, LmulPath kPath, bool kRound>
void lmul_tile(const LmulTile& t) {
  if constexpr (L::kLanes ==
                1) {  // without registers to fill, several rows at once are only more code: half a megabyte
    LmulTile row = t;
    row.rows = 1;
    for (size_t r = 0; r < t.rows; r++, row.a += t.a_row, row.c += t.ldc) lmul_rows<L, kPath, kRound, 1>(row);
  } else {
    if (t.rows == 4) return lmul_rows<L, kPath, kRound, 4>(t);
    if (t.rows == 3) return lmul_rows<L, kPath, kRound, 3>(t);
    if (t.rows == 2) return lmul_rows<L, kPath, kRound, 2>(t);
    lmul_rows<L, kPath, kRound, 1>(t);
  }
}

template <class L>
constexpr LmulKernels lmul_kernels_of() {
  return {{lmul_f32<L, false>, lmul_f32<L, true>},
          {lmul_u16<L, LmulBfloat16, false>, lmul_u16<L, LmulBfloat16, true>},
          {lmul_u16<L, LmulHalf, false>, lmul_u16<L, LmulHalf, true>},
          {lmul_u8<L, LmulE4M3, false>, lmul_u8<L, LmulE4M3, true>},
          {lmul_u8<L, LmulE5M2, false>, lmul_u8<L, LmulE5M2, true>},
          {lmul_tile<L, LmulPath::adder, false>, lmul_tile<L, LmulPath::formula, false>},
          {lmul_tile<L, LmulPath::adder, true>, lmul_tile<L, LmulPath::formula, true>},
          lmul_tile<L, LmulPath::plain, false>,
          lmul_tile<L, LmulPath::zeros, false>};
}
