import { typeOf, where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import { batchedCsr } from './batched.js';
import { fresh } from './fresh.js';
import { csrArguments, native } from './native.js';

/** Options of {@link spmv}. */
export interface SpmvOptions<A extends Real> {
  /** multiply by `aᵀ` instead */
  transpose?: boolean;
  /**
   * number of products, default 1: `x` and the result then hold so many vectors one after another; `a.values` those of one
   * matrix for all of them, or of `batch` matrices with the same pattern, one after another
   */
  batch?: number;
  /** written and returned; must not overlap `a` or `x` */
  out?: A;
}

/**
 * The product of a sparse matrix and a vector: `y[i] = Σ_j a[i,j] · x[j]`, or with `transpose` `y[j] = Σ_i a[i,j] · x[i]`.
 *
 * 2·nnz operations, bound by reading `a` once. The transposed product is slower and needs scratch for large matrices: for
 * many products with one matrix, call {@link transpose} once. A batch that shares the values of one matrix reads them once
 * from memory; from about eight vectors on {@link spmm} is faster, if they can be the columns of a Dense. A result of 8 MiB
 * and more is a view of a longer buffer.
 *
 * @param a rows × cols, f64 or f32; checked while it is read, so with ERR_FORMAT `out` may hold a part of the result
 * @param x cols values (rows if transposed) of the same type, `batch` times
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_RANGE, ERR_OPTION, ERR_FORMAT (a malformed `a`), ERR_ALIAS,
 *   ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example spmv(fromCoo({ rows: 2, cols: 2, row: [0, 1], col: [1, 0], value: [2, 3] }), Float64Array.of(10, 20)) // 40, 30
 */
export function spmv<A extends Real>(a: Csr<A>, x: A, options?: SpmvOptions<A>): A {
  const at = where('spmv');
  const { transpose = false, batch = 1, out } = at.options(options, ['transpose', 'batch', 'out']);
  at.integer('options.batch', batch, { min: 1 });
  batchedCsr(at, a, [Float64Array, Float32Array], batch);
  const type = typeOf(a.values);
  at.boolean('options.transpose', transpose);
  at.array('x', x, [type], at.size('options.batch', batch, transpose ? a.rows : a.cols));
  const length = at.size('options.batch', batch, transpose ? a.cols : a.rows);
  const y = out === undefined ? fresh(at, type, length) : at.outArray('options.out', out, type, length);
  native.spmv(...csrArguments(a), x, y, transpose, batch);
  return y;
}
