import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** What native/binding/compress.cc offers; schemes are codes of native/quant/quantize.h. */
interface CompressNative {
  /** h ← h·before/(before + rows) + 2/(before + rows)·xᵀx */
  hessian(x: Real, h: Float64Array, rows: number, cols: number, before: number): void;
  /** out ← B·h·B, B the Hadamard matrices of `block` columns on the diagonal */
  rotateHessian(h: Float64Array, out: Float64Array, n: number, block: number): void;
  /** codes of w for the scales of a quantised matrix; report takes damping, attempts, loss */
  gptq(
    w: Float32Array,
    h: Float64Array,
    codes: Uint8Array,
    scales: Float32Array | undefined,
    byteScales: Uint8Array | undefined,
    zeros: Uint8Array | undefined,
    rowScales: Float32Array | undefined,
    out: Uint8Array,
    report: Float64Array,
    rows: number,
    cols: number,
    group: number,
    scheme: number,
    bits: number,
    tensorScale: number,
    byDiagonal: boolean,
    damping: number,
  ): void;
  /** codes, scales, zeros, rowScales and one loss for w and inputs x */
  dgq(
    w: Float32Array,
    x: Float32Array,
    codes: Uint8Array,
    scales: Uint8Array,
    zeros: Uint8Array,
    rowScales: Float32Array,
    loss: Float64Array,
    rows: number,
    cols: number,
    group: number,
    inputs: number,
  ): void;
}

export const native = load<CompressNative>('compress');
