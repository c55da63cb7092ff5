// The loops of sparse/spgemm_rows.h, compiled once for each instruction set: included inside an unnamed namespace after
// sparse/semiring_lanes.h. The including file defines popcount64(word) and bits_below(word, n), the low n bits of it.

// Rows of B are short and come from anywhere. Where one begins is asked for kFar entries of A ahead, and the first
// lines of the row itself once that is there.
constexpr size_t kFar = 24;
constexpr size_t kNear = 8;
constexpr uint32_t kAhead = 32;  // entries of a row; the hardware follows from there

// What does nothing but prefetch GCC takes for code without effect unless it is inlined first.
#define LAPIDARY_PREFETCH [[gnu::always_inline]] inline

// Every line that n values touch, kAhead of them at most: where they do not begin on one, there is one more than their
// bytes fill. Where there are fewer the first line is asked for again, since nobody would foresee a branch.
template <class T>
LAPIDARY_PREFETCH void prefetch_run(const T* first, uint32_t n) {
#pragma GCC unroll 4
  for (uint32_t q = 0; q < kAhead; q += 64 / sizeof(T)) __builtin_prefetch(first + (q & -static_cast<uint32_t>(q < n)));
  __builtin_prefetch(first + n - (n > 0));
}

// The same for rows that mostly are longer, where the end of a loop is foreseen.
template <class T>
LAPIDARY_PREFETCH void prefetch_long_run(const T* first, size_t n) {
  for (size_t q = 0; q < n; q += 64 / sizeof(T)) __builtin_prefetch(first + q);
  if (n > 0) __builtin_prefetch(first + n - 1);
}

template <class T, bool kLong = false>
LAPIDARY_PREFETCH void prefetch_row(const RowPattern& row, const T* values, size_t e) {
  if (e + kFar < row.ahead) __builtin_prefetch(&row.begins[row.columns[e + kFar]]);
  if (e + kNear >= row.ahead) return;
  const RowExtent k = row.extent(e + kNear);
  const uint32_t length = k.end - k.begin, n = length < kAhead ? length : kAhead;
  if constexpr (kLong) {
    prefetch_long_run(row.b_indices + k.begin, n);
    if (values != nullptr) prefetch_long_run(values + k.begin, n);
  } else {
    prefetch_run(row.b_indices + k.begin, n);
    if (values != nullptr) prefetch_run(values + k.begin, n);
  }
}

void mark_bits(const RowPattern& row, uint32_t base, uint64_t* bits) {
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row<double>(row, nullptr, e);
    const RowExtent k = row.extent(e);
    for (size_t q = k.begin; q < k.end; q++) {
      const uint32_t j = row.b_indices[q] - base;
      bits[j / 64] |= uint64_t{1} << j % 64;
    }
  }
}

// mark_blocks where rows of B have all their words.
[[maybe_unused]] void mark_narrow_words(const RowPattern& row, const BlockRows& b, uint64_t* bits) {
  for (size_t w = 0; w < b.words; w++) {
    uint64_t all = 0;
    for (size_t e = 0; e < row.n; e++) all |= b.mask[size_t{row.columns[e]} * b.stride + w];
    bits[w] = all;
  }
}

void mark_bits_of_blocks(const RowPattern& row, const BlockRows& b, uint32_t base, uint64_t* bits) {
  bits -= base / 64;
  for (size_t e = 0; e < row.n; e++) {
    if (e + kFar < row.ahead) __builtin_prefetch(&b.indptr[row.columns[e + kFar]]);
    if (e + kNear < row.ahead) {
      const uint32_t near = b.indptr[row.columns[e + kNear]];
      __builtin_prefetch(&b.block[near]);
      __builtin_prefetch(&b.mask[near]);
    }
    const uint32_t k = row.columns[e];
    for (size_t q = b.indptr[k]; q < b.indptr[k + 1]; q++) bits[b.block[q]] |= b.mask[q];
  }
}

