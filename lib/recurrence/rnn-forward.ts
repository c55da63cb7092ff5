import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';
import { checkNetwork, networkOptions, type RnnNetwork } from './rnn.js';

/** Options of {@link rnnForward}. */
export interface RnnForwardOptions<A extends Real = Float32Array> extends RnnNetwork<A> {
  /** keep what {@link rnnBackward} needs; default false */
  save?: boolean;
  /** tokens × heads·d, takes h; shares no memory with anything else */
  out?: Dense<A>;
}

/** What {@link rnnForward} gives. */
export interface RnnForwardResult<A extends Real = Float32Array> {
  /** tokens × heads·d: the output of every step */
  h: Dense<A>;
  /** batch × states·heads·d: the state after each sequence, to go on with */
  state: Dense<A>;
  /** gates and states of every step, for {@link rnnBackward}; undefined unless `save` */
  saved: Dense<A> | undefined;
}

const options = [...networkOptions, 'save', 'out'] as const;

/**
 * A recurrent network over whole sequences: Elman, GRU, LSTM or sLSTM cells, in heads whose recurrent weights R do not mix.
 * With `g = W·x_t + b + R·h₋ + b′` for each gate:
 *
 * - elman: `h = tanh(g)`
 * - gru (gates r, u, n; r after the product, as in cuDNN and PyTorch): `r = σ(g_r)`, `u = σ(g_u)`,
 *   `n = tanh(W_n·x + b_n + r ⊙ (R_n·h₋ + b′_n))`, `h = u ⊙ h₋ + (1 − u) ⊙ n`
 * - lstm (gates i, f, z, o; states h, c): `c = σ(f) ⊙ c₋ + σ(i) ⊙ tanh(z)`, `h = σ(o) ⊙ tanh(c)`
 * - slstm (gates i, f, z, o; states h, c, n, m): `m = max(i, log σ(f) + m₋)`, `i′ = e^(i−m)`, `f′ = e^(log σ(f)+m₋−m)`,
 *   `c = f′ ⊙ c₋ + i′ ⊙ tanh(z)`, `n = max(f′ ⊙ n₋ + i′, 1)`, `h = σ(o) ⊙ c / n`; where n₋ = 0 (the zero state) m₋ counts as
 *   −∞
 *
 * Rows of `x` are tokens; sequences stand one after the other (`lengths`). Columns of gates, states and h are ordered
 * [gate or state][head][unit]. With one head, `w`, `r`, `bias` and `recurrentBias` are PyTorch's `weight_ih`, `weight_hh`,
 * `bias_ih` and `bias_hh`, gates in the same order. `state` may be the result of the call before: a sequence in several calls
 * gives the same bits as in one, for any number of threads.
 *
 * f32, or f64 for reference (exact functions, no vector instructions). Time 2·tokens·gates·hidden·(input + d) operations;
 * memory: a copy of R and W in panels, and at most 96 projected tokens for each 32 sequences.
 *
 * @param x tokens × input with `w`, else tokens × gates·heads·d
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_RANGE, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel, Beck & Hochreiter, FlashRNN: I/O-Aware Optimization of Traditional RNNs on modern hardware (2024):
 * cells and fused loop; sLSTM: Beck et al., xLSTM: Extended Long Short-Term Memory (2024), equations 8 to 17. Deviation: m is reset
 * where n₋ = 0 unit by unit, not when all of n is 0.
 * @example
 * const r = dense(1, 1, Float32Array.of(0.5));
 * const { h, state } = rnnForward(dense(2, 1, Float32Array.of(1, 0)), { cell: 'elman', r });
 * [...h.data, ...state.data] // [Math.tanh(1), Math.tanh(Math.tanh(1) / 2), Math.tanh(Math.tanh(1) / 2)]
 */
export function rnnForward<A extends Real>(x: Dense<A>, given: RnnForwardOptions<A>): RnnForwardResult<A> {
  const at = where('rnnForward');
  const opts = at.options(given, options);
  const net = checkNetwork(at, x, opts);
  const save = at.boolean('options.save', opts.save ?? false);
  const h = at.outDense('options.out', opts.out, net.type, net.tokens, net.hidden);
  const matrix = (rows: number, cols: number): Dense<A> => {
    return { rows, cols, data: at.allocate(net.type, at.size('rows × cols', rows, cols)) };
  };
  const state = matrix(net.batch, net.states);
  const saved = save ? matrix(net.tokens, net.saved) : undefined;
  native.rnnForward(
    net.code,
    net.heads,
    net.d,
    net.input,
    net.w === undefined,
    net.lengths,
    net.tokens,
    net.x.data,
    net.w?.data,
    net.r.data,
    net.bias,
    net.recurrentBias,
    net.state?.data,
    h.data,
    state.data,
    saved?.data,
  );
  return { h, state, saved };
}
