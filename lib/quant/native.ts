import { load } from '../core/load.js';
import type { LmulArray } from './lmul.js';

/** What native/binding/quant.cc offers. Codes of enumerators are positions in the lists of quantized.ts. */
interface QuantNative {
  toFloat16(x: Float32Array, y: Uint16Array, format: number): void;
  fromFloat16(x: Uint16Array, y: Float32Array, format: number): void;
  toFloat8(x: Float32Array, y: Uint8Array, format: number, saturate: boolean): void;
  fromFloat8(x: Uint8Array, y: Float32Array, format: number): void;
  absMax(w: Float32Array): number;
  absSum(w: Float32Array): number;
  rowSquares(w: Float32Array, squares: Float64Array, rows: number, cols: number): void;
  quantize(
    w: Float32Array,
    codes: Uint8Array,
    scales: Float32Array | undefined,
    byteScales: Uint8Array | undefined,
    zeros: Uint8Array | undefined,
    rowScales: Float32Array | undefined,
    permutation: Uint32Array | undefined,
    rows: number,
    cols: number,
    group: number,
    scheme: number,
    bits: number,
    tensorScale: number,
    constraint: number,
  ): void;
  dequantize(
    codes: Uint8Array,
    scales: Float32Array | undefined,
    byteScales: Uint8Array | undefined,
    zeros: Uint8Array | undefined,
    rowScales: Float32Array | undefined,
    permutation: Uint32Array | undefined,
    w: Float32Array,
    rows: number,
    cols: number,
    group: number,
    scheme: number,
    bits: number,
    tensorScale: number,
  ): void;
  addLowRank(w: Float32Array, left: Float32Array, right: Float32Array, rows: number, cols: number, rank: number): void;
  /** y[i] = L(a[i], b[i]) of arrays of one type; format, variant and mantissa as in native/binding/lmul.h */
  lmul(a: LmulArray, b: LmulArray, y: LmulArray, format: number, variant: number, mantissa: number): void;
  packPlanes(
    values: Int8Array | Uint8Array | Int16Array,
    planes: BigUint64Array,
    rows: number,
    cols: number,
    bits: number,
    encoding: number,
  ): void;
  unpackPlanes(
    planes: BigUint64Array,
    values: Int8Array | Uint8Array | Int16Array,
    rows: number,
    cols: number,
    bits: number,
    encoding: number,
  ): void;
}

export const native = load<QuantNative>('quant');
