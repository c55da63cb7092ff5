// Rows of C whose rows of B have a few entries each: columns and products are put one after another first, then marked
// and ranked, left as they come, or sorted in registers. Included by the file of AVX-512 inside its unnamed namespace,
// after sparse/spgemm_rows_lanes.h.

#include "sparse/spgemm_sort_lanes.h"

// Up to 32 entries of a row of B without a branch that depends on how many there are.
constexpr uint32_t kShort = 32;
inline uint32_t front_of(uint32_t left) { return _bzhi_u32(~0u, left < kShort ? left : kShort); }
// Values that go together: a fourth register of doubles would rarely have any.
template <class T>
constexpr uint32_t kTogether = sizeof(T) == 8 ? 24 : 32;
// q, or 0 if there is no entry q.
inline uint32_t within(uint32_t q, uint32_t n) { return q & -static_cast<uint32_t>(q < n); }

inline __m512d products_of(uint32_t front, double a, const double* b) {
  return _mm512_mul_pd(_mm512_set1_pd(a), _mm512_maskz_loadu_pd(static_cast<__mmask8>(front), b));
}
inline __m512 products_of(uint32_t front, float a, const float* b) {
  return _mm512_mul_ps(_mm512_set1_ps(a), _mm512_maskz_loadu_ps(static_cast<__mmask16>(front), b));
}
inline __m512i products_of(uint32_t front, int32_t a, const int32_t* b) {
  return _mm512_mullo_epi32(_mm512_set1_epi32(a), _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), b));
}

void put_columns(const uint32_t* from, uint32_t n, uint32_t* to) {
  for (uint32_t q = 0; q < n; q += kShort) {
    const uint32_t front = front_of(n - q);
    _mm512_storeu_si512(to + q, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), from + q));
    _mm512_storeu_si512(to + q + 16, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front >> 16), from + q + 16));
  }
}
template <class T>
void put_products(T a, const T* from, uint32_t n, T* to) {
  constexpr uint32_t kLanes = 64 / sizeof(T);
  for (uint32_t q = 0; q < n; q += kTogether<T>) {
    uint32_t front = front_of(n - q);
#pragma GCC unroll 4
    for (uint32_t part = 0; part < kTogether<T>; part += kLanes, front >>= kLanes) {
      const auto x = products_of(front, a, from + q + part);
      std::memcpy(to + q + part, &x, sizeof x);
    }
  }
}
// Rows are asked for further ahead than by loops that look at each product, which take longer for a row.
constexpr size_t kNearShort = 16, kFarShort = 32;

// The lines of the entries that go together, the first one again where there are fewer: a branch on the length would be
// foreseen half of the time.
template <class T>
LAPIDARY_PREFETCH void prefetch_short(const T* first, uint32_t n) {
  for (uint32_t q = 0; q < kTogether<T>; q += 64 / sizeof(T)) __builtin_prefetch(first + within(q, n));
  __builtin_prefetch(first + n - (n > 0));
}

// The columns of all products of a row, one after another; returns where they end. `row` is a copy: the compiler cannot
// know that what is written is no part of it.
uint32_t* put_down_columns(RowPattern row, uint32_t* to) {
  for (size_t e = 0; e < row.n; e++) {
    if (e + kFarShort < row.ahead) __builtin_prefetch(&row.begins[row.columns[e + kFarShort]]);
    if (e + kNearShort < row.ahead) {
      const RowExtent near = row.extent(e + kNearShort);
      prefetch_short(row.b_indices + near.begin, near.end - near.begin);
    }
    const RowExtent k = row.extent(e);
    put_columns(row.b_indices + k.begin, k.end - k.begin, to);
    to += k.end - k.begin;
  }
  return to;
}

void mark_flat_rows(const RowPattern& row, uint32_t base, uint32_t* columns, uint64_t* bits) {
  const uint32_t* const end = put_down_columns(row, columns);
  for (const uint32_t* column = columns; column < end; column++) {
    const uint32_t j = *column - base;
    bits[j / 64] |= uint64_t{1} << j % 64;
  }
}

// All products of a row, one after another; returns where they end.
template <class T>
T* multiply_rows(RowInput<T> row, T* to) {
  for (size_t e = 0; e < row.n; e++) {
    if (e + kNearShort < row.ahead) {
      const RowExtent near = row.extent(e + kNearShort);
      prefetch_short(row.b_values + near.begin, near.end - near.begin);
    }
    const RowExtent k = row.extent(e);
    put_products(row.values[e], row.b_values + k.begin, k.end - k.begin, to);
    to += k.end - k.begin;
  }
  return to;
}

template <class T>
size_t append_row_x16(const RowInput<T>& row, uint32_t base, const Stamps& stamps, uint32_t* indices, T* values) {
  const size_t n = static_cast<size_t>(put_down_columns(row, indices) - indices);
  multiply_rows(row, values);
  return take_out_known(n, base, stamps, indices, values);
}

