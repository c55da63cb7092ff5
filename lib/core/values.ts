/**
 * The values that cross every public boundary: plain objects of typed arrays and numbers. They can be cloned to a worker,
 * written to a file or shared through a SharedArrayBuffer; there is nothing to free.
 */
import { where } from './validate.js';

export type NumericArray =
  Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** Floating-point data. */
export type Real = Float64Array | Float32Array;

/** A row-major matrix: element (i, j) is `data[i * cols + j]`. */
export interface Dense<A extends NumericArray = Float64Array> {
  rows: number;
  cols: number;
  data: A;
  /** tags 16- and 8-bit floats held in a Uint16Array or Uint8Array */
  dtype?: 'f16' | 'bf16' | 'e4m3' | 'e5m2';
}

/** A sparse matrix by compressed rows: row i holds entries `indptr[i] … indptr[i+1] − 1`, columns ascending and unique. */
export interface Csr<A extends NumericArray = Float64Array> {
  rows: number;
  cols: number;
  /** length rows + 1 */
  indptr: Uint32Array;
  /** length nnz */
  indices: Uint32Array;
  /** length nnz */
  values: A;
}

/**
 * A rows × cols matrix over `data`, or of zeros (Float64Array) without it. `data` is used as it is, not copied.
 *
 * @throws LapidaryError ERR_SHAPE if `data` has another length, ERR_RANGE for sizes that are no whole numbers
 * @example dense(2, 2, Float32Array.of(1, 2, 3, 4)).cols // 2
 */
export function dense(rows: number, cols: number): Dense;
export function dense<A extends NumericArray>(rows: number, cols: number, data: A): Dense<A>;
export function dense(rows: number, cols: number, data?: NumericArray): Dense<NumericArray> {
  const at = where('dense');
  const length = at.size('rows × cols', at.integer('rows', rows), at.integer('cols', cols));
  if (data === undefined) return { rows, cols, data: at.allocate(Float64Array, length) };
  at.array('data', data, anyArray, length);
  return { rows, cols, data };
}

const anyArray = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
] as const;

/**
 * The n × n identity.
 *
 * @throws LapidaryError ERR_RANGE
 * @example identity(2).data // 1, 0, 0, 1
 */
export function identity(n: number): Dense {
  const out = dense(n, n);
  for (let i = 0; i < n; i++) out.data[i * n + i] = 1;
  return out;
}
