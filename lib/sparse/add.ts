import { typeOf, where, type Where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { counted, numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

/** Options of {@link add}. */
export interface AddOptions {
  /** factor of `a`, default 1; for i32 a whole number */
  alpha?: number;
  /** factor of `b`, default 1 */
  beta?: number;
}

/**
 * The sum of two sparse matrices: `c[i,j] = alpha · a[i,j] + beta · b[i,j]`.
 *
 * An entry stands wherever either matrix has one, also where the sum is zero. i32 wraps modulo 2^32. O(nnz + rows), two
 * passes over the indices.
 *
 * @param a rows × cols, f64, f32 or i32
 * @param b of the same shape and type; may be `a`
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_RANGE (2^32 entries or more, known before they are allocated),
 * ERR_FORMAT (a malformed matrix), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example
 * const a = fromDense(dense(1, 3, Float64Array.of(1, 2, 0)));
 * const b = fromDense(dense(1, 3, Float64Array.of(0, 1, 5)));
 * toDense(add(a, b, { beta: -2 })).data // 1, 0, -10
 */
export function add<A extends Numbers>(a: Csr<A>, b: Csr<A>, options?: AddOptions): Csr<A> {
  const at = where('add');
  at.csr('a', a, numbers);
  const type = typeOf(a.values);
  at.csr('b', b, [type]);
  if (b.rows !== a.rows || b.cols !== a.cols)
    at.fail('ERR_SHAPE', 'b', `${a.rows} × ${a.cols}`, `${b.rows} × ${b.cols}`);
  const { alpha = 1, beta = 1 } = at.options(options, ['alpha', 'beta']);
  factor(at, 'options.alpha', alpha, type.name === 'Int32Array');
  factor(at, 'options.beta', beta, type.name === 'Int32Array');
  return counted(at, type, a.rows, a.cols, (...out) =>
    native.add(...csrArguments(a), ...csrArguments(b), ...out, alpha, beta),
  );
}

/** A finite number, or NaN or infinity, which go where arithmetic takes them; among integers a whole number. */
function factor(at: Where, argument: string, value: unknown, whole: boolean): void {
  if (whole) at.integer(argument, value, { min: -(2 ** 31), max: 2 ** 31 - 1 });
  else if (!Number.isNaN(value)) at.number(argument, value);
}
