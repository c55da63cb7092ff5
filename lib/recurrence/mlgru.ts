import { checkApart } from '../core/apart.js';
import { where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { linearScan } from './linear-scan.js';
import { native } from './native.js';
import { fresh, sequenceLengths, shaped, shapedIf } from './sequences.js';

/** Options of {@link mlgru}. */
export interface MlgruOptions {
  /** one a channel, from 0 to 1: forget gates stay above it; default 0. {@link mlgruLowerBounds} makes those of all layers */
  lowerBound?: Float32Array;
  /** sequences × channels, h before the first token of each sequence; default zeros */
  state?: Dense<Float32Array>;
  /** lengths of the sequences that lie one after another; default: all tokens are one */
  lengths?: Uint32Array;
  /** takes h; shares no memory with the operands */
  out?: Dense<Float32Array>;
}

/** The result of {@link mlgru}. */
export interface MlgruResult {
  /** tokens × channels: h_t */
  out: Dense<Float32Array>;
  /** sequences × channels: h after the last token of each sequence, the `state` of a call that goes on from here */
  state: Dense<Float32Array>;
}

/**
 * The recurrence of the MatMul-free gated unit: `f_t = lb + (1 − lb)·σ(forget_t)`,
 * `h_t = f_t ⊙ h_{t−1} + (1 − f_t) ⊙ input_t·σ(input_t)`.
 *
 * `forget` and `input` are what the layers of that name give before their activations; {@link matmulFreeBlock} has the
 * whole layer. 1 − f is computed as (1 − lb)·σ(−forget), so a gate that is open or closed to the last bit loses nothing.
 * All tokens at once, one at a time, or cut anywhere and continued from `state`: the same bits, for any number of
 * threads. f32; O(tokens · channels) time, one temporary of that size.
 *
 * @param forget tokens × channels, f32
 * @param input tokens × channels
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_RANGE, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Zhu et al., Scalable MatMul-free Language Modeling (2024), section 3.3.1; Qin, Yang & Zhong, Hierarchically Gated
 *   Recurrent Neural Network for Sequence Modeling (2023), equation 5, the lower bound. No parallel prefix over time: see
 *   {@link linearScan}.
 * @example
 * const shut = dense(2, 1, Float32Array.of(-200, -200));
 * mlgru(shut, dense(2, 1, Float32Array.of(0, 1))).out.data // 0, 0.7310585975646973
 */
export function mlgru(forget: Dense<Float32Array>, input: Dense<Float32Array>, options?: MlgruOptions): MlgruResult {
  const at = where('mlgru');
  const { rows, cols, data } = at.dense('forget', forget, [Float32Array]);
  const inputs = shaped(at, 'input', input, Float32Array, rows, cols) as Float32Array;
  const opts = at.options(options, ['lowerBound', 'state', 'lengths', 'out']);
  const bound = opts.lowerBound === undefined ? undefined : boundsOf(at, opts.lowerBound, cols);
  const lengths = sequenceLengths(at, opts.lengths, rows);
  shapedIf(at, 'options.state', opts.state, Float32Array, lengths.length, cols);
  const out = at.outDense('options.out', opts.out, Float32Array, rows, cols);
  checkApart(at, out.data, [data, inputs, bound, opts.state?.data, opts.lengths]);
  const gates = fresh(at, Float32Array, rows, cols) as Dense<Float32Array>;
  native.mlgruGates(data, inputs, bound, gates.data, out.data, rows, cols);
  return linearScan(gates, out, { lengths, out, ...(opts.state && { state: opts.state }) });
}

/** Lower bounds of so many channels. */
export function boundsOf(at: Where, value: unknown, channels: number): Float32Array {
  const bounds = at.array('options.lowerBound', value, [Float32Array], channels);
  const wrong = bounds.find((bound) => !(bound >= 0 && bound <= 1));
  if (wrong !== undefined) at.fail('ERR_RANGE', 'options.lowerBound', 'numbers from 0 to 1', String(wrong));
  return bounds;
}

/**
 * Lower bounds of the forget gates of all layers: the softmax of each channel over the layers, summed up from the second
 * layer on, so that the first has 0 and deeper layers remember longer.
 *
 * @param weights layers × channels, what training learned
 * @returns layers × channels, from 0 to 1, ascending with the layer; a row is the `lowerBound` of that layer
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE
 * @source Qin, Yang & Zhong, Hierarchically Gated Recurrent Neural Network for Sequence Modeling (2023), equations 6 and 7
 * @example mlgruLowerBounds(dense(2, 1, Float32Array.of(0, 0))).data // 0, 0.5
 */
export function mlgruLowerBounds(weights: Dense<Float32Array>): Dense<Float32Array> {
  const at = where('mlgruLowerBounds');
  const { rows, cols, data } = at.dense('weights', weights, [Float32Array]);
  const out = at.outDense('the result', undefined, Float32Array, rows, cols);
  for (let j = 0; j < cols; j++) {
    let max = -Infinity;
    for (let l = 0; l < rows; l++) max = Math.max(max, data[l * cols + j]!);
    const shares = Array.from({ length: rows }, (_, l) => Math.exp(data[l * cols + j]! - max));
    const total = shares.reduce((a, b) => a + b, 0);
    let sum = 0;
    for (let l = 1; l < rows; l++) out.data[l * cols + j] = (sum += shares[l]!) / total;
  }
  return out;
}
