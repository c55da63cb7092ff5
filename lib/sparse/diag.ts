import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

/**
 * The diagonal of a sparse matrix: `y[i] = a[i,i]`, 0 where there is no entry.
 *
 * O(rows · log(entries of a row)) after the check of `a`.
 *
 * @param a rows × cols, f64, f32 or i32; gives min(rows, cols) values of that type
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example diag(fromDense(dense(2, 3, Float64Array.of(1, 2, 3, 4, 0, 6)))) // 1, 0
 */
export function diag<A extends Numbers>(a: Csr<A>): A {
  const at = where('diag');
  at.csr('a', a, numbers);
  const out = at.allocate(typeOf(a.values), Math.min(a.rows, a.cols));
  native.diag(...csrArguments(a), out);
  return out;
}
