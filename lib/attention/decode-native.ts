import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** What native/binding/attention_decode.cc offers. */
interface DecodeNative {
  /** the number of heads computed again; `pages` and a `pageSize` above 0 come together */
  decodeAttention(
    q: Real,
    keys: Real | Uint16Array,
    values: Real | Uint16Array,
    lengths: Uint32Array,
    pages: Uint32Array | undefined,
    out: Real,
    batch: number,
    rows: number,
    heads: number,
    kvHeads: number,
    d: number,
    dv: number,
    pageSize: number,
    cacheType: number,
    scheme: number,
    scale: number,
    phi: number,
    low: number,
    high: number,
  ): number;
  topkRoute(
    scores: Real,
    lengths: Uint32Array,
    indices: Uint32Array,
    counts: Uint32Array,
    tokens: number,
    k: number,
    threshold: number,
  ): void;
  gatherRoute(indptr: Uint32Array, indices: Uint32Array, x: Real, out: Real, tokens: number, cols: number): void;
  /** out = x, and weights[i] · (row i of y) added to the chosen rows */
  combineRoute(
    indptr: Uint32Array,
    indices: Uint32Array,
    weights: Real,
    x: Real,
    y: Real,
    out: Real,
    tokens: number,
    cols: number,
  ): void;
}

export const native = load<DecodeNative>('attention');
