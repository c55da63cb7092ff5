// Decoding and routing beside pages that may not be touched, without memory, with inputs that change under them.
#include "attention/decode.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "attention/decode_kernels.h"
#include "attention/routing.h"
#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

template <class T>
T cached(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if constexpr (std::is_floating_point_v<T>)
    return x;
  else if constexpr (std::is_same_v<T, Bf16Bits>)
    return {static_cast<uint16_t>(bits >> 16)};
  else  // exact for the values of value_at()
    return {static_cast<uint16_t>((bits >> 16 & 0x8000u) |
                                  (x == 0 ? 0 : ((bits >> 13) & 0x3ffu) | (((bits >> 23 & 0xffu) - 112) << 10)))};
}

// Sixteenths from −1 to 1, exact in every type; sums and products of few are exact in f32.
float value_at(uint64_t seed, size_t i) { return std::round(32 * philox_uniform(seed, 0, i) - 16) / 16; }

// The rows lie `aside` values from the border of the memory.
template <class T, bool kAtEnd>
void check_kernels(const DecodeKernels<T>& kernels, size_t kv_heads, size_t group, size_t width, size_t count,
                   size_t aside = 0, size_t ahead = 0) {
  const size_t stride = kv_heads * width, heads = kv_heads * group, ld = count;
  using R = DecodeReal<T>;
  Guarded<T, kAtEnd> room(count * stride + aside);
  T* const rows = room.data() + (kAtEnd ? 0 : aside);
  Guarded<R, kAtEnd> q(heads * width), x(heads * ld), acc(heads * width);
  for (size_t i = 0; i < count * stride; i++) rows[i] = cached<T>(value_at(1, i));
  for (size_t i = 0; i < heads * width; i++) q[i] = acc[i] = value_at(2, i);
  const DecodeHeads of = {kv_heads, group, width};
  kernels.scores(q.data(), {rows, stride, count, ahead}, of, x.data(), ld);
  for (size_t h = 0; h < heads; h++)
    for (size_t s = 0; s < count; s++) {
      R sum = 0;
      for (size_t j = 0; j < width; j++) sum += q[h * width + j] * value_at(1, s * stride + h / group * width + j);
      CHECK(x[h * ld + s] == sum);
    }
  for (size_t i = 0; i < heads * ld; i++) x[i] = value_at(3, i);
  kernels.values(x.data(), ld, {rows, stride, count, ahead}, of, acc.data());
  for (size_t h = 0; h < heads; h++)
    for (size_t j = 0; j < width; j++) {
      R sum = value_at(2, h * width + j);
      for (size_t s = 0; s < count; s++) sum += x[h * ld + s] * value_at(1, s * stride + h / group * width + j);
      CHECK(acc[h * width + j] == sum);
    }
}

template <class R, bool kAtEnd>
void check_weights(const DecodeWeightKernels<R>& kernels, size_t n) {
  constexpr double kUlp = std::numeric_limits<R>::epsilon();
  Guarded<R, kAtEnd> x(n);
  const auto refill = [&] {
    for (size_t i = 0; i < n; i++) x[i] = static_cast<R>(40 * philox_uniform(4, n, i) - 20);
  };
  refill();
  const std::vector<R> before(x.data(), x.data() + n);
  const auto [low, high] = std::minmax_element(before.begin(), before.end());
  const DecodeWeights<R> range = kernels.range(x.data(), n);
  CHECK(range.low == *low && range.high == *high && range.sum == 0);
  const DecodeWeights<R> shifted = kernels.shifted(x.data(), n, 3);
  CHECK(shifted.low == *low - 3 && shifted.high == *high - 3);
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    const double y = std::exp(static_cast<double>(before[i] - 3));
    sum += y;
    CHECK_NEAR(x[i], y, 2 * kUlp * y);
  }
  CHECK_NEAR(shifted.sum, sum, 8 * kUlp * sum);
  refill();
  const R top = 29;
  const DecodeWeights<R> extended = kernels.extended(x.data(), n, top);
  sum = 0;
  for (size_t i = 0; i < n; i++) {
    const double y = std::ldexp(std::exp(static_cast<double>(before[i])), -29);
    sum += y;
    CHECK_NEAR(x[i], y, 2 * kUlp * y);
  }
  CHECK_NEAR(extended.sum, sum, 8 * kUlp * sum);
}

