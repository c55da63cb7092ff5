// The table of gemm/tuning.h, for lib/core/tuning.ts. Cells cross as pairs of values: dots, flat.
#include "gemm/tuning.h"

#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {
namespace {

constexpr size_t kCells = kTunedOperations * kTunedCells;

// The names of the operations, in the order of the cells.
void TuningNames(Args& args) {
  const Napi::Env env(args.env());
  Napi::Array names = Napi::Array::New(env);
  for (size_t i = 0; i < kTunedOperations; i++) names.Set(static_cast<uint32_t>(i), kTunedNames[i]);
  args.done(static_cast<napi_value>(names));
}

// (out)
void ReadTuning(Args& args) {
  const auto out = args.out<uint16_t>(0, 2 * kCells);
  Crossover cells[kCells];
  read_tuning(cells);
  for (size_t i = 0; i < kCells; i++) {
    out[2 * i] = cells[i].dots;
    out[2 * i + 1] = cells[i].flat;
  }
}

// (values, or null for the defaults)
void SetTuning(Args& args) {
  if (args.absent(0)) return set_tuning(nullptr);
  const auto values = args.in<uint16_t>(0, 2 * kCells);
  Crossover cells[kCells];
  for (size_t i = 0; i < kCells; i++) {
    cells[i] = {values[2 * i], values[2 * i + 1]};
    if ((cells[i].dots > kMostFew && cells[i].dots != kAnyCount) || cells[i].flat > kMostFew)
      args.refuse(0, "ERR_RANGE", "counts of at most 256");
  }
  set_tuning(cells);
}

void ClaimTuning(Args& args) { args.done(claim_tuning() ? 1.0 : 0.0); }

constexpr Method kMethods[] = {
    {"tuningNames", TuningNames}, {"readTuning", ReadTuning}, {"setTuning", SetTuning}, {"claimTuning", ClaimTuning}};

}  // namespace

void add_tuning(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "core", kMethods); }

}  // namespace lapidary
