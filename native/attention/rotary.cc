#include "attention/rotary.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kPartValues = size_t{1} << 16;  // of one part: 256 KiB, tens of microseconds

class Turner {
 public:
  explicit Turner(const RotaryShape& shape) : shape_(shape), kernels_(kRotate.pick()) {
    const size_t pairs = shape.frequencies.size();
    const bool twice = shape.layout == RotaryLayout::interleaved;
    length_ = ceil_div(twice ? 2 * pairs : pairs, kAngles) * kAngles;
    rotation_ = {frame_.take<float>(length_), frame_.take<float>(length_), frame_.take<float>(length_),
                 frame_.take<float>(length_)};
    frequencies_ = frame_.take<double>(length_);
    if (!ok()) return;
    // Neighbours have the same cosine and sines of both signs: those of −f and f.
    for (size_t i = 0; i < pairs; i++) {
      const double f = shape.frequencies[i];
      highest_ = std::max(highest_, std::abs(f));
      if (twice)
        frequencies_[2 * i] = -f, frequencies_[2 * i + 1] = f;
      else
        frequencies_[i] = f;
    }
    std::fill(frequencies_ + (twice ? 2 * pairs : pairs), frequencies_ + length_, 0.0);
  }

  bool ok() const {
    return rotation_.cos && rotation_.cos_low && rotation_.sin && rotation_.sin_low && frequencies_ != nullptr;
  }

  void set(double position) {
    const bool small = std::abs(position) * highest_ < kLargestAngle;
    (small ? kernels_.angles : angles_f64__portable)(position, frequencies_, length_, rotation_);
  }

  void row(const float* x, float* y) const {
    const size_t d = shape_.d, turned = 2 * shape_.frequencies.size();
    if (x != y && turned < d)
      for (size_t h = 0; h < shape_.heads; h++)
        std::memcpy(y + h * d + turned, x + h * d + turned, (d - turned) * sizeof(float));
    const RotateFn rotate = shape_.layout == RotaryLayout::half ? kernels_.halves : kernels_.neighbours;
    rotate(x, y, shape_.heads, d, shape_.frequencies.size(), rotation_);
  }

 private:
  const RotaryShape& shape_;
  const RotateKernels kernels_;
  ArenaFrame frame_;
  size_t length_;
  Rotation rotation_;
  double* frequencies_ = nullptr;
  double highest_ = 0;
};

// f64, the reference: sines and cosines of the C library, with what the product position·frequency rounds away put
// back to first order.
class Turner64 {
 public:
  explicit Turner64(const RotaryShape& shape)
      : shape_(shape),
        cos_(frame_.take<double>(shape.frequencies.size())),
        sin_(frame_.take<double>(shape.frequencies.size())) {}

  bool ok() const { return cos_ != nullptr && sin_ != nullptr; }

  void set(double position) {
    for (size_t i = 0; i < shape_.frequencies.size(); i++) {
      const double f = shape_.frequencies[i], angle = position * f, rest = std::fma(position, f, -angle);
      const double cos = std::cos(angle), sin = std::sin(angle);
      cos_[i] = cos - rest * sin;
      sin_[i] = sin + rest * cos;
    }
  }

  void row(const double* x, double* y) const {
    const size_t d = shape_.d, pairs = shape_.frequencies.size();
    const bool half = shape_.layout == RotaryLayout::half;
    for (size_t h = 0; h < shape_.heads; h++, x += d, y += d) {
      for (size_t i = 0; i < pairs; i++) {
        const size_t first = half ? i : 2 * i, second = half ? i + pairs : 2 * i + 1;
        const double a = x[first], b = x[second];
        y[first] = a * cos_[i] - b * sin_[i];
        y[second] = b * cos_[i] + a * sin_[i];
      }
      if (x != y) std::copy(x + 2 * pairs, x + d, y + 2 * pairs);
    }
  }

