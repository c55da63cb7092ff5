// The operators of sparse/semiring.h as code, compiled once for each instruction set: included inside an unnamed
// namespace, with <cstdint>, <limits> and sparse/semiring.h before it.

template <class T>
struct IsWhole {
  static constexpr bool value = std::numeric_limits<T>::is_integer;
};

template <class T>
inline T plus_of(T a, T b) {
  if constexpr (IsWhole<T>::value)
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  else
    return a + b;
}
template <class T>
inline T minus_of(T a, T b) {
  if constexpr (IsWhole<T>::value)
    return static_cast<T>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
  else
    return a - b;
}
template <class T>
inline T times_of(T a, T b) {
  if constexpr (IsWhole<T>::value)
    return static_cast<T>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
  else
    return a * b;
}
template <class T>
inline T min_of(T a, T b) {
  return b < a || b != b ? b : a;
}
template <class T>
inline T max_of(T a, T b) {
  return b > a || b != b ? b : a;
}
template <class T>
inline T or_of(T a, T b) {
  return static_cast<T>((a != T{0}) | (b != T{0}));
}
template <class T>
inline T and_of(T a, T b) {
  return static_cast<T>((a != T{0}) & (b != T{0}));
}

template <AddOp kAdd, class T>
inline T added(T sum, T x) {
  if constexpr (kAdd == AddOp::plus) return plus_of(sum, x);
  if constexpr (kAdd == AddOp::times) return times_of(sum, x);
  if constexpr (kAdd == AddOp::min) return min_of(sum, x);
  if constexpr (kAdd == AddOp::max) return max_of(sum, x);
  if constexpr (kAdd == AddOp::logical_or) return or_of(sum, x);
  if constexpr (kAdd == AddOp::logical_and) return and_of(sum, x);
  return x;
}

// added(nothing, x) is x to the last bit: −0 for sums of floats, since 0 + −0 is 0. (Of or and and: x as 0 or 1.)
template <AddOp kAdd, class T>
inline T nothing() {
  if constexpr (kAdd == AddOp::plus) return IsWhole<T>::value ? T{0} : -T{0};
  if constexpr (kAdd == AddOp::times || kAdd == AddOp::logical_and) return T{1};
  if constexpr (kAdd == AddOp::min) {
    if constexpr (IsWhole<T>::value)
      return INT32_MAX;
    else
      return static_cast<T>(__builtin_inff());
  }
  if constexpr (kAdd == AddOp::max) {
    if constexpr (IsWhole<T>::value)
      return INT32_MIN;
    else
      return static_cast<T>(-__builtin_inff());
  }
  return T{0};
}

// out[q] = multiply(a, b[q]). Not inlined: every loop that calls it would hold ten loops of its own.
template <class T>
[[gnu::noinline]] void multiply(MultiplyOp op, T a, const T* b, size_t n, T* out) {
  switch (op) {
    case MultiplyOp::times:
      for (size_t q = 0; q < n; q++) out[q] = times_of(a, b[q]);
      return;
    case MultiplyOp::plus:
      for (size_t q = 0; q < n; q++) out[q] = plus_of(a, b[q]);
      return;
    case MultiplyOp::minus:
      for (size_t q = 0; q < n; q++) out[q] = minus_of(a, b[q]);
      return;
    case MultiplyOp::min:
      for (size_t q = 0; q < n; q++) out[q] = min_of(a, b[q]);
      return;
    case MultiplyOp::max:
      for (size_t q = 0; q < n; q++) out[q] = max_of(a, b[q]);
      return;
    case MultiplyOp::logical_or:
      for (size_t q = 0; q < n; q++) out[q] = or_of(a, b[q]);
      return;
    case MultiplyOp::logical_and:
      for (size_t q = 0; q < n; q++) out[q] = and_of(a, b[q]);
      return;
    case MultiplyOp::first:
      for (size_t q = 0; q < n; q++) out[q] = a;
      return;
    case MultiplyOp::second:
      for (size_t q = 0; q < n; q++) out[q] = b[q];
      return;
    case MultiplyOp::pair:
      for (size_t q = 0; q < n; q++) out[q] = T{1};
      return;
  }
}

// return call(operator), the operator as a constant.
#define LAPIDARY_FOR_ADD(op, call)     \
  switch (op) {                        \
    case AddOp::plus:                  \
      return call(AddOp::plus);        \
    case AddOp::times:                 \
      return call(AddOp::times);       \
    case AddOp::min:                   \
      return call(AddOp::min);         \
    case AddOp::max:                   \
      return call(AddOp::max);         \
    case AddOp::logical_or:            \
      return call(AddOp::logical_or);  \
    case AddOp::logical_and:           \
      return call(AddOp::logical_and); \
    case AddOp::any:                   \
      break;                           \
  }                                    \
  return call(AddOp::any)
