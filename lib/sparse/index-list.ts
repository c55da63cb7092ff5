import { describe, type Where } from '../core/validate.js';

/** Indices as the native side takes them; plain arrays are copied. Whether each is in range is checked there. */
export function indexList(at: Where, argument: string, value: unknown): Uint32Array {
  if (!Array.isArray(value)) return at.array(argument, value, [Uint32Array]);
  const out = at.allocate(Uint32Array, value.length);
  for (let e = 0; e < out.length; e++) {
    const index: unknown = value[e];
    if (!(Number.isInteger(index) && (index as number) >= 0 && (index as number) < 2 ** 32))
      at.fail('ERR_RANGE', argument, 'whole numbers below 2^32', `${argument}[${e}] = ${describe(index)}`);
    out[e] = index as number;
  }
  return out;
}
