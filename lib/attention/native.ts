import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** The operands of a native call, in its order; arrays of one type. */
export type AttentionInputs = [
  q: Real,
  k: Real,
  v: Real,
  mask: Real | undefined,
  segments: Uint32Array,
  queries: number,
  keys: number,
  heads: number,
  kvHeads: number,
  d: number,
  dv: number,
  segmentCount: number,
  maskCols: number,
  scale: number,
  causal: boolean,
];

/** What native/binding/attention.cc offers. */
interface AttentionNative {
  attention(...args: [...AttentionInputs, out: Real, lse: Real | undefined]): void;
  attentionBackward(
    ...args: [...AttentionInputs, out: Real, lse: Real, dOut: Real, dq: Real, dk: Real, dv: Real]
  ): void;
  /** by L-Mul; numbers as in native/binding/lmul.h */
  lmulAttention(
    ...args: [...AttentionInputs, out: Real, format: number, variant: number, mantissa: number, exactValues: boolean]
  ): void;
  blockScores(...args: [...AttentionInputs, starts: Uint32Array, documents: number, count: number, scores: Real]): void;
  /** plan receives rows, cols, ioWords, lowerBound */
  planAttentionTiles(words: number, d: number, n: number, plan: Float64Array): void;
}

export const native = load<AttentionNative>('attention');
