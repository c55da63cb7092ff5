import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** Options of {@link matmul}. */
export interface MatmulOptions<A extends Real = Float64Array> {
  /** multiply by the transpose of `a`, which is then k × m; default false */
  transposeA?: boolean;
  /** multiply by the transpose of `b`, which is then n × k; default false */
  transposeB?: boolean;
  /** factor of the product; default 1 */
  alpha?: number;
  /** factor of what `out` holds before, default 0: then `out` is written without being read, NaN in it or not */
  beta?: number;
  /** m × n, takes the result; shares no memory with `a` or `b`. Required where `beta` is not 0 */
  out?: Dense<A>;
}

const options = ['transposeA', 'transposeB', 'alpha', 'beta', 'out'] as const;
const real = [Float64Array, Float32Array] as const;

/**
 * Product of two matrices: `out = alpha · op(a) · op(b) + beta · out`, where op transposes on request.
 *
 * Both operands have the same type, Float64Array or Float32Array, and so has the result; sums are formed in that type
 * with fused multiply-add where the processor has it. Error: elementwise at most γ_{k+2} · (|alpha| · |a| · |b| + |beta| ·
 * |out|) with γ_n = n·u/(1 − n·u). NaN and infinity propagate; with `alpha` = 0 or k = 0 the result is `beta · out`
 * whatever `a` and `b` hold. The result has the same bits for any number of threads.
 *
 * 2·m·n·k operations, m·n values of result and at most 16 MiB of scratch space.
 *
 * @param a m × k (k × m if transposed)
 * @param b k × n (n × k if transposed)
 * @returns m × n; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION (unknown option, or `beta` without `out`), ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (ACM TOMS 34(3), 2008); Van Zee & van de
 *   Geijn, BLIS (ACM TOMS 41(3), 2015), section 4
 * @example
 * const a = dense(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6));
 * gemm.matmul(a, a, { transposeB: true }).data // 14, 32, 32, 77
 */
export function matmul<A extends Real>(a: Dense<A>, b: Dense<A>, given?: MatmulOptions<A>): Dense<A> {
  const at = where('matmul');
  const left = at.dense('a', a, real);
  const type = typeOf(left.data);
  const right = at.dense('b', b, [type]);
  const opts = at.options(given, options);
  const transposeA = at.boolean('options.transposeA', opts.transposeA ?? false);
  const transposeB = at.boolean('options.transposeB', opts.transposeB ?? false);
  const alpha = at.number('options.alpha', opts.alpha ?? 1);
  const beta = at.number('options.beta', opts.beta ?? 0);
  const m = transposeA ? left.cols : left.rows;
  const k = transposeA ? left.rows : left.cols;
  const n = transposeB ? right.rows : right.cols;
  if (k !== (transposeB ? right.cols : right.rows)) {
    const shape = (x: Dense<Real>, transposed: boolean) => `${x.rows} × ${x.cols}${transposed ? ' transposed' : ''}`;
    at.fail(
      'ERR_SHAPE',
      'b',
      `as many rows as a has columns`,
      `a of ${shape(left, transposeA)} and b of ${shape(right, transposeB)}`,
    );
  }
  if (beta !== 0 && opts.out === undefined)
    at.fail('ERR_OPTION', 'options.out', 'a matrix to add to, since beta is not 0', 'none');
  const out = at.outDense('options.out', opts.out, type, m, n);
  native.matmul(left.data, right.data, out.data, m, n, k, transposeA, transposeB, alpha, beta);
  return out as Dense<A>;
}
