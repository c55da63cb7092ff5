/** Outputs that overlap other arguments. */
import type { Where } from './validate.js';
import type { NumericArray } from './values.js';

/** Refuses an output that shares memory with another argument, where native code would not see it or say another name. */
export function checkApart(at: Where, out: NumericArray, others: readonly (NumericArray | undefined)[]) {
  for (const other of others) {
    if (other?.buffer !== out.buffer || other.length === 0 || out.length === 0) continue;
    const end = (x: NumericArray) => x.byteOffset + x.byteLength;
    if (other.byteOffset < end(out) && out.byteOffset < end(other))
      at.fail('ERR_ALIAS', 'options.out', 'an output that overlaps no other argument', 'one that does');
  }
}
