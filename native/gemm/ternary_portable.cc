// One row at a time, as the layout says it.
#include "gemm/ternary.h"

namespace lapidary {

void ternary_tables__portable(const std::int8_t* q, std::size_t triples, std::uint8_t* tables) {
  for (std::size_t j = 0; j < triples; j++, q += 3, tables += 32)
    for (std::size_t i = 0; i < 16; i++) {
      const int sum = kTrits[0][i] * q[0] + kTrits[1][i] * q[1] + kTrits[2][i] * q[2];
      const int high = ((sum + kTernaryBase / 2) * kTernaryInverse) >> 16;
      tables[i] = static_cast<std::uint8_t>(sum - kTernaryBase * high);
      tables[16 + i] = static_cast<std::uint8_t>(high);
    }
}

void ternary_32__portable(const TernaryTile& t) {
  for (std::size_t token = 0; token < t.tokens; token++)
    for (std::size_t r = 0; r < kPackedRows; r++) {
      std::int32_t sum = 0;
      for (std::size_t b = 0; b < t.blocks; b++) {
        const std::uint8_t* codes = t.codes + b * kTernaryBytes + packed_byte(r);
        const std::uint8_t* tables = t.tables + token * t.table_stride + b * kTernaryTables;
        for (std::size_t k = 0; k < 8; k++) {
          const std::uint8_t* table = tables + 32 * k + (codes[k / 2 * kPackedRows] >> (4 * (k % 2)) & 15);
          const int found = static_cast<std::int8_t>(table[0]) + kTernaryBase * static_cast<std::int8_t>(table[16]);
          sum += (codes[4 * kPackedRows] << k & 0x80) != 0 ? -found : found;
        }
      }
      t.out[token * kPackedRows + r] = t.scales[r] * static_cast<float>(sum) + 0.0f;  // as the other ways: no −0
    }
}

void ternary_expand__portable(const std::uint8_t* codes, std::size_t blocks, const CodePanels& to) {
  for (std::size_t b = 0; b < blocks; b++, codes += kTernaryBytes)
    for (std::size_t r = 0; r < kPackedRows; r++) {
      const std::uint8_t* row = codes + packed_byte(r);
      for (std::size_t i = 0; i < kTernaryBlock; i++) {
        const std::size_t k = i / 3, column = b * kTernaryBlock + i;
        const int t = kTrits[i % 3][row[k / 2 * kPackedRows] >> (4 * (k % 2)) & 15];
        const bool minus = (row[4 * kPackedRows] << k & 0x80) != 0;
        to.at(r, column / 4)[column % 4] = static_cast<std::uint8_t>(1 + (minus ? -t : t));
      }
    }
}

}  // namespace lapidary
