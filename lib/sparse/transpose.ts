import { typeOf, where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { numbers, type Numbers } from './counted.js';
import { csrArguments, native } from './native.js';
import { csrOrPattern, like, type Pattern } from './pattern.js';

/**
 * `aᵀ`: a new matrix with `out[j,i] = a[i,j]`, explicit zeros included.
 *
 * A counting sort, O(nnz + rows + cols), on all threads; at most a byte of scratch an entry. For one product with
 * `aᵀ` take `spmv` with `transpose: true`.
 *
 * @param a rows × cols, f64, f32, i32 or a pattern without values, whose transpose is one too
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed `a`), ERR_RANGE, ERR_OUT_OF_MEMORY
 * @example transpose(fromCoo({ rows: 1, cols: 2, row: [0], col: [1], value: [5] })).indptr // 0, 0, 1
 */
export function transpose<A extends Numbers>(a: Csr<A>): Csr<A>;
export function transpose(a: Pattern): Pattern;
export function transpose<A extends Numbers>(given: Csr<A> | Pattern): Csr<Numbers> | Pattern {
  const at = where('transpose');
  const a = csrOrPattern(at, 'a', given, numbers);
  // The columns become rows, of which there is one fewer possible.
  at.integer('a.cols', a.cols, { max: 2 ** 32 - 2 });
  const indptr = at.allocate(Uint32Array, a.cols + 1);
  const indices = at.allocate(Uint32Array, a.indices.length);
  const values = at.allocate(typeOf(a.values), a.indices.length);
  native.transpose(...csrArguments(a), indptr, indices, values);
  return like(given, { rows: a.cols, cols: a.rows, indptr, indices, values });
}
