import type { ArrayType, Where } from '../core/validate.js';
import type { NumericArray } from '../core/values.js';

const small = 2 ** 17; // elements: clearing them takes less time than another kind of memory would

/** An array for a result that a kernel writes in full, or else throws. A large one is not cleared, a huge one a view. */
export function fresh<A extends NumericArray>(at: Where, type: ArrayType<A>, length: number): A {
  return length < small ? at.allocate(type, length) : at.allocateUncleared(type, length);
}
