#include "io/matrix_market.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/thread_pool.h"
#include "io/decimal.h"

namespace lapidary {
namespace {

constexpr size_t kBlock = size_t{256} << 10;  // about a millisecond of parsing

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

const char* skip_space(const char* p, const char* end) {
  while (p != end && is_space(*p)) p++;
  return p;
}

// The text as characters, cut into blocks: a block owns the lines that begin in it.
struct Lines {
  explicit Lines(MarketText text) : begin(reinterpret_cast<const char*>(text.data())), end(begin + text.size()) {}

  size_t blocks() const { return static_cast<size_t>(end - begin) / kBlock + 1; }

  const char* line_end(const char* p) const {
    const void* newline = p == end ? nullptr : std::memchr(p, '\n', static_cast<size_t>(end - p));
    return newline == nullptr ? end : static_cast<const char*>(newline);
  }

  const char* block_end(size_t block) const {
    return begin + std::min(static_cast<size_t>(end - begin), (block + 1) * kBlock);
  }

  // The first line that begins in the block, or the block's end: it is not looked for any further, or a file of one
  // long line would be searched once for each block.
  const char* first_line(size_t block) const {
    if (block == 0) return begin;
    const char *const from = begin + block * kBlock, *const stop = block_end(block);
    const void* before = std::memchr(from - 1, '\n', static_cast<size_t>(stop - from));
    return before == nullptr ? stop : static_cast<const char*>(before) + 1;
  }

  // Calls body(line, first character that is no space, end of line) for each line of the block that holds an entry,
  // until it answers false.
  template <class Body>
  void each(size_t block, Body&& body) const {
    const char* const stop = block_end(block);
    for (const char* line = first_line(block); line < stop;) {
      const char* const eol = line_end(line);
      const char* const first = skip_space(line, eol);
      if (first != eol && *first != '%' && !body(line, first, eol)) return;
      line = eol == end ? end : eol + 1;
    }
  }

