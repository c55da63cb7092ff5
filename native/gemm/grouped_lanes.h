// The text of the kernels of grouped weights, written once over F32 of core/*_lanes.h and Bytes, Nibbles and Gather of
// the file: Bytes::load(p) widens kLanes codes, Bytes::load(n, p) the first n of them; Nibbles::add(sums, p, zero, x)
// adds the products of 16 codes less zero, two in a byte, to two sums; Gather::load(x, index) looks up kLanes.

template <class S>
inline float lanes_sum(typename S::V v) {
  float lanes[S::kLanes];
  S::store(lanes, v);
  for (int half = S::kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

// sum + the products of one group; `rest` masks its last vector.
template <class S>
inline typename S::V add_group(typename S::V sum, const float* values, const float* x, std::size_t size,
                               std::size_t whole, typename S::Mask rest) {
  for (std::size_t k = 0; k < whole; k += S::kLanes) sum = S::fma(S::load(values + k), S::load(x + k), sum);
  return whole < size ? S::fma(S::load(rest, values + whole), S::load(rest, x + whole), sum) : sum;
}

template <class S>
inline float grouped_dot(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                         const float* x) {
  typename S::V even = S::zero(), odd = S::zero();
  const std::size_t whole = size / S::kLanes * S::kLanes;
  const typename S::Mask rest = S::mask(static_cast<int>(size - whole));
  std::size_t g = 0;
  for (; g + 2 <= count; g += 2, values += 2 * size) {
    even = add_group<S>(even, values, x + index[g] * size, size, whole, rest);
    odd = add_group<S>(odd, values + size, x + index[g + 1] * size, size, whole, rest);
  }
  if (g < count) even = add_group<S>(even, values, x + index[g] * size, size, whole, rest);
  return lanes_sum<S>(S::add(even, odd));
}

template <class S>
inline float grouped_dot_codes(const std::int8_t* codes, const float* scales, const std::uint32_t* index,
                               std::size_t count, std::size_t size, const float* x) {
  typename S::V sum = S::zero();
  const std::size_t whole = size / S::kLanes * S::kLanes, left = size - whole;
  const typename S::Mask rest = S::mask(static_cast<int>(left));
  for (std::size_t g = 0; g < count; g++, codes += size) {
    const float* at = x + index[g] * size;
    typename S::V group = S::zero();
    std::size_t k = 0;
    for (; k < whole; k += S::kLanes) group = S::fma(Bytes::load(codes + k), S::load(at + k), group);
    if (k < size) group = S::fma(Bytes::load(static_cast<int>(left), codes + k), S::load(rest, at + k), group);
    sum = S::fma(S::broadcast(scales + g), group, sum);
  }
  return lanes_sum<S>(sum);
}

template <class S>
inline float grouped_dot_nibbles(const std::uint8_t* nibbles, const std::uint8_t* zeros, const float* scales,
                                 const std::uint32_t* index, std::size_t count, std::size_t size, const float* x) {
  typename S::V even = S::zero(), odd = S::zero();
  const std::size_t bytes = (size + 1) / 2, whole = size / 16 * 16;
  float rest = 0;
  for (std::size_t g = 0; g < count; g++, nibbles += bytes) {
    const float* at = x + index[g] * size;
    typename S::V group[2] = {S::zero(), S::zero()};
    for (std::size_t k = 0; k < whole; k += 16) Nibbles::add(group, nibbles + k / 2, zeros[g] & 15, at + k);
    const typename S::V scale = S::broadcast(scales + g);
    even = S::fma(scale, group[0], even);
    odd = S::fma(scale, group[1], odd);
    for (std::size_t k = whole; k < size; k++) {
      const int code = (k % 2 == 0 ? nibbles[k / 2] & 15 : nibbles[k / 2] >> 4) - (zeros[g] & 15);
      rest += scales[g] * (static_cast<float>(code) * at[k]);
    }
  }
  return lanes_sum<S>(S::add(even, odd)) + rest;
}

template <class S>
inline float grouped_singles(const float* values, const std::uint32_t* index, std::size_t count, const float* x) {
  typename S::V sum[2] = {S::zero(), S::zero()};
  std::size_t g = 0;
  for (; g + 2 * S::kLanes <= count; g += 2 * S::kLanes) {
    sum[0] = S::fma(S::load(values + g), Gather::load(x, index + g), sum[0]);
    sum[1] = S::fma(S::load(values + g + S::kLanes), Gather::load(x, index + g + S::kLanes), sum[1]);
  }
  float rest = 0;
  for (; g < count; g++) rest += values[g] * x[index[g]];
  return lanes_sum<S>(S::add(sum[0], sum[1])) + rest;
}