[[maybe_unused]] void mark_rows_in_words(const RowPattern& row, const BlockRows& b, uint32_t base, uint64_t* bits) {
  b.narrow() ? mark_narrow_words(row, b, bits) : mark_bits_of_blocks(row, b, base, bits);
}

size_t count_few_columns(const RowPattern& row, uint32_t base, uint64_t* bits) {
  size_t found = 0;
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row<double>(row, nullptr, e);
    const RowExtent k = row.extent(e);
    for (size_t q = k.begin; q < k.end; q++) {
      const uint32_t j = row.b_indices[q] - base;
      const uint64_t before = bits[j / 64], after = before | uint64_t{1} << j % 64;
      found += before != after;
      bits[j / 64] = after;
    }
  }
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    for (size_t q = k.begin; q < k.end; q++) bits[(row.b_indices[q] - base) / 64] = 0;
  }
  return found;
}

size_t count_bits_and_clear(uint64_t* bits, size_t n) {
  size_t found = 0;
  for (size_t w = 0; w < n; w++) {
    found += popcount64(bits[w]);
    bits[w] = 0;
  }
  return found;
}

[[maybe_unused]] size_t rank_bits(const uint64_t* bits, size_t n, uint32_t* before) {
  uint32_t sum = 0;
  for (size_t w = 0; w < n; w++) {
    before[w] = sum;
    sum += static_cast<uint32_t>(popcount64(bits[w]));
  }
  return sum;
}

[[maybe_unused]] void mark_few_bits(const RowPattern& row, uint32_t base, uint64_t* bits, uint64_t* words) {
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row<double>(row, nullptr, e);
    const RowExtent k = row.extent(e);
    for (size_t q = k.begin; q < k.end; q++) {
      const uint32_t j = row.b_indices[q] - base;
      bits[j / 64] |= uint64_t{1} << j % 64;
      words[j / 4096] |= uint64_t{1} << j / 64 % 64;
    }
  }
}

[[maybe_unused]] size_t rank_listed_bits(const uint64_t* bits, const uint32_t* list, size_t n, uint32_t* before) {
  uint32_t sum = 0;
  for (size_t l = 0; l < n; l++) {
    before[list[l]] = sum;
    sum += static_cast<uint32_t>(popcount64(bits[list[l]]));
  }
  return sum;
}

void find_places(const RowPattern& row, uint32_t base, const uint64_t* bits, const uint32_t* before, uint32_t* places) {
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    for (size_t q = k.begin; q < k.end; q++) {
      const uint32_t j = row.b_indices[q] - base;
      *places++ = before[j / 64] + static_cast<uint32_t>(popcount64(bits_below(bits[j / 64], j % 64)));
    }
  }
}

// Calls sink(column, product) for each product, in order.
template <bool kTimes, bool kLong = false, class T, class Sink>
[[gnu::always_inline]] inline void for_products(const RowInput<T>& row, MultiplyOp op, Sink& sink) {
  constexpr size_t kChunk = 128;
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row<T, kLong>(row, row.b_values, e);
    const RowExtent k = row.extent(e);
    const T a = row.values[e];
    if constexpr (kTimes) {
      for (size_t q = k.begin; q < k.end; q++) sink(row.b_indices[q], times_of(a, row.b_values[q]));
    } else {
      T products[kChunk];
      for (size_t q = k.begin; q < k.end; q += kChunk) {
        const size_t n = k.end - q < kChunk ? k.end - q : kChunk;
        multiply(op, a, row.b_values + q, n, products);
        for (size_t c = 0; c < n; c++) sink(row.b_indices[q + c], products[c]);
      }
    }
  }
}

template <class T, AddOp kAdd, bool kMasked>
struct RankSink {
  uint32_t base;
  const uint64_t* bits;
  const uint32_t* before;
  uint32_t* indices;
  T* values;
  size_t outside = 0;
  T spare = T{};  // where products outside the pattern go
  uint32_t spare_index = 0;

