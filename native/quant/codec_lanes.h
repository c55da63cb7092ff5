// The kernels of codec.h, written once over the lanes `L` of the file that includes this (inside its unnamed namespace
// and region). L has kLanes, F (floats), I (32-bit integers), B (a choice for each lane), Mask (the first n lanes) and
// the operations used below; loads under a mask give zeros elsewhere.

// A float format of `kMantissa` explicit bits and exponent bias `kBias`, in kSignBit + 1 bits.
struct E4M3 {
  static constexpr int kMantissa = 3, kBias = 7, kSignBit = 7;
  static constexpr int kLargest = 0x7e, kSpecial = 0x7f, kNan = 0x7f;
};
struct E5M2 {
  static constexpr int kMantissa = 2, kBias = 15, kSignBit = 7;
  static constexpr int kLargest = 0x7b, kSpecial = 0x7c, kNan = 0x7e;
};
struct E2M1 {
  static constexpr int kMantissa = 1, kBias = 1, kSignBit = 3;
  static constexpr int kLargest = 7, kSpecial = 7, kNan = 7;
};

struct E3M0 {
  static constexpr int kMantissa = 0, kBias = 3, kSignBit = 3;
  static constexpr int kLargest = 7, kSpecial = 7, kNan = 7;
};

// Rounds the f32 to nearest even at the last mantissa bit of the format. Normal results: an integer addition that
// carries into the exponent. Subnormal results: adding a power of two whose last place is the smallest subnormal makes
// the hardware round there.
template <class L, class Format>
typename L::I minifloat(typename L::F v, typename L::I overflow) {
  constexpr int kShift = 23 - Format::kMantissa;
  constexpr int kOffset = (127 - Format::kBias) << Format::kMantissa;
  constexpr int kMinNormal = (127 - Format::kBias + 1) << 23;
  constexpr int kMagic = (127 + 24 - Format::kBias - Format::kMantissa) << 23;  // 2^23 smallest subnormals
  using I = typename L::I;
  const I u = L::bits(v);
  const I magnitude = L::and_(u, L::all_i(0x7fffffff));
  const I odd = L::and_(L::template shift_right<kShift>(magnitude), L::all_i(1));
  const I rounded = L::add_i(L::add_i(magnitude, L::all_i((1 << (kShift - 1)) - 1)), odd);
  const I normal = L::sub_i(L::template shift_right<kShift>(rounded), L::all_i(kOffset));
  const I magic = L::all_i(kMagic);
  const I small = L::sub_i(L::bits(L::add(L::floats(magnitude), L::floats(magic))), magic);
  I code = L::select(L::greater(L::all_i(kMinNormal), magnitude), small, normal);
  code = L::select(L::greater(code, L::all_i(Format::kLargest)), overflow, code);
  code = L::select(L::greater(magnitude, L::all_i(0x7f800000)), L::all_i(Format::kNan), code);
  const I sign = L::and_(L::template shift_right<31 - Format::kSignBit>(u), L::all_i(1 << Format::kSignBit));
  return L::or_(code, sign);
}

// body(i) for whole vectors, tail(i, mask) for the rest.
template <class L, class Whole, class Tail>
inline void each_vector(size_t count, Whole whole, Tail tail) {
  size_t i = 0;
  for (; i + L::kLanes <= count; i += L::kLanes) whole(i);
  if (i < count) tail(i, L::mask(static_cast<int>(count - i)));
}

// y[i] = map(x[i]) for vectors of f32 to bytes and back.
template <class L, class Map>
inline void map_to_bytes(const float* x, size_t count, uint8_t* codes, Map map) {
  each_vector<L>(
      count, [&](size_t i) { L::store_u8(codes + i, map(L::load(x + i))); },
      [&](size_t i, typename L::Mask m) { L::store_u8(m, codes + i, map(L::load(m, x + i))); });
}

template <class L, class Map>
inline void map_from_bytes(const uint8_t* codes, size_t count, float* y, Map map) {
  each_vector<L>(
      count, [&](size_t i) { L::store(y + i, map(L::load_u8(codes + i))); },
      [&](size_t i, typename L::Mask m) { L::store(m, y + i, map(L::load_u8(m, codes + i))); });
}

template <class L>
inline typename L::I magnitude_of(typename L::F v) {
  return L::and_(L::bits(v), L::all_i(0x7fffffff));
}

template <class L>
uint32_t abs_max_bits(const float* x, size_t count) {
  // As integers, magnitudes of finite numbers, infinity and NaN ascend in this order.
  typename L::I a = L::all_i(0), b = L::all_i(0);
  size_t i = 0;
  for (; i + 2 * L::kLanes <= count; i += 2 * L::kLanes) {
    a = L::max_i(a, magnitude_of<L>(L::load(x + i)));
    b = L::max_i(b, magnitude_of<L>(L::load(x + i + L::kLanes)));
  }
  each_vector<L>(
      count - i, [&](size_t j) { a = L::max_i(a, magnitude_of<L>(L::load(x + i + j))); },
      [&](size_t j, typename L::Mask m) { b = L::max_i(b, magnitude_of<L>(L::load(m, x + i + j))); });
  return L::largest(L::max_i(a, b));
}

