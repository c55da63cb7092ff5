import { describe, where } from '../core/validate.js';
import { dense, type Dense } from '../core/values.js';
import { groupsOf, rowBytes, type Quantized } from '../quant/quantized.js';
import { native } from './native.js';
import { percentileSmoothing } from './percentile-smoothing.js';

/** Options of {@link dgq}. */
export interface DgqOptions {
  /** columns that share a scale: a multiple of 16, or `'row'`; default 128 */
  groupSize?: number | 'row';
  /** divide the channels of x that stand out by what {@link percentileSmoothing} says; default false */
  smooth?: boolean;
}

/** What {@link dgq} gives: weights of format `dgq`, and what came of it. */
export interface DgqResult extends Quantized {
  /** `(2/n)·‖x·(w − ŵ)ᵀ‖²` over the n rows of the calibration: what {@link gptq} calls so */
  loss: number;
  /** with `smooth`: the weights are for inputs whose columns were divided by these */
  smoothing?: Float32Array;
}

/**
 * Dual-grained quantisation: 4-bit weights whose group scales are whole numbers over one f32 scale a row, chosen for the least
 * error of the outputs on calibration inputs. `scale · (code − zero)` fits a signed byte, so that products stay in int8.
 *
 * For each group 20 shares of its range are tried, 1.009 down to 0.8, each with its own zero point, for the least error of the group's
 * part of the outputs; then for each row 80 scales, 1.00975 down to 0.2 of max|w|/127, with group scales rounded to whole numbers of it
 * and codes clamped to fit a byte, for the least error of the outputs. Ranges include 0, so that the zero point is a code.
 *
 * The same bits for any number of threads. 40 · rows · cols · groupSize + 160 · rows · cols · min(n, cols) operations in f32: some
 * hundred inputs are enough, and a thousand cost ten times more.
 *
 * Deviations from the authors' code: the nearest code is found with ties to even; of equal errors the larger scale is kept.
 *
 * @param w out × in, f32, finite
 * @param x calibration: n × in, f32, finite, at least one row of a layer's inputs
 * @throws LapidaryError ERR_SHAPE, ERR_RANGE for NaN, ±∞ and sizes, ERR_DTYPE, ERR_OPTION, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Zhang et al., Dual Grained Quantization: Efficient Fine-Grained Quantization for LLM (2023), sections 3.2 and 3.3; the
 * shares: the authors' code
 * @example
 * const row = (f) => dense(1, 16, Float32Array.from({ length: 16 }, (_, k) => f(k)));
 * const q = compress.dgq(row(Math.sin), row(Math.cos));
 * [q.format, q.loss < 0.01] // 'dgq', true
 */
export function dgq(w: Dense<Float32Array>, x: Dense<Float32Array>, options?: DgqOptions): DgqResult {
  const at = where('dgq');
  const matrix = at.dense('w', w, [Float32Array]);
  const { rows, cols, data } = matrix;
  const calibration = at.dense('x', x, [Float32Array]);
  if (calibration.cols !== cols) at.fail('ERR_SHAPE', 'x', `${cols} columns, as w has`, String(calibration.cols));
  if (calibration.rows === 0) at.fail('ERR_SHAPE', 'x', 'at least one row', `0 × ${cols}`);
  const given = at.options(options, ['groupSize', 'smooth']);
  const smooth = given.smooth !== undefined && at.boolean('options.smooth', given.smooth);
  let groupSize = Math.max(1, cols);
  if (given.groupSize !== 'row') {
    if (typeof given.groupSize === 'string')
      at.fail('ERR_OPTION', 'options.groupSize', "a multiple of 16 or 'row'", describe(given.groupSize));
    groupSize = at.integer('options.groupSize', given.groupSize ?? 128, { min: 16, max: 2 ** 31 });
    if (groupSize % 16 !== 0) at.fail('ERR_RANGE', 'options.groupSize', 'a multiple of 16', String(groupSize));
  }
  if (!data.every(Number.isFinite)) at.fail('ERR_RANGE', 'w', 'finite numbers', 'one that is not finite');
  if (!calibration.data.every(Number.isFinite)) at.fail('ERR_RANGE', 'x', 'finite numbers', 'one that is not finite');

  const smoothing = smooth ? percentileSmoothing(calibration) : undefined;
  const times = (from: Dense<Float32Array>, factor: (j: number) => number) =>
    dense(
      from.rows,
      cols,
      from.data.map((v, k) => v * factor(k % cols)),
    );
  const weights = smoothing ? times(matrix, (j) => smoothing[j]!) : matrix;
  const inputs = smoothing ? times(calibration, (j) => 1 / smoothing[j]!) : calibration;
  if (!weights.data.every(Number.isFinite)) at.fail('ERR_RANGE', 'w', 'finite numbers after smoothing', 'others');
  const groups = at.size('rows × groups', rows, groupsOf({ cols, groupSize }));
  const result: DgqResult = {
    layout: 1,
    format: 'dgq',
    rows,
    cols,
    groupSize,
    bits: 4,
    codes: at.allocate(Uint8Array, at.size('codes', rows, rowBytes(cols, 4))),
    scales: at.allocate(Uint8Array, groups),
    zeros: at.allocate(Uint8Array, groups),
    rowScales: at.allocate(Float32Array, rows),
    loss: 0,
    ...(smoothing && { smoothing }),
  };
  const loss = new Float64Array(1);
  native.dgq(
    weights.data,
    inputs.data,
    result.codes,
    result.scales as Uint8Array,
    result.zeros!,
    result.rowScales!,
    loss,
    rows,
    cols,
    groupSize,
    inputs.rows,
  );
  return { ...result, loss: loss[0]! };
}
