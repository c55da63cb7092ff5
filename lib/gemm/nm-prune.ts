import { arrayTypeName, describe, typeOf, where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

/** What N:M weights hold: f32, or i8 for exact products with bytes. */
export type NmValues = Float32Array | Int8Array;

/**
 * Weights of which n in every m neighbours of a row are kept. Rows are taken 16 at a time (padded with zeros), columns in
 * blocks of `width` = ⌊16/m⌋·m, which keep `slots` values of each row: n of each group, columns ascending, rounded up with
 * zeros to a multiple of 2 (f32) or 4 (i8). With `block` = panel·blocks + b:
 *
 * - f32: `values[(block·slots + s)·16 + r]`; the low half of byte `(block·slots + s)·8 + r` of `offsets`, s even, is the
 *   column in the block of slot s of row r, the high half that of slot s + 1
 * - i8: `values[(block·slots + s)·16 + 4·r + i]`, s a multiple of 4, is slot s + i of row r; byte e/2 of `offsets` has the
 *   column of value e, in its low half for even e
 */
export interface NmWeights<A extends NmValues = Float32Array> {
  format: 'nm';
  /** version of the layout */
  layout: 1;
  rows: number;
  cols: number;
  /** kept of a group */
  n: number;
  /** columns in a group */
  m: number;
  values: A;
  /** half as many bytes as there are values */
  offsets: Uint8Array;
}

/** Options of {@link nmPrune}. */
export interface NmPruneOptions {
  /** kept of a group, 1 to m */
  n: number;
  /** neighbours in a group, 1 to 16 */
  m: number;
  /**
   * along what the groups lie. `in`, the default: along the columns of `w`, over which `x · wᵀ` sums (the forward pass).
   * `out`: along its rows, over which `dy · w` sums (the backward pass); the result is then the transpose, cols × rows,
   * ready for `sparseLinear(dy, …)`
   */
  axis?: 'in' | 'out';
}

/**
 * Keeps the n largest magnitudes of every m neighbours of the weights (N:M pruning) in a form that {@link sparseLinear}
 * multiplies with; any n ≤ m ≤ 16, such as 2:4, 2:8 and 1:4.
 *
 * Of equal magnitudes the one with the lowest index is kept; NaN counts as larger than everything, so that it is not lost.
 * A last group of fewer than m keeps up to n. The bidirectional training of BDWP takes two: `axis: 'in'` for the forward
 * and `axis: 'out'` for the backward product, made anew from the dense weights after each update. The paper's penalty on
 * pruned weights is the optimiser's affair.
 *
 * Memory of the result: 4.5 bytes a kept Float32 and 1.5 a kept Int8 value (2:4: 56 % and 75 % of the dense weights, 2:8:
 * 28 % and 38 %). Time: about m comparisons a weight. The same on every machine.
 *
 * @param w out × in
 * @returns the weights, out × in (in × out for `axis: 'out'`)
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Fang et al., Efficient N:M Sparse DNN Training Using Algorithm, Architecture, and Dataflow Co-Design (2023),
 *   section III
 * @example
 * const w = dense(1, 4, Float32Array.of(1, -3, 2, 0));
 * gemm.nmExpand(gemm.nmPrune(w, { n: 2, m: 4 })).data // 0, -3, 2, 0
 */
export function nmPrune<A extends NmValues>(w: Dense<A>, given: NmPruneOptions): NmWeights<A> {
  const at = where('nmPrune');
  const dense = at.dense('w', w, [Float32Array, Int8Array]);
  const opts = at.options(given, ['n', 'm', 'axis']);
  const m = at.integer('options.m', opts.m, { min: 1, max: 16 });
  const n = at.integer('options.n', opts.n, { min: 1, max: m });
  const turned = at.oneOf('options.axis', opts.axis ?? 'in', ['in', 'out']) === 1;
  const rows = turned ? dense.cols : dense.rows;
  const cols = turned ? dense.rows : dense.cols;
  const type = typeOf(dense.data as NmValues);
  const length = valuesOf(at, 'w', { rows, cols, n, m }, type.name);
  const values = at.allocate(type, length);
  const offsets = at.allocate(Uint8Array, length / 2);
  native.nmPrune(dense.data, values, offsets, turned, rows, cols, n, m);
  return { format: 'nm', layout: 1, rows, cols, n, m, values: values as A, offsets };
}

/**
 * N:M weights as a dense matrix, with zeros where they were pruned.
 *
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_FORMAT, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source the layout of {@link NmWeights}
 * @example
 * const w = gemm.nmPrune(dense(1, 4, Float32Array.of(1, 2, 3, 4)), { n: 1, m: 4 });
 * gemm.nmExpand(w).data // 0, 0, 0, 4
 */
export function nmExpand<A extends NmValues>(w: NmWeights<A>): Dense<A> {
  const at = where('nmExpand');
  checkNm(at, 'w', w);
  const data = at.allocate(typeOf(w.values), at.size('w', w.rows, w.cols));
  native.nmExpand(w.values, w.offsets, data, w.rows, w.cols, w.n, w.m);
  return { rows: w.rows, cols: w.cols, data };
}

/** Length of `values`. */
function valuesOf(at: Where, argument: string, of: Pick<NmWeights, 'rows' | 'cols' | 'n' | 'm'>, type: string): number {
  const groups = Math.floor(16 / of.m);
  const step = type === 'Float32Array' ? 2 : 4;
  const slots = Math.ceil((groups * of.n) / step) * step;
  const panels = Math.ceil(of.rows / 16);
  return at.size(argument, panels * 16, Math.ceil(of.cols / (groups * of.m)) * slots);
}

/** Checks N:M weights from outside; offsets of four bits cannot be wrong. */
export function checkNm(at: Where, argument: string, w: NmWeights<NmValues>): void {
  if (w?.format !== 'nm') at.fail('ERR_DTYPE', argument, 'weights of nmPrune', typeof w);
  if (w.layout !== 1) at.fail('ERR_FORMAT', `${argument}.layout`, 'version 1', describe(w.layout));
  at.integer(`${argument}.rows`, w.rows);
  at.integer(`${argument}.cols`, w.cols);
  at.integer(`${argument}.m`, w.m, { min: 1, max: 16 });
  at.integer(`${argument}.n`, w.n, { min: 1, max: w.m });
  const values = at.array(`${argument}.values`, w.values, [Float32Array, Int8Array]);
  const length = valuesOf(at, argument, w, arrayTypeName(values)!);
  at.array(`${argument}.values`, values, [Float32Array, Int8Array], length);
  at.array(`${argument}.offsets`, w.offsets, [Uint8Array], length / 2);
}