template <class T, bool kAtEnd>
void check_call(KvType type, size_t length, size_t page_size) {
  using R = DecodeReal<T>;
  constexpr size_t kBatch = 2, kHeads = 4, kKv = 2, kD = 7, kDv = 5;
  const size_t pages = page_size > 0 ? (length + page_size - 1) / page_size : 0;
  const size_t rows = page_size > 0 ? pages * page_size : kBatch * length;
  Guarded<T, kAtEnd> keys(rows * kKv * kD), values(rows * kKv * kDv);
  Guarded<R, kAtEnd> q(kBatch * kHeads * kD), out(kBatch * kHeads * kDv), safe(kBatch * kHeads * kDv);
  Guarded<uint32_t, kAtEnd> lengths(kBatch), table(kBatch * pages);
  for (size_t i = 0; i < rows * kKv * kD; i++) keys[i] = cached<T>(value_at(1, i));
  for (size_t i = 0; i < rows * kKv * kDv; i++) values[i] = cached<T>(value_at(2, i));
  for (size_t i = 0; i < kBatch * kHeads * kD; i++) q[i] = value_at(3, i);
  std::fill_n(lengths.data(), kBatch, static_cast<uint32_t>(length));
  for (size_t i = 0; i < kBatch * pages; i++) table[i] = static_cast<uint32_t>(pages - 1 - i % pages);
  const KvCache cache = {type, keys.data(), values.data(), rows, {table.data(), kBatch * pages}, pages, page_size};
  const std::span<const uint32_t> given(lengths.data(), kBatch);
  size_t fallbacks = 0;
  for (DecodeScheme scheme : {DecodeScheme::safe, DecodeScheme::unified_max, DecodeScheme::extended_exponent}) {
    const DecodeProblem problem = {kBatch, kHeads, kKv, kD, kDv, scheme, 0.5f, 0, -60, 60};
    R* to = scheme == DecodeScheme::safe ? safe.data() : out.data();
    CHECK(decode_attention(problem, q.data(), cache, given, to, fallbacks, {}) == Status::ok);
    CHECK(fallbacks == 0);
    for (size_t i = 0; i < kBatch * kHeads * kDv; i++) CHECK_NEAR(to[i], safe[i], 1e-6);
  }
}

}  // namespace

TEST(decode_kernels_stay_inside_and_are_right) {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (size_t width : {1, 7, 8, 15, 16, 17, 33, 64, 130})
      for (size_t count : {1, 3, 4, 8, 9, 21})
        for (size_t group : {1, 3}) {
          check_kernels<float, true>(kDecode<float>.pick(isa), 2, group, width, count);
          check_kernels<float, false>(kDecode<float>.pick(isa), 2, group, width, count);
          check_kernels<F16Bits, true>(kDecode<F16Bits>.pick(isa), 2, group, width, count);
          check_kernels<F16Bits, false>(kDecode<F16Bits>.pick(isa), 2, group, width, count);
          check_kernels<Bf16Bits, true>(kDecode<Bf16Bits>.pick(isa), 2, group, width, count);
          check_kernels<Bf16Bits, false>(kDecode<Bf16Bits>.pick(isa), 2, group, width, count);
          check_kernels<double, true>(kDecode<double>.pick(isa), 2, group, width, count);
          check_kernels<double, false>(kDecode<double>.pick(isa), 2, group, width, count);
        }
    // whole cache lines, which may be shifted into place, and rows asked for
    for (size_t width : {64, 128, 192})
      for (size_t count : {1, 4, 21})
        for (size_t group : {1, 2, 4, 7})
          for (size_t aside : {0, 1, 8, 31})
            for (size_t ahead : {size_t{0}, kDecodeNear, size_t{4096}}) {
              check_kernels<float, true>(kDecode<float>.pick(isa), 2, group, width, count, aside, ahead);
              check_kernels<float, false>(kDecode<float>.pick(isa), 2, group, width, count, aside, ahead);
              check_kernels<Bf16Bits, true>(kDecode<Bf16Bits>.pick(isa), 2, group, width, count, aside, ahead);
              check_kernels<Bf16Bits, false>(kDecode<Bf16Bits>.pick(isa), 2, group, width, count, aside, ahead);
            }
    for (size_t n = 1; n <= 70; n++) {
      check_weights<float, true>(kDecodeWeights<float>.pick(isa), n);
      check_weights<float, false>(kDecodeWeights<float>.pick(isa), n);
      check_weights<double, true>(kDecodeWeights<double>.pick(isa), n);
      check_weights<double, false>(kDecodeWeights<double>.pick(isa), n);
    }
  }
}

