// The lane branches of log_bessel_branches.h for vectors of doubles. Included by log_bessel_avx2.cc and
// log_bessel_avx512.cc inside their target region and unnamed namespace, after they have defined
//
//   Lanes, Words       vectors of double and uint64_t of the same width
//   fma(a, b, c)       a·b + c, rounded once
//   root(a)            √a
//   load(p), store(p, a), all(s)
//
// Cost of debye with K terms: K(K+3)/2 + ~45 FMA-class operations, 4 divisions, 1 square root; the divider is the bound
// up to K = 4, the FMA ports beyond.

// log a for positive normal a; error below 1 ulp. a = 2^e·m with √½ ≤ m < √2, then log m = 2 atanh(s), s = (m−1)/(m+1),
// |s| ≤ 0.1716: the Taylor series of atanh to s^23 leaves 2^-60.
static inline Lanes log_lanes(Lanes a) {
  const uint64_t root_half = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;
  const Words shifted = (Words)a + (one - root_half);
  const Words mantissa = (shifted & 0x000fffffffffffff) + root_half;
  // the exponent as a double: the low bits of 2^52 + e + 1023
  const Lanes e = (Lanes)((shifted >> 52) | 0x4330000000000000) - (0x1p52 + 1023);
  const Lanes f = (Lanes)mantissa - 1.0;
  const Lanes s = f / (f + 2.0), z = s * s;
  Lanes p = all(1.0 / 23);
  p = fma(p, z, all(1.0 / 21));
  p = fma(p, z, all(1.0 / 19));
  p = fma(p, z, all(1.0 / 17));
  p = fma(p, z, all(1.0 / 15));
  p = fma(p, z, all(1.0 / 13));
  p = fma(p, z, all(1.0 / 11));
  p = fma(p, z, all(1.0 / 9));
  p = fma(p, z, all(1.0 / 7));
  p = fma(p, z, all(1.0 / 5));
  p = fma(p, z, all(1.0 / 3));
  // log m = 2s + 2s·z·p and 2s = f − s·f exactly in real numbers: f carries the leading digits without rounding
  const Lanes low = fma(e, all(0x1.cf79abc9e3b39p-40), fma(s * z, p + p, -(s * f)));
  return fma(e, all(0x1.62e42fefap-1), f + low);
}

// log(1 + a) for a ≥ 0; error below 2 ulp. The rounding error of 1 + a is added back to first order.
static inline Lanes log1p_lanes(Lanes a) {
  const Lanes sum = a + 1.0;
  const Lanes lost = a < 1.0 ? a - (sum - 1.0) : 1.0 - (sum - a);
  return log_lanes(sum) + lost / sum;
}

static inline Lanes prefactor_lanes(BesselFunction f, Lanes sum, Lanes inverse_r) {
  const double scale = f == BesselFunction::log_i ? 0.15915494309189535 : 1.5707963267948966;  // 1/2π, π/2
  return log_lanes(sum * sum * inverse_r * scale) * 0.5;
}

static inline void mu_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  const double sign = f == BesselFunction::log_i ? -1 : 1;
  for (size_t i = 0; i < n; i += kWidth) {
    const Lanes order = load(v + i), at = load(x + i);
    const Lanes m = order * order * 4.0, inverse = 1.0 / at, step = inverse * sign;
    Lanes sum = all(1.0);
    for (int k = terms; k >= 1; k--) {
      const double odd = 2 * k - 1, eighth = 1.0 / (8.0 * k);
      sum = fma(sum, (m - odd * odd) * eighth * step, all(1.0));
    }
    store(out + i, prefactor_lanes(f, sum, inverse) - at * sign);
  }
}

static inline void debye_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  const double sign = f == BesselFunction::log_k ? -1 : 1;
  for (size_t i = 0; i < n; i += kWidth) {
    const Lanes order = load(v + i), at = load(x + i);
    const Lanes r = root(fma(order, order, at * at)), inverse = 1.0 / r, step = inverse * sign;
    const Lanes t = order * inverse, t2 = t * t;
    Lanes sum = all(0.0);
    if (f == BesselFunction::i_ratio) {
      Lanes derived = all(0.0);
      for (int k = terms; k >= 1; k--) {
        const double* c = kDebye[k - 1];
        Lanes u = all(c[k]), du = all(0.0);
        for (int j = k - 1; j >= 0; j--) {
          du = fma(du, t2, u);
          u = fma(u, t2, all(c[j]));
        }
        sum = (sum + u) * inverse;
        derived = (fma(u, all(0.5 + k), derived) + t2 * du * 2.0) * inverse;
      }
      store(out + i, at / (r + order) - at * inverse * ((derived + 0.5) / (sum + 1.0)) * inverse);
      continue;
    }
    for (int k = terms; k >= 1; k--) {
      const double* c = kDebye[k - 1];
      Lanes u = all(c[k]);
      for (int j = k - 1; j >= 0; j--) u = fma(u, t2, all(c[j]));
      sum = (sum + u) * step;
    }
    const Lanes arc = log1p_lanes(order / at * (order / (at + r) + 1.0));
    const Lanes h = fma(-order, arc, r);
    store(out + i, fma(h, all(sign), prefactor_lanes(f, sum + 1.0, inverse)));
  }
}
