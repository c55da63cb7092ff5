// Rows of A that are the row before with one added to its columns, as those of grids and bands, one a lane: what an
// entry of each of them takes of x are neighbours then, so that a register of products is two loads and a
// multiplication, whatever the columns. Included inside the unnamed namespaces of the files of AVX2 and AVX-512, after
// the registers of sparse/tile_avx2_lanes.h; a lane is summed as the row would be alone, in the same four chains.
//
// Bound: reading the matrix; some three permutations, a load of x, a multiplication and an addition for each register.

constexpr size_t kLeastTileRows = 4;
constexpr size_t kLeastRun = 16;    // rows: of shorter runs the look costs more than the tiles save
constexpr size_t kTileAhead = 768;  // entries: tiles take a third of the time of rows
constexpr uint32_t kMostTileColumns = 64;

// Whether row i and the two after it, which are there, may be such rows, by their lengths and first columns.
inline bool may_be_alike(const CsrPattern& a, size_t i) {
  const uint32_t* const indptr = a.indptr + i;
  const uint32_t n = indptr[1] - indptr[0];
  if (indptr[2] - indptr[1] != n || indptr[3] - indptr[2] != n || n - 1 >= kMostTileColumns) return false;
  const uint32_t* const index = a.indices + indptr[0];
  return index[n] == index[0] + 1;
}

// How many rows from i on, `most` or fewer, have the n entries of row i, each with one added to its column; 0 if there
// are few. Then `columns` holds those of row i, which ascend, and all columns of these rows are below cols. Nothing is
// decided by what is read again later.
inline size_t rows_alike(const CsrPattern& a, size_t begin, uint32_t n, size_t i, size_t most, uint32_t* columns) {
  // Twice as many at a time where all are alike: a look at all lengths would cost more than a short run.
  size_t rows = 1;
  for (size_t step = kLeastTileRows - 1; rows < most; step *= 2) {
    const size_t look = std::min(step, most - rows);
    const size_t equal = count_steps(a.indptr + i + rows, a.indptr + i + rows + 1, n, look);
    const size_t first = begin + (rows - 1) * n;
    if (first + (equal + 1) * n > a.nnz) return 0;
    const size_t alike = count_steps(a.indices + first, a.indices + first + n, 1, equal * n) / n;
    rows += alike;
    if (alike < look) break;
  }
  if (rows < kLeastRun) return 0;
  bool rises = true;
  columns[0] = a.indices[begin];
  for (uint32_t e = 1; e < n; e++) {
    columns[e] = a.indices[begin + e];
    rises &= columns[e - 1] < columns[e];
  }
  return rises && columns[n - 1] + rows <= a.cols ? rows : 0;
}

// Sums of the first `rows` of kLanes rows of n entries one after another.
template <class S, bool kAll>
[[gnu::always_inline]] inline void sum_tile(const typename S::T* values, const uint32_t* columns, size_t n, size_t rows,
                                            const typename S::T* x, typename S::T* y) {
  using T = typename S::T;
  using V = typename S::V;
  constexpr size_t kLanes = S::kLanes;
  constexpr T kNothing[kLanes] = {};
  V sum[4];
  for (V& chain : sum) chain = S::load(kNothing);
  for (size_t first = 0; first < n; first += kLanes) {
    V square[kLanes];
#pragma GCC unroll 8
    for (size_t r = 0; r < kLanes; r++)
      square[r] = S::load(values + first + n * (kAll || r < rows ? r : rows - 1), n - first);
    S::turn(square);
#pragma GCC unroll 8
    for (size_t c = 0; c < kLanes; c++) {
      if (c >= n - first) break;
      const T* const from = x + columns[first + c];
      sum[c % 4] = S::add(sum[c % 4], S::multiply(square[c], kAll ? S::load(from) : S::load(from, rows)));
    }
  }
  const V total = S::add(S::add(sum[0], sum[2]), S::add(sum[1], sum[3]));
  kAll ? S::store(y, total) : S::store(y, total, rows);
}

// Rows from i on, at least kLeastRun, that go one a lane; how many of them do.
template <class S>
[[gnu::noinline]] size_t tiles_from(const SpmvRows<typename S::T>& s, size_t i) {
  using T = typename S::T;
  constexpr size_t kLanes = S::kLanes;
  uint32_t columns[kMostTileColumns];
  const size_t begin = s.a.indptr[i];
  const uint32_t n = s.a.indptr[i + 1] - s.a.indptr[i];
  if (n - 1 >= kMostTileColumns) return 0;
  const size_t rows = rows_alike(s.a, begin, n, i, s.last - i, columns);
  const T* const values = s.values + begin;
  size_t r = 0;
  for (; r + kLanes <= rows; r += kLanes) {
    for (size_t q = r * n; q < (r + kLanes) * n; q += 64 / sizeof(T))
      _mm_prefetch(reinterpret_cast<const char*>(values + q) + kTileAhead * sizeof(T), _MM_HINT_T0);
    for (size_t q = r * n; q < (r + kLanes) * n; q += 16)  // those of the rows that follow
      _mm_prefetch(reinterpret_cast<const char*>(s.a.indices + begin + rows * n + q), _MM_HINT_T0);
    sum_tile<S, true>(values + r * n, columns, n, kLanes, s.x + r, s.y + i + r);
  }
  if (rows - r < kLeastTileRows) return r;
  sum_tile<S, false>(values + r * n, columns, n, rows - r, s.x + r, s.y + i + r);
  return rows;
}

// Whether rows of a block are worth trying: some of the first few are like others. Elsewhere the look at each row would
// cost a sixth of it.
inline bool has_tiles(const CsrPattern& a, size_t first, size_t last) {
  constexpr size_t kLook = 16;
  for (size_t i = first; i < first + kLook && i + kLeastTileRows <= last; i++)
    if (may_be_alike(a, i)) return true;
  return false;
}

// For the type of the values; the including file has them.
size_t tiles_of(const SpmvRows<double>& s, size_t i);
size_t tiles_of(const SpmvRows<float>& s, size_t i);

// Rows by tiles where they can, and all others, a stretch at a time, by `others`. A loop that could call a tile would
// be slower by a sixth where there is none.
template <class T>
inline bool rows_and_tiles(const SpmvRows<T>& s, bool (*others)(const SpmvRows<T>&)) {
  if (!has_tiles(s.a, s.first, s.last)) return others(s);
  constexpr size_t kMostMisses = 8;
  size_t begin = s.first, misses = 0, found = 0;
  for (size_t i = s.first; i + kLeastTileRows <= s.last && misses <= kMostMisses + found / 8;) {
    if (!may_be_alike(s.a, i)) {
      i++;
      continue;
    }
    const size_t rows = tiles_of(s, i);
    if (rows == 0) {
      misses++;
      i++;
      continue;
    }
    if (begin < i && !others({s.a, s.values, s.x, s.y, begin, i})) return false;
    found += rows;
    begin = i += rows;
  }
  return begin == s.last || others({s.a, s.values, s.x, s.y, begin, s.last});
}
