import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** Options of {@link logSoftmax}. */
export interface LogSoftmaxOptions<A extends Real = Float32Array> {
  /** 1 (the default): each row is a distribution; 0: each column */
  axis?: 0 | 1;
  /** takes the result; may be `x` itself */
  out?: Dense<A>;
}

/**
 * Logarithm of the softmax of each row: `y[i,j] = x[i,j] − log Σ_k exp(x[i,k])`, also where the probability itself is
 * too small for a number or too near to one: never positive, and within a few ulp of the exact value; for f32, whose
 * differences are rounded, within 2⁻¹⁹ of it where it is nearly 0, and 2⁻⁵³ for each column.
 *
 * −∞ gives −∞, in a row of −∞ too; a row that holds NaN or +∞ gives NaN throughout. With `axis: 0`, of each column. The
 * bits do not depend on the number of threads.
 *
 * O(rows · cols) time: a pass for the maximum, one for the sum, one for the result.
 *
 * @param x rows × cols, f32 or f64
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (axis), ERR_OPTION, ERR_ALIAS if `out` overlaps `x` without being
 *   it, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @example logSoftmax(dense(1, 2, Float64Array.of(0, Math.log(3)))).data // -Math.log(4), Math.log(0.75)
 */
export function logSoftmax<A extends Real = Float32Array>(x: Dense<A>, options?: LogSoftmaxOptions<A>): Dense<A> {
  const at = where('logSoftmax');
  const { rows, cols, data } = at.dense('x', x, [Float32Array, Float64Array]);
  const { out: given, axis = 1 } = at.options(options, ['out', 'axis']);
  at.integer('options.axis', axis, { max: 1 });
  const out = at.outDense('options.out', given, typeOf(data), rows, cols);
  native.logSoftmax(data, out.data, rows, cols, axis);
  return out as Dense<A>;
}
