#include <cmath>
#include <vector>

#include "binding/args.h"
#include "binding/domains.h"
#include "recurrence/gates.h"
#include "recurrence/rnn.h"

namespace lapidary {
namespace {

// What both functions begin with: (cell, heads, d, input, projected, lengths, tokens, …). The lengths are copied:
// another thread may write to them meanwhile.
struct Sequences {
  RnnShape shape;
  std::vector<uint32_t> lengths;
  size_t tokens, hidden, gates, states;

  explicit Sequences(Args& args) {
    const auto cell = args.code<RnnCell>(0, kRnnCells);
    const size_t heads = args.size(1), d = args.size(2), input = args.size(3);
    const bool projected = args.boolean(4);
    const auto given = args.in<uint32_t>(5, args.length(5));
    lengths.assign(given.begin(), given.end());
    tokens = args.size(6);
    size_t left = tokens;
    for (const uint32_t length : lengths) {
      if (length > left) args.refuse(5, "ERR_SHAPE", "lengths whose sum is the number of tokens");
      left -= length;
    }
    if (left != 0) args.refuse(5, "ERR_SHAPE", "lengths whose sum is the number of tokens");
    if (heads == 0 || d == 0) args.refuse(1, "ERR_RANGE", "at least one head of at least one unit");
    hidden = args.product(heads, d);
    gates = args.product(rnn_gates(cell), hidden);
    states = rnn_states(cell) * hidden;
    shape = {cell, heads, d, lengths, projected, input};
  }
};

template <class T>
const T* optional(Args& args, int i, size_t length) {
  return args.absent(i) ? nullptr : args.in<T>(i, length).data();
}

// (cell, heads, d, input, projected, lengths, tokens, x, w?, r, bias?, hiddenBias?, state?, h, stateOut, saved?)
template <class T>
void ForwardOf(Args& args) {
  const Sequences s(args);
  const size_t states = args.product(s.lengths.size(), s.states),
               saved = args.product(rnn_saved(s.shape.cell), s.hidden);
  RnnForward<T> run{};
  run.x = args.in<T>(7, args.product(s.tokens, s.shape.projected ? s.gates : s.shape.input)).data();
  if (!s.shape.projected) run.w = args.in<T>(8, args.product(s.gates, s.shape.input)).data();
  run.r = args.in<T>(9, args.product(s.gates, s.shape.d)).data();
  run.bias = optional<T>(args, 10, s.gates);
  run.hidden_bias = optional<T>(args, 11, s.gates);
  run.state = optional<T>(args, 12, states);
  run.h = args.out<T>(13, args.product(s.tokens, s.hidden)).data();
  run.state_out = args.out<T>(14, states).data();
  if (!args.absent(15)) run.saved = args.out<T>(15, args.product(s.tokens, saved)).data();
  args.done(rnn_forward<T>(s.shape, run, args.context()));
}

// (cell, heads, d, input, projected, lengths, tokens, r, state?, h, saved, dh, dstate?, clip, dx, dr, dbias,
// dhiddenBias, dstateOut)
template <class T>
void BackwardOf(Args& args) {
  const Sequences s(args);
  const size_t states = args.product(s.lengths.size(), s.states),
               saved = args.product(rnn_saved(s.shape.cell), s.hidden);
  RnnBackward<T> run{};
  run.r = args.in<T>(7, args.product(s.gates, s.shape.d)).data();
  run.state = optional<T>(args, 8, states);
  run.h = args.in<T>(9, args.product(s.tokens, s.hidden)).data();
  run.saved = args.in<T>(10, args.product(s.tokens, saved)).data();
  run.dh = args.in<T>(11, args.product(s.tokens, s.hidden)).data();
  run.dstate = optional<T>(args, 12, states);
  run.clip = static_cast<T>(args.number(13));
  if (!(run.clip >= 0)) args.refuse(13, "ERR_RANGE", "a number from 0 to infinity");
  run.dx = args.out<T>(14, args.product(s.tokens, s.gates)).data();
  run.dr = args.out<T>(15, args.product(s.gates, s.shape.d)).data();
  run.dbias = args.out<T>(16, s.gates).data();
  run.dhidden_bias = args.out<T>(17, s.gates).data();
  run.dstate_out = args.out<T>(18, states).data();
  args.done(rnn_backward<T>(s.shape, run, args.context()));
}

// (f, x, lowerBound?, a, b, tokens, channels)
void MlgruGates(Args& args) {
  const size_t tokens = args.size(5), channels = args.size(6), all = args.product(tokens, channels);
  const float* f = args.in<float>(0, all).data();
  const float* x = args.in<float>(1, all).data();
  const float* bound = optional<float>(args, 2, channels);
  float* a = args.out<float>(3, all).data();
  float* b = args.out<float>(4, all).data();
  args.done(mlgru_gates(f, x, bound, a, b, tokens, channels, args.context()));
}

// Rows in argument i that begin at column args[i + 1] of args[i + 2] columns.
GateRows gate_rows(Args& args, int i, size_t tokens, size_t channels) {
  const size_t first = args.size(i + 1), cols = args.size(i + 2);
  if (first > cols || cols - first < channels) args.refuse(i + 2, "ERR_SHAPE", "columns for all channels");
  return {args.in<float>(i, args.product(tokens, cols)).data() + first, cols};
}

// (x, first, cols, gate?, first, cols, gain?, normalise, epsilon, out, tokens, channels)
void GatedNormRows(Args& args) {
  const size_t tokens = args.size(10), channels = args.size(11);
  const GateRows x = gate_rows(args, 0, tokens, channels);
  const GateRows gate = args.absent(3) ? GateRows{nullptr, 0} : gate_rows(args, 3, tokens, channels);
  const float* gain = optional<float>(args, 6, channels);
  float* out = args.out<float>(9, args.product(tokens, channels)).data();
  args.done(gated_norm({x, args.boolean(7), args.number(8), gain, gate, out, tokens, channels}, args.context()));
}

constexpr Method kMethods[] = {{"rnnForward", of_type<ForwardOf<float>, ForwardOf<double>, 13>},
                               {"rnnBackward", of_type<BackwardOf<float>, BackwardOf<double>, 11>},
                               {"mlgruGates", MlgruGates, "mlgru"},
                               {"gatedNorm", GatedNormRows}};

}  // namespace

void add_recurrence(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "recurrence", kMethods); }

}  // namespace lapidary