TEST(decode_reads_and_writes_nothing_past_its_operands) {
  const Isa best = active_isa();
  for (Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    for (size_t length : {1, 17, 256, 515})
      for (size_t page_size : {0, 1, 16, 100}) {
        check_call<float, true>(KvType::f32, length, page_size);
        check_call<float, false>(KvType::f32, length, page_size);
        check_call<F16Bits, true>(KvType::f16, length, page_size);
        check_call<F16Bits, false>(KvType::f16, length, page_size);
        check_call<Bf16Bits, true>(KvType::bf16, length, page_size);
        check_call<Bf16Bits, false>(KvType::bf16, length, page_size);
        check_call<double, true>(KvType::f32, length, page_size);
        check_call<double, false>(KvType::f32, length, page_size);
      }
  }
  set_active_isa(best);
}

// Every weight relative to e^φ is a denormal, which holds only a few bits.
TEST(decode_unified_max_does_not_trust_denormal_sums) {
  constexpr uint32_t kLength = 9000;
  std::vector<float> keys(kLength), values(kLength);
  for (size_t i = 0; i < kLength; i++) keys[i] = -96 - value_at(1, i) / 2, values[i] = value_at(2, i);
  const float q = 1;
  float out = 0, safe = 0;
  size_t fallbacks = 0;
  const uint32_t length = kLength;
  const KvCache cache = {KvType::f32, keys.data(), values.data(), kLength, {}, 0, 0};
  DecodeProblem problem = {1, 1, 1, 1, 1, DecodeScheme::unified_max, 1, 0, -150, 60};
  CHECK(decode_attention(problem, &q, cache, {&length, 1}, &out, fallbacks, {}) == Status::ok);
  CHECK(fallbacks == 1);
  problem.scheme = DecodeScheme::safe;
  CHECK(decode_attention(problem, &q, cache, {&length, 1}, &safe, fallbacks, {}) == Status::ok);
  CHECK(out == safe && fallbacks == 0);
}

TEST(decode_survives_failing_allocations) {
  const size_t threads = thread_count();
  set_thread_count(1);
  constexpr size_t kLength = 600, kWidth = 3000;
  const std::vector<float> cache_values(kLength * kWidth, 0.01f), q(8 * kWidth, 0.1f);
  const uint32_t length = kLength;
  const KvCache cache = {KvType::f32, cache_values.data(), cache_values.data(), kLength, {}, 0, 0};
  const DecodeProblem problem = {1, 8, 1, kWidth, kWidth, DecodeScheme::unified_max, 1e-3f, 0, 1, 2};  // falls back
  int failed = 0;
  for (int64_t nth = 0; nth < 40; nth++) {
    Status status = Status::ok;
    std::thread([&] {
      std::vector<float> out(8 * kWidth);
      size_t fallbacks = 0;
      fail_allocation(nth);
      status = decode_attention(problem, q.data(), cache, {&length, 1}, out.data(), fallbacks, {});
      fail_allocation(-1);
    }).join();
    if (status == Status::ok) break;
    CHECK(status == Status::out_of_memory);
    failed++;
  }
  CHECK(failed > 0 && failed < 40);
  set_thread_count(threads);
}

// The route lies in memory that another thread may write to after it has been checked.
TEST(routes_that_change_meanwhile_do_not_lead_outside) {
  constexpr size_t kBatch = 3, kTokens = 50, kChosen = 20, kCols = 3;
  Guarded<float> x(kBatch * kTokens * kCols), y(kBatch * kChosen * kCols), out(kBatch * kTokens * kCols);
  Guarded<float, false> front(kBatch * kTokens * kCols);
  std::fill_n(x.data(), kBatch * kTokens * kCols, 1.0f);
  std::fill_n(y.data(), kBatch * kChosen * kCols, 1.0f);
  const std::vector<float> weights(kBatch * kChosen, 1.0f);
  std::vector<uint32_t> indptr(kBatch + 1), indices(kBatch * kChosen);
  for (uint32_t b = 0; b <= kBatch; b++) indptr[b] = b * kChosen;
  for (uint32_t i = 0; i < kBatch * kChosen; i++) indices[i] = 2 * (i % kChosen);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (uint32_t turn = 0; !done; turn++) {
      const std::atomic_ref<uint32_t> end(indptr[turn % kBatch]), token(indices[turn % 7]);
      const uint32_t kept = end.load(), index = token.load();
      end.store(turn % 2 ? 4000000000u : 0);
      token.store(4000000000u);
      end.store(kept);
      token.store(index);
    }
  });
  for (int i = 0; i < 3000; i++) {
    const Route route = {kBatch, kTokens, indptr, indices};
    const Status status = combine_route(route, x.data(), y.data(), weights.data(), kCols, out.data(), {});
    CHECK(status == Status::ok || status == Status::bad_structure);
    combine_route(route, front.data(), y.data(), weights.data(), kCols, front.data(), {});
  }
  done = true;
  writer.join();
}
