import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

const algorithms = ['auto', 'two-pass', 'three-pass-recompute', 'three-pass-reload', 'online'] as const;

/** Options of {@link softmax}. */
export interface SoftmaxOptions<A extends Real = Float32Array> {
  /** 1 (the default): each row sums to one; 0: each column */
  axis?: 0 | 1;
  /** takes the result; may be `x` itself */
  out?: Dense<A>;
  /** of f32; `auto` (the default) chooses by the size of a row */
  algorithm?: (typeof algorithms)[number];
}

/**
 * Softmax of each row: `y[i,j] = exp(x[i,j]) / Σ_k exp(x[i,k])`, for any finite x: nothing overflows. With `axis: 0`, of
 * each column, with the bits that the rows of the transpose would get.
 *
 * −∞ masks an entry (it gives 0; a row of −∞ gives zeros); a row that holds NaN or +∞ gives NaN throughout. f32: within 3
 * ulp of the exact value where that is a normal number, within 2 of the smallest denormal below. f64 is the reference
 * path, by the exponential of the C library. A row's bits depend neither on the other rows nor on the number of threads.
 *
 * Algorithms, and what they do to each element:
 *
 * - `'two-pass'`: sums pairs m · 2ⁿ, which need no maximum; then the result. Two reads, a write, two exponentials.
 * - `'online'`: maximum and sum in one pass, the sum scaled down when the maximum rises; then as above.
 * - `'three-pass-reload'`: maximum; exponentials into the output; scaled there. Three reads, two writes, one exponential.
 * - `'three-pass-recompute'`: maximum; sum; result. Three reads, a write, two exponentials.
 *
 * `auto` takes `'three-pass-reload'` until a row and its result fill a third (AVX2: a quarter) of the last-level cache, then
 * `'two-pass'`; where 512-bit operations have full width (Intel, Zen 5), `'two-pass'` from a quarter of the second-level cache
 * on and up to 128 columns.
 *
 * O(rows · cols) time, no memory but the result (by columns, 16 of them a thread).
 *
 * @param x rows × cols, f32 or f64
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (axis), ERR_OPTION (also an algorithm for f64), ERR_ALIAS if `out`
 *   overlaps `x` without being it, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), algorithms 1 to 3; Milakov & Gimelshein, Online
 * normalizer calculation for softmax (2018), algorithm 3. Deviations: a polynomial of degree 6 in place of 5, sums in f64
 * and a reciprocal in two parts, for the 3 ulp; the three-pass variants subtract the maximum as a power of two, after the
 * argument reduction, so that they are as accurate.
 * @example softmax(dense(1, 3, Float32Array.of(0, Math.log(2), -Infinity))).data // 1/3, 2/3, 0
 */
export function softmax<A extends Real = Float32Array>(x: Dense<A>, options?: SoftmaxOptions<A>): Dense<A> {
  const at = where('softmax');
  const { rows, cols, data } = at.dense('x', x, [Float32Array, Float64Array]);
  const type = typeOf(data);
  const { out: given, algorithm = 'auto', axis = 1 } = at.options(options, ['out', 'algorithm', 'axis']);
  const code = at.oneOf('options.algorithm', algorithm, algorithms);
  if (code !== 0 && type.BYTES_PER_ELEMENT === 8)
    at.fail('ERR_OPTION', 'options.algorithm', `'auto' for Float64Array, which has one algorithm`, algorithm);
  at.integer('options.axis', axis, { max: 1 });
  const out = at.outDense('options.out', given, type, rows, cols);
  native.softmax(data, out.data, rows, cols, axis, code);
  return out as Dense<A>;
}
