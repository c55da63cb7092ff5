// The text of the vector micro-kernels, written once over F32 and F64 of core/avx2_lanes.h or core/avx512_lanes.h and
// included after one of them.
//
// Each number of rows and of vectors is a function of its own: an edge tile costs what it computes, and a tile's rows
// and columns past the edge are neither read nor written.

// One step of k. Integers have several products in a step, and S::step for them; their S::fma is for alpha and beta.
template <class S>
inline constexpr bool kHasRowTerm = requires(typename S::V v) { S::step(v, v, v); };

template <class S>
inline typename S::V step(typename S::V a, typename S::V b, typename S::V sum) {
  if constexpr (kHasRowTerm<S>)
    return S::step(a, b, sum);
  else
    return S::fma(a, b, sum);
}

// What a tile's last vector of columns asks for. Masked stores of AVX2 cost AMD's processors as much as several steps
// of k, so that whole tiles have none.
enum class Edge {
  whole,   // all lanes are columns of C
  ahead,   // whole, and what the next tile reads of B is asked for
  padded,  // some lanes are none, but B holds values for them
  masked,  // nor may B be read there
};
inline constexpr int kEdges = 4;

template <class S, int kRows, int kVecs, Edge kEdge>
void tile(const GemmTile<typename S::T>& t) {
  using T = typename S::T;
  using V = typename S::V;
  constexpr bool kMasked = kEdge == Edge::masked, kWhole = kEdge == Edge::whole || kEdge == Edge::ahead;
  [[maybe_unused]] typename S::Mask last;
  if constexpr (!kWhole) last = S::mask(static_cast<int>(t.n) - (kVecs - 1) * S::kLanes);

  // The tile of C is needed in k steps; it is on its way meanwhile.
  for (int i = 0; i < kRows; i++) {
    __builtin_prefetch(t.c + i * t.ldc, 1);
    __builtin_prefetch(t.c + i * t.ldc + t.n - 1, 1);
  }

  V sum[kRows][kVecs];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; v++) sum[i][v] = S::zero();

  const T* a = t.a;
  const T* b = t.b;
  const std::size_t row = t.a_row, a_step = t.a_step, b_step = t.b_step;
  [[maybe_unused]] const std::size_t prefetch = t.prefetch;
  for (std::size_t p = t.k; p > 0; p--) {
    V bv[kVecs];
    if constexpr (kVecs == 2) bv[0] = S::load(b);
    bv[kVecs - 1] = kMasked ? S::load(last, b + (kVecs - 1) * S::kLanes) : S::load(b + (kVecs - 1) * S::kLanes);
    if constexpr (kEdge == Edge::ahead || kEdge == Edge::masked) {
      // An address, not a pointer: it may lie in another array.
      const std::uintptr_t next = reinterpret_cast<std::uintptr_t>(b) + prefetch * sizeof(T);
      __builtin_prefetch(reinterpret_cast<const void*>(next));
      if constexpr (kVecs == 2) __builtin_prefetch(reinterpret_cast<const void*>(next + S::kLanes * sizeof(T)));
    }
    b += b_step;
    // Three rows a pointer: x, x + row and x + 2·row are one addressing mode each. The empty asm keeps the compiler
    // from folding the pointers back into one with as many offsets as there are rows, for which there are no registers.
    const T* x = a;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++) {
      const V ai = S::broadcast(x + (i % 3) * row);
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) sum[i][v] = step<S>(ai, bv[v], sum[i][v]);
      if (i % 3 == 2) {
        x += 3 * row;
        __asm__("" : "+r"(x));
      }
    }
    a += a_step;
  }

  const V alpha = S::broadcast(&t.alpha), beta = S::broadcast(&t.beta);
  const bool overwrite = t.beta == 0;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) {
    T* c = t.c + i * t.ldc;
    if constexpr (kHasRowTerm<S>)
      if (t.row_term != nullptr)
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) sum[i][v] = S::add(sum[i][v], S::broadcast(t.row_term + i));
    if constexpr (kVecs == 2) {
      const V x = S::mul(alpha, sum[i][0]);
      S::store(c, overwrite ? x : S::fma(beta, S::load(c), x));
      c += S::kLanes;
    }
    const V x = S::mul(alpha, sum[i][kVecs - 1]);
    if constexpr (kWhole)
      S::store(c, overwrite ? x : S::fma(beta, S::load(c), x));
    else
      S::store(last, c, overwrite ? x : S::fma(beta, S::load(last, c), x));
  }
}

// All tiles of up to kRows rows: row r − 1 of the table has the functions for r rows. Lower tiles than kRows come once
// in a column of them: two kinds of theirs are enough, since asking for B in vain and loading under a mask cost next to
// nothing.
template <class S, int kRows>
struct Tiles {
  using Fn = void (*)(const GemmTile<typename S::T>&);
  Fn fn[kRows][2][kEdges];

  template <int kCount, int kVecs>
  constexpr void fill_edges() {
    constexpr Edge kWhole = kCount == kRows ? Edge::whole : Edge::ahead;
    constexpr Edge kPadded = kCount == kRows ? Edge::padded : Edge::masked;
    auto& row = fn[kCount - 1][kVecs - 1];
    row[static_cast<int>(Edge::whole)] = tile<S, kCount, kVecs, kWhole>;
    row[static_cast<int>(Edge::ahead)] = tile<S, kCount, kVecs, Edge::ahead>;
    row[static_cast<int>(Edge::padded)] = tile<S, kCount, kVecs, kPadded>;
    row[static_cast<int>(Edge::masked)] = tile<S, kCount, kVecs, Edge::masked>;
  }
  template <int kCount>
  constexpr void fill() {
    fill_edges<kCount, 1>();
    fill_edges<kCount, 2>();
    if constexpr (kCount > 1) fill<kCount - 1>();
  }
  constexpr Tiles() : fn{} { fill<kRows>(); }
};

template <class S, int kRows>
inline void run_tile(const GemmTile<typename S::T>& t) {
  static constexpr Tiles<S, kRows> tiles;
  const bool whole = t.n % S::kLanes == 0;
  const Edge edge = whole ? t.prefetch == 0 ? Edge::whole : Edge::ahead : t.padded ? Edge::padded : Edge::masked;
  tiles.fn[t.m - 1][t.n > S::kLanes][static_cast<int>(edge)](t);
}