  [[gnu::always_inline]] inline void operator()(uint32_t column, T x) {
    const uint32_t j = column - base;
    const uint64_t word = bits[j / 64];
    const size_t place = before[j / 64] + popcount64(bits_below(word, j % 64));
    if constexpr (kMasked) {
      const bool inside = word >> j % 64 & 1;
      outside += !inside;
      T* const at = inside ? values + place : &spare;
      *at = added<kAdd>(*at, x);
      *(inside ? indices + place : &spare_index) = column;
    } else {
      values[place] = added<kAdd>(values[place], x);
      indices[place] = column;
    }
  }
};

template <class T, AddOp kAdd>
struct DenseSink {
  uint32_t base;
  T* sums;
  [[gnu::always_inline]] inline void operator()(uint32_t column, T x) {
    sums[column - base] = added<kAdd>(sums[column - base], x);
  }
};

template <class T, AddOp kAdd>
struct PlaceSink {
  const uint32_t* places;
  T* values;
  [[gnu::always_inline]] inline void operator()(uint32_t, T x) {
    T& value = values[*places++];
    value = added<kAdd>(value, x);
  }
};

template <class T, AddOp kAdd, bool kTimes, bool kMasked>
size_t add_ranked(const RowInput<T>& row, MultiplyOp op, uint32_t base, const uint64_t* bits, const uint32_t* before,
                  uint32_t* indices, T* values) {
  RankSink<T, kAdd, kMasked> sink{base, bits, before, indices, values};
  for_products<kTimes>(row, op, sink);
  return sink.outside;
}

// How a kernel multiplies: two operators as code, the others by multiply().
enum class Products : uint8_t { times, ones, by_operator };

template <class T, AddOp kAdd, Products kProducts>
void add_if_allowed(const RowInput<T>& row, MultiplyOp op, uint32_t base, const uint64_t* allowed,
                    const uint32_t* before, uint64_t* found, T* sums) {
  constexpr size_t kChunk = 128;
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row<T>(row, kProducts == Products::ones ? nullptr : row.b_values, e);
    const RowExtent k = row.extent(e);
    const T a = row.values[e];
    for (size_t q = k.begin; q < k.end; q += kChunk) {
      const size_t n = k.end - q < kChunk ? k.end - q : kChunk;
      const uint32_t* const column = row.b_indices + q;
      const T* const b = row.b_values + q;
      uint8_t hit[kChunk];
      size_t hits = 0;
      for (size_t c = 0; c < n; c++) {
        const uint32_t j = column[c] - base;
        hit[hits] = static_cast<uint8_t>(c);
        hits += allowed[j / 64] >> j % 64 & 1;
      }
      T products[kChunk];
      if constexpr (kProducts == Products::by_operator) {
        for (size_t h = 0; h < hits; h++) products[h] = b[hit[h]];
        multiply(op, a, products, hits, products);
      }
      for (size_t h = 0; h < hits; h++) {
        const uint32_t j = column[hit[h]] - base;
        T& sum = sums[before[j / 64] + popcount64(bits_below(allowed[j / 64], j % 64))];
        if constexpr (kProducts == Products::times) sum = added<kAdd>(sum, times_of(a, b[hit[h]]));
        if constexpr (kProducts == Products::ones) sum = added<kAdd>(sum, T{1});
        if constexpr (kProducts == Products::by_operator) sum = added<kAdd>(sum, products[h]);
        found[j / 64] |= uint64_t{1} << j % 64;
      }
    }
  }
}

template <class T, AddOp kAdd, bool kTimes>
void add_to_sums(const RowInput<T>& row, MultiplyOp op, uint32_t base, T* sums) {
  DenseSink<T, kAdd> sink{base, sums};
  for_products<kTimes, true>(row, op, sink);
}

template <class T, AddOp kAdd>
void add_placed(const RowInput<T>& row, MultiplyOp op, const uint32_t* places, T* values) {
  PlaceSink<T, kAdd> sink{places, values};
  for_products<false>(row, op, sink);
}

