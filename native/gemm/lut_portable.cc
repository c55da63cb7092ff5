// One row at a time, as the layout says it.
#include <algorithm>

#include "gemm/lut.h"

namespace lapidary {
namespace {

using std::int32_t, std::int8_t, std::size_t, std::uint32_t, std::uint8_t;

// Σ over the planes of 2^plane · Σ over `pairs` pairs of quads of the table's entries.
template <class Entry>
int32_t lookups(const uint8_t* codes, size_t plane_bytes, size_t byte, size_t pairs, int bits, Entry entry) {
  int32_t sum = 0;
  for (int plane = bits - 1; plane >= 0; plane--) {
    int32_t part = 0;
    for (size_t j = 0; j < pairs; j++) {
      const uint8_t both = codes[static_cast<size_t>(plane) * plane_bytes + j * kPackedRows + byte];
      part += entry(2 * j, both & 15) + entry(2 * j + 1, both >> 4);
    }
    sum = 2 * sum + part;
  }
  return sum;
}

// body(group, pairs before it, its pairs, steps before it) for each group
template <class Body>
void each_group(const LutTile& t, Body body) {
  size_t before = 0, step = 0;
  for (size_t g = 0; g < t.groups; g++) {
    const size_t pairs = g + 1 == t.groups ? t.last_pairs : t.group_pairs;
    body(g, before, pairs, step);
    before += pairs;
    step += ceil_div(8 * pairs, kLutStep);
  }
}

}  // namespace

void lut_tables__portable(const int8_t* q, size_t pairs, uint8_t* tables) {
  for (size_t j = 0; j < pairs; j++, q += 8, tables += 64)
    for (int quad = 0; quad < 2; quad++)
      for (int i = 0; i < 16; i++) {
        int low = 0, high = 32;
        for (int bit = 0; bit < 4; bit++)
          if ((i >> bit & 1) != 0) {
            low += q[4 * quad + bit] & 15;
            high += q[4 * quad + bit] >> 4;
          }
        tables[16 * quad + i] = static_cast<uint8_t>(low);
        tables[32 + 16 * quad + i] = static_cast<uint8_t>(high);
      }
}

void lut_exact_32__portable(const LutTile& t) {
  const size_t planes = static_cast<size_t>(t.bits);
  for (size_t token = 0; token < t.tokens; token++)
    for (size_t r = 0; r < kPackedRows; r++) {
      float y = 0;
      each_group(t, [&](size_t g, size_t before, size_t pairs, size_t) {
        int32_t sum = 0;
        for (size_t j = 0; j < pairs; j += kLutRun / 8) {
          const size_t count = std::min(pairs - j, kLutRun / 8);
          const uint8_t* tables = t.tables + token * t.table_stride + (before + j) * 64;
          sum += lookups(t.codes + (before + j) * planes * kPackedRows, count * kPackedRows, packed_byte(r), count,
                         t.bits, [&](size_t quad, int index) {
                           const uint8_t* table = tables + quad / 2 * 64 + quad % 2 * 16 + static_cast<size_t>(index);
                           return table[0] + 16 * table[32];
                         });
        }
        // modulo 2^32: zeros above the codes, which foreign weights may have, could leave it
        uint32_t whole = static_cast<uint32_t>(t.factor * sum - t.less[token * t.sum_stride + g]);
        if (t.zeros != nullptr)
          whole -= t.zeros[g * kPackedRows + r] * static_cast<uint32_t>(t.sums[token * t.sum_stride + g]);
        y = y + t.scales[g * kPackedRows + r] * static_cast<float>(static_cast<int32_t>(whole));
      });
      t.out[token * kPackedRows + r] = y;
    }
}

void lut_expand__portable(const uint8_t* codes, size_t pairs, int bits, const CodePanels& to) {
  for (size_t r = 0; r < kPackedRows; r++)
    for (size_t j = 0; j < 8 * pairs; j++) {
      int code = 0;
      for (int plane = 0; plane < bits; plane++)
        code |= (codes[(static_cast<size_t>(plane) * pairs + j / 8) * kPackedRows + packed_byte(r)] >> j % 8 & 1)
                << plane;
      to.at(r, j / 4)[j % 4] = static_cast<uint8_t>(code);
    }
}

void lut_int8_32__portable(const LutTile& t) {
  const size_t planes = static_cast<size_t>(t.bits);
  for (size_t token = 0; token < t.tokens; token++)
    for (size_t r = 0; r < kPackedRows; r++) {
      float y = 0;
      each_group(t, [&](size_t g, size_t before, size_t pairs, size_t step) {
        float sum = 0;
        for (size_t j = 0; j < pairs; j += kLutStep / 8, step++) {
          const size_t run = j / (kLutRun / 8) * (kLutRun / 8), run_pairs = std::min(pairs - run, kLutRun / 8);
          const size_t count = std::min(pairs - j, kLutStep / 8);
          const uint8_t* tables = t.tables + token * t.table_stride + (before + j) * 32;
          const int32_t part =
              lookups(t.codes + ((before + run) * planes + j - run) * kPackedRows, run_pairs * kPackedRows,
                      packed_byte(r), count, t.bits,
                      [&](size_t quad, int index) { return tables[quad * 16 + static_cast<size_t>(index)] - 128; });
          sum = sum + t.steps[token * t.step_stride + step] * static_cast<float>(part);
        }
        const float zero = t.zeros != nullptr ? t.middle - t.zeros[g * kPackedRows + r] : t.middle;
        sum = sum + zero * t.totals[token * t.sum_stride + g];
        y = y + t.scales[g * kPackedRows + r] * sum;
      });
      t.out[token * kPackedRows + r] = y;
    }
}

}  // namespace lapidary
