import { arrayTypeName, describe, typeOf, where, type Where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { native } from './native.js';

/** Entries of a sparse matrix as triplets: `value[e]` stands at (`row[e]`, `col[e]`). */
export interface Coo<V extends Numbers | readonly number[] = Float64Array> {
  rows: number;
  cols: number;
  row: Uint32Array | readonly number[];
  col: Uint32Array | readonly number[];
  value: V | readonly number[];
}

const mostEntries = 2 ** 32 - 1;

/**
 * A sparse matrix from triplets in any order: `a[i,j] = Σ value[e]` over the entries with `row[e] = i`, `col[e] = j`,
 * summed in the order in which they come (i32 wraps modulo 2^32). Zeros are kept. Plain arrays are copied; plain values become a Float64Array.
 *
 * O(n), a radix sort in cache; 8 bytes of scratch an entry, and 24 to 40 more for those of a bucket of rows. Where a few
 * duplicates were summed, the arrays are views of buffers up to a seventh longer.
 *
 * @param coo `row`, `col` and `value` of one length; indices below `rows` and `cols`
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (naming the first index out of range), ERR_OUT_OF_MEMORY
 * @example toDense(fromCoo({ rows: 2, cols: 2, row: [1, 0, 1], col: [0, 1, 0], value: [2, 3, 4] })).data // 0, 3, 6, 0
 */
export function fromCoo<V extends Numbers | readonly number[]>(coo: Coo<V>): Csr<V extends Numbers ? V : Float64Array> {
  type A = V extends Numbers ? V : Float64Array;
  const at = where('fromCoo');
  if (typeof coo !== 'object' || coo === null || !('row' in coo))
    at.fail('ERR_DTYPE', 'coo', 'an object with rows, cols, row, col, value', describe(coo));
  const rows = at.integer('rows', coo.rows, { max: mostEntries - 1 });
  const cols = at.integer('cols', coo.cols, { max: mostEntries });
  const row = indexArray(at, 'row', coo.row, rows);
  const n = row.length;
  if (n > mostEntries) at.fail('ERR_RANGE', 'row', `at most ${mostEntries} entries`, `${n}`);
  const col = at.array('col', indexArray(at, 'col', coo.col, cols), [Uint32Array], n);
  const value = valueArray(at, coo.value, n) as A;

  const indptr = at.allocate(Uint32Array, rows + 1);
  const indices = at.allocate(Uint32Array, n);
  const values = at.allocate(typeOf(value), n);
  const nnz = native.fromCoo(rows, cols, row, col, value, indptr, indices, values);
  if (nnz === n) return { rows, cols, indptr, indices, values };
  if (8 * nnz >= 7 * n) {
    indices.fill(0, nnz); // what has been summed is not to be seen beside the sums
    values.fill(0, nnz);
    return { rows, cols, indptr, indices: indices.subarray(0, nnz), values: values.subarray(0, nnz) as A };
  }
  return { rows, cols, indptr, indices: indices.slice(0, nnz), values: values.slice(0, nnz) as A };
}

function indexArray(at: Where, argument: string, value: unknown, limit: number): Uint32Array {
  if (!Array.isArray(value)) return at.array(argument, value, [Uint32Array]);
  const out = at.allocate(Uint32Array, value.length);
  for (let e = 0; e < out.length; e++) {
    const index: unknown = value[e];
    if (!(Number.isInteger(index) && (index as number) >= 0 && (index as number) < limit))
      at.fail('ERR_RANGE', argument, `indices below ${limit}`, `${argument}[${e}] = ${describe(index)}`);
    out[e] = index as number;
  }
  return out;
}

function valueArray(at: Where, value: unknown, n: number): Numbers {
  if (arrayTypeName(value) || !Array.isArray(value)) return at.array('value', value, numbers, n);
  const out = at.array('value', at.allocate(Float64Array, value.length), [Float64Array], n);
  for (let e = 0; e < n; e++) {
    const x: unknown = value[e];
    if (typeof x !== 'number') at.fail('ERR_DTYPE', 'value', 'numbers', `value[${e}] = ${describe(x)}`);
    out[e] = x;
  }
  return out;
}
