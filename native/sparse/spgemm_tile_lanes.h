// The loop of sparse/spgemm_tiles.h for AVX2 and AVX-512: included inside the unnamed namespace of their files. S has
// the type V of a register of kLanes values of type T, of which it keeps kTogether, load and store of all or the first
// n of them, add, multiply, and turn, which makes rows of kLanes registers columns.
//
// Bound: two loads, a multiplication and an addition for each product and register of rows, and for each square of
// values that is turned around some three permutations a register.

// A square of kLanes rows and up to kLanes columns of them: entry c of row l goes to to[c·stride + l].
template <class S>
[[gnu::always_inline]] inline void turn_square(const typename S::T* from, size_t n, size_t last, size_t columns,
                                               typename S::T* to, size_t stride) {
  constexpr size_t kLanes = S::kLanes;
  typename S::V x[kLanes];
#pragma GCC unroll 8
  for (size_t l = 0; l < kLanes; l++) x[l] = S::load(from + n * (l < last ? l : last), columns);
  S::turn(x);
#pragma GCC unroll 8
  for (size_t l = 0; l < kLanes; l++) {
    if (l >= columns) break;
    S::store(to + l * stride, x[l]);
  }
}

// Rows of n values one after another: entry q of row r goes to to[q·stride + r]. Lanes after the last row repeat it.
// `ahead` rows further on will be wanted next.
template <class S>
inline void turn_rows(const typename S::T* from, size_t n, size_t rows, typename S::T* to, size_t stride,
                      size_t ahead) {
  constexpr size_t kLanes = S::kLanes;
  for (size_t r = 0; r < rows; r += kLanes, from += kLanes * n, to += kLanes) {
    for (size_t q = 0; q < kLanes * n; q += 64 / sizeof(*from)) __builtin_prefetch(from + ahead * n + q);
    const size_t last = rows - 1 - r;
    for (size_t c = 0; c < n; c += kLanes) {
      if (last >= kLanes - 1)
        turn_square<S>(from + c, n, kLanes - 1, n - c, to + c * stride, stride);
      else
        turn_square<S>(from + c, n, last, n - c, to + c * stride, stride);
    }
  }
}

// Places v … v + kLanes − 1 of kVectors registers of rows, of which `rows` are wanted; their first lane is `lanes`.
template <class S, size_t kVectors>
inline void add_tile_places(const TileRun<typename S::T>& run, const typename S::T* lanes, size_t v, size_t rows,
                            typename S::T* values) {
  using V = typename S::V;
  constexpr size_t kLanes = S::kLanes;
  const size_t count = run.count, ahead = run.tile * count;
  const size_t places = count - v < kLanes ? count - v : kLanes;
  const TileStep* step = run.steps + (v == 0 ? 0 : run.ends[v - 1]);
  V sums[kLanes][kVectors];
  for (size_t place = 0; place < places; place++) {
    V sum[kVectors];
    const auto product = [&](size_t w) {
      return S::multiply(S::load(lanes + step->a + w * kLanes), S::load(lanes + step->b + w * kLanes));
    };
#pragma GCC unroll 8
    for (size_t w = 0; w < kVectors; w++) sum[w] = product(w);
    for (const TileStep* const end = run.steps + run.ends[v + place]; ++step < end;)
#pragma GCC unroll 8
      for (size_t w = 0; w < kVectors; w++) sum[w] = S::add(sum[w], product(w));
#pragma GCC unroll 8
    for (size_t w = 0; w < kVectors; w++) sums[place][w] = sum[w];
  }
  for (size_t place = places; place < kLanes; place++)
    for (size_t w = 0; w < kVectors; w++) sums[place][w] = sums[0][w];
  typename S::T* to = values + v;
  for (size_t w = 0; w < kVectors; w++) {
    V x[kLanes];
#pragma GCC unroll 8
    for (size_t l = 0; l < kLanes; l++) x[l] = sums[l][w];
    S::turn(x);
    const size_t valid = rows - w * kLanes;
#pragma GCC unroll 8
    for (size_t l = 0; l < kLanes; l++) {
      if (l >= valid) return;
      S::store(to, x[l], places);
      __builtin_prefetch(to + ahead, 1);
      to += count;
      __asm__("" : "+r"(to));  // keeps GCC from a second copy of the loops for rows of one entry
    }
  }
}

// At most S::kTogether registers of rows.
template <class S, size_t kVectors = S::kTogether>
inline void add_tile_rows(const TileRun<typename S::T>& run, const typename S::T* lanes, size_t rows,
                          typename S::T* values) {
  if constexpr (kVectors > 1)
    if (rows <= (kVectors - 1) * S::kLanes) return add_tile_rows<S, kVectors - 1>(run, lanes, rows, values);
  for (size_t v = 0; v < run.count; v += S::kLanes) add_tile_places<S, kVectors>(run, lanes, v, rows, values);
}

template <class S>
void add_tiles(const TileRun<typename S::T>& run, typename S::T* values) {
  for (size_t r = 0; r < run.rows; r += run.tile, values += run.tile * run.count) {
    const size_t rows = run.rows - r < run.tile ? run.rows - r : run.tile;
    if (run.a != nullptr) turn_rows<S>(run.a + r * run.n, run.n, rows, run.lanes, run.tile, run.tile);
    for (size_t g = 0; g < run.group_count; g++) {
      const TileGroup<typename S::T>& group = run.groups[g];
      turn_rows<S>(group.first + r * group.length, group.length, rows + group.more, run.lanes + group.at, group.stride,
                   run.tile);
    }
    constexpr size_t kRows = S::kTogether * S::kLanes;
    for (size_t u = 0; u < rows; u += kRows)
      add_tile_rows<S>(run, run.lanes + u, rows - u < kRows ? rows - u : kRows, values + u * run.count);
  }
}
