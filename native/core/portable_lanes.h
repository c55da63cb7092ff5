// F32 and F64 one value at a time; see avx512_lanes.h for the contract. Included inside the unnamed namespace of a
// *_portable.cc, after <cmath>: the reference rows of kernels that are written once over lanes.
//
// fma rounds twice: a fused one without the instruction is a call into the libm.

template <class Real>
struct OneLane {
  using T = Real;
  using V = Real;
  using Mask = bool;
  static constexpr int kLanes = 1;
  static V zero() { return 0; }
  static V all(T x) { return x; }
  static V broadcast(const T* x) { return *x; }
  static V load(const T* x) { return *x; }
  static void store(T* x, V v) { *x = v; }
  static V fma(V a, V b, V c) { return a * b + c; }
  static V fnma(V a, V b, V c) { return c - a * b; }
  static V add(V a, V b) { return a + b; }
  static V sub(V a, V b) { return a - b; }
  static V mul(V a, V b) { return a * b; }
  static V div(V a, V b) { return a / b; }
  static V max(V a, V b) { return a > b ? a : b; }
  static V min(V a, V b) { return a < b ? a : b; }
  static V root(V a) { return std::sqrt(a); }
  static V abs(V a) { return std::fabs(a); }
  static V round(V a) { return std::nearbyint(a); }
  static V power(V n) { return scale(1, n); }
  static V scale(V m, V n) { return n == n ? std::ldexp(m, static_cast<int>(n)) : n; }
  static Mask below(V a, V b) { return a < b; }
  static V select(Mask m, V a, V b) { return m ? a : b; }
  static Mask mask(int n) { return n > 0; }
  static V load(Mask m, const T* x) { return m ? *x : T{0}; }
  static void store(Mask m, T* x, V v) {
    if (m) *x = v;
  }
};
using F32 = OneLane<float>;
using F64 = OneLane<double>;