  const char* begin;
  const char* end;
};

// Entries before each block, and after the last one their number.
Status count_blocks(const Lines& lines, size_t* starts, const Context& context) {
  const size_t blocks = lines.blocks();
  parallel_for(blocks, [&](size_t block) {
    size_t count = 0;
    if (!context.cancelled())
      lines.each(block, [&](const char*, const char*, const char*) {
        count++;
        return true;
      });
    starts[block + 1] = count;
  });
  if (context.cancelled()) return Status::aborted;
  starts[0] = 0;
  for (size_t block = 0; block < blocks; block++) starts[block + 1] += starts[block];
  return Status::ok;
}

// A whole number from 1 to `bound`, as an index from 0; nullptr for anything else.
const char* parse_index(const char* p, const char* end, size_t bound, uint32_t* index) {
  uint64_t value = 0;
  const char* const first = p;
  for (; p != end && static_cast<unsigned char>(*p - '0') < 10; p++) {
    value = 10 * value + static_cast<uint64_t>(*p - '0');
    if (value > bound) return nullptr;
  }
  if (p == first || value == 0 || (p != end && !is_space(*p))) return nullptr;
  *index = static_cast<uint32_t>(value - 1);
  return p;
}

const char* parse_value(const char* p, const char* end, MarketField field, double* value) {
  if (field == MarketField::integer) {
    const char* digits = p != end && (*p == '-' || *p == '+') ? p + 1 : p;
    while (digits != end && static_cast<unsigned char>(*digits - '0') < 10) digits++;
    if (digits != end && !is_space(*digits)) return nullptr;
  }
  p = parse_decimal(p, end, value);
  return p != nullptr && (p == end || is_space(*p)) ? p : nullptr;
}

// Parses all blocks with parse(k, first, end of line) → fault, k being the number of the entry. Each block stops at its
// first fault; the first of all is reported.
template <class Parse>
Status parse_blocks(MarketText text, size_t entries, MarketProblem* problem, const Context& context, Parse&& parse) {
  const Lines lines(text);
  const size_t blocks = lines.blocks();
  ArenaFrame scratch;
  auto* starts = scratch.take<size_t>(blocks + 1);
  auto* problems = scratch.take<MarketProblem>(blocks);
  if (starts == nullptr || problems == nullptr) return Status::out_of_memory;
  if (const Status status = count_blocks(lines, starts, context); status != Status::ok) return status;
  if (starts[blocks] != entries) return Status::bad_structure;
  parallel_for(blocks, [&](size_t block) {
    problems[block] = {};
    if (context.cancelled()) return;
    size_t k = starts[block];
    lines.each(block, [&](const char* line, const char* first, const char* eol) {
      if (k == starts[block + 1]) return false;  // only if another thread rewrites the text meanwhile
      const MarketFault fault = parse(k++, first, eol);
      if (fault != MarketFault::none) problems[block] = {fault, static_cast<size_t>(line - lines.begin)};
      return fault == MarketFault::none;
    });
  });
  if (context.cancelled()) return Status::aborted;
  *problem = {};
  for (size_t block = 0; block < blocks && problem->fault == MarketFault::none; block++) *problem = problems[block];
  return Status::ok;
}

}  // namespace

Status market_count(MarketText text, size_t* entries, const Context& context) {
  const Lines lines(text);
  ArenaFrame scratch;
  auto* starts = scratch.take<size_t>(lines.blocks() + 1);
  if (starts == nullptr) return Status::out_of_memory;
  const Status status = count_blocks(lines, starts, context);
  if (status == Status::ok) *entries = starts[lines.blocks()];
  return status;
}

Status market_coordinates(MarketText text, const MarketShape& shape, std::span<uint32_t> row, std::span<uint32_t> col,
                          std::span<double> value, MarketProblem* problem, const Context& context) {
  const auto [rows, cols, field, skew] = shape;
  return parse_blocks(text, row.size(), problem, context, [&](size_t k, const char* p, const char* end) {
    p = parse_index(p, end, rows, &row[k]);
    if (p == nullptr) return MarketFault::row;
    p = parse_index(skip_space(p, end), end, cols, &col[k]);
    if (p == nullptr) return MarketFault::column;
    value[k] = 1;
    if (field != MarketField::pattern) {
      p = parse_value(skip_space(p, end), end, field, &value[k]);
      if (p == nullptr) return MarketFault::value;
    }
    if (skip_space(p, end) != end) return MarketFault::surplus;
    return skew && row[k] == col[k] ? MarketFault::diagonal : MarketFault::none;
  });
}

Status market_array(MarketText text, MarketField field, std::span<double> value, MarketProblem* problem,
                    const Context& context) {
  return parse_blocks(text, value.size(), problem, context, [&](size_t k, const char* p, const char* end) {
    p = parse_value(p, end, field, &value[k]);
    if (p == nullptr) return MarketFault::value;
    return skip_space(p, end) == end ? MarketFault::none : MarketFault::surplus;
  });
}

size_t market_mirror(size_t entries, double sign, std::span<uint32_t> row, std::span<uint32_t> col,
                     std::span<double> value) {
  size_t next = entries;
  for (size_t k = 0; k < entries; k++) {
    if (row[k] == col[k]) continue;
    row[next] = col[k];
    col[next] = row[k];
    value[next] = sign * value[k];
    next++;
  }
  return next;
}

void market_unpack(std::span<const double> packed, size_t n, bool skew, std::span<double> out) {
  size_t k = 0;
  for (size_t j = 0; j < n; j++) {
    if (skew) out[j * n + j] = 0;
    for (size_t i = j + skew; i < n; i++, k++) {
      out[i * n + j] = packed[k];
      out[j * n + i] = skew ? -packed[k] : packed[k];
    }
  }
}

}  // namespace lapidary
