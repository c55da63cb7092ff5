#include "gemm/packed_way.h"

#include <algorithm>

#include "core/cpuid.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

// What the most tokens depend on. A lookup costs a token the same whatever it meets, expanding a weight nothing that
// tokens add to; so many rows look up for
//
//   all + ends·32/group + narrow·512/cols
//
// tokens: sums that end often, and few columns, cost bytes more. Of few rows r a part (r − none)/(r − none + tables),
// since the tables of a token are then made for few; `far` more of `tables` for each 8192 columns.
struct Crossing {
  double all, ends, narrow, tables, far, none;
};

// Measured on a Zen 5: 60 shapes from 64 × 4096 to 16384 × 8192, groups of 32, 64, 128 and of a row, on one thread and
// on two. For each number of bits, and ternary weights.
constexpr Crossing kRowsShared[5] = {{11.11, -0.01, 0.68, 181, 0.51, 46},
                                     {2.72, 1.47, 0.57, 76, 0.11, 21},
                                     {2.01, 1.37, 0.31, 100, 0.20, 31},
                                     {1.57, 0.58, 0.41, 78, 0.09, 36},
                                     {4.48, 0.65, 0.47, 159, 0.05, 44}};
// Of threads that share out tokens: each makes its own tables alone.
constexpr Crossing kTokensShared[5] = {{10.90, -0.01, 1.03, 89, 0.39, 59},
                                       {2.65, 1.10, 0.54, 42, 0.07, 69},
                                       {2.22, 0.53, 0.19, 31, 0.08, 60},
                                       {1.98, 0.40, 0.19, 23, 0.01, 69},
                                       {4.94, -1.23, 0.27, 136, 0.12, 60}};

// From here on an odd number: as bytes, the last of odd tokens passes over the panels alone.
constexpr size_t kFewTokens = 6;

}  // namespace

TunedOperation packed_operation(int bits, size_t group, size_t cols) {
  const bool short_groups = group < std::min(cols, kLongGroup);
  const auto first = short_groups ? TunedOperation::packed1_short : TunedOperation::packed1;
  return static_cast<TunedOperation>(static_cast<int>(first) + bits - 1);
}

size_t lookups_up_to(TunedOperation operation, const PackedSize& size, size_t threads) {
  const auto first =
      operation < TunedOperation::packed1_short ? TunedOperation::packed1 : TunedOperation::packed1_short;
  const size_t kind = static_cast<size_t>(operation) - static_cast<size_t>(first);
  const bool tokens_shared = threads > 1 && size.code_bytes <= cache_sizes().l2 / 2;  // see packed_rows.cc
  const Crossing& c = (tokens_shared ? kTokensShared : kRowsShared)[kind];
  const double cols = static_cast<double>(size.cols), group = static_cast<double>(std::min(size.group, size.cols));
  const double rows = static_cast<double>(size.rows) / (tokens_shared ? 1.0 : static_cast<double>(threads)) - c.none;
  if (rows <= 0 || cols == 0) return 0;
  const double of_many = c.all + c.ends * 32 / group + c.narrow * 512 / cols;
  const double tokens = of_many * rows / (rows + c.tables * (1 + c.far * cols / 8192)) + 0.5;
  const auto most = static_cast<size_t>(std::clamp(tokens, 0.0, double{kMostFew}));
  return most < kFewTokens ? most : most | 1;
}

PackedWay packed_way(PackedWay way, TunedOperation operation, size_t tokens, const PackedSize& size) {
  if (way != PackedWay::automatic) return way;
#if LAPIDARY_X86
  if (active_isa() == Isa::avx512vpop && full_width_512() && !is_tuned(operation, size.rows, size.cols))
    return tokens <= lookups_up_to(operation, size, thread_count()) ? PackedWay::lookups : PackedWay::bytes;
#endif
  switch (tuned_route(operation, tokens, size.rows, size.cols)) {
    case Route::dot:
      return PackedWay::lookups;
    case Route::flat:
      return size.code_bytes > cache_sizes().l3 ? PackedWay::lookups : PackedWay::bytes;
    default:
      return PackedWay::bytes;
  }
}

}  // namespace lapidary
