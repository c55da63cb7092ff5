// Vectors of neighbouring values, all whole but the last. Included after core/*_lanes.h, in the region and the
// namespace of a file of kernels.
//
// Only the last vector is masked: processors without mask registers may take a dozen cycles for a masked store. own(v):
// zeros in lanes without a value, which matter where lanes are added up: zero times an infinity is NaN.

template <class S>
struct WholeVector {
  using T = typename S::T;
  static typename S::V load(const T* p) { return S::load(p); }
  static typename S::V own(typename S::V v) { return v; }
  static void store(T* p, typename S::V v) { S::store(p, v); }
};

template <class S>
struct PartOfVector {
  using T = typename S::T;
  typename S::Mask mask;
  typename S::V load(const T* p) const { return S::load(mask, p); }
  typename S::V own(typename S::V v) const { return S::select(mask, v, S::zero()); }
  void store(T* p, typename S::V v) const { S::store(mask, p, v); }
};

// Calls body(place of the first value, vector) for n values.
template <class S, class Body>
inline void each_vector(std::size_t n, Body body) {
  std::size_t j = 0;
  for (; j + S::kLanes <= n; j += S::kLanes) body(j, WholeVector<S>{});
  if (j < n) body(j, PartOfVector<S>{S::mask(static_cast<int>(n - j))});
}
