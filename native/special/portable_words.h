// The 64-bit words that go with F64 of core/portable_lanes.h; see normal_lanes.h. Included after it, <bit> and
// <cstdint>.

struct Words {
  using V = uint64_t;
  static V all(uint64_t x) { return x; }
  static V iota() { return 0; }
  static V add(V a, V b) { return a + b; }
  static V sub(V a, V b) { return a - b; }
  static V mul(V a, V b) { return uint64_t{static_cast<uint32_t>(a)} * static_cast<uint32_t>(b); }
  static V flip(V a, V b) { return a ^ b; }
  static V both(V a, V b) { return a & b; }
  static V either(V a, V b) { return a | b; }
  template <int n>
  static V left(V a) {
    return a << n;
  }
  template <int n>
  static V right(V a) {
    return a >> n;
  }
  static double as_double(V a) { return std::bit_cast<double>(a); }
  static V of_double(double a) { return std::bit_cast<uint64_t>(a); }
};
