import { typeOf, where } from '../core/validate.js';
import type { Csr, Dense, Real } from '../core/values.js';
import { batchedCsr } from './batched.js';
import { fresh } from './fresh.js';
import { csrArguments, native } from './native.js';

/** Options of {@link spmm}. */
export interface SpmmOptions<A extends Real> {
  /** multiply by the transpose of `a`, which is then k × m; default false */
  transposeA?: boolean;
  /** multiply by the transpose of `b`, which is then n × k; default false */
  transposeB?: boolean;
  /**
   * number of products, default 1: `b` and the result then hold so many matrices of one shape, one below another; `a.values`
   * those of one matrix for all of them, or of `batch` matrices with the same pattern, one after another
   */
  batch?: number;
  /** written and returned; must not overlap `a` or `b` */
  out?: Dense<A>;
}

/**
 * The product of a sparse and a dense matrix: `c = op(a) · op(b)`, where op transposes on request.
 *
 * 2·nnz·n operations in panels of 64 doubles or 128 floats: with fewer columns most of the time goes into finding
 * rows of `b`, with one column take {@link spmv}. A transposed `a` or `b` is turned around first, in scratch of its size
 * (all of a batch): for many products with one matrix, call {@link transpose} once.
 *
 * @param a m × k (k × m if transposed), f64 or f32; with ERR_FORMAT `out` may hold a part of the result
 * @param b k × n (n × k if transposed) of the same type, `batch` of them one below another
 * @returns m × n, `batch` of them one below another; `data` of 8 MiB and more is a view of a longer buffer
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_RANGE, ERR_OPTION, ERR_FORMAT (a malformed `a`), ERR_ALIAS,
 *   ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @example spmm(fromCoo({ rows: 1, cols: 2, row: [0], col: [1], value: [2] }), dense(2, 2, Float64Array.of(1, 2, 3, 4))).data // 6, 8
 */
export function spmm<A extends Real>(a: Csr<A>, b: Dense<A>, options?: SpmmOptions<A>): Dense<A> {
  const at = where('spmm');
  const known = ['transposeA', 'transposeB', 'batch', 'out'] as const;
  const { transposeA = false, transposeB = false, batch = 1, out } = at.options(options, known);
  at.boolean('options.transposeA', transposeA);
  at.boolean('options.transposeB', transposeB);
  at.integer('options.batch', batch, { min: 1 });
  batchedCsr(at, a, [Float64Array, Float32Array], batch);
  const type = typeOf(a.values);
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const panel: Dense<A> = at.dense('b', b, [type]);
  if (panel.rows % batch !== 0)
    at.fail('ERR_SHAPE', 'b', `a multiple of ${batch} rows, ${batch} matrices`, `${panel.rows} rows`);
  const rows = panel.rows / batch;
  const [depth, n] = transposeB ? [panel.cols, rows] : [rows, panel.cols];
  if (depth !== k)
    at.fail('ERR_SHAPE', 'b', `${k} ${transposeB ? 'columns' : 'rows'}, as the other factor has`, `${depth}`);
  const height = at.size('options.batch', batch, m);
  const c =
    out === undefined
      ? { rows: height, cols: n, data: fresh(at, type, at.size('options.out', height, n)) }
      : at.outDense('options.out', out, type, height, n);
  native.spmm(...csrArguments(a), panel.data, c.data, n, transposeA, transposeB, batch);
  return c;
}
