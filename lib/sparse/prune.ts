import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { counted, numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

/**
 * The entries of a sparse matrix with `|a[i,j]| > tolerance`; NaN stays.
 *
 * With a tolerance of 0, the default, what goes are explicit zeros. O(nnz + rows), two passes over the values.
 *
 * @param a rows × cols, f64, f32 or i32
 * @param tolerance at least 0
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_RANGE, ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example prune(fromCoo({ rows: 1, cols: 3, row: [0, 0, 0], col: [0, 1, 2], value: [0, 5, -0.1] }), 0.2).indices // 1
 */
export function prune<A extends Numbers>(a: Csr<A>, tolerance = 0): Csr<A> {
  const at = where('prune');
  at.csr('a', a, numbers);
  at.number('tolerance', tolerance, { min: 0 });
  return counted(at, typeOf(a.values), a.rows, a.cols, (...out) => native.prune(...csrArguments(a), ...out, tolerance));
}
