import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';

const operators = ['sum', 'product', 'min', 'max', 'count'] as const;
const directions = ['rows', 'cols'] as const;

/** Options of {@link reduce}. */
export interface ReduceOptions<A extends Numbers> {
  /** `rows` (the default) gives one number for each row, `cols` one for each column */
  over?: (typeof directions)[number];
  /** default `sum`; `count` is the number of entries */
  operator?: (typeof operators)[number];
  /** written and returned; must not overlap `a` */
  out?: A;
}

/**
 * One number for each row or column, over the entries that are there: `y[i] = Σ_j a[i,j]`, their product, least, greatest or
 * number.
 *
 * Where there is no entry, the operator's identity: 0, 1, ∞, −∞ (among i32 the largest and the smallest number) and 0. NaN
 * wins minima and maxima; i32 wraps modulo 2^32. O(nnz + rows + cols); columns of large matrices need scratch of up to half
 * the bytes of the matrix. The result has the same bits for any number of threads.
 *
 * @param a rows × cols, f64, f32 or i32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_ALIAS, ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY,
 * ERR_ABORTED
 * @example reduce(fromDense(dense(2, 2, Float64Array.of(1, 2, 0, 4))), { over: 'cols' }) // 1, 6
 */
export function reduce<A extends Numbers>(a: Csr<A>, options?: ReduceOptions<A>): A {
  const at = where('reduce');
  at.csr('a', a, numbers);
  const { over = 'rows', operator = 'sum', out } = at.options(options, ['over', 'operator', 'out']);
  const columns = at.oneOf('options.over', over, directions) === 1;
  const code = at.oneOf('options.operator', operator, operators);
  const y = at.outArray('options.out', out, typeOf(a.values), columns ? a.cols : a.rows);
  native.reduce(...csrArguments(a), columns, code, y);
  return y;
}
