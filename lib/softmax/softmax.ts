import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

const algorithms = ['auto', 'two-pass', 'three-pass'] as const;

/** Options of {@link softmax}. */
export interface SoftmaxOptions {
  /** takes the result; may be `x` itself */
  out?: Dense<Float32Array>;
  /** `auto` (the default) chooses by the size of a row */
  algorithm?: (typeof algorithms)[number];
}

/**
 * Softmax of each row: `y[i,j] = exp(x[i,j]) / Σ_k exp(x[i,k])`, for any finite x: nothing overflows.
 *
 * −∞ masks an entry (it gives 0; a row of −∞ gives zeros); a row that holds NaN or +∞ gives NaN throughout. Within 3 ulp
 * of the exact value where that is a normal f32 number, within 2 of the smallest denormal below. A row's bits depend
 * neither on the other rows nor on the number of threads.
 *
 * The two-pass algorithm reads `x` twice and writes once, for rows that stream through memory. The three-pass one, which
 * keeps the exponentials in the output and scales them there, computes half as many and wins in cache. `auto` takes
 * two passes once a row and its result fill a third of the last-level cache.
 *
 * O(rows · cols) time, no memory but the result.
 *
 * @param x rows × cols, f32
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS if `out` overlaps `x` without being it
 * @source Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), algorithms 2 and 3. Deviations: a polynomial of degree 6
 * in place of 5, sums in f64 and a reciprocal in two parts, for the 3 ulp; the three-pass variant subtracts the maximum as
 * a power of two, after the argument reduction, so that it is as accurate.
 * @example softmax(dense(1, 3, Float32Array.of(0, Math.log(2), -Infinity))).data // 1/3, 2/3, 0
 */
export function softmax(x: Dense<Float32Array>, options?: SoftmaxOptions): Dense<Float32Array> {
  const at = where('softmax');
  const { rows, cols, data } = at.dense('x', x, [Float32Array]);
  const { out: given, algorithm = 'auto' } = at.options(options, ['out', 'algorithm']);
  const code = at.oneOf('options.algorithm', algorithm, algorithms);
  const out = at.outDense('options.out', given, Float32Array, rows, cols);
  native.softmaxRows(data, out.data, rows, cols, code);
  return out;
}
