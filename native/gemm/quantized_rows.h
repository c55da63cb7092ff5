// Rows of codes as the integer kernels of quantized.h want them: scales of units, whole numbers, and columns in an
// order in which no unit has columns of two groups.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gemm/quantized.h"

namespace lapidary {

// Twelve and twice the value of an E2M1.
inline constexpr std::int8_t kDoubledE2M1[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

class CodeRows {
 public:
  CodeRows(const QuantLayout& layout, const QuantInput& parts);

  // Columns that the kernels see: groups that are no multiples of 16 move apart to begin at one.
  std::size_t depth() const { return depth_; }
  // Largest unit that no two groups share: 32 or 16.
  std::size_t unit() const { return unit_; }
  // Columns from group to group.
  std::size_t pitch() const { return pitch_; }
  std::size_t groups() const { return groups_; }
  bool moved() const { return pitch_ != group_ && groups_ > 1; }
  const std::int8_t* table() const { return table_; }
  int bits() const { return layout_.bits; }

  // The values of a token in the order of the columns: out gets depth() of them, zeros between.
  void place(const float* x, float* out) const;
  // The whole numbers of columns [first, first + count) of row i, both multiples of 128 columns of depth(), zeros
  // between; `scratch` holds cols bytes.
  void expand(const QuantizedKernels& kernels, std::size_t i, std::size_t first, std::size_t count,
              std::uint8_t* scratch, std::uint8_t* out) const;
  // The codes of row i where they lie.
  const std::uint8_t* codes(std::size_t i) const { return parts_.codes + i * row_bytes_; }
  std::size_t row_bytes() const { return row_bytes_; }

  // Scales and zero points of rows [i, i + count) by units, zeros after the last group; `raised` comes off the zero
  // points. `room` holds count·room(unit) values; what already lies so in memory is not copied.
  struct Scales {
    const float* scales;
    const float* zeros;  // or nullptr: they are all `zero`
    std::size_t stride;  // of both
    float zero;
  };
  Scales scales(const QuantizedKernels& kernels, std::size_t i, std::size_t count, std::size_t unit, int raised,
                float* room) const;
  std::size_t room(std::size_t unit) const { return 2 * (depth_ / unit + groups_ + kRepeatSlack); }
  // True if the scales of these units can be those of QuantizedKernels::byte_scaled.
  bool byte_scaled(CodeForm form, std::size_t unit, ByteScales& which) const;
  // They, of `count` rows from i on; false if some are not what such dots take.
  bool byte_scales(const QuantizedKernels& kernels, ByteScales which, std::size_t i, std::size_t count,
                   CodeDots& d) const;
  // What the sums of all rows are multiplied with.
  float factor() const { return factor_; }

 private:
  template <class T>
  void spread(const T* from, T* out) const;

  QuantLayout layout_;
  QuantInput parts_;
  std::size_t group_, groups_, pitch_, depth_, unit_, row_bytes_;
  const std::int8_t* table_ = nullptr;
  float zero_ = 0, factor_ = 1;  // zero: where there are no zero points
};

}  // namespace lapidary