 private:
  const RotaryShape& shape_;
  ArenaFrame frame_;
  double *cos_, *sin_;
};

template <class T>
using TurnerOf = std::conditional_t<std::is_same_v<T, double>, Turner64, Turner>;

// Rows in parts; body(first, last) takes rows of one part.
template <class Body>
Status each_part(const RotaryShape& shape, const Context& context, Body&& body) {
  const size_t step = std::max<size_t>(1, kPartValues / std::max<size_t>(1, shape.heads * shape.d));
  parallel_for(ceil_div(shape.rows, step), [&](size_t part) {
    if (!context.cancelled()) body(part * step, std::min(shape.rows, (part + 1) * step));
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace

template <class T>
Status rotate_range(const RotaryShape& shape, const T* x, double delta, size_t from, size_t to, T* out,
                    const Context& context) {
  TurnerOf<T> turner(shape);
  if (!turner.ok()) return Status::out_of_memory;
  turner.set(delta);
  const size_t width = shape.heads * shape.d;
  if (delta == 0) from = to;  // nothing turns, not even the sign of a zero
  return each_part(shape, context, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; i++) {
      if (i >= from && i < to)
        turner.row(x + i * width, out + i * width);
      else if (x != out)
        std::memcpy(out + i * width, x + i * width, width * sizeof(T));
    }
  });
}

Status rotate_range16(const RotaryShape& shape, Float16 format, const uint16_t* x, double delta, size_t from, size_t to,
                      uint16_t* out, const Context& context) {
  Turner turner(shape);
  if (!turner.ok()) return Status::out_of_memory;
  turner.set(delta);
  const CodecKernels& codec = *kCodec.pick();
  const auto widen = format == Float16::half ? codec.from_half : codec.from_bfloat16;
  const auto narrow = format == Float16::half ? codec.to_half : codec.to_bfloat16;
  const size_t d = shape.d, width = shape.heads * d, turned = 2 * shape.frequencies.size();
  if (delta == 0) from = to;
  std::atomic<bool> no_memory{false};
  const Status status = each_part(shape, context, [&](size_t first, size_t last) {
    ArenaFrame frame;
    float* const wide = frame.take<float>(width);
    if (wide == nullptr) return no_memory.store(true);
    for (size_t i = first; i < last; i++) {
      const uint16_t* const row = x + i * width;
      uint16_t* const to_row = out + i * width;
      if (x != out && (turned < d || i < from || i >= to)) std::memcpy(to_row, row, width * sizeof(uint16_t));
      if (i < from || i >= to) continue;
      widen(row, width, wide);
      turner.row(wide, wide);
      if (turned == d)
        narrow(wide, width, to_row);
      else
        for (size_t h = 0; h < shape.heads; h++) narrow(wide + h * d, turned, to_row + h * d);
    }
  });
  return no_memory ? Status::out_of_memory : status;
}

template <class T>
Status rotate_positions(const RotaryShape& shape, const T* x, std::span<const double> positions, T* out,
                        const Context& context) {
  const size_t width = shape.heads * shape.d;
  std::atomic<bool> no_memory{false};
  const Status status = each_part(shape, context, [&](size_t first, size_t last) {
    TurnerOf<T> turner(shape);
    if (!turner.ok()) return no_memory.store(true);
    for (size_t i = first; i < last; i++) {
      turner.set(positions[i]);
      turner.row(x + i * width, out + i * width);
    }
  });
  return no_memory ? Status::out_of_memory : status;
}

template Status rotate_range(const RotaryShape&, const float*, double, size_t, size_t, float*, const Context&);
template Status rotate_range(const RotaryShape&, const double*, double, size_t, size_t, double*, const Context&);
template Status rotate_positions(const RotaryShape&, const float*, std::span<const double>, float*, const Context&);
template Status rotate_positions(const RotaryShape&, const double*, std::span<const double>, double*, const Context&);

}  // namespace lapidary
