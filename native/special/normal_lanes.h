// Normal numbers from Philox, written once over lanes: S is F64 of core/*_lanes.h, W the 64-bit words of the same
// registers (Words of the including file: mul takes the lower halves, flip is xor), after both of which this is
// included.
//
// Only operations that IEEE 754 rounds in one way are used (no fused multiply-add): every lane width gives the same
// bits.

template <class W>
struct PhiloxWords {
  typename W::V w[4];  // the words of a block for each lane; the upper halves of the lanes are not clean
};

// A block of a stream for each lane; core/philox.h for the rounds and the addressing. Lanes are 64 bits wide and hold
// 32-bit words: W::mul takes the lower halves, so the upper ones need no clearing on the way.
template <class W>
inline PhiloxWords<W> philox_rounds(uint64_t seed, typename W::V stream, typename W::V index) {
  using V = typename W::V;
  V c0 = index, c1 = W::template right<32>(index), c2 = stream, c3 = W::template right<32>(stream);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const V p0 = W::mul(W::all(0xD2511F53u), c0), p1 = W::mul(W::all(0xCD9E8D57u), c2);
    c0 = W::flip(W::flip(W::template right<32>(p1), c1), W::all(k0));
    c2 = W::flip(W::flip(W::template right<32>(p0), c3), W::all(k1));
    c1 = p1;
    c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// 32 bits of `high` and the upper 20 of `low` as a number uniform on [1, 2).
template <class W>
inline typename W::V one_to_two(typename W::V high, typename W::V low) {
  const auto mantissa =
      W::either(W::template right<12>(W::template left<32>(high)), W::template right<44>(W::template left<32>(low)));
  return W::either(mantissa, W::all(uint64_t{0x3ff} << 52));
}

// log u for normal u > 0: u = 2^e m with √½ ≤ m < √2, log m = 2 artanh((m−1)/(m+1)) by its series to s^23, |s| < 0.172.
// About 1 ulp.
template <class S, class W>
inline typename S::V log_lanes(typename S::V u) {
  using V = typename S::V;
  constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcd, kShift = 1024;
  const auto bits = W::of_double(u);
  const auto k = W::template right<52>(W::add(bits, W::all((kShift << 52) - kRootHalf)));  // e + 1024
  const V m = W::as_double(W::sub(W::add(bits, W::all(kShift << 52)), W::template left<52>(k)));
  const V e = S::sub(W::as_double(W::either(k, W::all(0x4330000000000000))), S::all(0x1p52 + kShift));
  const V s = S::div(S::sub(m, S::all(1)), S::add(m, S::all(1)));
  const V z = S::mul(s, s);
  V series = S::all(1.0 / 23);
  for (int i = 21; i >= 3; i -= 2) series = S::add(S::mul(series, z), S::all(1.0 / i));
  const V twice = S::add(s, s);
  const V tail = S::add(S::mul(S::mul(series, z), twice), S::mul(e, S::all(0x1.ef35793c76730p-45)));
  return S::add(S::mul(e, S::all(0x1.62e42fefa3800p-1)), S::add(twice, tail));  // e · ln2 in two parts
}

// Blocks first … first + kLanes − 1 of one stream.
template <class W>
inline PhiloxWords<W> philox_lanes(uint64_t seed, uint64_t stream, uint64_t first) {
  return philox_rounds<W>(seed, W::all(stream), W::add(W::all(first), W::iota()));
}

// Sine and cosine of an angle uniform on (−π/4, π/4), from the 52 bits of one_to_two: to x^15 and x^16.
template <class V>
struct Turn {
  V sine, cosine;
};
template <class S, class W>
inline Turn<typename S::V> turn_lanes(typename W::V high, typename W::V low) {
  using V = typename S::V;
  const V angle =
      S::mul(S::sub(W::as_double(one_to_two<W>(high, low)), S::all(1.5)), S::all(0x1.921fb54442d18p+0));  // π/2
  const V z = S::mul(angle, angle);
  V sine = S::all(-1.0 / 1307674368000), cosine = S::all(1.0 / 20922789888000);
  constexpr double kSine[] = {1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1};
  constexpr double kCosine[] = {-1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320,
                                -1.0 / 720,         1.0 / 24,        -0.5,           1};
  for (double c : kSine) sine = S::add(S::mul(sine, z), S::all(c));
  for (double c : kCosine) cosine = S::add(S::mul(cosine, z), S::all(c));
  return {S::mul(sine, angle), cosine};
}

// Where bit 1 of a word is set; bit 0 as the sign of a number.
template <class S, class W>
inline typename S::Mask second_bit(typename W::V word) {
  // as 1 or 1.5
  const auto bit = W::both(W::template left<50>(word), W::all(uint64_t{1} << 51));
  return S::below(S::all(1.25), W::as_double(W::either(bit, W::all(uint64_t{0x3ff} << 52))));
}
template <class S, class W>
inline typename S::V with_sign(typename S::V a, typename W::V word) {
  return W::as_double(W::flip(W::of_double(a), W::template left<63>(word)));
}

// Two independent normal numbers of each block (Box & Muller 1958): radius √(−2 log u), and an angle that is uniform on
// a quarter of the circle around the first axis, turned to the others by two bits.
template <class S, class W>
inline void normal_lanes(uint64_t seed, uint64_t stream, uint64_t first, double* cosines, double* sines) {
  using V = typename S::V;
  const PhiloxWords<W> draw = philox_lanes<W>(seed, stream, first);
  const V u = S::sub(S::all(2), W::as_double(one_to_two<W>(draw.w[0], draw.w[1])));
  const V radius = S::root(S::mul(S::all(-2), log_lanes<S, W>(u)));
  const auto turn = turn_lanes<S, W>(draw.w[2], draw.w[3]);
  const V side = S::mul(radius, turn.sine), along = with_sign<S, W>(S::mul(radius, turn.cosine), draw.w[3]);
  const auto swap = second_bit<S, W>(draw.w[3]);
  S::store(cosines, S::select(swap, side, along));
  S::store(sines, S::select(swap, along, side));
}
