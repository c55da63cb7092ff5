#include "binding/args.h"
#include "binding/domains.h"
#include "io/matrix_market.h"
#include "io/reorder.h"

namespace lapidary {
namespace {

constexpr size_t kFields = 3;

// (text) → entries
void MarketCount(Args& args) {
  size_t entries = 0;
  args.done(market_count(args.in<uint8_t>(0, args.length(0)), &entries, args.context()));
  args.done(static_cast<double>(entries));
}

void report(const MarketProblem& problem, std::span<double> out) {
  out[0] = static_cast<double>(problem.fault);
  out[1] = static_cast<double>(problem.offset);
}

// (text, rows, cols, field, skew, row, col, value, problem): problem takes the fault and the offset of its line.
void MarketCoordinates(Args& args) {
  const auto text = args.in<uint8_t>(0, args.length(0));
  const MarketShape shape = {args.size(1), args.size(2), args.code<MarketField>(3, kFields), args.boolean(4)};
  const auto row = args.out<uint32_t>(5, args.length(5));
  const auto col = args.out<uint32_t>(6, row.size());
  const auto value = args.out<double>(7, row.size());
  const auto out = args.out<double>(8, 2);
  MarketProblem problem;
  args.done(market_coordinates(text, shape, row, col, value, &problem, args.context()));
  report(problem, out);
}

// (text, field, value, problem)
void MarketArray(Args& args) {
  const auto text = args.in<uint8_t>(0, args.length(0));
  const auto field = args.code<MarketField>(1, kFields);
  const auto value = args.out<double>(2, args.length(2));
  const auto out = args.out<double>(3, 2);
  MarketProblem problem;
  args.done(market_array(text, field, value, &problem, args.context()));
  report(problem, out);
}

// (entries, sign, row, col, value) → entries with their mirror images
void MarketMirror(Args& args) {
  const size_t entries = args.size(0), room = args.product(entries, 2);
  const auto row = args.out<uint32_t>(2, room);
  const auto col = args.out<uint32_t>(3, room);
  const auto value = args.out<double>(4, room);
  args.done(static_cast<double>(market_mirror(entries, args.number(1), row, col, value)));
}

// (packed, n, skew, out)
void MarketUnpack(Args& args) {
  const size_t n = args.size(1), square = args.product(n, n);
  const bool skew = args.boolean(2);
  const auto packed = args.in<double>(0, skew ? (square - n) / 2 : (square + n) / 2);
  market_unpack(packed, n, skew, args.out<double>(3, square));
}

// (in, rows, cols, width, out): bytes
void ToRowMajor(Args& args) {
  const size_t rows = args.size(1), cols = args.size(2), width = args.size(3);
  if (width != 1 && width != 2 && width != 4 && width != 8) args.refuse(3, "ERR_RANGE", "1, 2, 4 or 8");
  const auto in = args.in<uint8_t>(0, args.product(args.product(rows, cols), width));
  args.done(to_row_major(in, rows, cols, width, args.out<uint8_t>(4, in.size()), args.context()));
}

// (in, signed, out) → position of the first that is no double
void IntegersToDoubles(Args& args) {
  const auto in = args.in<uint64_t>(0, args.length(0));
  args.done(static_cast<double>(integers_to_doubles(in, args.boolean(1), args.out<double>(2, in.size()))));
}

constexpr Method kMethods[] = {
    {"marketCount", MarketCount},
    {"marketCoordinates", MarketCoordinates},
    {"marketArray", MarketArray},
    {"marketMirror", MarketMirror},
    {"marketUnpack", MarketUnpack},
    {"toRowMajor", ToRowMajor},
    {"integersToDoubles", IntegersToDoubles},
};

}  // namespace

void add_io(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "io", kMethods); }

}  // namespace lapidary
