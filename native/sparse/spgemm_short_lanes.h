// Rows of C whose rows of B have a few entries each: columns and products are put one after another first, then marked
// and ranked, left as they come, or sorted in registers. Included by the file of AVX-512 inside its unnamed namespace,
// after sparse/spgemm_rows_lanes.h.

#include "sparse/spgemm_sort_lanes.h"

// Entries of a row of B that go together without a branch that depends on how many there are. What is read beyond the
// row is written too, and then overwritten by what follows; only behind the last entry of B nothing may be read, so the
// last few of its rows go by masks.
constexpr uint32_t kShort = 32;
inline uint32_t front_of(uint32_t left) { return _bzhi_u32(~0u, left < kShort ? left : kShort); }
inline bool is_inside(const RowPattern& row, RowExtent k) { return k.end + size_t{kShort} <= row.b_entries; }
// Values that go together: a fourth register of doubles would rarely have any.
template <class T>
constexpr uint32_t kTogether = sizeof(T) == 8 ? 24 : 32;
// q, or 0 if there is no entry q.
inline uint32_t within(uint32_t q, uint32_t n) { return q & -static_cast<uint32_t>(q < n); }

inline __m512d products_of(double a, const double* b) { return _mm512_mul_pd(_mm512_set1_pd(a), _mm512_loadu_pd(b)); }
inline __m512 products_of(float a, const float* b) { return _mm512_mul_ps(_mm512_set1_ps(a), _mm512_loadu_ps(b)); }
inline __m512i products_of(int32_t a, const int32_t* b) {
  return _mm512_mullo_epi32(_mm512_set1_epi32(a), _mm512_loadu_si512(b));
}
// Of the first entries only, one for each bit of `front`.
inline __m512d products_of(uint32_t front, double a, const double* b) {
  return _mm512_mul_pd(_mm512_set1_pd(a), _mm512_maskz_loadu_pd(static_cast<__mmask8>(front), b));
}
inline __m512 products_of(uint32_t front, float a, const float* b) {
  return _mm512_mul_ps(_mm512_set1_ps(a), _mm512_maskz_loadu_ps(static_cast<__mmask16>(front), b));
}
inline __m512i products_of(uint32_t front, int32_t a, const int32_t* b) {
  return _mm512_mullo_epi32(_mm512_set1_epi32(a), _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), b));
}

// Rows are asked for further ahead than by loops that look at each product, which take longer for a row.
constexpr size_t kNearShort = 16, kFarShort = 32, kSpreadShort = 24;

// The lines of the entries that go together, the first one again where there are fewer: a branch on the length would be
// foreseen half of the time.
template <class T>
LAPIDARY_PREFETCH void prefetch_short(const T* first, uint32_t n) {
  for (uint32_t q = 0; q < kTogether<T>; q += 64 / sizeof(T)) __builtin_prefetch(first + within(q, n));
  __builtin_prefetch(first + n - (n > 0));
}

// The columns of all products of a row, or their keys, one after another; returns where they end. `row` is a copy: the
// compiler cannot know that what is written is no part of it.
template <bool kKeys>
uint32_t* put_down(RowPattern row, uint32_t base, uint32_t* first) {
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i next = _mm512_set1_epi32(16);
  uint32_t* to = first;
  for (size_t e = 0; e < row.n; e++) {
    if (e + kFarShort < row.ahead) __builtin_prefetch(&row.begins[row.columns[e + kFarShort]]);
    if (e + kNearShort < row.ahead) {
      // the first line and the last: up to 17 entries have no other
      const RowExtent near = row.extent(e + kNearShort);
      __builtin_prefetch(row.b_indices + near.begin);
      __builtin_prefetch(row.b_indices + near.end - (near.end > near.begin));
    }
    const RowExtent k = row.extent(e);
    const uint32_t n = k.end - k.begin;
    for (uint32_t q = 0; q < n; q += kShort) {
      const uint32_t* const from = row.b_indices + k.begin + q;
      __m512i x, y;
      if (is_inside(row, k)) [[likely]] {
        x = _mm512_loadu_si512(from);
        y = _mm512_loadu_si512(from + 16);
      } else {
        const uint32_t front = front_of(n - q);
        x = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), from);
        y = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front >> 16), from + 16);
      }
      if constexpr (kKeys) {
        const uint32_t number = static_cast<uint32_t>(to - first) + q - (base << kNumberBits);
        const __m512i numbers = _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int32_t>(number)));
        x = _mm512_add_epi32(_mm512_slli_epi32(x, kNumberBits), numbers);
        y = _mm512_add_epi32(_mm512_slli_epi32(y, kNumberBits), _mm512_add_epi32(numbers, next));
      }
      _mm512_storeu_si512(to + q, x);
      _mm512_storeu_si512(to + q + 16, y);
    }
    to += n;
  }
  return to;
}