template <class L>
FloatRange range(const float* x, size_t count) {
  typename L::F lo = L::all(0), hi = L::all(0);
  const auto see = [&](typename L::F v) {
    lo = L::min(lo, v);
    hi = L::max(hi, v);
  };
  each_vector<L>(
      count, [&](size_t i) { see(L::load(x + i)); }, [&](size_t i, typename L::Mask m) { see(L::load(m, x + i)); });
  // Which of −0 and +0 came last may differ; adding 0 makes both +0.
  return {L::smallest_float(lo) + 0.0f, L::largest_float(hi) + 0.0f};
}

template <class L, bool kFloor>
void encode_integer(const float* x, size_t count, float step, float lo, float hi, int zero, uint8_t* codes) {
  const auto s = L::all(step), l = L::all(lo), h = L::all(hi);
  const auto z = L::all_i(zero);
  map_to_bytes<L>(x, count, codes, [&](typename L::F v) {
    v = L::div(v, s);
    v = kFloor ? L::floor(v) : L::round(v);
    return L::add_i(L::to_int(L::max(L::min(v, h), l)), z);
  });
}

template <class L>
void encode_multiples(const float* x, size_t count, float factor, uint8_t* codes) {
  const auto f = L::all(factor), l = L::all(-128.0f), h = L::all(127.0f);
  map_to_bytes<L>(x, count, codes,
                  [&](typename L::F v) { return L::to_int(L::max(L::min(L::round(L::mul(v, f)), h), l)); });
}

template <class L>
inline __attribute__((always_inline)) void decode_group(const uint8_t* codes, size_t count, float factor, float zero,
                                                        float scale, float* y) {
  const auto f = L::all(factor), z = L::all(zero), s = L::all(scale);
  map_from_bytes<L>(codes, count, y, [&](typename L::I c) { return L::mul(L::sub(L::mul(L::to_float(c), f), z), s); });
}

template <class L>
void decode_integer(const uint8_t* codes, size_t count, float factor, float zero, float scale, float* y) {
  decode_group<L>(codes, count, factor, zero, scale, y);
}

template <class L>
void decode_integers(const uint8_t* codes, size_t count, size_t group, const GroupFactors& of, float* y) {
  size_t g = 0;
  // Of the usual size, so that it is known when this is compiled.
  if (group == 32)
    for (; count >= 32; count -= 32, codes += 32, y += 32, g++)
      decode_group<L>(codes, 32, of.factors[g], of.zeros[g], of.scales[g], y);
  for (size_t k = 0; k < count; g++, k += group)
    decode_group<L>(codes + k, count - k < group ? count - k : group, of.factors[g], of.zeros[g], of.scales[g], y + k);
}

template <class L, class Format>
void encode_float(const float* x, size_t count, float scale, Overflow overflow, uint8_t* codes) {
  const auto over = L::all_i(overflow == Overflow::saturate ? Format::kLargest : Format::kSpecial);
  if (scale == 1.0f) {  // a plain cast: no division
    map_to_bytes<L>(x, count, codes, [&](typename L::F v) { return minifloat<L, Format>(v, over); });
  } else {
    const auto s = L::all(scale);
    map_to_bytes<L>(x, count, codes, [&](typename L::F v) { return minifloat<L, Format>(L::div(v, s), over); });
  }
}

template <class L>
void encode_e2m1(const float* x, size_t count, float scale, uint8_t* codes) {
  encode_float<L, E2M1>(x, count, scale, Overflow::saturate, codes);
}

template <class L>
void encode_e3m0(const float* x, size_t count, float scale, uint8_t* codes) {
  encode_float<L, E3M0>(x, count, scale, Overflow::saturate, codes);
}

// An E4M3 with its exponent field moved into that of a binary16 is 2^−8 of its value, subnormals included.
template <class L>
void decode_e4m3(const uint8_t* codes, size_t count, float scale, float* y) {
  const auto s = L::all(scale), up = L::all(256.0f);
  map_from_bytes<L>(codes, count, y, [&](typename L::I c) {
    const auto magnitude = L::and_(c, L::all_i(0x7f)), sign = L::and_(c, L::all_i(0x80));
    const auto half = L::or_(L::template shift_left<8>(sign), L::template shift_left<7>(magnitude));
    const auto nan = L::or_(L::template shift_left<24>(sign), L::all_i(0x7fc00000));
    const auto value = L::bits(L::mul(L::half_to_float(half), up));
    return L::mul(L::floats(L::select(L::greater(magnitude, L::all_i(0x7e)), nan, value)), s);
  });
}