template <class T>
void add_flat_rows(const RowInput<T>& row, uint32_t base, const uint64_t* bits, const uint32_t* before,
                   const uint32_t* columns, T* products, uint32_t* indices, T* values) {
  const T* const end = multiply_rows(row, products);
  RankSink<T, AddOp::plus, false> sink{base, bits, before, indices, values};
  for (const T* product = products; product < end; product++) sink(*columns++, *product);
}

// Sums are added eight at a time: after the last product come some that go beyond the sums, since a loop that ends
// where a row does would be foreseen by nobody. Entries of a row of B go 16 together: most rows have fewer.
template <class T>
void add_dense_flat_rows(const RowInput<T>& of, uint32_t base, uint32_t beyond, uint32_t* columns, T* products,
                         T* sums) {
  constexpr size_t kPut = 512;  // products in the first-level cache, beside the sums
  constexpr uint32_t kFew = 16, kLanes = 64 / sizeof(T), kSums = 8;
  const RowInput<T> row = of;
  const __m512i none = _mm512_set1_epi32(static_cast<int32_t>(beyond));
  size_t put = 0;
  const auto add = [&] {
    _mm512_storeu_si512(columns + put, none);
    for (size_t p = 0; p < put; p += kSums) {
#pragma GCC unroll 8
      for (size_t q = p; q < p + kSums; q++) {
        T& sum = sums[columns[q] - base];
        sum = plus_of(sum, products[q]);
      }
    }
    put = 0;
  };
  for (size_t e = 0; e < row.n; e++) {
    if (e + kFarShort < row.ahead) __builtin_prefetch(&row.begins[row.columns[e + kFarShort]]);
    if (e + kNearShort < row.ahead) {
      const RowExtent near = row.extent(e + kNearShort);
      __builtin_prefetch(row.b_indices + near.begin);
      __builtin_prefetch(row.b_values + near.begin);
      __builtin_prefetch(row.b_values + near.end - (near.end > near.begin));
    }
    const RowExtent k = row.extent(e);
    const T a = row.values[e];
    for (uint32_t q = k.begin; q < k.end; q += kFew) {
      uint32_t front = front_of(k.end - q);
      _mm512_storeu_si512(columns + put, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), row.b_indices + q));
#pragma GCC unroll 4
      for (uint32_t part = 0; part < kFew; part += kLanes, front >>= kLanes) {
        const auto x = products_of(front, a, row.b_values + q + part);
        std::memcpy(products + put + part, &x, sizeof x);
      }
      put += k.end - q < kFew ? k.end - q : kFew;
      if (put > kPut) add();
    }
  }
  add();
}

// 16 columns as keys, the first of them of product `number`.
inline __m512i keys_of(__m512i columns, uint32_t base, size_t number) {
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i shifted =
      _mm512_slli_epi32(_mm512_sub_epi32(columns, _mm512_set1_epi32(static_cast<int32_t>(base))), kNumberBits);
  return _mm512_or_si512(shifted, _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int32_t>(number))));
}

// Which of the keys p … p + 15 of n are the first of their column.
inline uint32_t first_of_column(const uint32_t* keys, size_t p, size_t n) {
  const __m512i key = _mm512_loadu_si512(keys + p);
  const __m512i before =
      p == 0 ? _mm512_alignr_epi32(key, _mm512_set1_epi32(-1), 15) : _mm512_loadu_si512(keys + p - 1);
  const uint32_t heads =
      _mm512_cmpge_epu32_mask(_mm512_xor_si512(key, before), _mm512_set1_epi32(int32_t{1} << kNumberBits));
  return heads & front_of(n - p);
}

size_t sort_products(const RowPattern& row, uint32_t base, uint32_t* keys) {
  const size_t n = static_cast<size_t>(put_down_columns(row, keys) - keys);
  const __m512i last = _mm512_set1_epi32(-1);
  for (size_t p = 0; p < n; p += 16) {
    const __mmask16 front = static_cast<__mmask16>(front_of(n - p));
    const __m512i key = keys_of(_mm512_loadu_si512(keys + p), base, p);
    _mm512_storeu_si512(keys + p, _mm512_mask_mov_epi32(last, front, key));
  }
  struct Size {
    size_t room;
    void (*sort)(uint32_t*);
  };
  constexpr Size kSizes[] = {{64, sort_keys<4>},   {128, sort_keys<8>},  {192, sort_keys<12>},
                             {256, sort_keys<16>}, {384, sort_keys<24>}, {kMostSorted, sort_keys<32>}};
  const Size* size = kSizes;
  while (size->room < n) size++;
  for (size_t p = (n + 15) / 16 * 16; p < size->room; p += 16) _mm512_storeu_si512(keys + p, last);
  size->sort(keys);
  size_t count = 0;
  for (size_t p = 0; p < n; p += 16) count += popcount64(first_of_column(keys, p, n));
  return count;
}

