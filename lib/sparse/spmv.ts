import { typeOf, where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import { csrArguments, native } from './native.js';

/** Options of {@link spmv}. */
export interface SpmvOptions<A extends Real> {
  /** multiply by `aᵀ` instead */
  transpose?: boolean;
  /** written and returned; must not overlap `a` or `x` */
  out?: A;
}

/**
 * The product of a sparse matrix and a vector: `y[i] = Σ_j a[i,j] · x[j]`, or with `transpose` `y[j] = Σ_i a[i,j] · x[i]`.
 *
 * 2·nnz operations, bound by reading `a` once. The transposed product is slower and needs scratch for large matrices: for
 * many products with one matrix, call {@link transpose} once.
 *
 * @param a rows × cols, f64 or f32; checked while it is read, so with ERR_FORMAT `out` may hold a part of the result
 * @param x cols values (rows if transposed) of the same type
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed `a`), ERR_ALIAS, ERR_OUT_OF_MEMORY
 * @example spmv(fromCoo({ rows: 2, cols: 2, row: [0, 1], col: [1, 0], value: [2, 3] }), Float64Array.of(10, 20)) // 40, 30
 */
export function spmv<A extends Real>(a: Csr<A>, x: A, options?: SpmvOptions<A>): A {
  const at = where('spmv');
  at.csr('a', a, [Float64Array, Float32Array]);
  const type = typeOf(a.values);
  const { transpose = false, out } = at.options(options, ['transpose', 'out']);
  at.boolean('options.transpose', transpose);
  at.array('x', x, [type], transpose ? a.rows : a.cols);
  const y = at.outArray('options.out', out, type, transpose ? a.cols : a.rows);
  native.spmv(...csrArguments(a), x, y, transpose);
  return y;
}
