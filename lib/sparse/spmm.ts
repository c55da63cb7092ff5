import { typeOf, where } from '../core/validate.js';
import type { Csr, Dense, Real } from '../core/values.js';
import { csrArguments, native } from './native.js';

/** Options of {@link spmm}. */
export interface SpmmOptions<A extends Real> {
  /** written and returned; must not overlap `a` or `b` */
  out?: Dense<A>;
}

/**
 * The product of a sparse and a dense matrix: `c[i,j] = Σ_k a[i,k] · b[k,j]`.
 *
 * 2·nnz·cols operations in panels of 64 doubles or 128 floats: with fewer columns most of the time goes into finding
 * rows of `b`, with one column take {@link spmv}.
 *
 * @param a m × k, f64 or f32; with ERR_FORMAT `out` may hold a part of the result
 * @param b k × n of the same type
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_FORMAT (a malformed `a`), ERR_ALIAS, ERR_OUT_OF_MEMORY
 * @example spmm(fromCoo({ rows: 1, cols: 2, row: [0], col: [1], value: [2] }), dense(2, 2, Float64Array.of(1, 2, 3, 4))).data // 6, 8
 */
export function spmm<A extends Real>(a: Csr<A>, b: Dense<A>, options?: SpmmOptions<A>): Dense<A> {
  const at = where('spmm');
  at.csr('a', a, [Float64Array, Float32Array]);
  const type = typeOf(a.values);
  const { out } = at.options(options, ['out']);
  const panel: Dense<A> = at.dense('b', b, [type]);
  if (panel.rows !== a.cols) at.fail('ERR_SHAPE', 'b', `${a.cols} rows, as many as a has columns`, `${panel.rows}`);
  const c = at.outDense('options.out', out, type, a.rows, panel.cols);
  native.spmm(...csrArguments(a), panel.data, c.data, panel.cols);
  return c;
}