void find_places_of_sorted(const uint32_t* keys, size_t n, uint32_t base, uint32_t* places, uint32_t* columns) {
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), iota), _mm512_set1_epi32(1));
  const __m512i low = _mm512_set1_epi32(static_cast<int32_t>(base));
  uint32_t found = 0;
  for (size_t p = 0; p < n; p += 16) {
    const __mmask16 front = static_cast<__mmask16>(front_of(n - p));
    const __m512i key = _mm512_loadu_si512(keys + p);
    const uint32_t heads = first_of_column(keys, p, n);
    const __m512i rank = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32(static_cast<int32_t>(heads))));
    const __m512i place = _mm512_add_epi32(rank, _mm512_set1_epi32(static_cast<int32_t>(found) - 1));
    const __m512i number = _mm512_and_si512(key, _mm512_set1_epi32(kMostSorted - 1));
    _mm512_mask_i32scatter_epi32(places, front, number, place, 4);
    const __m512i column = _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low);
    const uint32_t count = static_cast<uint32_t>(popcount64(heads));
    const __m512i packed = _mm512_maskz_compress_epi32(static_cast<__mmask16>(heads), column);
    _mm512_mask_storeu_epi32(columns + found, static_cast<__mmask16>(front_of(count)), packed);
    found += count;
  }
}

// values[q] = products[number[q]] for those of 16 lanes that are set, one after another.
inline void take_products(const double* products, __m512i number, uint32_t lanes, double* values) {
  const __m512d low = _mm512_i32gather_pd(_mm512_castsi512_si256(number), products, 8);
  const __m512d high = _mm512_i32gather_pd(_mm512_extracti64x4_epi64(number, 1), products, 8);
  if (lanes == 0xffff) {
    _mm512_storeu_pd(values, low);
    _mm512_storeu_pd(values + 8, high);
    return;
  }
  const uint32_t first = lanes & 0xff, rest = lanes >> 8;
  const uint32_t count = static_cast<uint32_t>(popcount64(first)), more = static_cast<uint32_t>(popcount64(rest));
  _mm512_mask_storeu_pd(values, static_cast<__mmask8>(front_of(count)),
                        _mm512_maskz_compress_pd(static_cast<__mmask8>(first), low));
  _mm512_mask_storeu_pd(values + count, static_cast<__mmask8>(front_of(more)),
                        _mm512_maskz_compress_pd(static_cast<__mmask8>(rest), high));
}
template <class T>
inline void take_products(const T* products, __m512i number, uint32_t lanes, T* values) {
  const uint32_t count = static_cast<uint32_t>(popcount64(lanes));
  const __m512i x =
      _mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes), _mm512_i32gather_epi32(number, products, 4));
  _mm512_mask_storeu_epi32(values, static_cast<__mmask16>(front_of(count)), x);
}

// Sixteen products at a time. One whose column was there before is added to the first of its column where that was put
// down, before that is taken: in C, written a moment ago, it would have to wait until it is in the cache. So the next
// register of keys is looked at first, and more of them as long as they go on with a column.
template <class T>
void add_sorted_keys(const RowInput<T>& row, uint32_t base, const uint32_t* keys, size_t n, T* products,
                     uint32_t* indices, T* values) {
  multiply_rows(row, products);
  constexpr uint32_t kNumber = kMostSorted - 1;
  uint16_t heads_of[kMostSorted / 16];
  size_t looked_at = 0;
  size_t first = 0, last = n;  // the first product of a column, and the last of its others so far
  const auto look = [&] {
    const size_t p = looked_at;
    const uint32_t heads = first_of_column(keys, p, n);
    for (uint32_t others = heads ^ (front_of(static_cast<uint32_t>(n - p)) & 0xffff); others != 0;
         others &= others - 1) {
      const size_t q = p + static_cast<size_t>(__builtin_ctz(others));
      first = q == last + 1 ? first : keys[q - 1] & kNumber;
      last = q;
      products[first] = plus_of(products[first], products[keys[q] & kNumber]);
    }
    heads_of[p / 16] = static_cast<uint16_t>(heads);
    looked_at += 16;
    return heads != 0;
  };
  look();
  const __m512i low = _mm512_set1_epi32(static_cast<int32_t>(base));
  for (size_t p = 0; p < n; p += 16) {
    if (looked_at == p + 16)
      while (looked_at < n && !look()) continue;
    const uint32_t heads = heads_of[p / 16];
    const __m512i key = _mm512_loadu_si512(keys + p);
    const __m512i columns = _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low);
    const uint32_t count = static_cast<uint32_t>(popcount64(heads));
    if (heads == 0xffff)
      _mm512_storeu_si512(indices, columns);
    else
      _mm512_mask_storeu_epi32(indices, static_cast<__mmask16>(front_of(count)),
                               _mm512_maskz_compress_epi32(static_cast<__mmask16>(heads), columns));
    take_products(products, _mm512_and_si512(key, _mm512_set1_epi32(kNumber)), heads, values);
    indices += count;
    values += count;
  }
}
