#include "attention/lmul.h"

#include <algorithm>
#include <limits>

#include "attention/row_kernels.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/gemm.h"
#include "gemm/lmul.h"

namespace lapidary {
namespace {

constexpr size_t kQueries = 64;  // of a part

Status block(const LmulNumbers& numbers, bool exact_values, const AttentionInput<float>& in,
             const AttentionSegment& segment, size_t head, size_t first, float* out, const Context& context) {
  const size_t rows = std::min(kQueries, segment.queries - first), token = segment.query + first;
  const size_t ldo = in.heads * in.dv, kv_head = head / (in.heads / in.kv_heads);
  float* o = out + token * ldo + head * in.dv;
  for (size_t r = 0; r < rows; r++) std::fill_n(o + r * ldo, in.dv, 0.0f);
  // The last query sees all keys, each one before it one less.
  size_t end[kQueries];
  for (size_t r = 0; r < rows; r++) {
    const size_t behind = segment.queries - 1 - (first + r);
    end[r] = !in.causal ? segment.keys : segment.keys - std::min(segment.keys, behind);
  }
  const size_t keys = end[rows - 1];
  if (keys == 0) return Status::ok;

  ArenaFrame scratch;
  const auto size = checked_mul(rows, keys);
  float* s = size ? scratch.take<float>(*size) : nullptr;
  if (s == nullptr) return Status::out_of_memory;
  const size_t ldk = in.kv_heads * in.d, ldv = in.kv_heads * in.dv;
  const float* k = in.k + segment.key * ldk + kv_head * in.d;
  const float* v = in.v + segment.key * ldv + kv_head * in.dv;
  Status status = lmul_gemm(numbers, LmulSum::f32, rows, keys, in.d,
                            {in.q + token * in.heads * in.d + head * in.d, false, in.heads * in.d, false},
                            {k, false, ldk, true}, s, keys, context);
  if (status != Status::ok) return status;
  for (size_t i = 0; i < rows * keys; i++) s[i] *= in.scale;

  float max[kQueries], sum[kQueries], factor[kQueries];
  std::fill_n(max, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(sum, rows, 0.0f);
  kOnlineSoftmax<float>.pick()({s, keys, rows, end, nullptr, 0, max, sum, factor});
  for (size_t r = 0; r < rows; r++) {
    const float share = sum[r] == 0 ? 0.0f : 1 / sum[r];
    for (size_t j = 0; j < end[r]; j++) s[r * keys + j] *= share;
    std::fill(s + r * keys + end[r], s + (r + 1) * keys, 0.0f);
  }
  if (exact_values) return gemm<float>(rows, in.dv, keys, 1, {s, keys, false}, {v, ldv, false}, 0, o, ldo, context);
  return lmul_gemm(numbers, LmulSum::f32, rows, in.dv, keys, {s, false, keys, false}, {v, false, ldv, false}, o, ldo,
                   context);
}

}  // namespace

Status lmul_attention(const LmulNumbers& numbers, bool exact_values, const AttentionInput<float>& in, float* out,
                      const Context& context) {
  for (const AttentionSegment& segment : in.segments) {
    const size_t blocks = ceil_div(segment.queries, kQueries);
    const Status status = each_part(in.heads * blocks, true, context, [&](size_t part) {
      return block(numbers, exact_values, in, segment, part / blocks, part % blocks * kQueries, out, context);
    });
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace lapidary
