import { typeOf, where } from '../core/validate.js';
import type { Csr, Dense } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { native } from './native.js';

/**
 * The elements of `a` that are not zero (a NaN is not), as a sparse matrix.
 *
 * Two passes over `a`, on all threads.
 *
 * @param a rows × cols, f64, f32 or i32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_RANGE (2^32 entries or more), ERR_OUT_OF_MEMORY
 * @example fromDense(dense(2, 2, Float64Array.of(0, 1, 2, 0))).indices // 1, 0
 */
export function fromDense<A extends Numbers>(a: Dense<A>): Csr<A> {
  const at = where('fromDense');
  const { rows, cols, data } = at.dense('a', a, numbers);
  at.integer('a.rows', rows, { max: 2 ** 32 - 2 });
  at.integer('a.cols', cols, { max: 2 ** 32 - 1 });
  const indptr = at.allocate(Uint32Array, rows + 1);
  const nnz = native.countNonzeros(rows, cols, data, indptr);
  if (nnz >= 2 ** 32) at.fail('ERR_RANGE', 'a', 'at most 2^32 - 1 entries that are not zero', String(nnz));
  const indices = at.allocate(Uint32Array, nnz);
  const values = at.allocate(typeOf(data), nnz) as A;
  native.fromDense(rows, cols, data, indptr, indices, values);
  return { rows, cols, indptr, indices, values };
}
