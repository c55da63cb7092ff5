import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

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

/** What native/binding/attention_linear.cc offers; arrays of one call are of one type. */
interface LinearAttentionNative {
  /** `last` may be `state` */
  lightningAttention(
    q: Real,
    k: Real,
    v: Real,
    state: Real | undefined,
    out: Real,
    last: Real,
    ...sizes: LightningSizes
  ): void;
  lightningAttentionBackward(
    q: Real,
    k: Real,
    v: Real,
    dOut: Real,
    state: Real | undefined,
    dLast: Real | undefined,
    dq: Real,
    dk: Real,
    dv: Real,
    dState: Real,
    ...sizes: LightningSizes
  ): void;
  /** `report`: iterations, converged, residual, the first query·heads + head that is singular or −1 */
  localLinearAttention(
    q: Real,
    k: Real,
    v: Real,
    out: Real,
    report: Float64Array,
    from: number,
    to: number,
    ...sizes: LocalLinearSizes
  ): void;
  localLinearAttentionBackward(
    q: Real,
    k: Real,
    v: Real,
    dOut: Real,
    dq: Real,
    dk: Real,
    dv: Real,
    report: Float64Array,
    ...sizes: LocalLinearSizes
  ): void;
  tensorAttention(q: Real, k1: Real, k2: Real, v1: Real, v2: Real, out: Real, ...sizes: TensorSizes): void;
  /** an upper bound of all |scores| */
  tensorScoreBound(q: Real, k1: Real, k2: Real, ...sizes: TensorSizes): number;
  /** the number of monomials, 0 if there are more than 65536 */
  tensorFeatures(d: number, degree: number): number;
  /** the number of denominators that are not above 0 */
  tensorAttentionPolynomial(
    q: Real,
    k1: Real,
    k2: Real,
    v1: Real,
    v2: Real,
    out: Real,
    ...sizes: [...TensorSizes, degree: number]
  ): number;
  /** `out` may be `x` */
  rotateRange(x: Real, out: Real, delta: number, from: number, to: number, ...sizes: RotarySizes): void;
  /** `format`: 0 f16, 1 bf16 */
  rotateRange16(
    x: Uint16Array,
    out: Uint16Array,
    delta: number,
    from: number,
    to: number,
    ...sizes: [...RotarySizes, format: number]
  ): void;
  rotatePositions(x: Real, out: Real, positions: Float64Array, ...sizes: RotarySizes): void;
}

export const native = load<LinearAttentionNative>('attention');
