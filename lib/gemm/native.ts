import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

type Bytes = Int8Array | Uint8Array;

/** What native/binding/gemm.cc offers. The arrays of one call have one type. */
interface GemmNative {
  /** c ← alpha·op(a)·op(b) + beta·c */
  matmul(
    a: Real,
    b: Real,
    c: Real,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    beta: number,
  ): void;
  /** The same for 8-bit integers, of which at least one is signed; c, alpha and beta are i32. */
  integerMatmul(
    a: Bytes,
    b: Bytes,
    c: Int32Array,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    beta: number,
  ): void;
  /** y ← a·x */
  matvec(a: Real, x: Real, y: Real, rows: number, cols: number): void;
}

export const native = load<GemmNative>('gemm');
