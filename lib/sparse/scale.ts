import { typeOf, where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import { fresh } from './fresh.js';
import { csrArguments, native } from './native.js';

/** Options of {@link scale}; at least one of them is of use. */
export interface ScaleOptions<A extends Real> {
  /** of all entries, default 1 */
  factor?: number;
  /** one factor for each row, of the type of the matrix */
  rows?: A;
  /** one factor for each column */
  cols?: A;
}

/**
 * A sparse matrix times diagonal matrices: `c[i,j] = factor · rows[i] · a[i,j] · cols[j]`, multiplied from left to right.
 *
 * The pattern stays as it is, also where a factor is zero. O(nnz + rows), bound by reading and writing the matrix once.
 * `values` of 8 MiB and more are a view of a longer buffer.
 *
 * @param a rows × cols, f64 or f32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example scale(fromDense(dense(2, 1, Float64Array.of(3, 4))), { rows: Float64Array.of(10, 100) }).values // 30, 400
 */
export function scale<A extends Real>(a: Csr<A>, options: ScaleOptions<A>): Csr<A> {
  const at = where('scale');
  at.csr('a', a, [Float64Array, Float32Array]);
  const type = typeOf(a.values);
  const { factor = 1, rows, cols } = at.options(options, ['factor', 'rows', 'cols']);
  if (!Number.isNaN(factor)) at.number('options.factor', factor);
  if (rows !== undefined) at.array('options.rows', rows, [type], a.rows);
  if (cols !== undefined) at.array('options.cols', cols, [type], a.cols);
  const values = fresh(at, type, a.indices.length);
  native.scale(...csrArguments(a), factor, rows, cols, values);
  return { rows: a.rows, cols: a.cols, indptr: a.indptr.slice(), indices: a.indices.slice(), values };
}
