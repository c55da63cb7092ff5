import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { fitting, headColumns, realMatrix } from './linear-heads.js';
import { native, type TensorSizes } from './native-linear.js';

const methods = ['exact', 'polynomial'] as const;

/** Options of {@link tensorAttention}. */
export interface TensorAttentionOptions<A extends Real = Float32Array> {
  /** default 1 */
  heads?: number;
  /** `'exact'` (default), or `'polynomial'` for small scores */
  method?: (typeof methods)[number];
  /** of the polynomial, 0 to 64; default the smallest whose error bound is within `tolerance` */
  degree?: number;
  /** largest relative error of an exponential that the polynomial may have; default 10⁻³ */
  tolerance?: number;
  /** factor of the scores; default 1, as published */
  scale?: number;
  /** takes the result */
  out?: Dense<A>;
}

/** What {@link tensorAttention} returns. */
export interface TensorAttentionResult<A extends Real = Float32Array> {
  /** queries × heads · e */
  out: Dense<A>;
  /** what was done: 'exact' also where the polynomial was asked for and cannot give what was asked */
  method: (typeof methods)[number];
  /** why: too many features, an error bound above the tolerance, or a denominator that is not above 0 */
  fallback?: 'features' | 'bound' | 'denominator';
  /** of the polynomial that was used or given up */
  degree?: number;
  /** monomials of that degree */
  features?: number;
  /** bound of the relative error of each exponential by that polynomial */
  errorBound?: number;
}

/** B^(g+1)/(g+1)!·e^B: Lagrange's remainder of exp for |s| ≤ B, relative to the least exp(s). */
function remainder(bound: number, degree: number): number {
  let term = Math.exp(bound);
  for (let p = 1; p <= degree + 1; p++) term *= bound / p;
  return Number.isNaN(term) ? Infinity : term;
}

/**
 * Tensor attention (third-order): each query attends to pairs of keys,
 * `out_i = Σ_{a,b} p_iab · (v1_a ∘ v2_b)` with `p_i` the softmax over all pairs of `scale · Σ_l q_il · k1_al · k2_bl`.
 *
 * `'exact'` computes 2·n1·n2·(d + e) operations for each query and head in tiles, never holding more than one tile of
 * pairs. `'polynomial'` replaces exp by its Taylor polynomial, which turns sums over pairs into products of sums over the
 * C(d + degree, degree) monomials: linear in the number of tokens, in f64. With |scores| ≤ B each exponential is then
 * wrong by at most `errorBound` ε = B^(g+1)/(g+1)! · e^B in relative terms, and the result by 2ε/(1 − ε) of the largest
 * |v1 ∘ v2|. Where ε is above `tolerance`, the monomials are more than 65536, or a denominator is not above 0 (possible
 * only with a tolerance of 1 or more), the exact method is used, and the result says so.
 *
 * No keys give zeros. NaN or infinity in a head gives NaN there.
 *
 * @param q queries × heads · d, f32 or f64 as all arguments
 * @param k1 n1 × heads · d
 * @param k2 n2 × heads · d
 * @param v1 n1 × heads · e
 * @param v2 n2 × heads · e
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED,
 *   ERR_OUT_OF_MEMORY
 * @source Alman & Song, How to Capture Higher-order Correlations? Generalizing Matrix Softmax Attention to Kronecker
 *   Computation (2023): tensor attention, and for bounded entries the polynomial method, here with Taylor's coefficients
 * @example
 * const [q, k] = [dense(1, 1, Float32Array.of(0)), dense(2, 1, Float32Array.of(1, 2))];
 * tensorAttention(q, k, k, k, k).out.data // 2.25
 */
export function tensorAttention<A extends Real>(
  q: Dense<A>,
  k1: Dense<A>,
  k2: Dense<A>,
  v1: Dense<A>,
  v2: Dense<A>,
  options?: TensorAttentionOptions<A>,
): TensorAttentionResult<A> {
  const at = where('tensorAttention');
  const given = at.options(options, ['heads', 'method', 'degree', 'tolerance', 'scale', 'out']);
  const [query, type] = realMatrix<A>(at, 'q', q);
  const heads = at.integer('options.heads', given.heads ?? 1, { min: 1, max: 65536 });
  const d = headColumns(at, 'q', query, heads);
  const first = fitting(at, 'k1', k1, type, { cols: query.cols });
  const second = fitting(at, 'k2', k2, type, { cols: query.cols });
  const values = fitting(at, 'v1', v1, type, { rows: first.rows });
  const e = headColumns(at, 'v1', values, heads);
  const others = fitting(at, 'v2', v2, type, { rows: second.rows, cols: values.cols });
  const method = methods[at.oneOf('options.method', given.method ?? 'exact', methods)]!;
  const scale = at.number('options.scale', given.scale ?? 1, { min: -1e30, max: 1e30 });
  const tolerance = at.number('options.tolerance', given.tolerance ?? 1e-3, { min: 0 });
  if (given.degree !== undefined) at.integer('options.degree', given.degree, { max: 64 });
  const out = at.outDense('options.out', given.out, type, query.rows, values.cols);
  const sizes: TensorSizes = [query.rows, first.rows, second.rows, heads, d, e, scale];
  const arrays = [query.data, first.data, second.data, values.data, others.data, out.data] as const;
  const exact = (): TensorAttentionResult<A> => {
    native.tensorAttention(...arrays, ...sizes);
    return { out, method: 'exact' };
  };
  if (method === 'exact') return exact();

  const bound = native.tensorScoreBound(query.data, first.data, second.data, ...sizes);
  let degree = given.degree ?? 0;
  if (given.degree === undefined) while (degree < 64 && !(remainder(bound, degree) <= tolerance)) degree++;
  const errorBound = remainder(bound, degree);
  const features = native.tensorFeatures(d, degree);
  const told = { degree, errorBound, ...(features > 0 && { features }) };
  if (!(errorBound <= tolerance)) return { ...exact(), ...told, fallback: 'bound' };
  if (features === 0) return { ...exact(), ...told, fallback: 'features' };
  if (first.rows === 0 || second.rows === 0) return exact(); // nothing to approximate: zeros
  if (native.tensorAttentionPolynomial(...arrays, ...sizes, degree) > 0)
    return { ...exact(), ...told, fallback: 'denominator' };
  return { out, method: 'polynomial', ...told };
}
