#include "gemm/lmul.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

constexpr size_t kRowsOfPart = 64;         // they pass one panel of b while that is in the second-level cache
constexpr double kParallelWork = 1 << 17;  // products below which a second thread costs more to wake than it saves

// The smallest magnitude that is not zero, the largest, and whether there are zeros: of an operand, as bits.
class Extremes {
 public:
  void see(const float* x, size_t count) {
    int32_t lo = INT32_MAX, hi = 0;
    bool zeros = false;
    for (size_t i = 0; i < count; i++) {
      int32_t u;
      std::memcpy(&u, x + i, sizeof u);
      u &= 0x7fffffff;
      lo = std::min(lo, u == 0 ? INT32_MAX : u);
      hi = std::max(hi, u);
      zeros |= u == 0;
    }
    if (zeros) zeros_.store(true, std::memory_order_relaxed);
    join(lo_, lo, [](int32_t a, int32_t b) { return a < b; });
    join(hi_, hi, [](int32_t a, int32_t b) { return a > b; });
  }
  int64_t lo() const { return lo_; }
  int64_t hi() const { return hi_; }
  bool zeros() const { return zeros_; }

 private:
  template <class Better>
  static void join(std::atomic<int32_t>& all, int32_t mine, Better better) {
    int32_t seen = all.load(std::memory_order_relaxed);
    while (better(mine, seen) && !all.compare_exchange_weak(seen, mine, std::memory_order_relaxed)) {
    }
  }
  std::atomic<int32_t> lo_{INT32_MAX}, hi_{0};
  std::atomic<bool> zeros_{false};
};

constexpr int64_t kNormal = 1 << 23, kInfinity = 0x7f800000;

// Whether operands that are not zero give normal numbers, so that no product has another edge than a zero.
bool is_inside(const Extremes& a, const Extremes& b, int64_t offset) {
  return a.lo() >= kNormal && b.lo() >= kNormal && a.hi() < kInfinity && b.hi() < kInfinity &&
         a.lo() + b.lo() - offset >= kNormal && a.hi() + b.hi() - offset < kInfinity;
}

// Rows of `source` (rows × length, or its transpose) as the f32 that L-Mul sees: out(i, p) at out[i·pitch + p·step].
class Reader {
 public:
  Reader(const LmulNumbers& numbers, const LmulOperand& x) : numbers_(numbers), x_(x) {}

  // Row i, values [first, first + count), wherever they lie.
  void row(size_t i, size_t first, size_t count, float* y) const {
    const size_t width = x_.codes ? lmul_width(numbers_.format) : sizeof(float);
    const char* from = static_cast<const char*>(x_.data);
    alignas(64) char gathered[kLmulBlock * sizeof(float)];
    for (size_t p = 0; p < count; p += kLmulBlock) {
      const size_t n = std::min(kLmulBlock, count - p);
      const char* block = gathered;
      if (x_.transposed) {
        for (size_t q = 0; q < n; q++)
          std::memcpy(gathered + q * width, from + ((first + p + q) * x_.stride + i) * width, width);
      } else {
        block = from + (i * x_.stride + first + p) * width;
      }
      lmul_operand(numbers_, x_.codes, block, n, y + p);
    }
  }

 private:
  const LmulNumbers& numbers_;
  const LmulOperand& x_;
};

}  // namespace

Status lmul_gemm(const LmulNumbers& numbers, LmulSum sum, size_t m, size_t n, size_t k, const LmulOperand& a,
                 const LmulOperand& b, float* c, size_t ldc, const Context& context) {
  if (m == 0 || n == 0) return Status::ok;
  const size_t panels = ceil_div(n, kLmulColumns), blocks = ceil_div(m, kRowsOfPart);
  const auto size_a = checked_mul(m, k), size_b = checked_mul(checked_mul(panels, kLmulColumns), k);
  if (!size_a || !size_b) return Status::overflow;
  ArenaFrame scratch;
  float* rows = scratch.take<float>(*size_a);
  float* packed = scratch.take<float>(*size_b);
  if (rows == nullptr || packed == nullptr) return Status::out_of_memory;
  const bool parallel =
      static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::max<size_t>(k, 1)) >= kParallelWork;

  Extremes left, right;
  const Reader of_a(numbers, a);
  Status status = each_part(blocks, parallel, context, [&](size_t block) {
    for (size_t i = block * kRowsOfPart; i < std::min(m, (block + 1) * kRowsOfPart); i++) {
      of_a.row(i, 0, k, rows + i * k);
      left.see(rows + i * k, k);
    }
    return Status::ok;
  });
  if (status != Status::ok) return status;

  // A panel: kLmulColumns columns of b side by side; those that it lacks are ones, which meet no edge.
  LmulOperand columns = b;
  columns.transposed = !b.transposed;
  const Reader of_b(numbers, columns);
  status = each_part(panels, parallel, context, [&](size_t panel) {
    float* to = packed + panel * kLmulColumns * k;
    const size_t width = std::min(kLmulColumns, n - panel * kLmulColumns);
    for (size_t p = 0; p < k; p += kLmulBlock) {
      const size_t count = std::min(kLmulBlock, k - p);
      float staged[kLmulBlock];
      for (size_t j = 0; j < width; j++) {
        of_b.row(panel * kLmulColumns + j, p, count, staged);
        right.see(staged, count);
        for (size_t q = 0; q < count; q++) to[(p + q) * kLmulColumns + j] = staged[q];
      }
      for (size_t q = 0; q < count; q++)
        std::fill(to + (p + q) * kLmulColumns + width, to + (p + q + 1) * kLmulColumns, 1.0f);
    }
    return Status::ok;
  });
  if (status != Status::ok) return status;

  const LmulKernels& kernels = *kLmul.pick();
  const int variant = static_cast<int>(numbers.variant), bump = 1 << (23 - lmul_shift(numbers.mantissa));
  const bool inside =
      numbers.variant == LmulVariant::adder && sum == LmulSum::f32 && is_inside(left, right, (127 << 23) - bump);
  const auto plain = left.zeros() || right.zeros() ? kernels.tile_zeros : kernels.tile_plain;
  const auto kernel = inside ? plain : sum == LmulSum::e4m3 ? kernels.tile_e4m3[variant] : kernels.tile[variant];
  return each_part(panels * blocks, parallel, context, [&](size_t part) {
    const size_t panel = part / blocks, first = part % blocks * kRowsOfPart, j = panel * kLmulColumns;
    const size_t end = std::min(m, first + kRowsOfPart);
    for (size_t i = first; i < end; i += kLmulRows)
      kernel({rows + i * k, k, packed + panel * kLmulColumns * k, k, std::min(kLmulRows, end - i),
              std::min(kLmulColumns, n - j), bump, c + i * ldc + j, ldc});
    return Status::ok;
  });
}

}  // namespace lapidary
