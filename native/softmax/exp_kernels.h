// The inner loops of softmax, and the table that says which runs. Each works on a stretch of one row.
//
// An exponential is a pair: exp(x) = m·2ⁿ with n = rint(x·log₂e) and m = p(x − n·ln 2) in [0.7, 1.42]. n stays a float:
// it may lie far outside the exponents of f32, so nothing overflows before the pair is scaled by 2^−N of the row.
//
// Contract of all kernels:
//   - read and write exactly `count` values; tails are masked; count > 0; y may be x
//   - x below −2^17 counts as −2^17: against a row maximum above −kOrdinary it vanishes all the same, and −∞ needs no
//     branch. The caller sees to it that the maximum is in ±kOrdinary, where the reduction to |t| ≤ 0.353 is good to
//     2^−26
//   - sums are held in f64, so that 10^7 equal terms lose nothing
//
// p is the minimax polynomial of degree 6 on |t| ≤ 0.353 with c₀ = c₁ = 1, relative error 2^−28. The paper's degree 5
// (error 2^−23.7) is one FMA cheaper but costs a good part of the 3 ulp that softmax promises.
//
// Source: Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), section 5 and algorithm 3.
#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

// m·2ⁿ.
struct ExtendedFloat {
  double m;
  float n;
};

// sum·e^max.
struct OnlineSum {
  double sum;
  float max;
};

// The factor (hi + lo)·2^−n that turns exponentials into probabilities; |lo| ≤ ulp(hi)/2 keeps its rounding out of y.
// `past`: y, which is not x, will not be found in the caches anyway; a kernel may write it past them.
struct ExpScale {
  float hi, lo, n;
  bool past = false;
};

inline constexpr float kExpLog2e = 0x1.715476p+0f;
inline constexpr float kExpLn2Hi = 0x1.62e430p-1f;  // n·hi is exact for |n| < 2^18
inline constexpr float kExpLn2Lo = -0x1.05c610p-29f;
inline constexpr float kExpC2 = 0x1.fffffcp-2f, kExpC3 = 0x1.555486p-3f, kExpC4 = 0x1.5558bcp-5f,
                       kExpC5 = 0x1.1242fcp-7f, kExpC6 = 0x1.6a51f8p-10f;
inline constexpr float kExpFloor = -0x1p17f;
inline constexpr float kExpOrdinary = 90000.0f;  // exponents of ordinary rows: |n| below this
inline constexpr float kExpStoreBias = 40.0f;
// The bits of a float that is neither negative nor infinite nor NaN, 29 places higher, are those of a double that is
// this factor smaller, denormals included. So a register of floats becomes two of doubles, its even and its odd lanes,
// by a shift and a mask each.
inline constexpr double kExpHalves = 0x1p896;

// Σ exp(x), n at most 60 below the exponent of the largest term. If an entry is NaN or lies above the ordinary range, m
// is NaN or n is not below kExpOrdinary − 60.
using ExpSumFn = ExtendedFloat (*)(const float* x, std::size_t count);
// y = exp(x)·scale, rounded once, denormals included.
using ExpScaleFn = void (*)(const float* x, float* y, std::size_t count, ExpScale scale);
// max(x); NaN if an entry is NaN.
using RowMaxFn = float (*)(const float* x, std::size_t count);
// y = exp(x)·2^(40 − n), where n is the exponent of the row maximum; Σ y. The bias keeps y normal wherever its share of
// the row is not zero in f32.
using ExpStoreFn = double (*)(const float* x, float* y, std::size_t count, float n);
// Σ exp(x − shift)·2^−n, for a shift or an exponent n of the row maximum.
using ExpTotalFn = double (*)(const float* x, std::size_t count, float shift, float n);
// max(x), at least the lowest finite number, and Σ exp(x − max), found in one pass: the sum so far is scaled down when
// the maximum rises. Any infinity or NaN above −∞ gives a sum of NaN.
using OnlineSumFn = OnlineSum (*)(const float* x, std::size_t count);
// y = y·(hi + lo), rounded once.
using RescaleFn = void (*)(float* y, std::size_t count, float hi, float lo);

ExtendedFloat exp_sum_f32__portable(const float*, std::size_t);
void exp_scale_f32__portable(const float*, float*, std::size_t, ExpScale);
float row_max_f32__portable(const float*, std::size_t);
double exp_store_f32__portable(const float*, float*, std::size_t, float);
double exp_total_f32__portable(const float*, std::size_t, float, float);
OnlineSum online_sum_f32__portable(const float*, std::size_t);
void rescale_f32__portable(float*, std::size_t, float, float);

