import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { counted, numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';
import { csrOrPattern, like, type Pattern } from './pattern.js';

/**
 * The entries of a sparse matrix on and below the diagonal: those with `j − i ≤ offset`.
 *
 * O(nnz of the result + rows · log(entries of a row)) after the check of `a`.
 *
 * @param a rows × cols, f64, f32, i32 or a pattern without values, whose triangle is one too
 * @param offset a whole number; 0 (the default) keeps the diagonal, −1 leaves it out
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_RANGE, ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example lowerTriangle(fromDense(dense(2, 2, Float64Array.of(1, 2, 3, 4)))).values // 1, 3, 4
 */
export function lowerTriangle<A extends Numbers>(a: Csr<A>, offset?: number): Csr<A>;
export function lowerTriangle(a: Pattern, offset?: number): Pattern;
export function lowerTriangle<A extends Numbers>(given: Csr<A> | Pattern, offset = 0): Csr<Numbers> | Pattern {
  const at = where('lowerTriangle');
  const a = csrOrPattern(at, 'a', given, numbers);
  at.integer('offset', offset, { min: -(2 ** 32), max: 2 ** 32 });
  const triangle = counted<Numbers>(at, typeOf(a.values), a.rows, a.cols, (...out) =>
    native.lowerTriangle(...csrArguments(a), ...out, 0, offset),
  );
  return like(given, triangle);
}
