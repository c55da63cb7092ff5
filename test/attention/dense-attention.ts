/** Attention written out in f64 over the whole matrix of logits: the oracle of the tiled ones. */
import { dense, type Dense, type Real } from 'lapidary';
import { uniform } from '../support/random.js';

/** Whether query i sees key j. */
export type Sees = (i: number, j: number) => boolean;

export interface Problem {
  q: Dense<Real>;
  k: Dense<Real>;
  v: Dense<Real>;
  heads: number;
  kvHeads: number;
  sees: Sees;
  scale?: number;
  /** added to the logit of query i and key j */
  bias?: (i: number, j: number) => number;
}

export interface Exact {
  out: Float64Array;
  lse: Float64Array;
  /** probabilities of head h, query i: probability(h, i)[j] */
  probability: (h: number, i: number) => Float64Array;
}

export function exactAttention({ q, k, v, heads, kvHeads, sees, scale, bias }: Problem): Exact {
  const d = q.cols / heads;
  const dv = v.cols / kvHeads;
  const factor = scale ?? 1 / Math.sqrt(d);
  const out = new Float64Array(q.rows * heads * dv);
  const lse = new Float64Array(q.rows * heads).fill(-Infinity);
  const kept = new Map<number, Float64Array>();
  for (let h = 0; h < heads; h++) {
    const g = Math.floor((h * kvHeads) / heads);
    for (let i = 0; i < q.rows; i++) {
      const p = new Float64Array(k.rows).fill(-Infinity);
      for (let j = 0; j < k.rows; j++) {
        if (!sees(i, j)) continue;
        let dot = 0;
        for (let c = 0; c < d; c++) dot += q.data[i * q.cols + h * d + c]! * k.data[j * k.cols + g * d + c]!;
        p[j] = factor * dot + (bias?.(i, j) ?? 0);
      }
      const max = p.reduce((a, b) => Math.max(a, b), -Infinity);
      let sum = 0;
      for (let j = 0; j < k.rows; j++) sum += p[j] = max === -Infinity ? 0 : Math.exp(p[j]! - max);
      for (let j = 0; j < k.rows && sum > 0; j++) p[j]! /= sum;
      if (sum > 0) lse[i * heads + h] = max + Math.log(sum);
      for (let j = 0; j < k.rows; j++)
        for (let c = 0; c < dv && p[j] !== 0; c++)
          out[(i * heads + h) * dv + c]! += p[j]! * v.data[j * v.cols + g * dv + c]!;
      kept.set(h * q.rows + i, p);
    }
  }
  return { out, lse, probability: (h, i) => kept.get(h * q.rows + i)! };
}

/** dq, dk, dv by the formulas, in f64 over whole matrices. */
export function exactGradient(problem: Problem, dOut: Dense<Real>): Record<'dq' | 'dk' | 'dv', Float64Array> {
  const { q, k, v, heads, kvHeads, scale } = problem;
  const d = q.cols / heads;
  const dv = v.cols / kvHeads;
  const factor = scale ?? 1 / Math.sqrt(d);
  const { probability } = exactAttention(problem);
  const result = {
    dq: new Float64Array(q.data.length),
    dk: new Float64Array(k.data.length),
    dv: new Float64Array(v.data.length),
  };
  for (let h = 0; h < heads; h++) {
    const g = Math.floor((h * kvHeads) / heads);
    for (let i = 0; i < q.rows; i++) {
      const p = probability(h, i);
      const dp = p.map((_, j) => {
        let dot = 0;
        for (let c = 0; c < dv; c++) dot += dOut.data[(i * heads + h) * dv + c]! * v.data[j * v.cols + g * dv + c]!;
        return dot;
      });
      const mean = p.reduce((sum, x, j) => sum + x * dp[j]!, 0);
      for (let j = 0; j < k.rows; j++) {
        const ds = factor * p[j]! * (dp[j]! - mean);
        for (let c = 0; c < d; c++) {
          result.dq[i * q.cols + h * d + c]! += ds * k.data[j * k.cols + g * d + c]!;
          result.dk[j * k.cols + g * d + c]! += ds * q.data[i * q.cols + h * d + c]!;
        }
        for (let c = 0; c < dv; c++)
          result.dv[j * v.cols + g * dv + c]! += p[j]! * dOut.data[(i * heads + h) * dv + c]!;
      }
    }
  }
  return result;
}

export type RealType = Float32ArrayConstructor | Float64ArrayConstructor;

/** Uniform on [−1, 1). */
export const random = (type: RealType, rows: number, cols: number, seed: number): Dense<Real> =>
  dense<Real>(rows, cols, type.from(uniform(rows * cols, seed)));

export interface Shape {
  queries: number;
  keys: number;
  heads?: number;
  kvHeads?: number;
  d?: number;
  dv?: number;
}

export const operands = (
  type: RealType,
  { queries, keys, heads = 1, kvHeads = heads, d = 8, dv = d }: Shape,
  seed = 1,
) => ({
  q: random(type, queries, heads * d, seed),
  k: random(type, keys, kvHeads * d, seed + 1),
  v: random(type, keys, kvHeads * dv, seed + 2),
  heads,
  kvHeads,
});

/** Bottom-right aligned: the last query sees the last key. */
export const causally =
  (queries: number, keys: number): Sees =>
  (i, j) =>
    j <= i + keys - queries;

/** Who sees whom in a batch of sequences with these lengths. */
export function inSequences(lengths: readonly number[], kvLengths: readonly number[], causal: boolean): Sees {
  const place = (counts: readonly number[]) =>
    counts.flatMap((count, s) => Array.from({ length: count }, (_, i) => [s, i] as const));
  const queries = place(lengths);
  const keys = place(kvLengths);
  return (i, j) => {
    const [s, a] = queries[i]!;
    const [t, b] = keys[j]!;
    return s === t && (!causal || causally(lengths[s]!, kvLengths[s]!)(a, b));
  };
}

/** Who sees whom in a BlockRank prompt. */
export function inBlocks(blocks: readonly number[]): Sees {
  const block = blocks.flatMap((count, b) => new Array<number>(count).fill(b));
  return (i, j) => j <= i && (block[i] === block[j] || block[j] === 0 || block[i] === blocks.length - 1);
}

/** The largest difference, relative to the largest expected magnitude (at least 0.01); NaN if one is NaN. */
export function distance(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity;
  let worst = 0;
  let scale = 0.01;
  for (let i = 0; i < expected.length; i++) {
    if (got[i] === expected[i]) continue;
    worst = Math.max(worst, Math.abs(got[i]! - expected[i]!));
    if (Number.isFinite(expected[i]!)) scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return worst / scale;
}

export const sameBits = (a: Real, b: Real): boolean =>
  Buffer.compare(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;

export const precisions = [
  { type: Float32Array as RealType, name: 'f32', tolerance: 3e-6 },
  { type: Float64Array as RealType, name: 'f64', tolerance: 1e-14 },
] as const;
