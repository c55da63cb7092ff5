import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { indexList } from './index-list.js';
import { csrArguments, native } from './native.js';

/** Options of {@link permute}. */
export interface PermuteOptions {
  /** the row of `a` that comes first, second, …; default: as they are */
  rows?: Uint32Array | readonly number[];
  /** the column of `a` that comes first, second, … */
  cols?: Uint32Array | readonly number[];
}

/**
 * A sparse matrix with its rows and columns in another order: `c[i,j] = a[rows[i], cols[j]]`, that is P·A·Qᵀ.
 *
 * O(nnz + rows + cols), with another order of columns O(nnz · log(entries of a row)). The same list twice renumbers the nodes
 * of a graph.
 *
 * @param a rows × cols, f64, f32 or i32
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_RANGE (a list that is no permutation, with the first index out of
 * range or named before), ERR_FORMAT (a malformed `a`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example toDense(permute(fromDense(dense(2, 2, Float64Array.of(1, 2, 3, 4))), { rows: [1, 0] })).data // 3, 4, 1, 2
 */
export function permute<A extends Numbers>(a: Csr<A>, options: PermuteOptions): Csr<A> {
  const at = where('permute');
  at.csr('a', a, numbers);
  const given = at.options(options, ['rows', 'cols']);
  const [rows, cols] = (['rows', 'cols'] as const).map((name) => {
    if (given[name] === undefined) return undefined;
    const list = indexList(at, `options.${name}`, given[name]);
    if (list.length !== a[name])
      at.fail('ERR_SHAPE', `options.${name}`, `${a[name]} indices, as many as a has ${name}`, `${list.length}`);
    return list;
  });
  const indptr = at.allocate(Uint32Array, a.rows + 1);
  const indices = at.allocate(Uint32Array, a.indices.length);
  const values = at.allocate(typeOf(a.values), a.indices.length);
  native.permute(...csrArguments(a), rows, cols, indptr, indices, values);
  return { rows: a.rows, cols: a.cols, indptr, indices, values };
}
