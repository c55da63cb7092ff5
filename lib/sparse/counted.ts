import type { ArrayType, Where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import type { Out } from './native.js';

/** The numbers that operations entry by entry take. */
export type Numbers = Real | Int32Array;
export const numbers = [Float64Array, Float32Array, Int32Array] as const;

/** A result whose size is not known beforehand: `call` counts, and called again with room for its entries it fills. */
export function counted<A extends Numbers>(
  at: Where,
  type: ArrayType<A>,
  rows: number,
  cols: number,
  call: (...out: Out) => number,
): Csr<A> {
  const indptr = at.allocate(Uint32Array, rows + 1);
  const nnz = call(indptr, undefined, undefined);
  if (nnz >= 2 ** 32) at.fail('ERR_RANGE', undefined, 'a result of at most 2^32 - 1 entries', String(nnz));
  const indices = at.allocateUncleared(Uint32Array, nnz);
  const values = at.allocateUncleared(type, nnz);
  call(indptr, indices, values);
  return { rows, cols, indptr, indices, values };
}