template <class T>
size_t add_by_rank_of(const RowInput<T>& row, Semiring s, uint32_t base, const uint64_t* bits, const uint32_t* before,
                      bool masked, uint32_t* indices, T* values) {
  if (s.is_plus_times()) {
    const auto loop = masked ? add_ranked<T, AddOp::plus, true, true> : add_ranked<T, AddOp::plus, true, false>;
    return loop(row, s.multiply, base, bits, before, indices, values);
  }
#define LAPIDARY_CALL(kAdd) add_ranked<T, kAdd, false, true>(row, s.multiply, base, bits, before, indices, values)
  LAPIDARY_FOR_ADD(s.add, LAPIDARY_CALL);
#undef LAPIDARY_CALL
}

template <class T>
void add_allowed_of(const RowInput<T>& row, Semiring s, uint32_t base, const uint64_t* allowed, const uint32_t* before,
                    uint64_t* found, T* sums) {
  if (s.is_plus_times())
    return add_if_allowed<T, AddOp::plus, Products::times>(row, s.multiply, base, allowed, before, found, sums);
  if (s.add == AddOp::plus && s.multiply == MultiplyOp::pair)
    return add_if_allowed<T, AddOp::plus, Products::ones>(row, s.multiply, base, allowed, before, found, sums);
#define LAPIDARY_CALL(kAdd) \
  add_if_allowed<T, kAdd, Products::by_operator>(row, s.multiply, base, allowed, before, found, sums)
  LAPIDARY_FOR_ADD(s.add, LAPIDARY_CALL);
#undef LAPIDARY_CALL
}

template <class T>
void add_dense_of(const RowInput<T>& row, Semiring s, uint32_t base, T* sums) {
  if (s.is_plus_times()) return add_to_sums<T, AddOp::plus, true>(row, s.multiply, base, sums);
#define LAPIDARY_CALL(kAdd) add_to_sums<T, kAdd, false>(row, s.multiply, base, sums)
  LAPIDARY_FOR_ADD(s.add, LAPIDARY_CALL);
#undef LAPIDARY_CALL
}

// scratch[places[p]] += a·b for plus-times, whose rows of B often fall on neighbouring places: then add_run(n, a, b,
// to), which the including file defines, adds them together.
template <class T>
void add_times_placed(const RowInput<T>& row, const uint32_t* places, T* sums) {
  for (size_t e = 0; e < row.n; e++) {
    const RowExtent k = row.extent(e);
    const size_t n = k.end - k.begin;
    const T a = row.values[e];
    const T* const b = row.b_values + k.begin;
    if (n >= 8 && places[n - 1] - places[0] == n - 1) {
      add_run(n, a, b, sums, places[0]);
    } else {
      for (size_t q = 0; q < n; q++) sums[places[q]] = plus_of(sums[places[q]], times_of(a, b[q]));
    }
    places += n;
  }
}

template <class T>
void add_at_places(const RowInput<T>& row, Semiring s, const uint32_t* places, T* sums) {
  if (s.is_plus_times()) return add_times_placed(row, places, sums);
#define LAPIDARY_CALL(kAdd) add_placed<T, kAdd>(row, s.multiply, places, sums)
  LAPIDARY_FOR_ADD(s.add, LAPIDARY_CALL);
#undef LAPIDARY_CALL
}

template <class T>
void add_by_place_of(const RowInput<T>& row, Semiring s, const uint32_t* places, size_t nnz, T nothing_yet, T* sums,
                     T* values) {
  for (size_t e = 0; e < nnz; e++) sums[e] = nothing_yet;
  add_at_places(row, s, places, sums);
  copy_values(nnz, sums, values);
}

[[maybe_unused]] void repeat_columns_of(const uint32_t* head, size_t n, size_t rows, uint32_t step, uint32_t* columns) {
  for (size_t r = 0; r < rows; r++)
    for (size_t e = 0; e < n; e++) *columns++ = head[e] + step * static_cast<uint32_t>(r + 1);
}

