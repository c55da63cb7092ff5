import { native as core } from '../core/native.js';
import { typeOf, where, type ArrayType, type Where } from '../core/validate.js';
import type { LapidaryError } from '../core/errors.js';
import type { Csr, NumericArray, Real } from '../core/values.js';
import { csrArguments, native, type Factors } from './native.js';
import { checkPattern, isPattern, standIn, type Pattern } from './pattern.js';

export const accumulators = ['auto', 'hash', 'dense', 'heap', 'sort'] as const;
export type SpgemmValues = Real | Int32Array;
export const valueTypes = [Float64Array, Float32Array, Int32Array] as const;

/** Options of {@link spgemmPlan}. */
export interface SpgemmPlanOptions {
  /** rows × cols of the result: only entries that it has are computed, whatever their value there */
  mask?: Pattern;
  /** `true`: only entries that `mask` does not have. Default `false`. */
  complement?: boolean;
  /**
   * where the products of a row meet: `dense` a bitmap over the columns in reach, `hash` a table with linear probing,
   * `sort` a list that is sorted, `heap` a merge of rows of `b`; `auto` (the default) chooses for each window of rows. The
   * result is the same to the last bit.
   */
  accumulator?: (typeof accumulators)[number];
}

/** What a product cost. */
export interface SpgemmStats {
  /** operations, a multiplication and an addition for each pair of entries that met, masked or not */
  flops: number;
  /** multiplications for each entry of the result; 0 for an empty result */
  compressionRatio: number;
  /** rows of the result by accumulator; `none`: rows without a product */
  rowsPerAccumulator: { hash: number; dense: number; heap: number; sort: number; none: number };
}

/** The shape of a product, its row pointers, and what it was counted with. */
export interface SpgemmPlan {
  rows: number;
  cols: number;
  /** length rows + 1 */
  indptr: Uint32Array;
  mask: Pattern | null;
  complement: boolean;
  accumulator: (typeof accumulators)[number];
  stats: SpgemmStats;
}

/**
 * The first phase of {@link spgemm}: how many entries each row of a·b has. For products of matrices whose values change
 * but not their patterns: `spgemm(a, b, { plan })` then only fills.
 *
 * O(flops), a tenth to a third of the time of the product.
 *
 * @param a m × k, f64, f32, i32 or a pattern without values; `a` and `b` may be the same
 * @param b k × n of the same type or a pattern
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_FORMAT (a malformed matrix), ERR_RANGE (2^32 entries or
 * more), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Gustavson, Two Fast Algorithms for Sparse Matrices (1978), section 3; rows of `b` in words of 64 columns:
 * Deveci, Trott & Rajamanickam, Multithreaded sparse matrix-matrix multiplication (2018), section 3.2
 * @example
 * const a = fromCoo({ rows: 2, cols: 2, row: [0, 0, 1], col: [0, 1, 1], value: [1, 2, 3] });
 * const plan = spgemmPlan(a, a);
 * spgemm({ ...a, values: Float64Array.of(5, 0, 1) }, a, { plan }).values // 5, 10, 3
 */
export function spgemmPlan(
  a: Csr<SpgemmValues> | Pattern,
  b: Csr<SpgemmValues> | Pattern,
  options?: SpgemmPlanOptions,
): SpgemmPlan {
  const at = where('spgemmPlan');
  const [left, right] = checkedFactors(at, a, b);
  return count(at, left, right, at.options(options, ['mask', 'complement', 'accumulator'])).plan;
}

/** Both factors, of one type and of shapes that fit. Patterns get values that mean nothing: i32 if both are patterns. */
export function checkedFactors<A extends SpgemmValues>(
  at: Where,
  a: Csr<A> | Pattern,
  b: Csr<A> | Pattern,
): [Csr<A>, Csr<A>] {
  let type = Int32Array as unknown as ArrayType<A>;
  let types: readonly ArrayType[] = valueTypes;
  for (const [name, matrix] of [['a', a] as const, ['b', b] as const]) {
    if (isPattern(matrix)) {
      checkPattern(at, name, matrix);
    } else {
      type = typeOf((at.csr(name, matrix, types) as Csr<A>).values);
      types = [type];
    }
  }
  if (b.rows !== a.cols) at.fail('ERR_SHAPE', 'b', `${a.cols} rows, as many as a has columns`, `${b.rows}`);
  const placed = (x: Csr<A> | Pattern): Csr<A> =>
    isPattern(x) ? { ...x, values: standIn(x.indices, type) } : (x as Csr<A>);
  return [placed(a), placed(b)];
}

/** Memory for the entries of a product: two arrays of one length. */
export interface Room<A extends SpgemmValues> {
  indices: Uint32Array;
  values: A;
}

/** The same as a caller gives it: without values where the result has none. */
export type GivenRoom<A extends SpgemmValues> = Pick<Room<A>, 'indices'> & { values: A | undefined };

/** What the second phase needs beyond a plan, if it is to follow at once; without `out` it gets memory of its own. */
interface Filling<A extends SpgemmValues> {
  codes: [add: number, multiply: number];
  sorted: boolean;
  out: GivenRoom<A> | undefined;
}

