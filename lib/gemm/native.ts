import { load } from '../core/load.js';
import type { NumericArray, Real } from '../core/values.js';
import type { LmulArray } from '../quant/index.js';
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

type Hashed = [
  rows: number,
  cols: number,
  chunk: number,
  mapper: number,
  scale: number,
  seedLo: number,
  seedHi: number,
];

/** What native/binding/gemm_sparse.cc offers. */
interface GemmSparseNative {
  /** rows × cols is the shape of what is compressed: w, or its transpose */
  nmPrune(
    w: Float32Array | Int8Array,
    values: Float32Array | Int8Array,
    offsets: Uint8Array,
    transposed: boolean,
    rows: number,
    cols: number,
    n: number,
    m: number,
  ): void;
  nmExpand(
    values: Float32Array | Int8Array,
    offsets: Uint8Array,
    out: Float32Array | Int8Array,
    rows: number,
    cols: number,
    n: number,
    m: number,
  ): void;
  nmLinear(
    x: Float32Array | Bytes,
    values: Float32Array | Int8Array,
    offsets: Uint8Array,
    y: Float32Array | Int32Array,
    tokens: number,
    rows: number,
    cols: number,
    n: number,
    m: number,
  ): void;
  sparseLinear(
    x: Float32Array,
    indptr: Uint32Array,
    index: Uint32Array,
    values: Float32Array | Int8Array | Uint8Array,
    scales: Float32Array | null,
    zeros: Uint8Array | null,
    y: Float32Array,
    tokens: number,
    rows: number,
    cols: number,
    size: number,
  ): void;
  /** `groups` says how many are kept; codes have scales, 4-bit codes zeros; ERR_RANGE if one of these is not finite */
  groupPrune(
    w: Float32Array,
    importance: Float32Array | undefined,
    indptr: Uint32Array,
    groups: Uint32Array,
    values: Float32Array | Int8Array | Uint8Array,
    scales: Float32Array | undefined,
    zeros: Uint8Array | undefined,
    rows: number,
    cols: number,
    size: number,
  ): void;
  /** places of native/gemm/group_panels.h; the last of `starts` is the number of batches */
  groupPanelPlaces(
    indptr: Uint32Array,
    groups: Uint32Array,
    mask: Uint16Array,
    starts: Uint32Array,
    rows: number,
    cols: number,
  ): void;
  groupPanelFill(
    indptr: Uint32Array,
    groups: Uint32Array,
    values: Uint8Array,
    scales: Float32Array,
    zeros: Uint8Array,
    starts: Uint32Array,
    codesOut: Uint8Array,
    scalesOut: Float32Array,
    zerosOut: Uint8Array,
    rows: number,
    cols: number,
  ): void;
  /** x is rounded to bytes */
  groupPanelLinear(
    x: Float32Array,
    mask: Uint16Array,
    starts: Uint32Array,
    codes: Uint8Array,
    scales: Float32Array,
    zeros: Uint8Array,
    y: Float32Array,
    tokens: number,
    rows: number,
    cols: number,
  ): void;
  /** y += scale·(x·downᵀ)·(Σ blocks of up)ᵀ */
  addLowRank(
    x: Float32Array,
    down: Float32Array,
    up: Float32Array,
    y: Float32Array,
    tokens: number,
    rows: number,
    cols: number,
    width: number,
    blocks: number,
    scale: number,
  ): void;
  /** writes `gradient`, of the values; adds to dx */
  csrGradient(
    x: Float32Array,
    dy: Float32Array,
    indptr: Uint32Array,
    indices: Uint32Array,
    values: Float32Array,
    gradient: Float32Array,
    dx: Float32Array,
    tokens: number,
    rows: number,
    cols: number,
  ): void;
  termSizes(a: Real, b: Real, sizes: Float64Array, m: number, n: number, q: number, transposeA: boolean): void;
  /** plan takes count, deterministic, mass, variance */
  planTerms(
    sizes: Float64Array,
    indices: Uint32Array,
    weights: Float64Array,
    plan: Float64Array,
    k: number,
    c: number,
    seedLo: number,
    seedHi: number,
  ): void;
  sampledProduct(
    a: Real,
    b: Real,
    indices: Uint32Array,
    weights: Float64Array,
    c: Real,
    m: number,
    n: number,
    q: number,
    transposeA: boolean,
  ): void;
  hashedLinear(x: Float32Array, array: Float32Array, y: Float32Array, tokens: number, ...hashed: Hashed): void;
  hashedGradient(
    x: Float32Array,
    dy: Float32Array,
    gradient: Float32Array,
    tokens: number,
    ...hashed: [...Hashed, mean: boolean]
  ): void;
  hashedExpand(array: Float32Array, out: Float32Array, ...hashed: Hashed): void;
}

