// Matrices in few bits: the layouts, and rounding to the nearest number that they hold. lib/quant/quantized.ts and
// docs/quant.md say the same to users; this is the wording for those who write products.
//
// A matrix of rows × cols is cut along each row (the in-dimension) into groups of `group` columns, the last one shorter
// where cols is no multiple: groups = ⌈cols/group⌉. Nothing is padded but bits: the codes of a row are a bit stream
// (bit_stream.h) that begins at a byte, row i at codes + i·stream_bytes(cols, bits). What belongs to a group g of row i
// stands at [i·groups + g]. With w the value and c the code of a column:
//
//   scheme      bits  scales      w
//   integer     2-8   f32         s·(c − z)               z = zeros[…], a byte a group; without zeros 2^(bits−1)
//   ternary     2     f32         s·(c − 1)               c in 0, 1, 2
//   bipolar     1-8   f32         s·(2c − (2^bits − 1))
//   e4m3, e5m2  8     f32         s·value(c)
//   e2m1        4     f32         s·value(c)
//   mxfp4       4     u8 (E8M0)   2^(s − 127)·t·value(c)  E2M1; t = tensor_scale: 1, or 4/3 for the 4/3-variant
//   nvfp4       4     u8 (E4M3)   (value(s)·t)·value(c)   E2M1; the bracket rounded to f32 first
//   bfp         2-8   u8 (E8M0)   2^(s − 127)·(c − 2^(bits−1))
//   dgq         4     u8 (1-127)  r·(s·(c − z))           r = row_scales[i]; |s·(c − z)| ≤ 127
//
// An E8M0 scale of 0 is 2^−127 (an f32 denormal), 255 is NaN and never written. With a permutation p, column j of the
// stream holds column p[j] of the matrix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

enum class Scheme : uint8_t { integer, ternary, bipolar, e4m3, e5m2, e2m1, mxfp4, nvfp4, bfp, dgq };
inline constexpr size_t kSchemes = 10;

// ZeroQuant-FP: M1 rounds each scale up to a power of two; M2 makes the scales of a row its largest one over powers of
// two, each the smallest such that is not below the scale it replaces, or for m2_nearest the one whose ratio to it is
// nearest to 1.
// Searched: the scale that loses least in Σ|w − ŵ|^2.4 of those for a hundred shares of each group's range,
// 1 − 0.8·i/100; for integers, fp8, fp4, mxfp4 and nvfp4.
enum class ScaleConstraint : uint8_t { none, m1, m2, m2_nearest, searched };
inline constexpr size_t kScaleConstraints = 5;

struct QuantLayout {
  Scheme scheme;
  int bits;
  size_t rows, cols, group;  // group > 0
  float tensor_scale;        // mxfp4, nvfp4, ternary (where > 0: the scale of every group)

  size_t groups() const;
};

// True if bits go with the scheme.
bool valid_bits(Scheme scheme, size_t bits);
// ok, bad_structure if p is no permutation of 0 … n − 1, or out_of_memory.
Status check_permutation(const uint32_t* p, size_t n);
// What a scale is stored in.
constexpr bool byte_scales(Scheme scheme) { return scheme >= Scheme::mxfp4; }

// Empty spans where the scheme has no such part.
template <class Byte, class Float>
struct QuantParts {
  Byte* codes;
  Float* scales;
  Byte* byte_scales;
  Byte* zeros;  // for integer: nullptr means symmetric
  Float* row_scales;
};
using QuantOutput = QuantParts<uint8_t, float>;
using QuantInput = QuantParts<const uint8_t, const float>;

// Each group gets the scale that its largest magnitude (range, for zero points; mean magnitude, for ternary and one-bit
// bipolar) asks for, each value the nearest code, ties to even. `finite` is false if w has a NaN or ∞: then the output
// is unspecified. `permutation` is nullptr or cols values; bad_structure if it is none.
Status quantize(const float* w, const QuantLayout& layout, ScaleConstraint constraint, const uint32_t* permutation,
                const QuantOutput& out, bool& finite, const Context& context);

Status dequantize(const QuantInput& in, const QuantLayout& layout, const uint32_t* permutation, float* w,
                  const Context& context);

// w ← w + left·right, [rows, rank]·[rank, cols]: the low-rank part of a dequantised matrix.
Status add_low_rank(float* w, size_t rows, size_t cols, const float* left, const float* right, size_t rank,
                    const Context& context);

}  // namespace lapidary
