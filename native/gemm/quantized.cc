#include "gemm/quantized.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/decoded_dots.h"
#include "gemm/float8.h"
#include "gemm/low_rank.h"
#include "gemm/pack.h"
#include "gemm/quantized_rows.h"
#include "gemm/quantized_tokens.h"
#include "quant/bit_stream.h"
#include "quant/codec.h"
#include "quant/group_factors.h"

namespace lapidary {
namespace {

// Tokens that pass over the weights together.
constexpr size_t kTokens = 1024;
// Tokens up to which the codes are read where they lie. Nibbles and bytes are cheap to unpack again for each few of
// them: panels, which expand them once, are faster from 30 to 60 tokens on with VNNI, with AVX2 from 24 on for nibbles
// and later for bytes (measured on a Zen 4).
constexpr size_t kFewTokens = 8, kFewWholeTokens = 24;
// The same for 8-bit floats, whose other way decodes them first: dots take as long as that with 16 to 24 tokens on
// 256-bit registers and with 64 to 96 on 512-bit ones (measured on a Zen 5).
constexpr KernelTable<size_t, 1 + 2 * LAPIDARY_X86> kFewFloat8 = {{
    {Isa::portable, 8},
#if LAPIDARY_X86
    {Isa::avx2, 16},
    {Isa::avx512, 64},
#endif
}};
// Bytes of codes in one part, which stay in the second-level cache, and from which on a second thread saves more than
// it costs to wake.
constexpr size_t kPartBytes = size_t{1} << 17, kParallelBytes = size_t{1} << 18;
// Values that a part decodes to f32 for few tokens, and for many.
constexpr size_t kFewValues = size_t{1} << 15, kManyValues = size_t{1} << 19;
constexpr size_t kPartRows = 256;
// Columns of a panel that tokens pass over together: with 16 rows, 16 KiB.
constexpr size_t kPanelDepth = 1024;
// Most rows of a panel.
constexpr size_t kWidest = 32;

struct QuantizedProduct {
  size_t tokens;
  const float* x;  // tokens × cols, in the order of the codes
  const QuantizedWeights& w;
  Epilogue<float> epilogue;
  float* y;
  const Context& context;
};

// C[tokens × count] at y, `first` its first column: multiplied by what is left of the factor, then the epilogue.
void finish(const QuantizedProduct& g, const float* rest, size_t tokens, size_t first, size_t count, float* y) {
  const size_t ldy = g.w.layout.rows;
  for (size_t t = 0; t < tokens; t++)
    for (size_t j = 0; j < count; j++) y[t * ldy + first + j] *= rest[t];
  g.epilogue.apply(y + first, ldy, tokens, count, first);
}

CodeForm form_of(const CodeRows& rows, const QuantizedKernels& kernels) {
  if (rows.bits() == 8) return CodeForm::wide_bytes;
  if (rows.moved()) return CodeForm::bytes;
  if (rows.bits() == 4) return rows.table() != nullptr ? CodeForm::looked_up : CodeForm::nibbles;
  const auto has = [&](CodeForm form) { return kernels.dots[static_cast<size_t>(form)][kSpans - 1] != nullptr; };
  if (rows.bits() <= 3 && has(CodeForm::pairs)) return CodeForm::pairs;
  return has(CodeForm::packed) ? CodeForm::packed : CodeForm::bytes;
}

// Rows of codes, read once where they lie or, where groups move apart, through rows of bytes, against all tokens.
Status dot_product(const QuantizedProduct& g, const CodeRows& rows, const QuantizedKernels& kernels) {
  const size_t n = g.w.layout.rows, depth = rows.depth(), cols = g.w.layout.cols;
  const CodeForm form = form_of(rows, kernels);
  const bool in_two = comes_in_two(form);
  const bool in_place = form != CodeForm::bytes && !rows.moved();
  // Columns of a chunk; a scale may belong to all of it, to two lanes, to one or to half of one.
  const size_t chunk = in_two ? 128 : 64;
  const Span span = rows.pitch() % chunk == 0         ? Span::chunk
                    : rows.pitch() % (chunk / 2) == 0 ? Span::two_lanes
                    : rows.pitch() % (chunk / 4) == 0 ? Span::lane
                                                      : Span::half_lane;
  const size_t unit = chunk / units_of(span);
  const size_t slot = std::min(unit, chunk / 4);
  const TokenForm token_form = in_two ? TokenForm::nibbles : TokenForm::plain;
  const size_t most = std::min(g.tokens, kTokens), slots = ceil_div(depth / slot, kSlotBlock) * kSlotBlock;
  // An odd number of cache lines: tokens fall into different sets of the cache.
  const size_t pitch = (ceil_div(depth, kAlignment) | 1) * kAlignment;
  ArenaFrame shared;
  const RoundedTokens x = rounded_room(shared, most, pitch, slots);
  if (x.x == nullptr) return Status::out_of_memory;

  const auto dots = kernels.dots[static_cast<size_t>(form)][static_cast<size_t>(span)];
  ByteScales which{};
  const auto byte_scaled =
      rows.byte_scaled(form, unit, which) ? kernels.byte_scaled[static_cast<size_t>(which)] : nullptr;
  const int raised = form == CodeForm::wide_bytes ? kernels.raised : 0;
  const size_t each = ceil_div(std::clamp<size_t>(kPartBytes / rows.row_bytes(), 1, kPartRows), kDotRows) * kDotRows;
  const size_t chunks = depth / chunk;
  // Bytes of a row that the dots take for its own.
  const size_t reach = (chunks - 1) * chunk_bytes(form, rows.bits()) + kCodeChunk;
  const size_t row_pitch = in_place ? ceil_div(reach, kAlignment) * kAlignment : depth, room_pitch = rows.room(unit);
  const bool parallel = n >= ceil_div(kParallelBytes, rows.row_bytes() * std::min<size_t>(g.tokens, 16));
  for (size_t base = 0; base < g.tokens; base += kTokens) {
    const size_t tokens = std::min(kTokens, g.tokens - base);
    Status status = round_tokens(g.x + base * cols, tokens, cols, rows, token_form, slot, x, g.context);
    if (status != Status::ok) return status;
    float* y = g.y + base * n;
    status = each_part(ceil_div(n, each), parallel, g.context, [&](size_t part) {
      ArenaFrame scratch;
      float* room = scratch.take<float>(kDotRows * room_pitch);
      uint8_t* copies = scratch.take<uint8_t>(kDotRows * row_pitch);
      uint8_t* unpacked = scratch.take<uint8_t>(in_place ? 0 : cols);
      if (room == nullptr || copies == nullptr || unpacked == nullptr) return Status::out_of_memory;
      const size_t first = part * each, end = std::min(first + each, n);
      CodeDots d{};
      d.chunks = chunks;
      d.bits = rows.bits();
      d.table = rows.table();
      d.x_stride = x.x_stride;
      d.a_stride = x.a_stride;
      d.sums_stride = n;
      for (size_t i = first; i < end; i += kDotRows) {
        if (g.context.cancelled()) return Status::aborted;
        d.rows = std::min(kDotRows, end - i);
        // What is read after a row's end meets zeros of the tokens; but after the last one there is nothing to read.
        const size_t bytes = rows.row_bytes();
        if (in_place && (n - i - d.rows) * bytes + bytes >= reach) {
          d.codes = rows.codes(i);
          d.codes_stride = bytes;
        } else {
          for (size_t r = 0; r < d.rows; r++) {
            uint8_t* const copy = copies + r * row_pitch;
            if (!in_place) {
              rows.expand(kernels, i + r, 0, depth, unpacked, copy);
            } else {
              std::memcpy(copy, rows.codes(i + r), bytes);
              std::memset(copy + bytes, 0, row_pitch - bytes);
            }
          }
          d.codes = copies;
          d.codes_stride = row_pitch;
        }
        const bool as_bytes = byte_scaled != nullptr && rows.byte_scales(kernels, which, i, d.rows, d);
        if (!as_bytes) {
          const CodeRows::Scales scales = rows.scales(kernels, i, d.rows, unit, raised, room);
          d.scales = scales.scales;
          d.scales_stride = scales.stride;
          d.zeros = scales.zeros;
          d.zero = scales.zero;
        }
        for (size_t t = 0; t < tokens; t += kernels.tokens) {
          d.tokens = std::min(kernels.tokens, tokens - t);
          d.x = x.x + t * x.x_stride;
          d.a = x.a + t * x.a_stride;
          d.q = x.q + t * x.a_stride;
          d.sums = y + t * n + i;
          (as_bytes ? byte_scaled : dots)(d);
        }
      }
      finish(g, x.rest, tokens, first, end - first, y);
      return Status::ok;
    });
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

// A panel of weights: rows [first, first + width), columns [from, from + count) of depth.
struct Panel {
  uint8_t* bytes;  // nr rows of kPanelDepth
  uint8_t* steps;  // the same, turned; twice that for two planes
  uint8_t* unpacked;
};

// dwords of the rows of `bytes`, side by side: to[s·nr·planes…]. With two planes the low four bits, then the high ones.
void turn(const uint8_t* bytes, size_t pitch, size_t count, size_t nr, size_t steps, size_t planes, uint8_t* to) {
  const auto panels = pack::choose_panels<int32_t>(nr, true);
  if (planes == 1)
    return panels(reinterpret_cast<const int32_t*>(bytes), pitch / 4, count / 4, nr, reinterpret_cast<int32_t*>(to));
  // Unit by unit, so that the planes of a unit follow each other.
  alignas(64) uint8_t plane[kWidest * 32];
  const size_t unit = 4 * steps;
  for (size_t k = 0; k < count; k += unit)
    for (size_t p = 0; p < 2; p++, to += nr * unit) {
      for (size_t r = 0; r < nr; r++)
        for (size_t i = 0; i < unit; i++) {
          const uint8_t c = bytes[r * pitch + k + i];
          plane[r * unit + i] = p == 0 ? c & 15 : c >> 4;
        }
      panels(reinterpret_cast<const int32_t*>(plane), steps, steps, nr, reinterpret_cast<int32_t*>(to));
    }
}

// True if the sums of a group that the dots take before they know the scale of the weights could overflow. Panels
// multiply the two scales first.
bool is_large(const float* x, size_t count, float limit) {
  return kCodec.pick()->abs_max_bits(x, count) >= std::bit_cast<uint32_t>(limit);
}

// True if the codes of 8-bit floats are multiplied where they lie.
bool takes_float8(const QuantLayout& layout, size_t tokens, const float* x, Route route) {
  if (layout.scheme != Scheme::e4m3 && layout.scheme != Scheme::e5m2) return false;
  if (layout.group < std::min(kFloat8Group, layout.cols)) return false;
  const bool few = route == Route::dot || (route == Route::automatic && tokens <= kFewFloat8.pick());
  if (!few) return false;
  // Sums of codes that come before the scale must neither overflow nor lose what is denormal on the way.
  for (size_t t = 0; t < tokens; t++) {
    const float largest = std::bit_cast<float>(kCodec.pick()->abs_max_bits(x + t * layout.cols, layout.cols));
    if (!(largest < kFloat8Largest) || (largest > 0 && largest < kFloat8Least)) return false;
  }
  return true;
}

// Panels of weights, expanded where all tokens pass over them.
Status blocked_product(const QuantizedProduct& g, const CodeRows& rows, const QuantizedKernels& kernels) {
  const size_t n = g.w.layout.rows, depth = rows.depth(), cols = g.w.layout.cols, nr = kernels.nr;
  const size_t steps = std::min<size_t>(rows.unit() / 4, rows.table() != nullptr ? kernels.table_steps : 8);
  const size_t unit = 4 * steps, units = depth / unit, planes = rows.bits() > kernels.plane_bits ? 2 : 1;
  const size_t most = std::min(g.tokens, kTokens), pitch = (ceil_div(depth, kAlignment) | 1) * kAlignment;
  ArenaFrame shared;
  const RoundedTokens x = rounded_room(shared, most, pitch, units);
  if (x.x == nullptr) return Status::out_of_memory;

  const size_t wide = std::min(kPanelDepth, depth);
  for (size_t base = 0; base < g.tokens; base += kTokens) {
    const size_t tokens = std::min(kTokens, g.tokens - base);
    Status status = round_tokens(g.x + base * cols, tokens, cols, rows, TokenForm::plain, unit, x, g.context);
    if (status != Status::ok) return status;
    float* y = g.y + base * n;
    const size_t tall = ceil_div(tokens, ceil_div(tokens, kernels.mr));  // of a tile: all nearly equal
    const bool parallel = n >= ceil_div(kParallelBytes, rows.row_bytes() * std::min<size_t>(tokens, 16));
    status = each_part(ceil_div(n, nr), parallel, g.context, [&](size_t part) {
      ArenaFrame scratch;
      uint8_t* bytes = scratch.take<uint8_t>(nr * wide);
      uint8_t* panel = scratch.take<uint8_t>(nr * wide * planes);
      uint8_t* unpacked = scratch.take<uint8_t>(rows.moved() ? cols : 0);
      float* room = scratch.take<float>(rows.room(unit));
      const auto scales_length = checked_mul(2 * nr, units);
      float* scales = scales_length ? scratch.take<float>(*scales_length) : nullptr;
      if (bytes == nullptr || panel == nullptr || unpacked == nullptr || room == nullptr || scales == nullptr)
        return Status::out_of_memory;
      const size_t first = part * nr, width = std::min(nr, n - first);
      std::fill_n(scales, 2 * nr * units, 0.0f);
      for (size_t r = 0; r < width; r++) {
        const CodeRows::Scales s = rows.scales(kernels, first + r, 1, unit, 0, room);
        for (size_t u = 0; u < units; u++) {
          scales[2 * u * nr + r] = s.scales[u];
          scales[(2 * u + 1) * nr + r] = s.zeros != nullptr ? s.zeros[u] : s.zero;
        }
      }
      std::fill_n(bytes, nr * wide, uint8_t{0});
      PanelTile tile{};
      tile.w = panel;
      tile.steps = steps;
      tile.planes = planes;
      tile.x_stride = x.x_stride;
      tile.a_stride = x.a_stride;
      tile.width = width;
      tile.ldy = n;
      for (size_t k = 0; k < depth; k += wide) {
        const size_t count = std::min(wide, depth - k);
        for (size_t r = 0; r < width; r++) rows.expand(kernels, first + r, k, count, unpacked, bytes + r * wide);
        turn(bytes, wide, count, nr, steps, planes, panel);
        tile.scales = scales + 2 * nr * (k / unit);
        tile.units = count / unit;
        tile.add = k > 0;
        for (size_t t = 0; t < tokens; t += tall) {
          if (g.context.cancelled()) return Status::aborted;
          tile.tokens = std::min(tall, tokens - t);
          tile.x = x.x + t * x.x_stride + k;
          tile.a = x.a + t * x.a_stride + k / unit;
          tile.q = x.q + t * x.a_stride + k / unit;
          tile.y = y + t * n + first;
          kernels.tile(tile);
        }
      }
      finish(g, x.rest, tokens, first, width, y);
      return Status::ok;
    });
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

// Blocks of rows, decoded to f32.
Status decoded_product(const QuantizedProduct& g, Route route) {
  const QuantLayout& layout = g.w.layout;
  const QuantInput& in = g.w.parts;
  const size_t values = g.tokens <= kFewTokens ? kFewValues : kManyValues;
  const size_t each = std::max<size_t>(4, values / layout.cols / 4 * 4), groups = layout.groups();
  const size_t bytes = stream_bytes(layout.cols, layout.bits);
  const bool parallel = layout.rows >= ceil_div(kParallelBytes / 4, layout.cols * std::min<size_t>(g.tokens, 16));
  return each_part(ceil_div(layout.rows, each), parallel, g.context, [&](size_t part) {
    const size_t first = part * each, count = std::min(each, layout.rows - first);
    ArenaFrame scratch;
    const auto length = checked_mul(count, layout.cols);
    float* decoded = length ? scratch.take<float>(*length) : nullptr;
    if (decoded == nullptr) return Status::out_of_memory;
    QuantLayout some = layout;
    some.rows = count;
    const auto from = [&](auto* values_of, size_t offset) {
      return values_of == nullptr ? nullptr : values_of + offset;
    };
    const QuantInput parts{in.codes + first * bytes, from(in.scales, first * groups),
                           from(in.byte_scales, first * groups), from(in.zeros, first * groups),
                           from(in.row_scales, first)};
    Status status = dequantize(parts, some, nullptr, decoded, g.context);
    if (status != Status::ok) return status;
    Epilogue<float> epilogue = g.epilogue;
    if (epilogue.bias != nullptr) epilogue.bias += first;
    return half_gemm(g.tokens, count, layout.cols, 1, {g.x, Storage::f32, layout.cols, false},
                     {decoded, Storage::f32, layout.cols, true}, 0, g.y + first, layout.rows, g.context, &epilogue,
                     route);
  });
}

// True if few tokens are multiplied with codes that become f32 in registers.
bool takes_decoded_dots(const QuantLayout& layout, size_t tokens, Route route) {
  if (kDecodedDots.pick()->dots[0] == nullptr || !RowFactors::has(layout.scheme)) return false;
  if (layout.cols % kDecodedStep != 0 || (layout.group % kDecodedGroup != 0 && layout.group < layout.cols))
    return false;
  return route == Route::dot || (route == Route::automatic && tokens <= kFewTokens);
}

// Rows of codes, one a byte in the first-level cache, become f32 in registers.
Status decoded_dots(const QuantizedProduct& g) {
  const QuantLayout& layout = g.w.layout;
  const size_t n = layout.rows, cols = layout.cols, groups = layout.groups();
  const size_t bytes = stream_bytes(cols, layout.bits);
  const size_t each = std::clamp<size_t>(kPartBytes / cols, 1, kPartRows);
  const bool parallel = n >= ceil_div(kParallelBytes / 4, cols * std::min<size_t>(g.tokens, 16));
  const DecodedDots& kernels = *kDecodedDots.pick();
  return each_part(ceil_div(n, each), parallel, g.context, [&](size_t part) {
    ArenaFrame scratch;
    uint8_t* unpacked = scratch.take<uint8_t>(DecodedRun::kRows * cols);
    float* room = scratch.take<float>(DecodedRun::kRows * 3 * groups);
    if (unpacked == nullptr || room == nullptr) return Status::out_of_memory;
    const RowFactors factors[DecodedRun::kRows] = {{g.w.parts, layout, room}, {g.w.parts, layout, room + 3 * groups}};
    const auto dots = kernels.dots[factors[0].floats() ? 1 : 0];
    const size_t first = part * each, end = std::min(first + each, n);
    DecodedRun r{};
    r.cols = cols;
    r.group = layout.group < cols ? layout.group : ceil_div(cols, kDecodedStep) * kDecodedStep;
    r.x = g.x;
    r.x_stride = cols;
    r.tokens = g.tokens;
    r.y_stride = n;
    for (size_t i = first; i < end; i += r.rows) {
      if (g.context.cancelled()) return Status::aborted;
      r.rows = std::min(DecodedRun::kRows, end - i);
      for (size_t s = 0; s < r.rows; s++) {
        r.row[s] = {g.w.parts.codes + (i + s) * bytes, factors[s].row(i + s)};
        if (layout.bits == 8) continue;
        unpack_stream(r.row[s].codes, cols, layout.bits, unpacked + s * cols);
        r.row[s].codes = unpacked + s * cols;
      }
      r.y = g.y + i;
      dots(r);
    }
    g.epilogue.apply(g.y + first, n, g.tokens, end - first, first);
    return Status::ok;
  });
}

Status add_epilogue(const Epilogue<float>& epilogue, size_t tokens, size_t rows, float* y, const Context& context) {
  constexpr size_t kPartValues = size_t{1} << 14;
  const size_t each = std::max<size_t>(1, kPartValues / rows);
  return each_part(ceil_div(tokens, each), tokens >= ceil_div(8 * kPartValues, rows), context, [&](size_t part) {
    const size_t first = part * each;
    epilogue.apply(y + first * rows, rows, std::min(each, tokens - first), rows, 0);
    return Status::ok;
  });
}

}  // namespace

Status quantized_linear(size_t tokens, StoredOperand x, const QuantizedWeights& w, bool rounded,
                        const Head<float>& head, float* y, Route route, const Context& context) {
  const size_t rows = w.layout.rows, cols = w.layout.cols;
  if (w.permutation != nullptr)
    if (const Status status = check_permutation(w.permutation, cols); status != Status::ok) return status;
  if (tokens == 0 || rows == 0) return Status::ok;
  const Epilogue<float>& epilogue = head.epilogue;

  // The tokens as f32, and in the order of the codes.
  ArenaFrame scratch;
  const float* plain = static_cast<const float*>(x.data);
  if (x.storage != Storage::f32) {
    const auto length = checked_mul(tokens, cols);
    float* wide = length ? scratch.take<float>(*length) : nullptr;
    if (wide == nullptr) return Status::out_of_memory;
    kHalf.pick()().widen[static_cast<size_t>(x.storage)](x.data, *length, wide);
    plain = wide;
  }
  const float* ordered = plain;
  if (w.permutation != nullptr) {
    const auto length = checked_mul(tokens, cols);
    float* moved = length ? scratch.take<float>(*length) : nullptr;
    if (moved == nullptr) return Status::out_of_memory;
    for (size_t t = 0; t < tokens; t++)
      for (size_t j = 0; j < cols; j++) moved[t * cols + j] = plain[t * cols + w.permutation[j]];
    ordered = moved;
  }

  const QuantizedProduct g{tokens, ordered, w, w.left != nullptr ? Epilogue<float>{} : epilogue, y, context};
  Status status = Status::ok;
  if (cols == 0) {
    std::fill_n(y, tokens * rows, 0.0f);
    status = add_epilogue(g.epilogue, tokens, rows, y, context);
  } else if (takes_float8(w.layout, tokens, ordered, route)) {
    status = float8_product(tokens, ordered, w.layout, w.parts, g.epilogue, y, context);
  } else if (!rounded) {
    status = takes_decoded_dots(w.layout, tokens, route) ? decoded_dots(g) : decoded_product(g, route);
  } else {
    const CodeRows codes(w.layout, w.parts);
    const QuantizedKernels& kernels = kQuantized.pick()();
    const bool whole = !codes.moved() && (codes.bits() == 4 || codes.bits() == 8);
    const size_t most = whole ? kFewWholeTokens : kFewTokens;
    const bool few = route == Route::dot || (route == Route::automatic && tokens <= most);
    status = few && !is_large(ordered, tokens * cols, 0x1p96f) ? dot_product(g, codes, kernels)
                                                               : blocked_product(g, codes, kernels);
  }
  if (status == Status::ok && w.left != nullptr) {
    status = add_low_rank(plain, tokens, {rows, cols, w.rank, 1, w.right, w.left, 1}, y, context);
    if (status == Status::ok) status = add_epilogue(epilogue, tokens, rows, y, context);
  }
  if (status != Status::ok || epilogue.activation != Activation::poly_norm) return status;
  return poly_norm(tokens, rows, epilogue.coefficients, epilogue.degree, head.epsilon, y, context);
}

}  // namespace lapidary