// Of n products whose columns and values lie one after another, those whose column was there before are added to it and
// taken out; how many are left. place_of(column, columns), where a column is that is there, is the including file's.
template <class T>
size_t take_out_known(size_t n, uint32_t base, const Stamps& stamps, uint32_t* indices, T* values) {
  uint32_t* const hits = stamps.hits;
  uint8_t* const seen = stamps.seen;
  const uint8_t row = stamps.row;
  size_t known = 0;
  for (size_t p = 0; p < n; p++) {
    uint8_t& stamp = seen[indices[p] - base];
    hits[known] = static_cast<uint32_t>(p);
    known += stamp == row;
    stamp = row;
  }
  for (size_t h = 0; h < known; h++) {
    T& sum = values[place_of(indices[hits[h]], indices)];
    sum = plus_of(sum, values[hits[h]]);
  }
  // The last entry takes the place of each: it is not one of them, since those behind are gone.
  while (known > 0) {
    const size_t p = hits[--known];
    n--;
    indices[p] = indices[n];
    values[p] = values[n];
  }
  return n;
}

template <class T>
[[maybe_unused]] size_t append_row(const RowInput<T>& row, uint32_t base, const Stamps& stamps, uint32_t* indices,
                                   T* values) {
  size_t n = 0;
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row(row, row.b_values, e);
    const RowExtent k = row.extent(e);
    const T a = row.values[e];
    for (size_t q = k.begin; q < k.end; q++, n++) {
      indices[n] = row.b_indices[q];
      values[n] = times_of(a, row.b_values[q]);
    }
  }
  return take_out_known(n, base, stamps, indices, values);
}

// S: a register of sums, as in add_blocks below.
template <class S, size_t kRows>
inline void add_block_rows(const BlockRun<typename S::T>& run, const typename S::T* a, size_t nnz,
                           typename S::T* values) {
  const BlockStep* step = run.steps;
  for (size_t v = 0; v < run.blocks; v++) {
    typename S::V sums[kRows];
    for (size_t r = 0; r < kRows; r++) sums[r] = S::nothing();
    for (const BlockStep* const end = run.steps + run.ends[v]; step < end; step++) {
      const typename S::Step lanes(*step);
      const typename S::T* b = run.bases[step->entry];
      const size_t move = run.moves[step->entry];
      for (size_t r = 0; r < kRows; r++, b += move) sums[r] = lanes.add(sums[r], b, a[r * run.n + step->entry]);
    }
    const size_t place = v * S::kLanes;
    for (size_t r = 0; r < kRows; r++) S::store(values + r * nnz + place, sums[r], nnz - place);
  }
}

// S has the type V of a register of sums, nothing(), a Step with add(sum, b, a), which adds a·b to the lanes of a step,
// and a store of the first n lanes.
template <class S>
[[maybe_unused]] void add_blocks(const BlockRun<typename S::T>& run, size_t nnz, typename S::T* values) {
  constexpr size_t kRows = 4;
  const typename S::T* a = run.a;
  size_t r = 0;
  for (; r + kRows <= run.rows; r += kRows, a += kRows * run.n, values += kRows * nnz) {
    add_block_rows<S, kRows>(run, a, nnz, values);
    for (size_t e = 0; e < run.n; e++) run.bases[e] += kRows * run.moves[e];
  }
  for (; r < run.rows; r++, a += run.n, values += nnz) {
    add_block_rows<S, 1>(run, a, nnz, values);
    for (size_t e = 0; e < run.n; e++) run.bases[e] += run.moves[e];
  }
}

template <class T>
[[maybe_unused]] size_t take_sums(uint64_t* bits, size_t n, uint32_t base, T* sums, T nothing_yet, uint32_t* indices,
                                  T* values) {
  size_t found = 0;
  for (size_t w = 0; w < n; w++) {
    for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
      const size_t j = 64 * w + static_cast<size_t>(__builtin_ctzll(word));
      indices[found] = base + static_cast<uint32_t>(j);
      values[found++] = sums[j];
      sums[j] = nothing_yet;
    }
    bits[w] = 0;
  }
  return found;
}