void mark_flat_rows(const RowPattern& row, uint32_t base, uint32_t* columns, uint64_t* bits) {
  const uint32_t* const end = put_down<false>(row, base, columns);
  for (const uint32_t* column = columns; column < end; column++) {
    const uint32_t j = *column - base;
    bits[j / 64] |= uint64_t{1} << j % 64;
  }
}

// All products of a row, one after another; returns where they end. kAsks: what comes after them is asked for here.
template <class T, bool kAsks = true>
T* multiply_rows(RowInput<T> row, T* to) {
  constexpr uint32_t kLanes = 64 / sizeof(T);
  for (size_t e = 0; e < row.n; e++) {
    if (kAsks && e + kNearShort < row.ahead) {
      const RowExtent near = row.extent(e + kNearShort);
      prefetch_short(row.b_values + near.begin, near.end - near.begin);
    }
    const RowExtent k = row.extent(e);
    const uint32_t n = k.end - k.begin;
    const T a = row.values[e];
    for (uint32_t q = 0; q < n; q += kTogether<T>) {
      const T* const from = row.b_values + k.begin + q;
      const bool inside = is_inside(row, k);
      uint32_t front = inside ? 0 : front_of(n - q);
#pragma GCC unroll 4
      for (uint32_t part = 0; part < kTogether<T>; part += kLanes, front >>= kLanes) {
        const auto x = inside ? products_of(a, from + part) : products_of(front, a, from + part);
        std::memcpy(to + q + part, &x, sizeof x);
      }
    }
    to += n;
  }
  return to;
}

template <class T>
size_t append_row_x16(const RowInput<T>& row, uint32_t base, const Stamps& stamps, uint32_t* indices, T* values) {
  const size_t n = static_cast<size_t>(put_down<false>(row, base, indices) - indices);
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

// Writes n sorted keys in the order of PatternKernels::sort; returns how many columns there are. No branch depends on
// where columns come again: nobody would foresee it.
size_t part_keys(const uint32_t* sorted, size_t n, uint32_t* keys) {
  const __m512i number = _mm512_set1_epi32(kMostSorted - 1), column = _mm512_set1_epi32(int32_t{1} << kNumberBits);
  uint32_t others[kMostSorted + 16];
  size_t count = 0, found = 0;
  __m512i last = _mm512_set1_epi32(-1);
  for (size_t p = 0; p < n; p += 16) {
    const __m512i key = _mm512_loadu_si512(sorted + p);
    const __m512i before = _mm512_alignr_epi32(key, last, 15);
    last = key;
    const uint32_t front = front_of(static_cast<uint32_t>(n - p)) & 0xffff;
    const uint32_t heads = _mm512_cmpge_epu32_mask(_mm512_xor_si512(key, before), column) & front, rest = heads ^ front;
    const __m512i pair = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(before, number), kNumberBits),
                                         _mm512_and_si512(key, number));
    _mm512_storeu_si512(keys + count, _mm512_maskz_compress_epi32(static_cast<__mmask16>(heads), key));
    _mm512_storeu_si512(others + found, _mm512_maskz_compress_epi32(static_cast<__mmask16>(rest), pair));
    count += popcount64(heads);
    found += popcount64(rest);
  }
  for (size_t t = 0; t < found; t += 16) _mm512_storeu_si512(keys + count + t, _mm512_loadu_si512(others + t));
  return count;
}

size_t sort_products(const RowPattern& row, uint32_t base, uint32_t* keys) {
  constexpr size_t kStep = 64, kMostPadding = 128;
  alignas(64) uint32_t sorted[kMostSorted + kMostPadding];
  const size_t n = static_cast<size_t>(put_down<true>(row, base, sorted) - sorted);
  // For n up to 64, 128, …
  static constexpr void (*kSort[kMostSorted / kStep])(uint32_t*) = {sort_keys<4>,  sort_keys<8>,  sort_keys<12>,
                                                                    sort_keys<16>, sort_keys<24>, sort_keys<24>,
                                                                    sort_keys<32>, sort_keys<32>};
#pragma GCC unroll 8
  for (size_t p = 0; p < kMostPadding; p += 16) _mm512_storeu_si512(sorted + n + p, _mm512_set1_epi32(-1));
  kSort[(n - 1) / kStep](sorted);
  return part_keys(sorted, n, keys);
}

// Calls use(head, other) for the products whose column was there before: `head` is the first of the column.
template <class Use>
inline void for_others(const uint32_t* keys, size_t n, size_t count, Use use) {
  constexpr uint32_t kNumber = kMostSorted - 1;
  uint32_t head = 0, last = ~0u;
  for (size_t t = count; t < n; t++) {
    const uint32_t before = keys[t] >> kNumberBits, other = keys[t] & kNumber;
    head = before == last ? head : before;
    last = other;
    use(head, other);
  }
}

