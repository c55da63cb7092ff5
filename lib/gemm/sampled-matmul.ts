import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** Options of {@link sampledMatmul}. */
export interface SampledMatmulOptions<A extends Real = Float64Array> {
  /** k: how many of the n terms to use, at least 1; from n on the product is exact */
  samples: number;
  /** of the draws; default 0 */
  seed?: number;
  /** c: how many of the largest terms to take as they are, 0 to samples − 1; default the best. 0 is plain sampling (CRS) */
  deterministic?: number;
  /** multiply by the transpose of `a`, which is then n × m; default false */
  transposeA?: boolean;
  /** m × q, takes the result; shares no memory with `a` or `b` */
  out?: Dense<A>;
}

/** An estimated product and what it was made of. */
export interface SampledProduct<A extends Real = Float64Array> extends Dense<A> {
  /** the terms used, ascending; fewer than `samples` where some were drawn more than once */
  indices: Uint32Array;
  /** what each was multiplied by */
  weights: Float64Array;
  /** c: the terms that were taken as they are */
  deterministic: number;
  /** their share of Σ_i ‖a_i‖ · ‖b_i‖ */
  mass: number;
  /** bound of the mean squared error: E ‖estimate − a · b‖²_F ≤ variance */
  variance: number;
}

/**
 * Unbiased estimate of `op(a) · b = Σ_i a_i · b_iᵀ` from k of its n terms (columns of op(a) times rows of b): winner-take-all
 * column-row sampling, WTA-CRS.
 *
 * With p_i = ‖a_i‖ · ‖b_i‖ / Σ_j ‖a_j‖ · ‖b_j‖ the c largest terms are taken as they are, and k − c are drawn from the others
 * with probabilities ∝ p_j, with replacement, and weight (1 − P_c)/((k − c) · p_j), where P_c is the share of the c largest.
 * c minimises the planned variance (Σ_i ‖a_i‖ · ‖b_i‖)² · (1 − P_c)²/(k − c), a bound of the true one. (The authors' program
 * uses the norms of the last epoch for b and adds 1e-8 to p; here the norms are those of the operands and zero terms are
 * never drawn.)
 *
 * Use it where an unbiased product will do, as for the gradient of weights `dyᵀ · x` over many tokens. Not where the terms
 * are equally large and the answer must be good: the error then falls only as 1/√k. The same seed gives the same bits for any
 * number of threads.
 *
 * Time: reading both operands once for the norms, O(n log k) to plan, and a product with k in place of n.
 *
 * @param a m × n (n × m if transposed), finite
 * @param b n × q, of the same type, finite; n below 2^32
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also for values that are not finite), ERR_OPTION, ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Liu et al., Winner-Take-All Column Row Sampling for Memory Efficient Adaptation of Language Models (2023),
 *   equations 5 and 6, theorem 2
 * @example
 * const a = dense(1, 3, Float64Array.of(8, 0, 0));
 * const b = dense(3, 1, Float64Array.of(2, 5, 7));
 * gemm.sampledMatmul(a, b, { samples: 2 }).data // 16
 */
export function sampledMatmul<A extends Real>(
  a: Dense<A>,
  b: Dense<A>,
  given: SampledMatmulOptions<A>,
): SampledProduct<A> {
  const at = where('sampledMatmul');
  const left = at.dense('a', a, [Float64Array, Float32Array]);
  const type = typeOf(left.data);
  const right = at.dense('b', b, [type]);
  const opts = at.options(given, ['samples', 'seed', 'deterministic', 'transposeA', 'out']);
  const transposed = at.boolean('options.transposeA', opts.transposeA ?? false);
  const m = transposed ? left.cols : left.rows;
  const n = transposed ? left.rows : left.cols;
  const q = right.cols;
  if (right.rows !== n) at.fail('ERR_SHAPE', 'b', `${n} rows`, String(right.rows));
  if (n > 2 ** 32 - 1) at.fail('ERR_RANGE', 'b', 'fewer than 2^32 rows', String(n));
  const k = at.integer('options.samples', opts.samples, { min: 1 });
  const c =
    opts.deterministic === undefined ? k : at.integer('options.deterministic', opts.deterministic, { max: k - 1 });
  const seed = at.integer('options.seed', opts.seed ?? 0);
  const out = at.outDense('options.out', opts.out, type, m, q);

  const sizes = at.allocate(Float64Array, n);
  native.termSizes(left.data, right.data, sizes, m, n, q, transposed);
  const indices = at.allocate(Uint32Array, Math.min(k, n));
  const weights = at.allocate(Float64Array, Math.min(k, n));
  const plan = new Float64Array(4);
  native.planTerms(sizes, indices, weights, plan, k, c, seed % 2 ** 32, Math.floor(seed / 2 ** 32));
  const [count, deterministic, mass, variance] = plan as unknown as [number, number, number, number];
  const used = indices.slice(0, count);
  const factors = weights.slice(0, count);
  native.sampledProduct(left.data, right.data, used, factors, out.data, m, n, q, transposed);
  return {
    rows: m,
    cols: q,
    data: out.data as A,
    indices: used,
    weights: factors,
    deterministic,
    mass,
    variance,
  };
}
