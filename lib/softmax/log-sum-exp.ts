import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/**
 * `log Σ_j exp(x[i,j])` of each row, for any finite x: nothing overflows. −∞ adds nothing; a row of −∞ or without columns
 * gives −∞, one with NaN or +∞ gives NaN.
 *
 * O(rows · cols) time in two passes. The bits do not depend on the number of threads.
 *
 * @param x rows × cols, f32 or f64
 * @param out takes the result: one number a row, of the type of `x`
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @example logSumExp(dense(1, 2, Float64Array.of(1000, 1000 + Math.log(3)))) // 1000 + Math.log(4)
 */
export function logSumExp<A extends Real = Float32Array>(x: Dense<A>, out?: A): A {
  const at = where('logSumExp');
  const { rows, cols, data } = at.dense('x', x, [Float32Array, Float64Array]);
  const sums = at.outArray('out', out, typeOf(data), rows);
  native.logSumExp(data, sums, rows, cols);
  return sums as A;
}
