import { where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './scan-native.js';
import { fresh, sequenceLengths, shaped, shapedIf } from './sequences.js';

/** Options of {@link selectiveScan}. */
export interface SelectiveScanOptions {
  /** one for each channel, D: adds `D[d]·x_t[d]` to the output; default none */
  skip?: Float32Array;
  /** (sequences · channels) × states, h before the first token of each sequence; default zeros */
  state?: Dense<Float32Array>;
  /** run from the last token to the first */
  reverse?: boolean;
  /** lengths of the sequences that lie one after another; default: all tokens are one */
  lengths?: Uint32Array;
  /** takes the result */
  out?: Dense<Float32Array>;
}

/**
 * Mamba's selective scan: `h_t[d,s] = exp(Δ_t[d]·A[d,s])·h_{t−1}[d,s] + Δ_t[d]·B_t[s]·x_t[d]`,
 * `y_t[d] = Σ_s C_t[s]·h_t[d,s] + D[d]·x_t[d]`.
 *
 * A {@link linearScan} of channels · states columns whose coefficients are made where they are used, so that no array of that
 * size ever exists: memory is the result and the states. `delta` is positive (after its softplus) and A negative.
 * Bound by the exponentials, one a token, channel and state. A stream cut anywhere and continued from `state` has the bits of
 * the whole; so has any number of threads, which share out channels and sequences.
 *
 * @param x tokens × channels, f32
 * @param delta tokens × channels: Δ
 * @param a channels × states: A
 * @param b tokens × states: B_t
 * @param c tokens × states: C_t
 * @returns `out`: tokens × channels; `state`: (sequences · channels) × states
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Gu & Dao, Mamba: Linear-Time Sequence Modeling with Selective State Spaces (2023), algorithm 2 and section 3.3.2
 * @example
 * const one = dense(2, 1, Float32Array.of(1, 1));
 * selectiveScan(one, one, dense(1, 1, Float32Array.of(-Math.log(2))), one, one).out.data // 1, 1.5
 */
export function selectiveScan(
  x: Dense<Float32Array>,
  delta: Dense<Float32Array>,
  a: Dense<Float32Array>,
  b: Dense<Float32Array>,
  c: Dense<Float32Array>,
  options?: SelectiveScanOptions,
): { out: Dense<Float32Array>; state: Dense<Float32Array> } {
  const at = where('selectiveScan');
  const opts = at.options(options, ['skip', 'state', 'reverse', 'lengths', 'out']);
  const { tokens, channels, states, held, lengths, ...given } = inputs(at, x, delta, a, b, c, opts);
  const out = at.outDense('options.out', opts.out, Float32Array, tokens, channels);
  const state = fresh(at, Float32Array, held, states) as Dense<Float32Array>;
  // prettier-ignore
  native.selectiveScan(
    given.x, given.delta, given.a, given.b, given.c, given.skip, given.before, out.data, state.data, lengths, tokens, channels,
    states, given.reverse,
  );
  return { out, state };
}

/** Options of {@link selectiveScanBackward}: those of the forward call, and the gradient of its last states. */
export interface SelectiveScanBackwardOptions extends Omit<SelectiveScanOptions, 'out'> {
  /** (sequences · channels) × states: ∂L/∂state of the result; default zeros */
  dstate?: Dense<Float32Array>;
}

/** The result of {@link selectiveScanBackward}. */
export interface SelectiveScanGradient {
  /** tokens × channels */
  dx: Dense<Float32Array>;
  ddelta: Dense<Float32Array>;
  /** channels × states, summed over the sequences */
  da: Dense<Float32Array>;
  /** tokens × states, summed over the channels */
  db: Dense<Float32Array>;
  dc: Dense<Float32Array>;
  /** one for each channel; without `skip`, as if it had been zeros */
  dskip: Float32Array;
  /** (sequences · channels) × states: the gradient of the state before the first token */
  dstate: Dense<Float32Array>;
}

/**
 * Gradient of {@link selectiveScan}: with `e_t = exp(Δ_t·A)` and `G_t = C_t·∂L/∂y_t + e_{t+1}·G_{t+1}`,
 * `dx_t = D·∂L/∂y_t + Δ_t·Σ_s G_t·B_t`, `dΔ_t = Σ_s G_t·(A·e_t·h_{t−1} + B_t·x_t)`, `dA = Σ_t G_t·Δ_t·e_t·h_{t−1}`,
 * `dB_t = Σ_d G_t·Δ_t·x_t`, `dC_t = Σ_d h_t·∂L/∂y_t`, `dD = Σ_t x_t·∂L/∂y_t` and `dstate = e_1·G_1`.
 *
 * Takes the inputs of the forward call and none of its results: states are computed again from one that is kept every few
 * tokens, two exponentials a token, channel and state. The same bits for any number of threads. Training in chunks: forwards
 * chunk by chunk, then backwards, each call given the `state` before its chunk and the `dstate` of the chunk behind it; da
 * and dskip of the chunks are added up.
 *
 * @param dout tokens × channels, f32: ∂L/∂out
 * @param x tokens × channels, as all that follows given to selectiveScan
 * @param delta tokens × channels
 * @param a channels × states
 * @param b tokens × states
 * @param c tokens × states
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Gu & Dao (2023), section 3.3.2: states are computed again, not stored
 * @example
 * const one = dense(2, 1, Float32Array.of(1, 1));
 * const a = dense(1, 1, Float32Array.of(-Math.log(2)));
 * selectiveScanBackward(one, one, one, a, one, one).dx.data // 1.5, 1
 */
export function selectiveScanBackward(
  dout: Dense<Float32Array>,
  x: Dense<Float32Array>,
  delta: Dense<Float32Array>,
  a: Dense<Float32Array>,
  b: Dense<Float32Array>,
  c: Dense<Float32Array>,
  options?: SelectiveScanBackwardOptions,
): SelectiveScanGradient {
  const at = where('selectiveScanBackward');
  const opts = at.options(options, ['skip', 'state', 'dstate', 'reverse', 'lengths']);
  const { tokens, channels, states, held, lengths, ...given } = inputs(at, x, delta, a, b, c, opts);
  const upstream = shaped(at, 'dout', dout, Float32Array, tokens, channels);
  const dafter = shapedIf(at, 'options.dstate', opts.dstate, Float32Array, held, states);
  const zeros = (rows: number, cols: number) => fresh(at, Float32Array, rows, cols) as Dense<Float32Array>;
  const [dx, ddelta, da] = [zeros(tokens, channels), zeros(tokens, channels), zeros(channels, states)];
  const [db, dc, dstate] = [zeros(tokens, states), zeros(tokens, states), zeros(held, states)];
  const dskip = at.allocate<Float32Array>(Float32Array, channels);
  // prettier-ignore
  native.selectiveScanBackward(
    given.x, given.delta, given.a, given.b, given.c, given.skip, given.before, upstream, dafter, dx.data, ddelta.data, da.data,
    db.data, dc.data, dskip, dstate.data, lengths, tokens, channels, states, given.reverse,
  );
  return { dx, ddelta, da, db, dc, dskip, dstate };
}

/** What both calls are given. */
function inputs(
  at: Where,
  x: Dense<Float32Array>,
  delta: Dense<Float32Array>,
  a: Dense<Float32Array>,
  b: Dense<Float32Array>,
  c: Dense<Float32Array>,
  options: Omit<SelectiveScanOptions, 'out'>,
) {
  const type = Float32Array;
  const { rows: tokens, cols: channels, data } = at.dense('x', x, [type]);
  const decay = at.dense('a', a, [type]);
  const states = decay.cols;
  if (decay.rows !== channels) at.fail('ERR_SHAPE', 'a', `${channels} rows`, `${decay.rows}`);
  const lengths = sequenceLengths(at, options.lengths, tokens);
  const held = at.size('state', lengths.length, channels);
  return {
    tokens,
    channels,
    states,
    held,
    lengths,
    x: data,
    delta: shaped(at, 'delta', delta, type, tokens, channels),
    a: decay.data,
    b: shaped(at, 'b', b, type, tokens, states),
    c: shaped(at, 'c', c, type, tokens, states),
    skip: options.skip === undefined ? undefined : at.array('options.skip', options.skip, [type], channels),
    before: shapedIf(at, 'options.state', options.state, type, held, states),
    reverse: at.boolean('options.reverse', options.reverse ?? false),
  };
}
