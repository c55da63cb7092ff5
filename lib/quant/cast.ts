/** What the casts of this domain share: arrays or matrices in, the same out. */
import { arrayTypeName, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, NumericArray } from '../core/values.js';

/** Options of a cast: `out` takes the result. */
export interface CastOptions<A extends NumericArray> {
  out?: A | Dense<A>;
}

type FloatTag = NonNullable<Dense['dtype']>;

/** One direction of a cast: types, the tag that the input may carry and the result gets, and the native call. */
export interface Cast<From extends NumericArray, To extends NumericArray> {
  from: ArrayType<From>;
  to: ArrayType<To>;
  inputTag?: FloatTag;
  resultTag?: FloatTag;
  run(x: From, y: To): void;
}

/** An array for an array, a Dense for a Dense. */
export function cast<From extends NumericArray, To extends NumericArray>(
  at: Where,
  x: unknown,
  out: unknown,
  { from, to, inputTag, resultTag, run }: Cast<From, To>,
): To | Dense<To> {
  if (arrayTypeName(x)) {
    const values: From = at.array('x', x, [from]);
    const result = at.outArray('options.out', out, to, values.length);
    run(values, result);
    return result;
  }
  const values: Dense<From> = at.dense('x', x, [from]);
  if (inputTag && values.dtype !== undefined && values.dtype !== inputTag)
    at.fail('ERR_DTYPE', 'x.dtype', `'${inputTag}'`, `'${values.dtype}'`);
  const result = at.outDense('options.out', out, to, values.rows, values.cols);
  run(values.data, result.data);
  if (resultTag) result.dtype = resultTag;
  return result;
}
