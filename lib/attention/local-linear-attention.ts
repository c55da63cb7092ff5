import { cancelState } from '../core/cancel.js';
import type { Iterated, Progress } from '../core/iterate.js';
import { where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { fitting, headColumns, realMatrix } from './linear-heads.js';
import { native, type LocalLinearSizes } from './native-linear.js';

/** Options that {@link localLinearAttention} and its backward pass share. */
export interface LocalLinearAttentionSharedOptions {
  /** default 1 */
  heads?: number;
  /** weight of the ridge, ≥ 0; the larger, the closer to softmax attention; default 10 */
  lambda?: number;
  /** factor of the scores q·k; default 1/√d */
  scale?: number;
  /** query i sees keys j ≤ i + keys − queries; default false */
  causal?: boolean;
  /** `'direct'` (default): a Cholesky factor for each query, in f64; `'cg'`: conjugate gradients, in the type of `q` */
  solver?: 'direct' | 'cg';
  /** of conjugate gradients, for each query; default 32 */
  maxIterations?: number;
  /** a query's iteration stops once ‖r‖ is at most this times ‖r₀‖; default 10⁻⁶ */
  tolerance?: number;
}

/** Options of {@link localLinearAttention}. */
export interface LocalLinearAttentionOptions<A extends Real = Float32Array> extends LocalLinearAttentionSharedOptions {
  /** takes the result */
  out?: Dense<A>;
  /**
   * called after every 256 queries with `iteration`, the number of queries done, and the largest residual; returning
   * `false` ends the call with ERR_ABORTED
   */
  onProgress?: (progress: Progress) => boolean | void;
}

/** What {@link localLinearAttention} returns; the iterations are those of the slowest query, 0 for 'direct'. */
export interface LocalLinearAttentionResult<A extends Real = Float32Array> extends Iterated {
  /** queries × heads · e */
  out: Dense<A>;
}

const solvers = ['direct', 'cg'] as const;
export const localLinearKeys = ['heads', 'lambda', 'scale', 'causal', 'solver', 'maxIterations', 'tolerance'] as const;

/** The arguments of both directions, checked. */
export function localLinearArguments<A extends Real>(
  at: Where,
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  options: Partial<LocalLinearAttentionSharedOptions>,
) {
  const [query, type] = realMatrix<A>(at, 'q', q);
  const heads = at.integer('options.heads', options.heads ?? 1, { min: 1, max: 65536 });
  const d = headColumns(at, 'q', query, heads);
  const key = fitting(at, 'k', k, type, { cols: query.cols });
  const value = fitting(at, 'v', v, type, { rows: key.rows });
  const e = headColumns(at, 'v', value, heads);
  const sizes: LocalLinearSizes = [
    query.rows,
    key.rows,
    heads,
    d,
    e,
    at.number('options.scale', options.scale ?? 1 / Math.sqrt(d), { min: -1e30, max: 1e30 }),
    at.number('options.lambda', options.lambda ?? 10, { min: 0, max: 1e30 }),
    at.boolean('options.causal', options.causal ?? false),
    at.oneOf('options.solver', options.solver ?? 'direct', solvers),
    at.integer('options.maxIterations', options.maxIterations ?? 32, { max: 1e6 }),
    at.number('options.tolerance', options.tolerance ?? 1e-6, { min: 0 }),
  ];
  return { query, key, value, type, heads, sizes };
}

/** Refuses a query whose system a direct solver found singular. */
export function refuseSingular(at: Where, first: number, heads: number): void {
  if (first < 0) return;
  const query = Math.floor(first / heads);
  at.fail(
    'ERR_RANGE',
    'options.lambda',
    'a ridge that makes up for keys that do not span all directions',
    `a singular system for query ${query}, head ${first % heads}`,
  );
}

/**
 * Local linear attention: softmax attention takes the mean of the values with weights `w_j = exp(scale · q·k_j)`, this the
 * value at q of a ridge regression of values on keys with the same weights,
 *
 * `out = b` of `min over b, W of Σ_j w_j·‖v_j − b − W·(k_j − q)‖² + lambda·ω·‖W‖²`, `ω = Σ_j w_j`.
 *
 * It corrects the bias that a mean has where keys lie to one side of the query. For lambda → ∞ it becomes softmax
 * attention. A query that sees one key gives that key's value exactly, and one that sees none zeros.
 *
 * With n keys and m queries, `'direct'` takes m·(n·d² + d³/3) multiplications a head in f64 and is the accurate one: the
 * result is that of the formula to about 10⁻⁶, or 10⁻¹⁴ where `q`, `k` and `v` are f64. `'cg'` takes 2·m·n·d
 * multiplications an iteration in their type and is faster from d = 32 or so on; its `converged` tells whether every query
 * reached the tolerance. Memory: (64 + d)·n numbers a thread. A NaN or infinity among the keys or values of a head may spread to all queries of that head.
 *
 * @param q queries × heads · d, f32 or f64 as all arguments
 * @param k keys × heads · d
 * @param v keys × heads · e
 * @throws LapidaryError ERR_RANGE (also: `'direct'` with a lambda so small that the system of a query is singular to
 *   rounding, as it is for lambda = 0 wherever d distinct keys or fewer are seen), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY. With lambda = 0 `'cg'` does not throw: it stops a query where the
 *   curvature vanishes and says `converged: false`.
 * @source Local Linear Attention: An Optimal Interpolation of Linear and Softmax Attention for Test-Time Regression
 *   (2025), arXiv 2510.01450. Deviations: the centred form, equal by the Sherman-Morrison formula (the paper
 *   divides by δ = ω − μᵀρ, which can round to 0 or below); inner products in f64 in place of bf16; no preconditioner
 * @example
 * const k = dense(3, 1, Float32Array.of(1, 2, 3));
 * localLinearAttention(dense(1, 1, Float32Array.of(4)), k, k, { lambda: 1e-9 }).out.data // 4
 */
export function localLinearAttention<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  options?: LocalLinearAttentionOptions<A>,
): LocalLinearAttentionResult<A> {
  const at = where('localLinearAttention');
  const given = at.options(options, [...localLinearKeys, 'out', 'onProgress']);
  const { query, key, value, type, heads, sizes } = localLinearArguments(at, q, k, v, given);
  const { onProgress } = given;
  if (onProgress !== undefined) at.function('options.onProgress', onProgress);
  const out = at.outDense('options.out', given.out, type, query.rows, value.cols);
  const report = new Float64Array(4);
  const result = { iterations: 0, converged: true, residual: 0 };
  const step = onProgress ? 256 : query.rows;
  for (let from = 0; from < query.rows; from += step) {
    const to = Math.min(query.rows, from + step);
    native.localLinearAttention(query.data, key.data, value.data, out.data, report, from, to, ...sizes);
    refuseSingular(at, report[3]!, heads);
    result.iterations = Math.max(result.iterations, report[0]!);
    result.converged &&= report[1] === 1;
    result.residual = Math.max(result.residual, report[2]!);
    if (onProgress?.({ iteration: to, residual: result.residual }) === false || cancelState() !== 'run')
      at.fail('ERR_ABORTED', undefined, 'to run to its end, but the call was stopped');
  }
  return { out, ...result };
}