/** What native/binding/gemm.cc, gemm_linear.cc, gemm_integer.cc, gemm_bits.cc and gemm_lmul.cc offer. */
interface GemmNative {
  /** c ← alpha·op(a)·op(b) + beta·c, `batch` times; one type of array */
  matmul(a: Real, b: Real, c: Real, ...sizes: Sizes): void;
  /** The same for floats of 32 and 16 bits; storages are codes of native/gemm/half.h. */
  halfMatmul(a: Stored, b: Stored, c: Float32Array, ...sizesAndStorages: [...Sizes, ...storages: number[]]): void;
  /** c ← op(a)·op(b) by L-Mul; the last four as in native/binding/lmul.h, and the numbers of the sum */
  lmulMatmul(
    a: LmulArray,
    b: LmulArray,
    c: Float32Array,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    format: number,
    variant: number,
    mantissa: number,
    sum: number,
  ): void;
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
  /** The same for 8-bit integers, of which at least one is signed; c, alpha and beta are i32. */
  integerMatmul(a: Bytes, b: Bytes, c: Int32Array, ...sizes: Sizes): void;
  /** w, n × k or, transposed, k × n, to the layout of native/gemm/integer_packed.h, and the sums of its rows */
  integerPack(w: Int8Array, packed: Int8Array, sums: Int32Array, n: number, k: number, transposed: boolean): void;
  /** c ← alpha·op(a)·wᵀ + beta·c; with a bias, which takes the place of c: c ← alpha·op(a)·wᵀ + bias */
  integerPackedMatmul(
    a: Bytes,
    packed: Int8Array,
    sums: Int32Array,
    c: Int32Array,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    alpha: number,
    beta: number,
    bias: Int32Array | undefined,
  ): void;
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

/** What native/binding/gemm_quantized.cc offers. */
interface GemmQuantizedNative {
  /** y ← activation(x·(W + left·right)ᵀ + bias), W of native/quant/quantize.h; codes as in the doorways of quant and linear */
  quantizedLinear(
    x: Stored,
    y: Float32Array,
    codes: Uint8Array,
    scales: Float32Array | undefined,
    byteScales: Uint8Array | undefined,
    zeros: Uint8Array | undefined,
    bias: Float32Array | undefined,
    activation: number,
    coefficients: Real | undefined,
    epsilon: number,
    route: number,
    rowScales: Float32Array | undefined,
    permutation: Uint32Array | undefined,
    left: Float32Array | undefined,
    right: Float32Array | undefined,
    rank: number,
    tokens: number,
    rows: number,
    cols: number,
    group: number,
    scheme: number,
    bits: number,
    tensorScale: number,
    storageX: number,
    rounded: boolean,
  ): void;
}

type After = [
  bias: Float32Array | undefined,
  activation: number,
  coefficients: Float32Array | undefined,
  epsilon: number,
];

/** What native/binding/gemm_packed.cc offers. */
interface GemmPackedNative {
  lutPack(codes: Uint8Array, packed: Uint8Array, rows: number, cols: number, group: number, bits: number): void;
  /** bytes x with tokenScales: exact; f32 x: tables of 8 bits */
  lutLinear(
    x: Int8Array | Float32Array,
    y: Float32Array,
    packed: Uint8Array,
    scales: Float32Array,
    zeros: Uint8Array | undefined,
    tokenScales: Float32Array | undefined,
    ...rest: [
      ...After,
      rows: number,
      cols: number,
      group: number,
      bits: number,
      tokens: number,
      factor: number,
      zero: number,
      way: number,
    ]
  ): void;
  ternaryPack(codes: Uint8Array, packed: Uint8Array, rows: number, cols: number): void;
  ternaryLinear(
    x: Int8Array,
    y: Float32Array,
    packed: Uint8Array,
    scales: Float32Array,
    tokens: number,
    tokenScales: Float32Array,
    ...rest: [...After, rows: number, cols: number, way: number]
  ): void;
  quantizeActivations(
    x: Float32Array,
    q: Int8Array,
    scales: Float32Array,
    gain: Float32Array | undefined,
    rows: number,
    cols: number,
    rms: boolean,
    epsilon: number,
    floor: number,
  ): void;
}

export const native = load<GemmNative & GemmSparseNative & GemmQuantizedNative & GemmPackedNative>('gemm');
