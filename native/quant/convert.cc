#include "quant/convert.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "quant/sums.h"

namespace lapidary {
namespace {

constexpr size_t kChunk = 65536;  // values that one thread takes: some 20 µs

// body(begin, end) for each chunk, on the threads that are free.
template <class Body>
Status for_chunks(size_t count, const Context& context, Body body) {
  parallel_for(ceil_div(count, kChunk), [&](size_t part) {
    if (!context.cancelled()) body(part * kChunk, std::min(count, (part + 1) * kChunk));
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

void expect_large(void* memory, size_t bytes) {
  if (bytes >= size_t{1} << 22) expect_full_write(memory, bytes);
}

}  // namespace

Status to_float16(std::span<const float> x, std::span<uint16_t> y, Float16 format, const Context& context) {
  const auto& kernels = *kCodec.pick();
  const auto kernel = format == Float16::half ? kernels.to_half : kernels.to_bfloat16;
  expect_large(y.data(), y.size_bytes());
  return for_chunks(x.size(), context,
                    [&](size_t begin, size_t end) { kernel(x.data() + begin, end - begin, y.data() + begin); });
}

Status from_float16(std::span<const uint16_t> x, std::span<float> y, Float16 format, const Context& context) {
  const auto& kernels = *kCodec.pick();
  const auto kernel = format == Float16::half ? kernels.from_half : kernels.from_bfloat16;
  expect_large(y.data(), y.size_bytes());
  return for_chunks(x.size(), context,
                    [&](size_t begin, size_t end) { kernel(x.data() + begin, end - begin, y.data() + begin); });
}

Status to_float8(std::span<const float> x, std::span<uint8_t> y, Float8 format, Overflow overflow, bool& nan,
                 const Context& context) {
  const auto& kernels = *kCodec.pick();
  std::atomic<bool> found = false;
  expect_large(y.data(), y.size_bytes());
  const Status status = for_chunks(x.size(), context, [&](size_t begin, size_t end) {
    const float* from = x.data() + begin;
    uint8_t* to = y.data() + begin;
    if (format == Float8::e4m3) return kernels.encode_e4m3(from, end - begin, 1, overflow, to);
    if (format == Float8::e5m2) return kernels.encode_e5m2(from, end - begin, 1, overflow, to);
    const auto encode = format == Float8::e2m1 ? kernels.encode_e2m1 : kernels.encode_e3m0;
    constexpr size_t kInCache = 4096;  // looked through for NaN, then encoded out of the first cache
    for (size_t i = begin; i < end; i += kInCache) {
      const size_t n = std::min(kInCache, end - i);
      if (kernels.abs_max_bits(x.data() + i, n) > 0x7f800000) found.store(true, std::memory_order_relaxed);
      encode(x.data() + i, n, 1, y.data() + i);
    }
  });
  nan = found;
  return status;
}

Status from_float8(std::span<const uint8_t> x, std::span<float> y, Float8 format, const Context& context) {
  const auto& kernels = *kCodec.pick();
  const auto kernel = format == Float8::e4m3   ? kernels.decode_e4m3
                      : format == Float8::e5m2 ? kernels.decode_e5m2
                      : format == Float8::e2m1 ? kernels.decode_e2m1
                                               : kernels.decode_e3m0;
  expect_large(y.data(), y.size_bytes());
  return for_chunks(x.size(), context,
                    [&](size_t begin, size_t end) { kernel(x.data() + begin, end - begin, 1, y.data() + begin); });
}

Status abs_max(std::span<const float> x, uint32_t& bits, const Context& context) {
  const auto kernel = kCodec.pick()->abs_max_bits;
  std::atomic<uint32_t> most = 0;
  const Status status = for_chunks(x.size(), context, [&](size_t begin, size_t end) {
    const uint32_t mine = kernel(x.data() + begin, end - begin);
    uint32_t seen = most.load(std::memory_order_relaxed);
    while (seen < mine && !most.compare_exchange_weak(seen, mine, std::memory_order_relaxed)) {
    }
  });
  bits = most;
  return status;
}

Status abs_sum(std::span<const float> x, double& sum, const Context& context) {
  ArenaFrame scratch;
  const size_t chunks = ceil_div(x.size(), kChunk);
  auto* sums = scratch.take<double>(chunks);
  if (sums == nullptr) return Status::out_of_memory;
  const Status status = for_chunks(x.size(), context, [&](size_t begin, size_t end) {
    sums[begin / kChunk] = sum_of(x.data() + begin, end - begin, [](double v) { return std::fabs(v); });
  });
  sum = 0;
  if (status == Status::ok)
    for (size_t chunk = 0; chunk < chunks; chunk++) sum += sums[chunk];
  return status;
}

Status row_squares(std::span<const float> x, std::span<double> squares, size_t cols, const Context& context) {
  const size_t rows = squares.size(), rows_per_part = std::max<size_t>(1, kChunk / std::max<size_t>(cols, 1));
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * rows_per_part; i < std::min(rows, (part + 1) * rows_per_part); i++)
      squares[i] = sum_of(x.data() + i * cols, cols, [](double v) { return v * v; });
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace lapidary