#if LAPIDARY_X86
ExtendedFloat exp_sum_f32_u32__avx2(const float*, std::size_t);
void exp_scale_f32_u32__avx2(const float*, float*, std::size_t, ExpScale);
float row_max_f32_u32__avx2(const float*, std::size_t);
double exp_store_f32_u32__avx2(const float*, float*, std::size_t, float);
double exp_total_f32_u32__avx2(const float*, std::size_t, float, float);
OnlineSum online_sum_f32_u32__avx2(const float*, std::size_t);
void rescale_f32_u32__avx2(float*, std::size_t, float, float);

ExtendedFloat exp_sum_f32_u64__avx512(const float*, std::size_t);
void exp_scale_f32_u64__avx512(const float*, float*, std::size_t, ExpScale);
float row_max_f32_u64__avx512(const float*, std::size_t);
double exp_store_f32_u64__avx512(const float*, float*, std::size_t, float);
double exp_total_f32_u64__avx512(const float*, std::size_t, float, float);
OnlineSum online_sum_f32_u64__avx512(const float*, std::size_t);
void rescale_f32_u64__avx512(float*, std::size_t, float, float);

inline constexpr KernelTable<ExpSumFn, 3> kExpSum = {{{Isa::portable, exp_sum_f32__portable},
                                                      {Isa::avx2, exp_sum_f32_u32__avx2},
                                                      {Isa::avx512, exp_sum_f32_u64__avx512}}};
inline constexpr KernelTable<ExpScaleFn, 3> kExpScale = {{{Isa::portable, exp_scale_f32__portable},
                                                          {Isa::avx2, exp_scale_f32_u32__avx2},
                                                          {Isa::avx512, exp_scale_f32_u64__avx512}}};
inline constexpr KernelTable<RowMaxFn, 3> kRowMax = {{{Isa::portable, row_max_f32__portable},
                                                      {Isa::avx2, row_max_f32_u32__avx2},
                                                      {Isa::avx512, row_max_f32_u64__avx512}}};
inline constexpr KernelTable<ExpStoreFn, 3> kExpStore = {{{Isa::portable, exp_store_f32__portable},
                                                          {Isa::avx2, exp_store_f32_u32__avx2},
                                                          {Isa::avx512, exp_store_f32_u64__avx512}}};
inline constexpr KernelTable<RescaleFn, 3> kRescale = {{{Isa::portable, rescale_f32__portable},
                                                        {Isa::avx2, rescale_f32_u32__avx2},
                                                        {Isa::avx512, rescale_f32_u64__avx512}}};
inline constexpr KernelTable<ExpTotalFn, 3> kExpTotal = {{{Isa::portable, exp_total_f32__portable},
                                                          {Isa::avx2, exp_total_f32_u32__avx2},
                                                          {Isa::avx512, exp_total_f32_u64__avx512}}};
inline constexpr KernelTable<OnlineSumFn, 3> kOnlineSum = {{{Isa::portable, online_sum_f32__portable},
                                                            {Isa::avx2, online_sum_f32_u32__avx2},
                                                            {Isa::avx512, online_sum_f32_u64__avx512}}};
#else
inline constexpr KernelTable<ExpTotalFn, 1> kExpTotal = {{{Isa::portable, exp_total_f32__portable}}};
inline constexpr KernelTable<OnlineSumFn, 1> kOnlineSum = {{{Isa::portable, online_sum_f32__portable}}};
inline constexpr KernelTable<ExpSumFn, 1> kExpSum = {{{Isa::portable, exp_sum_f32__portable}}};
inline constexpr KernelTable<ExpScaleFn, 1> kExpScale = {{{Isa::portable, exp_scale_f32__portable}}};
inline constexpr KernelTable<RowMaxFn, 1> kRowMax = {{{Isa::portable, row_max_f32__portable}}};
inline constexpr KernelTable<ExpStoreFn, 1> kExpStore = {{{Isa::portable, exp_store_f32__portable}}};
inline constexpr KernelTable<RescaleFn, 1> kRescale = {{{Isa::portable, rescale_f32__portable}}};
#endif

}  // namespace lapidary
