import { checkApart } from '../core/apart.js';
import { describe, typeOf, where, type Where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { native } from './native.js';
import { isPattern, type Pattern } from './pattern.js';
import { semiringCodes, type Semiring, semirings } from './semirings.js';
import {
  accumulators,
  checkedFactors,
  checkMask,
  count,
  type GivenRoom,
  operands,
  roomFor,
  type SpgemmPlan,
  type SpgemmPlanOptions,
  type SpgemmStats,
  type SpgemmValues,
} from './spgemm-plan.js';

/** Options of {@link spgemm}. `A`: the type of the values of `out`; without it they serve products of any type. */
export interface SpgemmOptions<A extends SpgemmValues = never> extends SpgemmPlanOptions {
  /** the operators, by name ({@link semirings}) or by their names; default `plus-times`, of two patterns `any-pair` */
  semiring?: keyof typeof semirings | Semiring;
  /**
   * `false` leaves rows in no particular order of columns where that is faster: where hardly anything compresses, and rows
   * that went through a hash table. No other function of this package takes such a matrix. Default `true`.
   */
  sorted?: boolean;
  /** from {@link spgemmPlan} for matrices with the same patterns; mask and accumulator are those of the plan */
  plan?: SpgemmPlan;
  /**
   * memory for the entries, such as those of an earlier product that is no longer needed: arrays of one length, of at least
   * as many entries as the result has (`plan.indptr` ends with their number), that overlap no other argument. The result's
   * `indices` and `values` are their beginnings; what lies behind is left as it is. A result that is a pattern needs no `values`.
   */
  out?: { indices: Uint32Array; values?: A };
}

/**
 * The product of two sparse matrices: `c[i,j] = Σ_k a[i,k] · b[k,j]`, summed in ascending order of k, or the same with
 * other operators than + and ·.
 *
 * An entry stands wherever a product fell, also if the sum is zero. Two phases, count, then fill; one where a sample of
 * rows says that hardly any two products meet, and under most masks: the arrays of the result are then views of slightly
 * longer buffers. Time is proportional to
 * `flops`, and for results that hardly compress to writing them: 12 bytes an entry. A mask saves memory and most of the
 * writing; products outside it are still looked at. Scratch: 16 bytes a row of `a`, five a row and at most 12 an entry of
 * `b` (32, and a byte a product, where `b` has at most 512 columns), and for each thread an accumulator and up to 2.3 MiB for
 * patterns that rows repeat.
 *
 * Not as in SMASH: each thread has its own accumulator, and a giant row is cut by columns instead of merged by atomic
 * additions, whose order would change the bits of sums. Tables are probed one key at a time: at most half full, they are found
 * in one and a half looks on average.
 *
 * Patterns, matrices without `values`, are for operators that do not read them: `pair`, `second` for `a`, `first` for `b`.
 * Two patterns give an Int32Array, counts for example, and with `any-pair`, whose values are all 1, a pattern again.
 *
 * @param a m × k, f64, f32, i32 or a pattern; `a` and `b` may be the same
 * @param b k × n of the same type or a pattern
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE (also `out` that is too short: it may then hold a part of the result, as with any
 * error after the checks), ERR_OPTION (also a semiring that reads values which are not there), ERR_FORMAT (a malformed matrix, a
 * plan of other patterns), ERR_ALIAS, ERR_RANGE (2^32 entries or more, known before the result is allocated), ERR_OUT_OF_MEMORY,
 * ERR_ABORTED
 * @source Gustavson, Two Fast Algorithms for Sparse Matrices (1978); windows of rows after Shivdikar, SMASH (2021); hash
 * accumulator and equal-work partition after Nagasaka, Matsuoka, Azad & Buluç (2018); rank directory: Jacobson,
 * Space-efficient Static Trees and Graphs (1989)
 * @example
 * const a = fromCoo({ rows: 2, cols: 2, row: [0, 0, 1], col: [0, 1, 1], value: [1, 2, 3] });
 * toDense(spgemm(a, a)).data // 1, 8, 0, 9
 */
export function spgemm<A extends SpgemmValues>(
  a: Csr<A>,
  b: Csr<A> | Pattern,
  options?: SpgemmOptions<A>,
): Csr<A> & { stats: SpgemmStats };
export function spgemm<A extends SpgemmValues>(
  a: Pattern,
  b: Csr<A>,
  options: SpgemmOptions<A>,
): Csr<A> & { stats: SpgemmStats };
export function spgemm(
  a: Pattern,
  b: Pattern,
  options?: SpgemmOptions<Int32Array> & { semiring?: 'any-pair' | (typeof semirings)['any-pair'] },
): Pattern & { stats: SpgemmStats };
export function spgemm(
  a: Pattern,
  b: Pattern,
  options: SpgemmOptions<Int32Array>,
): Csr<Int32Array> & { stats: SpgemmStats };
export function spgemm<A extends SpgemmValues>(
  a: Csr<A> | Pattern,
  b: Csr<A> | Pattern,
  options?: SpgemmOptions<A>,
): Pattern & { values?: A; stats: SpgemmStats } {
  const at = where('spgemm');
  const [left, right] = checkedFactors(at, a, b);
  const bare = isPattern(a) && isPattern(b);
  const known = ['semiring', 'sorted', 'plan', 'mask', 'complement', 'accumulator', 'out'] as const;
  const { semiring = bare ? 'any-pair' : 'plus-times', sorted = true, plan: given, out, ...counted } = at.options(options, known); // prettier-ignore
  const codes = semiringCodes(at, semiring);
  const { add, multiply } = typeof semiring === 'string' ? semirings[semiring] : semiring;
  if (isPattern(a) && multiply !== 'pair' && multiply !== 'second')
    at.fail('ERR_OPTION', 'options.semiring', `pair or second, since a has no values`, multiply);
  if (isPattern(b) && multiply !== 'pair' && multiply !== 'first')
    at.fail('ERR_OPTION', 'options.semiring', `pair or first, since b has no values`, multiply);
  at.boolean('options.sorted', sorted);
  const valueless = bare && add === 'any';
  const plan = given && checkedPlan(at, given, counted, left, right);
  const mask = plan ? plan.mask : counted.mask;
  const room = out === undefined ? out : checkedOut(at, out, valueless, [left, right, mask, plan]);
  const { values, ...rest } = plan
    ? fill(at, plan, left, right, codes, sorted, room)
    : whole(at, left, right, counted, codes, sorted, room);
  return valueless ? rest : { ...rest, values };
}

type Product<A extends SpgemmValues> = Csr<A> & { stats: SpgemmStats };
type Codes = [add: number, multiply: number];

function whole<A extends SpgemmValues>(
  at: Where,
  a: Csr<A>,
  b: Csr<A>,
  counted: SpgemmPlanOptions,
  codes: Codes,
  sorted: boolean,
  out: GivenRoom<A> | undefined,
): Product<A> {
  const { plan, indices, values } = count(at, a, b, counted, { codes, sorted, out });
  return { rows: plan.rows, cols: plan.cols, indptr: plan.indptr, indices, values, stats: plan.stats };
}

function fill<A extends SpgemmValues>(
  at: Where,
  plan: SpgemmPlan,
  a: Csr<A>,
  b: Csr<A>,
  codes: Codes,
  sorted: boolean,
  out: GivenRoom<A> | undefined,
): Product<A> {
  const { rows, cols, indptr, stats } = plan;
  const { indices, values } = roomFor(at, typeOf(a.values), indptr[rows]!, out);
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

function checkedOut<A extends SpgemmValues>(
  at: Where,
  out: { indices: Uint32Array; values?: A },
  valueless: boolean,
  inputs: readonly [Csr<A>, ...(Partial<Csr<A>> | null | undefined)[]],
): GivenRoom<A> {
  if (typeof out !== 'object' || out === null)
    at.fail('ERR_DTYPE', 'options.out', 'an object of indices and values', describe(out));
  const indices = at.array('options.out.indices', out.indices, [Uint32Array]);
  const type = typeOf(inputs[0].values);
  const values = valueless ? undefined : at.array('options.out.values', out.values, [type], indices.length);
  const others = inputs.flatMap((m) => [m?.indptr, m?.indices, m?.values]);
  checkApart(at, indices, [...others, values]);
  if (values) checkApart(at, values, others);
  return { indices, values };
}
