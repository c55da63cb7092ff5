import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { counted, numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

/**
 * The product of two sparse matrices entry by entry: `c[i,j] = a[i,j] · b[i,j]`.
 *
 * An entry stands wherever both matrices have one, also where the product is zero. i32 wraps modulo 2^32. O(nnz + rows),
 * less where one row is far longer than the other: it is searched then.
 *
 * @param a rows × cols, f64, f32 or i32
 * @param b of the same shape and type; may be `a`
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed matrix), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example
 * const a = fromDense(dense(1, 3, Float64Array.of(1, 2, 0)));
 * const b = fromDense(dense(1, 3, Float64Array.of(0, 3, 5)));
 * hadamardProduct(a, b).values // 6
 */
export function hadamardProduct<A extends Numbers>(a: Csr<A>, b: Csr<A>): Csr<A> {
  const at = where('hadamardProduct');
  at.csr('a', a, numbers);
  const type = typeOf(a.values);
  at.csr('b', b, [type]);
  if (b.rows !== a.rows || b.cols !== a.cols)
    at.fail('ERR_SHAPE', 'b', `${a.rows} × ${a.cols}`, `${b.rows} × ${b.cols}`);
  return counted(at, type, a.rows, a.cols, (...out) =>
    native.hadamardProduct(...csrArguments(a), ...csrArguments(b), ...out),
  );
}
