#include "io/matrix_market.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "io/reorder.h"

using namespace lapidary;

namespace {

// The text in memory of exactly its length: with a sanitizer, a byte read past the end is an error.
struct Text {
  explicit Text(const std::string& content) : bytes(new uint8_t[content.size()]), size(content.size()) {
    std::memcpy(bytes.get(), content.data(), size);
  }
  MarketText span() const { return {bytes.get(), size}; }
  std::unique_ptr<uint8_t[]> bytes;
  size_t size;
};

struct Parsed {
  Status status;
  MarketProblem problem;
  std::vector<uint32_t> row, col;
  std::vector<double> value;
};

Parsed parse(const std::string& content, size_t rows, size_t cols, MarketField field = MarketField::real) {
  const Text text(content);
  size_t entries = 0;
  Parsed out{market_count(text.span(), &entries, {}), {}, {}, {}, {}};
  out.row.resize(entries);
  out.col.resize(entries);
  out.value.resize(entries);
  if (out.status == Status::ok)
    out.status =
        market_coordinates(text.span(), {rows, cols, field, false}, out.row, out.col, out.value, &out.problem, {});
  return out;
}

}  // namespace

TEST(market_any_bytes_are_read_or_refused_within_bounds) {
  const char alphabet[] = "0123456789 .-+eEnaif%\n\n\r\t\0x";
  for (uint64_t round = 0; round < 20000; round++) {
    std::string text;
    const size_t length = philox_uint32(5, round, 0) % 40;
    for (size_t i = 0; i < length; i++) text += alphabet[philox_uint32(5, round, i + 1) % (sizeof alphabet - 1)];
    for (const MarketField field : {MarketField::real, MarketField::integer, MarketField::pattern}) {
      const Parsed parsed = parse(text, 9, 9, field);
      CHECK(parsed.status == Status::ok);
      CHECK(parsed.problem.offset <= length);
      if (parsed.problem.fault != MarketFault::none) continue;
      for (size_t k = 0; k < parsed.row.size(); k++) CHECK(parsed.row[k] < 9 && parsed.col[k] < 9);
    }
  }
}

TEST(market_lines_that_meet_the_ends_of_blocks) {
  // Lines of every length around a block's end, at 256 KiB, and one line longer than two blocks.
  for (size_t padding = (256 << 10) - 12; padding <= (256 << 10) + 3; padding++) {
    const Parsed parsed = parse("%" + std::string(padding, 'x') + "\n1 2 3\n2 1 4\n\n3 3 5", 3, 3);
    CHECK(parsed.status == Status::ok && parsed.problem.fault == MarketFault::none);
    CHECK((parsed.row == std::vector<uint32_t>{0, 1, 2}) && (parsed.value == std::vector<double>{3, 4, 5}));
  }
  const Parsed parsed = parse("1 1 1\n%" + std::string(600 << 10, 'x') + "\n2 2 2\n9 9 9\n", 3, 3);
  CHECK(parsed.row.size() == 3 && parsed.problem.fault == MarketFault::row);
  CHECK(parsed.problem.offset == 6 + 1 + (600 << 10) + 1 + 6);
}

TEST(market_reports_the_first_fault_of_all_blocks) {
  std::string text;
  for (size_t i = 0; i < 200000; i++) text += i == 150000 || i == 60000 ? "4 1 1\n" : "1 1 1\n";
  for (size_t threads : {1, 2, 7}) {
    set_thread_count(threads);
    CHECK(parse(text, 3, 3).problem.offset == size_t{60000} * 6);
  }
}

TEST(market_stops_when_cancelled_and_without_memory) {
  const Text text("1 1 1\n");
  std::atomic<int32_t> flag{kCancelAbort};
  size_t entries = 0;
  CHECK(market_count(text.span(), &entries, {&flag}) == Status::aborted);
  // Arrays of another length than the text has entries.
  std::vector<uint32_t> row(2), col(2);
  std::vector<double> value(2);
  MarketProblem problem;
  CHECK(market_coordinates(text.span(), {3, 3, MarketField::real, false}, row, col, value, &problem, {}) ==
        Status::bad_structure);
}

TEST(row_major_of_every_width_and_odd_shape) {
  for (size_t width : {1, 2, 4, 8})
    for (size_t rows : {0, 1, 3, 33, 70})
      for (size_t cols : {0, 1, 5, 31, 65}) {
        std::vector<uint8_t> in(rows * cols * width), out(in.size());
        for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<uint8_t>(philox_uint32(1, 1, i));
        CHECK(to_row_major(in, rows, cols, width, out, {}) == Status::ok);
        for (size_t i = 0; i < rows; i++)
          for (size_t j = 0; j < cols; j++)
            for (size_t b = 0; b < width; b++) CHECK(out[(i * cols + j) * width + b] == in[(j * rows + i) * width + b]);
      }
}
