import { where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

/** Options of {@link isSymmetric}. */
export interface IsSymmetricOptions {
  /** `pattern` asks only where entries are; default `values` */
  compare?: (typeof comparisons)[number];
  /** the largest |a[i,j] − a[j,i]| that passes, at least 0; default 0 */
  tolerance?: number;
}

const comparisons = ['pattern', 'values'] as const;

/**
 * Whether a sparse matrix equals its transpose: for each entry (i, j) there is one at (j, i), with `|a[i,j] − a[j,i]|` at
 * most `tolerance`.
 *
 * An explicit zero without a counterpart breaks the symmetry; {@link prune} removes such. Equal infinities are equal, NaN is
 * unequal to everything. A matrix that is not square is not symmetric. O(nnz · log(entries of a row)), no scratch; ends at the
 * first difference.
 *
 * @param a rows × cols, f64, f32 or i32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_RANGE, ERR_FORMAT (a malformed `a`), ERR_ABORTED
 * @example isSymmetric(fromDense(dense(2, 2, Float64Array.of(1, 2, 2, 0)))) // true
 */
export function isSymmetric(a: Csr<Numbers>, options?: IsSymmetricOptions): boolean {
  const at = where('isSymmetric');
  at.csr('a', a, numbers);
  const { compare = 'values', tolerance = 0 } = at.options(options, ['compare', 'tolerance']);
  const values = at.oneOf('options.compare', compare, comparisons) === 1;
  at.number('options.tolerance', tolerance, { min: 0 });
  return a.rows === a.cols && native.isSymmetric(...csrArguments(a), values, tolerance) === 1;
}
