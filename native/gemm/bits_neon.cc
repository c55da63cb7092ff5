// Popcount of bytes (cnt). Counts stay in bytes for 31 words, then go to the 32-bit sums by two pairwise additions.
// NEON is part of every arm64 processor, so the file needs no region of its own.
//
// Bound: and, cnt, add for 128 bits, at most four of them a cycle: 8 registers of counts, 8 of sums, 2 of B, 1 of A.
#include "gemm/bits.h"

#if LAPIDARY_ARM64
#include <arm_neon.h>

namespace lapidary {
namespace {

using std::int32_t, std::size_t;

struct Bits {
  using V = int32x4_t;
  using Mask = int;  // lanes in use, the first ones; may be over 4
  static constexpr int kLanes = 4;
  static V zero() { return vdupq_n_s32(0); }
  static V all(int32_t x) { return vdupq_n_s32(x); }
  static V load(const int32_t* p) { return vld1q_s32(p); }
  static void store(int32_t* p, V v) { vst1q_s32(p, v); }
  static V add(V a, V b) { return vaddq_s32(a, b); }
  static V mul(V a, V b) { return vmulq_s32(a, b); }
  static Mask mask(int n) { return n; }
  static V load(Mask m, const int32_t* p) {
    if (m >= kLanes) return load(p);
    int32_t lanes[kLanes] = {};
    for (int i = 0; i < m; i++) lanes[i] = p[i];
    return load(lanes);
  }
  static void store(Mask m, int32_t* p, V v) {
    if (m >= kLanes) return store(p, v);
    int32_t lanes[kLanes];
    store(lanes, v);
    for (int i = 0; i < m; i++) p[i] = lanes[i];
  }

  template <int kRows, int kVecs, bool kXor, bool kMinus, int kWidth>
  static void accumulate(V (&sum)[kRows][kVecs], const int32_t* a, size_t a_row, const int32_t* b, size_t words) {
    constexpr size_t kMost = 31;  // 31·8 fits a byte
    for (size_t w = 0; w < words; w += kMost) {
      const size_t end = words - w < kMost ? words : w + kMost;
      uint8x16_t count[kRows][kVecs];
#pragma GCC unroll 4
      for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) count[i][v] = vdupq_n_u8(0);
      for (size_t u = w; u < end; u++) {
        V bv[kVecs];
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) bv[v] = load(b + u * kWidth + static_cast<size_t>(v * kLanes));
#pragma GCC unroll 4
        for (int i = 0; i < kRows; i++) {
          const V av = all(a[static_cast<size_t>(i) * a_row + u]);
#pragma GCC unroll 2
          for (int v = 0; v < kVecs; v++) {
            const V both = kXor ? veorq_s32(av, bv[v]) : vandq_s32(av, bv[v]);
            count[i][v] = vaddq_u8(count[i][v], vcntq_u8(vreinterpretq_u8_s32(both)));
          }
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) {
          const V wide = vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(count[i][v])));
          sum[i][v] = kMinus ? vsubq_s32(sum[i][v], wide) : vaddq_s32(sum[i][v], wide);
        }
    }
  }
};

#include "gemm/bits_lanes.h"

}  // namespace

void bits_4x8__neon(const BitTile& t) { bits_rows<Bits, 4>(t); }

}  // namespace lapidary
#endif
