import { typeOf, where } from '../core/validate.js';
import type { Csr, Dense, Real } from '../core/values.js';
import { fresh } from './fresh.js';
import { csrArguments, native } from './native.js';

/**
 * The sampled dense-dense product: `c[i,j] = s[i,j] · Σ_l x[i,l] · y[j,l]` at the entries of `s`, that is `s ∘ (x·yᵀ)`.
 *
 * 2·nnz·k operations, bound by fetching a row of `y` for each entry; nothing else of `x·yᵀ` is computed. With ones in `s`
 * the plain scores of pairs: those of a recommender, or of attention under a sparse mask. `values` of 8 MiB and more are a
 * view of a longer buffer.
 *
 * @param s m × n, f64 or f32
 * @param x m × k of the same type
 * @param y n × k of the same type: both factors by rows
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed `s`), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example
 * const s = fromCoo({ rows: 1, cols: 2, row: [0], col: [1], value: [10] });
 * sddmm(s, dense(1, 2, Float64Array.of(1, 2)), dense(2, 2, Float64Array.of(3, 4, 5, 6))).values // 170
 */
export function sddmm<A extends Real>(s: Csr<A>, x: Dense<A>, y: Dense<A>): Csr<A> {
  const at = where('sddmm');
  at.csr('s', s, [Float64Array, Float32Array]);
  const type = typeOf(s.values);
  const left: Dense<A> = at.dense('x', x, [type]);
  const right: Dense<A> = at.dense('y', y, [type]);
  if (left.rows !== s.rows) at.fail('ERR_SHAPE', 'x', `${s.rows} rows, as many as s`, `${left.rows}`);
  if (right.rows !== s.cols) at.fail('ERR_SHAPE', 'y', `${s.cols} rows, as many as s has columns`, `${right.rows}`);
  if (right.cols !== left.cols) at.fail('ERR_SHAPE', 'y', `${left.cols} columns, as many as x`, `${right.cols}`);
  const values = fresh(at, type, s.indices.length);
  native.sddmm(...csrArguments(s), left.data, right.data, values, left.cols);
  return { rows: s.rows, cols: s.cols, indptr: s.indptr.slice(), indices: s.indices.slice(), values };
}
