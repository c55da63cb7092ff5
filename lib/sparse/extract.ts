import { arrayTypeName, typeOf, where, type Where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { counted, numbers, type Numbers } from './counted.js';
import { indexList } from './index-list.js';
import { csrArguments, native } from './native.js';

/** Indices one by one, in any order and with repetitions, or those from `from` up to, and without, `to`. */
export type Selection = Uint32Array | readonly number[] | { from?: number; to?: number };

/** Options of {@link extract}. */
export interface ExtractOptions {
  /** default: all rows */
  rows?: Selection;
  /** default: all columns */
  cols?: Selection;
}

/**
 * A part of a sparse matrix: `c[i,j] = a[rows[i], cols[j]]`.
 *
 * Ranges are found by searching in each row. A list of columns costs scratch of 4 bytes for each column of `a` and each of
 * the list; where it does not ascend, the rows of the result are sorted: O(n log n) for a row of n entries.
 *
 * @param a rows × cols, f64, f32 or i32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_RANGE (an index out of range; 2^32 entries or more), ERR_FORMAT (a
 * malformed `a`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example
 * const a = fromDense(dense(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6)));
 * toDense(extract(a, { rows: [1], cols: { from: 1 } })).data // 5, 6
 */
export function extract<A extends Numbers>(a: Csr<A>, options: ExtractOptions): Csr<A> {
  const at = where('extract');
  at.csr('a', a, numbers);
  const { rows, cols } = at.options(options, ['rows', 'cols']);
  const rowPicks = picks(at, 'options.rows', rows, a.rows);
  const colPicks = picks(at, 'options.cols', cols, a.cols);
  at.integer('options.rows', rowPicks[2], { max: 2 ** 32 - 2 });
  at.integer('options.cols', colPicks[2], { max: 2 ** 32 - 1 });
  return counted(at, typeOf(a.values), rowPicks[2], colPicks[2], (...out) =>
    native.extract(...csrArguments(a), ...rowPicks, ...colPicks, ...out),
  );
}

type Picks = [list: Uint32Array | undefined, from: number, count: number];

function picks(at: Where, argument: string, value: Selection | undefined, size: number): Picks {
  if (value === undefined) return [undefined, 0, size];
  if (Array.isArray(value) || arrayTypeName(value) !== undefined || typeof value !== 'object' || value === null) {
    const list = indexList(at, argument, value);
    return [list, 0, list.length];
  }
  const { from = 0, to = size } = at.options(value as { from?: number; to?: number }, ['from', 'to']);
  at.integer(`${argument}.to`, to, { max: size });
  at.integer(`${argument}.from`, from, { max: to });
  return [undefined, from, to - from];
}