/** Room for exactly `nnz` entries, in `out` if that is given. */
export function roomFor<A extends SpgemmValues>(
  at: Where,
  type: ArrayType<A>,
  nnz: number,
  out: GivenRoom<A> | undefined,
): Room<A> {
  if (out && out.indices.length < nnz)
    at.fail('ERR_SHAPE', 'options.out', `room for ${nnz} entries`, `room for ${out.indices.length}`);
  return {
    indices: out ? firstOf(out.indices, nnz) : at.allocateUncleared(Uint32Array, nnz),
    values: out?.values ? firstOf(out.values, nnz) : at.allocateUncleared(type, nnz),
  };
}

/** The first `n` numbers. A subclass may make anything of `subarray`. */
const firstOf = <A extends NumericArray>(array: A, n: number): A =>
  new (typeOf(array))(array.buffer, array.byteOffset, n);

/** The plan of a product whose factors have been checked; with `filling`, the indices and values of the product too. */
export function count<A extends SpgemmValues>(
  at: Where,
  a: Csr<A>,
  b: Csr<A>,
  { mask, complement = false, accumulator = 'auto' }: SpgemmPlanOptions,
  filling?: Filling<A>,
): { plan: SpgemmPlan } & Room<A> {
  at.oneOf('options.accumulator', accumulator, accumulators);
  at.boolean('options.complement', complement);
  if (mask !== undefined) checkMask(at, 'options.mask', mask, a.rows, b.cols);
  const indptr = at.allocate(Uint32Array, a.rows + 1);
  const counts = new Float64Array(2 + accumulators.length);
  const plan = { rows: a.rows, cols: b.cols, indptr, mask: mask ?? null, complement, accumulator };
  const type = typeOf(a.values);
  const { codes, sorted, out } = filling ?? { codes: [0, 0], sorted: true };
  const nothing: Room<A> = { indices: new Uint32Array(0), values: new type(0) };
  let result = nothing;
  const checkSize = () => {
    if (counts[0]! >= 2 ** 32)
      at.fail('ERR_RANGE', undefined, 'a result of at most 2^32 - 1 entries', String(counts[0]));
  };
  const allocate = (nnz: number): [Uint32Array, A] => {
    checkSize();
    result = roomFor(at, type, nnz, out);
    return [result.indices, result.values];
  };
  let guessed = false;
  const room = (): [Uint32Array, A] => {
    const nnz = counts[0]!;
    guessed = indptr.at(-1) === 0 && nnz > 0; // for the most there can be: nothing has been counted
    return allocate(guessed && out ? Math.min(nnz, out.indices.length) : nnz);
  };
  try {
    native.spgemm(...operands(a, b, plan, codes), sorted, indptr, counts, filling && room);
  } catch (error) {
    if (!guessed || (error as LapidaryError).code !== 'ERR_OUT_OF_MEMORY') throw error;
    result = nothing; // the result itself may be much smaller
    native.spgemm(...operands(a, b, plan, codes), sorted, indptr, counts, undefined);
    native.spgemmFill(...operands(a, b, plan, codes), sorted, indptr, ...allocate(counts[0]!));
  }
  checkSize();
  const [nnz, products, none, hash, dense, heap, sort] = counts as unknown as number[];
  if (nnz! < result.indices.length)
    result = out
      ? { indices: firstOf(result.indices, nnz!), values: firstOf(result.values, nnz!) }
      : { indices: trimmed(at, result.indices, nnz!), values: trimmed(at, result.values, nnz!) };
  const stats = {
    flops: 2 * products!,
    compressionRatio: nnz! > 0 ? products! / nnz! : 0,
    rowsPerAccumulator: { hash: hash!, dense: dense!, heap: heap!, sort: sort!, none: none! },
  };
  return { plan: { ...plan, stats }, ...result };
}

/**
 * The first `n` entries: in the memory they are in, unless more than a fifth of the array would lie idle. What its buffer
 * has beside it for huge pages does not count: a copy has as much, and for a while both are there.
 */
function trimmed<A extends NumericArray>(at: Where, array: A, n: number): A {
  const part = array.subarray(0, n) as A;
  if (5 * n >= 4 * array.length) {
    const rest = array.subarray(n); // what others left in this memory is not to be seen beside the result
    core.clearUntouched(new Uint8Array(rest.buffer, rest.byteOffset, rest.byteLength));
    return part;
  }
  const own = at.allocateUncleared(typeOf(array), n);
  own.set(part);
  return own;
}

export function checkMask(at: Where, argument: string, mask: Pattern, rows: number, cols: number): void {
  checkPattern(at, argument, mask);
  if (mask.rows !== rows || mask.cols !== cols)
    at.fail('ERR_SHAPE', argument, `${rows} × ${cols}`, `${mask.rows} × ${mask.cols}`);
}

/** What both native phases take. */
export const operands = (
  a: Csr<SpgemmValues>,
  b: Csr<SpgemmValues>,
  { mask, complement, accumulator }: Pick<SpgemmPlan, 'mask' | 'complement' | 'accumulator'>,
  [add, multiply]: [number, number],
): Factors => [
  ...csrArguments(a),
  ...csrArguments(b),
  mask?.indptr,
  mask?.indices,
  complement,
  accumulators.indexOf(accumulator),
  add,
  multiply,
];
