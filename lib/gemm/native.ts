import { load } from '../core/load.js';
import type { NumericArray, Real } from '../core/values.js';
import type { Bytes, Stored } from './operands.js';

type Sizes = [
  m: number,
  n: number,
  k: number,
  transposeA: boolean,
  transposeB: boolean,
  alpha: number,
  beta: number,
  batch: number,
];

/** What native/binding/gemm*.cc offers. */
interface GemmNative {
  /** c ← alpha·op(a)·op(b) + beta·c, `batch` times; one type of array */
  matmul(a: Real, b: Real, c: Real, ...sizes: Sizes): void;
  /** The same for floats of 32 and 16 bits; storages are codes of native/gemm/half.h. */
  halfMatmul(a: Stored, b: Stored, c: Float32Array, ...sizesAndStorages: [...Sizes, ...storages: number[]]): void;
  /** c ← a·bᵀ of bit planes; encodings by their place in the list of bit-matmul.ts */
  bitMatmul(
    a: BigUint64Array,
    b: BigUint64Array,
    c: Int32Array,
    k: number,
    aRows: number,
    aBits: number,
    aEncoding: number,
    bRows: number,
    bBits: number,
    bEncoding: number,
  ): void;
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
  integerMatmul(a: Bytes, b: Bytes, c: Int32Array, ...sizes: Sizes): void;
  /** y ← a·x */
  matvec(a: Real, x: Real, y: Real, rows: number, cols: number): void;
  halfMatvec(a: Uint16Array, x: Float32Array, y: Float32Array, rows: number, cols: number, storage: number): void;
  /** y ← activation(x·wᵀ + bias); activation and route are codes of native/gemm/activation.h and operand.h */
  linear(
    x: NumericArray,
    w: NumericArray,
    y: Real,
    m: number,
    n: number,
    k: number,
    bias: Real | undefined,
    activation: number,
    coefficients: Real | undefined,
    epsilon: number,
    route: number,
    storageX: number,
    storageW: number,
  ): void;
  /** blocks of n values transformed; out may be x */
  hadamard(x: Real, out: Real, n: number, block: number): void;
  /** y ← x·wᵀ + bias */
  integerLinear(
    x: Bytes,
    w: Bytes,
    y: Int32Array,
    m: number,
    n: number,
    k: number,
    bias: Int32Array | undefined,
    route: number,
  ): void;
}

export const native = load<GemmNative>('gemm');
