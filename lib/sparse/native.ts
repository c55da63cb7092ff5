import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** A Csr as the native side takes it. */
export type CsrArguments = [rows: number, cols: number, indptr: Uint32Array, indices: Uint32Array, values: Real];

/** What native/binding/sparse.cc offers. Every function that takes a Csr refuses a malformed one with ERR_FORMAT. */
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
  /** First phase, under the name that errors carry: writes row pointers to `indptr` and [entries, products, empty rows, hash rows, dense rows] to `stats`. */
  spgemm(
    ...args: [...a: CsrArguments, ...b: CsrArguments, accumulator: number, indptr: Uint32Array, stats: Float64Array]
  ): void;
  /** Fills what spgemm counted with the same accumulator. */
  spgemmFill(
    ...args: [
      ...a: CsrArguments,
      ...b: CsrArguments,
      accumulator: number,
      sorted: boolean,
      indptr: Uint32Array,
      indices: Uint32Array,
      values: Real,
    ]
  ): void;
  spmm(...args: [...a: CsrArguments, b: Real, out: Real, cols: number]): void;
}

export const native = load<SparseNative>('sparse');

export const csrArguments = (a: {
  rows: number;
  cols: number;
  indptr: Uint32Array;
  indices: Uint32Array;
  values: Real;
}) => [a.rows, a.cols, a.indptr, a.indices, a.values] satisfies CsrArguments;
