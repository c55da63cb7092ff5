import { arrayTypeName, type ArrayType, type Where } from '../core/validate.js';
import type { Csr, NumericArray } from '../core/values.js';

/** A Csr that may hold the values of `batch` matrices with its pattern, one after another. */
export function batchedCsr(at: Where, value: Csr<NumericArray>, types: readonly ArrayType[], batch: number): void {
  const sets =
    batch > 1 &&
    typeof value === 'object' &&
    value !== null &&
    arrayTypeName(value.values) !== undefined &&
    arrayTypeName(value.indices) !== undefined &&
    value.values.length === batch * value.indices.length;
  at.csr('a', sets ? { ...value, values: value.values.subarray(0, value.indices.length) } : value, types);
}
