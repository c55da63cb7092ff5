import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** A Csr as the native side takes it. */
export type CsrArguments = [rows: number, cols: number, indptr: Uint32Array, indices: Uint32Array, values: Real];

/** A Csr of any of the numbers that operations entry by entry take. */
type NumberCsr = [rows: number, cols: number, indptr: Uint32Array, indices: Uint32Array, values: Real | Int32Array];

/**
 * Where a result of unknown size goes, in two calls: with `indptr` alone the function points it to the rows and returns
 * the number of entries, with all three it fills them.
 */
export type Out = [indptr: Uint32Array, indices: Uint32Array | undefined, values: Real | Int32Array | undefined];

type Picks = [list: Uint32Array | undefined, from: number, count: number];

/** What native/binding/sparse.cc offers. Every function that takes a Csr refuses a malformed one with ERR_FORMAT. */
type SpgemmMatrix = [rows: number, cols: number, indptr: Uint32Array, indices: Uint32Array, values: Real | Int32Array];

/** What both phases of a sparse product take; absent mask arrays: no mask. */
export type Factors = [
  ...a: SpgemmMatrix,
  ...b: SpgemmMatrix,
  maskIndptr: Uint32Array | undefined,
  maskIndices: Uint32Array | undefined,
  complement: boolean,
  accumulator: number,
  add: number,
  multiply: number,
];

/** What native/binding/sparse*.cc offer. Every function that takes a Csr refuses a malformed one with ERR_FORMAT. */
interface SparseNative {
  /** The number of entries once duplicates are summed; they fill the front of `indices` and `values`. */
  fromCoo(
    rows: number,
    cols: number,
    row: Uint32Array,
    col: Uint32Array,
    value: Real | Int32Array,
    indptr: Uint32Array,
    indices: Uint32Array,
    values: Real | Int32Array,
  ): number;
  /** The number of entries; below 2^32, `indptr` points to them. */
  countNonzeros(rows: number, cols: number, data: Real | Int32Array, indptr: Uint32Array): number;
  fromDense(
    rows: number,
    cols: number,
    data: Real | Int32Array,
    indptr: Uint32Array,
    indices: Uint32Array,
    values: Real | Int32Array,
  ): void;
  toDense(...args: [...a: NumberCsr, data: Real | Int32Array]): void;
  transpose(...args: [...a: NumberCsr, indptr: Uint32Array, indices: Uint32Array, values: Real | Int32Array]): void;
  spmv(...args: [...a: CsrArguments, x: Real, out: Real, transposed: boolean, batch: number]): void;
  /**
   * Writes row pointers to `indptr` and [entries, products, empty rows, rows by hash, dense, heap, sort] to `stats`; then
   * calls `allocate`, if there is one, and fills the indices and values that it gives. Where the product hardly compresses
   * or has a mask, `allocate` is called first, with row pointers of 0 and the most entries that there can be, and the entries
   * are known afterwards.
   */
  spgemm(
    ...args: [
      ...operands: Factors,
      sorted: boolean,
      indptr: Uint32Array,
      stats: Float64Array,
      allocate: (() => [indices: Uint32Array, values: Real | Int32Array]) | undefined,
    ]
  ): void;
  /** Fills what spgemm counted with the same operands, the semiring excepted. */
  spgemmFill(
    ...args: [
      ...operands: Factors,
      sorted: boolean,
      indptr: Uint32Array,
      indices: Uint32Array,
      values: Real | Int32Array,
    ]
  ): void;
  spmm(
    ...args: [
      ...a: CsrArguments,
      b: Real,
      out: Real,
      cols: number,
      transposeA: boolean,
      transposeB: boolean,
      batch: number,
    ]
  ): void;

  // sparse_elements.cc; `undefined` stands in the place of arrays that a first call does not have
  add(...args: [...a: NumberCsr, ...b: NumberCsr, ...out: Out, alpha: number, beta: number]): number;
  hadamardProduct(...args: [...a: NumberCsr, ...b: NumberCsr, ...out: Out]): number;
  scale(...args: [...a: CsrArguments, factor: number, rows: Real | undefined, cols: Real | undefined, out: Real]): void;
  reduce(...args: [...a: NumberCsr, columns: boolean, reduction: number, out: Real | Int32Array]): void;
  /** 1 or 0 */
  isSymmetric(...args: [...a: NumberCsr, values: boolean, tolerance: number]): number;
  sddmm(...args: [...s: CsrArguments, x: Real, y: Real, out: Real, k: number]): void;
  prune(...args: [...a: NumberCsr, ...out: Out, tolerance: number]): number;
  topK(...args: [...a: NumberCsr, ...out: Out, k: number, magnitude: boolean]): number;

  // sparse_parts.cc
  extract(...args: [...a: NumberCsr, ...rows: Picks, ...cols: Picks, ...out: Out]): number;
  permute(
    ...args: [
      ...a: NumberCsr,
      rows: Uint32Array | undefined,
      cols: Uint32Array | undefined,
      indptr: Uint32Array,
      indices: Uint32Array,
      values: Real | Int32Array,
    ]
  ): void;
  lowerTriangle(...args: [...a: NumberCsr, ...out: Out, triangle: number, offset: number]): number;
  upperTriangle(...args: [...a: NumberCsr, ...out: Out, triangle: number, offset: number]): number;
  diag(...args: [...a: NumberCsr, out: Real | Int32Array]): void;
}

export const native = load<SparseNative>('sparse');

export const csrArguments = <V extends Real | Int32Array>(a: {
  rows: number;
  cols: number;
  indptr: Uint32Array;
  indices: Uint32Array;
  values: V;
}): [rows: number, cols: number, indptr: Uint32Array, indices: Uint32Array, values: V] => [
  a.rows,
  a.cols,
  a.indptr,
  a.indices,
  a.values,
];
