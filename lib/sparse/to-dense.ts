import { typeOf, where } from '../core/validate.js';
import type { Csr, Dense } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

/**
 * The sparse matrix with its zeros written out.
 *
 * @param a rows × cols, f64, f32 or i32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed `a`), ERR_RANGE, ERR_OUT_OF_MEMORY
 * @example toDense(fromCoo({ rows: 1, cols: 3, row: [0], col: [1], value: [5] })).data // 0, 5, 0
 */
export function toDense<A extends Numbers>(a: Csr<A>): Dense<A> {
  const at = where('toDense');
  at.csr('a', a, numbers);
  const { rows, cols } = a;
  const data = at.allocate(typeOf(a.values), at.size('a', rows, cols));
  native.toDense(...csrArguments(a), data);
  return { rows, cols, data };
}
