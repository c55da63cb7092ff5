// The references of the branches of log_bessel_branches.h: the same code over single values, with the same bits. On
// x86-64 each fused product is a call (2 ns; far more on processors without the instruction), on arm64 one instruction.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2")  // large, and run only by processors without AVX2
#endif
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <numbers>

#include "special/coefficients.h"
#include "special/log_bessel_branches.h"
#include "special/pairs.h"
#include "special/tables.h"

// where it is what runs, its loops are worth their code
#if LAPIDARY_X86
#define LAPIDARY_UNROLL _Pragma("GCC unroll 1")
#else
#define LAPIDARY_UNROLL _Pragma("GCC unroll 40")
#endif

namespace lapidary {
namespace {

template <class R, class W>
struct Single {
  using Real = R;
  using Word = W;
  using V = R;
  using U = W;
  static constexpr int kLanes = 1;
  static constexpr R one = 1;
  static R all(R a) { return a; }
  static R load(const R* p) { return *p; }
  static void store(R* p, R a) { *p = a; }
  static W bits(R a) { return std::bit_cast<W>(a); }
  static R real(W a) { return std::bit_cast<R>(a); }
  static R fma(R a, R b, R c) { return std::fma(a, b, c); }
  static R root(R a) { return std::sqrt(a); }
  static bool any(bool m) { return m; }
  static uint32_t below(R a, R b) { return a < b; }
  static R exponent(R a) { return real((bits(a) >> 52) | 0x4330000000000000) - (0x1p52 + 1023); }
  static R mantissa(R a) { return real((bits(a) & 0xfffffffffffff) | 0x3ff0000000000000); }
  static W count(W n, R a, R b) { return n + (a >= b); }
  static void store_bytes(uint8_t* p, W a) { *p = static_cast<uint8_t>(a); }
  static R larger(R a, R b) { return a > b ? a : b; }
  static R smaller(R a, R b) { return a < b ? a : b; }
  static R pick(const double (&table)[8], W u) { return table[u % 8]; }
  static R pick_short(const double (&table)[8], W u) { return pick(table, u); }
};
using F64 = Single<double, uint64_t>;
using F32 = Single<float, uint32_t>;

// what the others build on comes first
#include "special/log_bessel_lanes.h"
#include "special/log_bessel_small_lanes.h"
#include "special/log_bessel_stages_lanes.h"
// then the branches
#include "special/log_bessel_recurred_lanes.h"
#include "special/log_bessel_series_lanes.h"
#include "special/log_bessel_uniform_lanes.h"
// and what comes after them
#include "special/double_double_lanes.h"
#include "special/log_bessel_careful_lanes.h"
#include "special/log_bessel_temme_lanes.h"
#include "special/log_bessel_zero_lanes.h"

}  // namespace

LAPIDARY_BESSEL_DEFINE_ALL(__portable, __portable)

const KCell* const kKCellTable = kKCells;

}  // namespace lapidary
