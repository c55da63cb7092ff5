// Rows that are the row before with one added to its columns go one a lane in a matrix-vector product.
#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include "check.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "guarded.h"
#include "sparse/csr.h"
#include "sparse/spmv.h"

using namespace lapidary;

namespace {

struct Pattern {
  std::vector<uint32_t> indptr{0}, indices;
  size_t cols = 0;

  void add(const std::vector<uint32_t>& columns, uint32_t shift) {
    for (const uint32_t j : columns) indices.push_back(j + shift);
    indptr.push_back(static_cast<uint32_t>(indices.size()));
    if (!columns.empty()) cols = std::max<size_t>(cols, columns.back() + shift + 1);
  }
};

// `before` rows that are like no other, then `rows` that are shifted, n entries each, with gaps or without, then one
// row. The last column is that of the last shifted row where `before` is 0.
Pattern runs(size_t before, size_t rows, uint32_t n, bool gaps) {
  std::mt19937 random(static_cast<unsigned>(97 * before + 31 * rows + n));
  Pattern a;
  for (size_t i = 0; i < before; i++)
    a.add({static_cast<uint32_t>(2 * i), static_cast<uint32_t>(2 * i + 7 + i % 3)}, 0);
  std::vector<uint32_t> columns(n);
  uint32_t j = 0;
  for (uint32_t& column : columns) column = j += 1 + (gaps ? random() % 4 : 0);
  for (size_t i = 0; i < rows; i++) a.add(columns, static_cast<uint32_t>(i));
  a.add({0}, 0);
  return a;
}

// The product on memory that ends where a page does; y is 7 beforehand.
template <class T>
Status multiply(const Pattern& of, std::vector<T>& y) {
  const size_t nnz = of.indices.size(), rows = of.indptr.size() - 1;
  Guarded<uint32_t> indptr(rows + 1), indices(nnz);
  Guarded<T> values(nnz), x(of.cols), out(rows);
  std::copy(of.indptr.begin(), of.indptr.end(), indptr.data());
  std::copy(of.indices.begin(), of.indices.end(), indices.data());
  std::mt19937 random(5);
  const auto any = [&] { return static_cast<T>(random() % 2001) / 7 - 140; };
  for (size_t p = 0; p < nnz; p++) values[p] = any();
  for (size_t j = 0; j < of.cols; j++) x[j] = any();
  std::fill_n(out.data(), rows, T{7});
  CsrView<T> a;
  static_cast<CsrPattern&>(a) = {rows, of.cols, nnz, indptr.data(), indices.data()};
  a.values = values.data();
  CsrFault fault;
  const Status status = spmv(a, {}, x.data(), out.data(), fault, {});
  y.assign(out.data(), out.data() + rows);
  return status;
}

template <class T>
void same_bits() {
  for (const size_t before : {0, 1, 9, 40})
    for (const uint32_t n : {1, 2, 3, 4, 5, 7, 8, 9, 16, 21, 27, 64, 65})
      for (const size_t rows : {1, 3, 4, 7, 12, 15, 16, 19, 20, 21, 22, 23, 27, 28, 31, 40, 49})
        for (const bool gaps : {false, true}) {
          const Pattern a = runs(before, rows, n, gaps);
          std::vector<T> expected, y;
          CHECK(set_active_isa(Isa::portable));
          CHECK(multiply(a, expected) == Status::ok);
          for (size_t isa = 1; isa < kIsaCount; isa++) {
            if (!set_active_isa(static_cast<Isa>(isa))) continue;
            CHECK(multiply(a, y) == Status::ok);
            CHECK(y == expected);
          }
        }
}

}  // namespace

TEST(sparse_spmv_tiles) {
  const Isa before = active_isa();
  same_bits<double>();
  same_bits<float>();
  set_active_isa(before);
}

// One column is another: the product is that of such a matrix, or an offence is found where a look at each row finds
// one.
TEST(sparse_spmv_tiles_malformed) {
  const Isa before = active_isa();
  for (const auto& [n, rows] : {std::tuple{1u, 12u}, {2u, 9u}, {5u, 11u}, {9u, 20u}}) {
    const Pattern sound = runs(0, rows, n, true);
    for (size_t p = 0; p < sound.indices.size(); p++)
      for (const uint32_t other :
           {0u, sound.indices[p] + 1, sound.indices[p] - 1, static_cast<uint32_t>(sound.cols), ~0u}) {
        Pattern a = sound;
        a.indices[p] = other;
        const CsrPattern view{a.indptr.size() - 1, a.cols, a.indices.size(), a.indptr.data(), a.indices.data()};
        CsrFault fault;
        const Status status = check_csr(view, fault);
        std::vector<double> expected, y;
        CHECK(set_active_isa(Isa::portable));
        CHECK(multiply(a, expected) == status);
        for (size_t isa = 1; isa < kIsaCount; isa++) {
          if (!set_active_isa(static_cast<Isa>(isa))) continue;
          CHECK(multiply(a, y) == status);
          CHECK(status != Status::ok || y == expected);
        }
      }
  }
  // every row has the offence of the first
  for (const uint32_t n : {2u, 5u, 30u})
    for (uint32_t e = 1; e < n; e++)
      for (const uint32_t back : {0u, 1u}) {
        Pattern a = runs(0, 16, n, true);
        for (size_t i = 0; i < 16; i++) a.indices[i * n + e] = a.indices[i * n + e - 1] - back;
        for (size_t isa = 0; isa < kIsaCount; isa++) {
          if (!set_active_isa(static_cast<Isa>(isa))) continue;
          std::vector<double> y;
          CHECK(multiply(a, y) == Status::bad_structure);
        }
      }
  // the last column of a run is that of the whole: one less is out of range in the last row alone
  Pattern a = runs(0, 16, 5, false);
  a.cols--;
  for (size_t isa = 0; isa < kIsaCount; isa++) {
    if (!set_active_isa(static_cast<Isa>(isa))) continue;
    std::vector<double> y;
    CHECK(multiply(a, y) == Status::bad_structure);
  }
  set_active_isa(before);
}
