import { typeOf, where, type Where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { native } from './native.js';
import { semiringCodes, type Semiring, type semirings } from './semirings.js';
import {
  accumulators,
  checkFactors,
  checkMask,
  count,
  operands,
  type SpgemmPlan,
  type SpgemmPlanOptions,
  type SpgemmStats,
  type SpgemmValues,
} from './spgemm-plan.js';

/** Options of {@link spgemm}. */
export interface SpgemmOptions extends SpgemmPlanOptions {
  /** the operators, by name ({@link semirings}) or by their names; default `plus-times` */
  semiring?: keyof typeof semirings | Semiring;
  /**
   * `false` leaves rows that went through a hash table in no particular order of columns: somewhat faster, but no other
   * function of this package takes such a matrix. Default `true`.
   */
  sorted?: boolean;
  /** from {@link spgemmPlan} for matrices with the same patterns; mask and accumulator are those of the plan */
  plan?: SpgemmPlan;
}

/**
 * The product of two sparse matrices: `c[i,j] = Σ_k a[i,k] · b[k,j]`, summed in ascending order of k, or the same with
 * other operators than + and ·.
 *
 * An entry stands wherever a product fell, also if the sum is zero. Two phases: count, then fill. Time is proportional to
 * `flops`, and for results that hardly compress to writing them: 12 bytes an entry. A mask saves memory and most of the
 * writing; products outside it are still looked at. Scratch: 17 bytes a row of `a` and `b`, at most 12 bytes an entry of
 * `b`, and for each thread an accumulator.
 *
 * @param a m × k, f64, f32 or i32; `a` and `b` may be the same
 * @param b k × n of the same type
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_FORMAT (a malformed matrix, a plan of other patterns),
 * ERR_RANGE (2^32 entries or more, known before the result is allocated), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Gustavson, Two Fast Algorithms for Sparse Matrices (1978); windows of rows after Shivdikar, SMASH (2021); hash
 * accumulator and equal-work partition after Nagasaka, Matsuoka, Azad & Buluç (2018); rank directory: Jacobson,
 * Space-efficient Static Trees and Graphs (1989)
 * @example
 * const a = fromCoo({ rows: 2, cols: 2, row: [0, 0, 1], col: [0, 1, 1], value: [1, 2, 3] });
 * toDense(spgemm(a, a)).data // 1, 8, 0, 9
 */
export function spgemm<A extends SpgemmValues>(
  a: Csr<A>,
  b: Csr<A>,
  options?: SpgemmOptions,
): Csr<A> & { stats: SpgemmStats } {
  const at = where('spgemm');
  checkFactors(at, a, b);
  const known = ['semiring', 'sorted', 'plan', 'mask', 'complement', 'accumulator'] as const;
  const { semiring, sorted = true, plan: given, ...counted } = at.options(options, known);
  const codes = semiringCodes(at, semiring);
  at.boolean('options.sorted', sorted);
  if (given === undefined) {
    const { plan, indices, values } = count(at, a, b, counted, { codes, sorted });
    return { rows: plan.rows, cols: plan.cols, indptr: plan.indptr, indices, values, stats: plan.stats };
  }

  const plan = checkedPlan(at, given, counted, a, b);
  const { rows, cols, indptr, stats } = plan;
  const indices = at.allocate(Uint32Array, indptr[rows]!);
  const values = at.allocate(typeOf(a.values), indptr[rows]!);
  native.spgemmFill(...operands(a, b, plan, codes), sorted, indptr, indices, values);
  return { rows, cols, indptr: indptr.slice(), indices, values, stats };
}

function checkedPlan(
  at: Where,
  plan: SpgemmPlan,
  counted: SpgemmPlanOptions,
  a: Csr<SpgemmValues>,
  b: Csr<SpgemmValues>,
): SpgemmPlan {
  for (const key of Object.keys(counted))
    at.fail('ERR_OPTION', `options.${key}`, 'no such option beside a plan, which has its own', key);
  if (typeof plan !== 'object' || plan === null) at.fail('ERR_DTYPE', 'options.plan', 'a plan from spgemmPlan');
  const [rows, cols] = [at.integer('options.plan.rows', plan.rows), at.integer('options.plan.cols', plan.cols)];
  if (rows !== a.rows || cols !== b.cols)
    at.fail('ERR_SHAPE', 'options.plan', `a plan for ${a.rows} × ${b.cols}`, `${rows} × ${cols}`);
  at.array('options.plan.indptr', plan.indptr, [Uint32Array], a.rows + 1);
  at.oneOf('options.plan.accumulator', plan.accumulator, accumulators);
  at.boolean('options.plan.complement', plan.complement);
  if (plan.mask !== null) checkMask(at, 'options.plan.mask', plan.mask, a.rows, b.cols);
  return plan;
}
