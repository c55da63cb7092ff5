import { where } from '../core/validate.js';
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
  const type = Float32Array;
  const { rows: tokens, cols: channels, data } = at.dense('x', x, [type]);
  const decay = at.dense('a', a, [type]);
  const states = decay.cols;
  if (decay.rows !== channels) at.fail('ERR_SHAPE', 'a', `${channels} rows`, `${decay.rows}`);
  const steps = shaped(at, 'delta', delta, type, tokens, channels);
  const into = shaped(at, 'b', b, type, tokens, states);
  const from = shaped(at, 'c', c, type, tokens, states);
  const opts = at.options(options, ['skip', 'state', 'reverse', 'lengths', 'out']);
  const skip = opts.skip === undefined ? undefined : at.array('options.skip', opts.skip, [type], channels);
  const reverse = at.boolean('options.reverse', opts.reverse ?? false);
  const lengths = sequenceLengths(at, opts.lengths, tokens);
  const held = at.size('state', lengths.length, channels);
  const before = shapedIf(at, 'options.state', opts.state, type, held, states);
  const out = at.outDense('options.out', opts.out, type, tokens, channels);
  const state = fresh(at, type, held, states) as Dense<Float32Array>;
  // prettier-ignore
  native.selectiveScan(
    data, steps, decay.data, into, from, skip, before, out.data, state.data, lengths, tokens, channels, states, reverse,
  );
  return { out, state };
}
