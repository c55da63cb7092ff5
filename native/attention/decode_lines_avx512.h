// Decoding from whole cache lines, where heads and rows are whole numbers of them: however the cache lies in memory,
// its lines are loaded as such, each once, and pairs of them are shifted into place. A load across two lines costs two
// accesses, and out of the last cache two places for what is on its way. Read is what holds a named value, up to the
// end of its line.
//
// Included by decode_avx512.cc inside its region, before decode_lanes.h. LineBf16 and LineF32 say how a line becomes
// vectors:
//
//   n values in one, kVecs vectors of 16; shift(a, index, b) the n values that begin `off` values into a
//   open(line, v)                            to vectors, in an order of their own
//   arrange(x, v), put_back(v, x)            n floats in memory to that order and back

template <class S, int kK>
inline void put_sums(const typename S::V* sum, typename S::T* x);  // decode_lanes.h

struct LineF32 {
  static constexpr std::size_t n = 16;
  static constexpr int kVecs = 1;
  static __m512i shift(__m512i a, __m512i index, __m512i b) { return _mm512_permutex2var_epi32(a, index, b); }
  static __m512i index(std::size_t off) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(off)));
  }
  static void open(__m512i line, __m512* v) { v[0] = _mm512_castsi512_ps(line); }
  static void arrange(const float* x, __m512* v) { v[0] = _mm512_loadu_ps(x); }
  static void put_back(const __m512* v, float* x) { _mm512_storeu_ps(x, v[0]); }
};

// Values with even and with odd places: a shift or a mask makes floats of them.
struct LineBf16 {
  static constexpr std::size_t n = 32;
  static constexpr int kVecs = 2;
  static __m512i shift(__m512i a, __m512i index, __m512i b) { return _mm512_permutex2var_epi16(a, index, b); }
  static __m512i index(std::size_t off) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i lanes = _mm512_or_si512(even, _mm512_slli_epi32(_mm512_add_epi32(even, _mm512_set1_epi32(1)), 16));
    return _mm512_add_epi16(lanes, _mm512_set1_epi16(static_cast<short>(off)));
  }
  static void open(__m512i line, __m512* v) {
    v[0] = _mm512_castsi512_ps(_mm512_slli_epi32(line, 16));
    v[1] = _mm512_castsi512_ps(_mm512_and_si512(line, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
  static void arrange(const float* x, __m512* v) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    v[0] = _mm512_permutex2var_ps(a, even, b);
    v[1] = _mm512_permutex2var_ps(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b);
  }
  static void put_back(const __m512* v, float* x) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    _mm512_storeu_ps(x, _mm512_permutex2var_ps(v[0], low, v[1]));
    _mm512_storeu_ps(x + 16, _mm512_permutex2var_ps(v[0], _mm512_add_epi32(low, _mm512_set1_epi32(8)), v[1]));
  }
};

// Columns in one piece of the loops: what they cut without rest.
constexpr std::size_t kPiece = 64;

// score_tile and value_tile for kQ query heads, with their bits for f32; of bf16 a lane sums values of even and of odd
// places.
template <class L, int kQ>
struct LineTiles {
  // Where rows begin in their lines, all at the same place.
  struct Place {
    std::size_t off, last;  // in values; from the last line of a head to the one that holds its end
    __m512i index;

    template <class T>
    explicit Place(const T* x)
        : off(reinterpret_cast<std::uintptr_t>(x) % 64 / sizeof(T)), last(off == 0 ? 0 : L::n), index(L::index(off)) {}

    // The n values that begin `off` into `line`, which x points to; then `line` is the one `next` values on.
    template <class T>
    [[gnu::always_inline]] __m512i take(const T* x, std::size_t next, __m512i& line) const {
      const __m512i before = line;
      line = _mm512_load_si512(x + next);
      return L::shift(before, index, line);
    }
  };

  template <int kK, class T>
  [[gnu::always_inline]] static void scores(const float* q, std::size_t d, const T* k, std::size_t stride, float* x,
                                            std::size_t ld) {
    const Place place(k);
    __m512 sum[kQ][4];
    __m512i line[kK];
#pragma GCC unroll 4
    for (int a = 0; a < kQ; a++)
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) sum[a][i] = _mm512_setzero_ps();
    k -= place.off;
#pragma GCC unroll 4
    for (int i = 0; i < kK; i++) line[i] = _mm512_load_si512(k + i * stride);
    for (std::size_t left = d; left > 0; left -= kPiece, q += kPiece) {
      const std::size_t last = left == kPiece ? place.last : L::n;
#pragma GCC unroll 4
      for (std::size_t j = 0; j < kPiece; j += L::n, k += L::n) {
        const std::size_t next = j + L::n == kPiece ? last : L::n;
        __m512 query[kQ][L::kVecs];
#pragma GCC unroll 4
        for (int a = 0; a < kQ; a++) L::arrange(q + a * d + j, query[a]);
#pragma GCC unroll 4
        for (int i = 0; i < kK; i++) {
          __m512 key[L::kVecs];
          L::open(place.take(k + i * stride, next, line[i]), key);
#pragma GCC unroll 4
          for (int a = 0; a < kQ; a++)
#pragma GCC unroll 2
            for (int e = 0; e < L::kVecs; e++) sum[a][i] = _mm512_fmadd_ps(query[a][e], key[e], sum[a][i]);
        }
      }
    }
#pragma GCC unroll 4
    for (int a = 0; a < kQ; a++) put_sums<F32, kK>(sum[a], x + a * ld);
  }

  // All of a head's columns.
  template <class T>
  [[gnu::always_inline]] static void values(const float* w, std::size_t ld, const T* v, std::size_t stride,
                                            std::size_t count, float* acc, std::size_t dv) {
    constexpr int kLines = kPiece / L::n;
    const Place place(v);
    v -= place.off;
    for (std::size_t j = 0; j < dv; j += kPiece, v += kPiece, acc += kPiece) {
      const std::size_t last = j + kPiece == dv ? place.last : L::n;
      __m512 sum[kQ][kLines][L::kVecs];
#pragma GCC unroll 4
      for (int a = 0; a < kQ; a++)
#pragma GCC unroll 4
        for (int c = 0; c < kLines; c++) L::arrange(acc + a * dv + c * L::n, sum[a][c]);
      // Plain, as in for_rows.
      const T* row = v;
      for (std::size_t s = 0; s < count; s++, row += stride) {
        __m512i line = _mm512_load_si512(row);
        __m512 value[kLines][L::kVecs];
#pragma GCC unroll 4
        for (int c = 0; c < kLines; c++)
          L::open(place.take(row + c * L::n, c + 1 == kLines ? last : L::n, line), value[c]);
#pragma GCC unroll 4
        for (int a = 0; a < kQ; a++) {
          const __m512 weight = _mm512_set1_ps(w[a * ld + s]);
#pragma GCC unroll 4
          for (int c = 0; c < kLines; c++)
#pragma GCC unroll 2
            for (int e = 0; e < L::kVecs; e++) sum[a][c][e] = _mm512_fmadd_ps(weight, value[c][e], sum[a][c][e]);
        }
      }
#pragma GCC unroll 4
      for (int a = 0; a < kQ; a++)
#pragma GCC unroll 4
        for (int c = 0; c < kLines; c++) L::put_back(sum[a][c], acc + a * dv + c * L::n);
    }
  }
};
