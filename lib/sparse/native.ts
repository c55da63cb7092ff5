import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** A Csr as the native side takes it. */
export type CsrArguments = [rows: number, cols: number, indptr: Uint32Array, indices: Uint32Array, values: Real];

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
    value: Real,
    indptr: Uint32Array,
    indices: Uint32Array,
    values: Real,
  ): number;
  /** The number of entries; below 2^32, `indptr` points to them. */
  countNonzeros(rows: number, cols: number, data: Real, indptr: Uint32Array): number;
  fromDense(rows: number, cols: number, data: Real, indptr: Uint32Array, indices: Uint32Array, values: Real): void;
  toDense(...args: [...a: CsrArguments, data: Real]): void;
  transpose(...args: [...a: CsrArguments, indptr: Uint32Array, indices: Uint32Array, values: Real]): void;
  spmv(...args: [...a: CsrArguments, x: Real, out: Real, transposed: boolean]): void;
  /**
   * Writes row pointers to `indptr` and [entries, products, empty rows, rows by hash, dense, heap, sort] to `stats`; then
   * calls `allocate`, if there is one, and fills the indices and values that it gives.
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
  spmm(...args: [...a: CsrArguments, b: Real, out: Real, cols: number]): void;
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
