import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** Options of {@link matvec}. */
export interface MatvecOptions<A extends Real = Float64Array> {
  /** length `a.rows`, takes the result; shares no memory with `a` or `x` */
  out?: A;
}

/**
 * Product of a matrix and a vector: `y[i] = Σ_j a[i,j] · x[j]`.
 *
 * `a` and `x` have the same type, Float64Array or Float32Array, and so has the result. Error: elementwise at most
 * γ_{cols} · |a| · |x|. NaN and infinity propagate. The result has the same bits for any number of threads. The time is that
 * of reading `a` once: rows · cols values.
 *
 * @param a rows × cols
 * @param x length cols
 * @returns length rows; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Blackford et al., An Updated Set of Basic Linear Algebra Subprograms (ACM TOMS 28(2), 2002), GEMV
 * @example gemm.matvec(dense(2, 2, Float64Array.of(1, 2, 3, 4)), Float64Array.of(1, 10)) // 21, 43
 */
export function matvec<A extends Real>(a: Dense<A>, x: A, given?: MatvecOptions<A>): A {
  const at = where('matvec');
  const matrix = at.dense('a', a, [Float64Array, Float32Array]);
  const type = typeOf(matrix.data);
  const vector = at.array('x', x, [type], matrix.cols);
  const opts = at.options(given, ['out']);
  const out = at.outArray('options.out', opts.out, type, matrix.rows);
  native.matvec(matrix.data, vector, out, matrix.rows, matrix.cols);
  return out as A;
}