void find_places_of_sorted(const uint32_t* keys, size_t n, size_t count, uint32_t base, uint32_t* places,
                           uint32_t* columns) {
  constexpr uint32_t kNumber = kMostSorted - 1;
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i low = _mm512_set1_epi32(static_cast<int32_t>(base));
  for (size_t p = 0; p < count; p += 16) {
    const __mmask16 front = static_cast<__mmask16>(front_of(static_cast<uint32_t>(count - p)));
    const __m512i key = _mm512_maskz_loadu_epi32(front, keys + p);
    const __m512i place = _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int32_t>(p)));
    _mm512_mask_i32scatter_epi32(places, front, _mm512_and_si512(key, _mm512_set1_epi32(kNumber)), place, 4);
    _mm512_mask_storeu_epi32(columns + p, front, _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low));
  }
  for_others(keys, n, count, [&](uint32_t head, uint32_t other) { places[other] = places[head]; });
}

// values[l] = products[number[l]] for the first lanes, one for each bit of `front`.
inline void take_products(const double* products, __m512i number, uint32_t front, double* values) {
  const __mmask8 low = static_cast<__mmask8>(front), high = static_cast<__mmask8>(front >> 8);
  const __m512d zero = _mm512_setzero_pd();
  const __m256i first = _mm512_castsi512_si256(number), rest = _mm512_extracti64x4_epi64(number, 1);
  _mm512_mask_storeu_pd(values, low, _mm512_mask_i32gather_pd(zero, low, first, products, 8));
  _mm512_mask_storeu_pd(values + 8, high, _mm512_mask_i32gather_pd(zero, high, rest, products, 8));
}
template <class T>
inline void take_products(const T* products, __m512i number, uint32_t front, T* values) {
  const __mmask16 lanes = static_cast<__mmask16>(front);
  const __m512i x = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, number, products, 4);
  _mm512_mask_storeu_epi32(values, lanes, x);
}

// Values of B for rows to come, asked for in steps between others that wait for nothing: a core waits for some 24 lines
// at a time, and a loop that asks for what the next turn of it needs is held up by them. What a row asks for begins a
// fixed number of entries after its own beginning, and there are as many as it has: one row after another asks for
// every entry once, where rows have up to 24 entries or equally many. How many lines an entry has is taken from the
// row's own: the same number for all, since a step has no time to look.
template <class T>
class SpreadPrefetch {
 public:
  SpreadPrefetch(const RowInput<T>& row, size_t products, size_t steps)
      : row_(row), each_((row.n + steps - 1) / steps), at_(std::max(kSpreadShort, row.n)) {
    constexpr size_t kLine = 64 / sizeof(T);
    second_ = 2 * products > kLine * row.n ? kLine : 0;
    third_ = 2 * products > 3 * kLine * row.n ? 2 * kLine : 0;
  }
  LAPIDARY_PREFETCH void step() {
    for (size_t r = 0; r < each_ && at_ < row_.ahead; r++, at_++) {
      const T* const first = row_.b_values + row_.begins[row_.columns[at_]];
      __builtin_prefetch(first);
      __builtin_prefetch(first + second_);
      __builtin_prefetch(first + third_);
    }
  }

 private:
  const RowInput<T>& row_;
  size_t each_;
  size_t at_;
  size_t second_, third_;  // values from the first to those of the next lines
};

// Entries p … p + 15. Values are taken one by one: a gather takes longer on Zen 5.
template <class T>
[[gnu::always_inline]] inline void take_sorted(const uint32_t* keys, size_t p, __m512i low, const T* products,
                                               uint32_t* indices, T* values) {
  using Word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  const __m512i key = _mm512_loadu_si512(keys + p);
  _mm512_storeu_si512(indices + p, _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low));
#pragma GCC unroll 16
  for (size_t l = p; l < p + 16; l++) {
    Word word;
    std::memcpy(&word, products + (keys[l] & (kMostSorted - 1)), sizeof word);
    __asm__("" : "+r"(word));  // else the compiler makes registers of eight first
    std::memcpy(values + l, &word, sizeof word);
  }
}

template <class T>
void add_sorted_keys(const RowInput<T>& of, uint32_t base, const uint32_t* keys, size_t n, size_t count, T* products,
                     uint32_t* indices, T* values) {
  const RowInput<T> row = of;
  __builtin_prefetch(keys + count);  // the others
  multiply_rows<T, false>(row, products);
  for_others(keys, n, count,
             [&](uint32_t head, uint32_t other) { products[head] = plus_of(products[head], products[other]); });
  const __m512i low = _mm512_set1_epi32(static_cast<int32_t>(base));
  if (count < 16) {
    const uint32_t front = front_of(static_cast<uint32_t>(count));
    const __m512i key = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), keys);
    _mm512_mask_storeu_epi32(indices, static_cast<__mmask16>(front),
                             _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low));
    return take_products(products, _mm512_and_si512(key, _mm512_set1_epi32(kMostSorted - 1)), front, values);
  }
  SpreadPrefetch<T> ask(row, n, (count + 15) / 16);
  for (size_t p = 0; p + 16 < count; p += 16) {
    ask.step();
    take_sorted(keys, p, low, products, indices, values);
  }
  ask.step();
  take_sorted(keys, count - 16, low, products, indices, values);  // some of them once more
}