// An E5M2 is the upper byte of a binary16.
template <class L>
void decode_e5m2(const uint8_t* codes, size_t count, float scale, float* y) {
  const auto s = L::all(scale);
  map_from_bytes<L>(codes, count, y,
                    [&](typename L::I c) { return L::mul(L::half_to_float(L::template shift_left<8>(c)), s); });
}

template <class L>
inline void decode_e2m1(const uint8_t* codes, size_t count, float scale, float* y) {
  const auto s = L::all(scale);
  const auto table = L::e2m1_table();
  map_from_bytes<L>(codes, count, y, [&](typename L::I c) { return L::mul(L::look_up(table, c), s); });
}

// Powers of two, and 0.
template <class L>
void decode_e3m0(const uint8_t* codes, size_t count, float scale, float* y) {
  const auto s = L::all(scale);
  map_from_bytes<L>(codes, count, y, [&](typename L::I c) {
    const auto magnitude = L::and_(c, L::all_i(7)), sign = L::template shift_left<28>(L::and_(c, L::all_i(8)));
    const auto power = L::template shift_left<23>(L::add_i(magnitude, L::all_i(127 - E3M0::kBias)));
    const auto value = L::select(L::greater(magnitude, L::all_i(0)), power, L::all_i(0));
    return L::mul(L::floats(L::or_(value, sign)), s);
  });
}

template <class L>
void decode_e2m1s(const uint8_t* codes, size_t count, size_t group, const float* scales, float* y) {
  for (size_t k = 0; k < count; k += group, scales++)
    decode_e2m1<L>(codes + k, count - k < group ? count - k : group, *scales, y + k);
}

template <class L>
void to_half(const float* x, size_t count, uint16_t* y) {
  each_vector<L>(
      count, [&](size_t i) { L::store_u16(y + i, L::float_to_half(L::load(x + i))); },
      [&](size_t i, typename L::Mask m) { L::store_u16(m, y + i, L::float_to_half(L::load(m, x + i))); });
}

template <class L>
void from_half(const uint16_t* x, size_t count, float* y) {
  each_vector<L>(
      count, [&](size_t i) { L::store(y + i, L::half_to_float(L::load_u16(x + i))); },
      [&](size_t i, typename L::Mask m) { L::store(m, y + i, L::half_to_float(L::load_u16(m, x + i))); });
}

template <class L>
typename L::I bfloat16(typename L::F v) {
  const auto u = L::bits(v);
  const auto odd = L::and_(L::template shift_right<16>(u), L::all_i(1));
  const auto rounded = L::template shift_right<16>(L::add_i(L::add_i(u, L::all_i(0x7fff)), odd));
  const auto quiet = L::or_(L::template shift_right<16>(u), L::all_i(0x40));
  const auto magnitude = L::and_(u, L::all_i(0x7fffffff));
  return L::select(L::greater(magnitude, L::all_i(0x7f800000)), quiet, rounded);
}

template <class L>
void to_bfloat16(const float* x, size_t count, uint16_t* y) {
  each_vector<L>(
      count, [&](size_t i) { L::store_u16(y + i, bfloat16<L>(L::load(x + i))); },
      [&](size_t i, typename L::Mask m) { L::store_u16(m, y + i, bfloat16<L>(L::load(m, x + i))); });
}

template <class L>
typename L::F from_bfloat16(typename L::I c) {
  const auto u = L::template shift_left<16>(c);
  const auto magnitude = L::and_(u, L::all_i(0x7fffffff));
  const auto quiet = L::or_(u, L::all_i(0x400000));
  return L::floats(L::select(L::greater(magnitude, L::all_i(0x7f800000)), quiet, u));
}

template <class L>
void from_bfloat16(const uint16_t* x, size_t count, float* y) {
  each_vector<L>(
      count, [&](size_t i) { L::store(y + i, from_bfloat16<L>(L::load_u16(x + i))); },
      [&](size_t i, typename L::Mask m) { L::store(m, y + i, from_bfloat16<L>(L::load_u16(m, x + i))); });
}

template <class L>
constexpr CodecKernels kernels_of() {
  return {abs_max_bits<L>,
          range<L>,
          encode_integer<L, false>,
          encode_integer<L, true>,
          encode_multiples<L>,
          decode_integer<L>,
          decode_integers<L>,
          encode_float<L, E4M3>,
          encode_float<L, E5M2>,
          encode_e2m1<L>,
          encode_e3m0<L>,
          decode_e4m3<L>,
          decode_e5m2<L>,
          decode_e2m1<L>,
          decode_e3m0<L>,
          decode_e2m1s<L>,
          to_half<L>,
          from_half<L>,
          to_bfloat16<L>,
          from_bfloat16<L>};
}
