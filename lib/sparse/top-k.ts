import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { counted, numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

const orders = ['value', 'magnitude'] as const;

/** Options of {@link topK}. */
export interface TopKOptions {
  /** what counts: the `value` (the default), or its `magnitude` */
  by?: (typeof orders)[number];
}

/**
 * The k largest entries of each row, in the order of their columns.
 *
 * Of equal entries those in the first columns; NaN is below everything. Rows of up to k entries stay whole. O(nnz + rows) on
 * average, by selection, not sorting.
 *
 * @param a rows × cols, f64, f32 or i32
 * @param k a whole number, 0 or more
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_RANGE, ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY,
 * ERR_ABORTED
 * @source selection after Hoare, Algorithm 65: Find (1961)
 * @example topK(fromDense(dense(1, 4, Float64Array.of(1, 7, -9, 3))), 2).indices // 1, 3
 */
export function topK<A extends Numbers>(a: Csr<A>, k: number, options?: TopKOptions): Csr<A> {
  const at = where('topK');
  at.csr('a', a, numbers);
  at.integer('k', k);
  const { by = 'value' } = at.options(options, ['by']);
  const magnitude = at.oneOf('options.by', by, orders) === 1;
  return counted(at, typeOf(a.values), a.rows, a.cols, (...out) =>
    native.topK(...csrArguments(a), ...out, k, magnitude),
  );
}
