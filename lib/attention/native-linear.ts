import { load } from '../core/load.js';

type F32 = Float32Array;
type LightningSizes = [
  lengths: Uint32Array,
  decay: Float64Array,
  tokens: number,
  heads: number,
  d: number,
  e: number,
  block: number,
];
/** `solver`: 0 direct, 1 cg */
export type LocalLinearSizes = [
  queries: number,
  keys: number,
  heads: number,
  d: number,
  e: number,
  scale: number,
  lambda: number,
  causal: boolean,
  solver: number,
  maxIterations: number,
  tolerance: number,
];
export type TensorSizes = [
  queries: number,
  first: number,
  second: number,
  heads: number,
  d: number,
  e: number,
  scale: number,
];
/** `layout`: 0 half, 1 interleaved */
export type RotarySizes = [frequencies: Float64Array, rows: number, heads: number, d: number, layout: number];

/** What native/binding/attention_linear.cc offers. */
interface LinearAttentionNative {
  /** `last` may be `state` */
  lightningAttention(
    q: F32,
    k: F32,
    v: F32,
    state: F32 | undefined,
    out: F32,
    last: F32,
    ...sizes: LightningSizes
  ): void;
  lightningAttentionBackward(
    q: F32,
    k: F32,
    v: F32,
    dOut: F32,
    state: F32 | undefined,
    dLast: F32 | undefined,
    dq: F32,
    dk: F32,
    dv: F32,
    dState: F32,
    ...sizes: LightningSizes
  ): void;
  /** `report`: iterations, converged, residual, the first query·heads + head that is singular or −1 */
  localLinearAttention(
    q: F32,
    k: F32,
    v: F32,
    out: F32,
    report: Float64Array,
    from: number,
    to: number,
    ...sizes: LocalLinearSizes
  ): void;
  localLinearAttentionBackward(
    q: F32,
    k: F32,
    v: F32,
    dOut: F32,
    dq: F32,
    dk: F32,
    dv: F32,
    report: Float64Array,
    ...sizes: LocalLinearSizes
  ): void;
  tensorAttention(q: F32, k1: F32, k2: F32, v1: F32, v2: F32, out: F32, ...sizes: TensorSizes): void;
  /** an upper bound of all |scores| */
  tensorScoreBound(q: F32, k1: F32, k2: F32, ...sizes: TensorSizes): number;
  /** the number of monomials, 0 if there are more than 65536 */
  tensorFeatures(d: number, degree: number): number;
  /** the number of denominators that are not above 0 */
  tensorAttentionPolynomial(
    q: F32,
    k1: F32,
    k2: F32,
    v1: F32,
    v2: F32,
    out: F32,
    ...sizes: [...TensorSizes, degree: number]
  ): number;
  /** `out` may be `x` */
  rotateRange(x: F32, out: F32, delta: number, from: number, to: number, ...sizes: RotarySizes): void;
  rotatePositions(x: F32, out: F32, positions: Float64Array, ...sizes: RotarySizes): void;
}

export const native = load<LinearAttentionNative>('attention');
