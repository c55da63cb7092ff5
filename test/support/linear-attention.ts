/** What the tests of linear, local linear and tensor attention share: data, comparison, and oracles in f64. */
import { expect } from 'vitest';
import { dense, getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { uniform } from './random.js';

export type Matrix = Dense<Float32Array>;
/** What the oracles take: f32 or f64. */
export type RealMatrix = Dense<Real>;

export const random = (rows: number, cols: number, seed: number, size = 1): Matrix =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -size, size)));

export const random64 = (rows: number, cols: number, seed: number, size = 1): Dense<Float64Array> =>
  dense(rows, cols, Float64Array.from(uniform(rows * cols, seed, -size, size)));

/** The largest difference, relative to the largest magnitude expected. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [worst, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worst)) worst = error;
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return worst === 0 ? 0 : worst / scale;
}

export const bytesOf = (m: RealMatrix): Buffer => Buffer.from(m.data.buffer, m.data.byteOffset, m.data.byteLength);

/** Calls with 1, 2, 3 and 7 threads and expects the same bits. */
export function sameForAllThreads(call: () => RealMatrix[]): void {
  const before = getThreads();
  try {
    const results = [1, 2, 3, 7].map((threads) => {
      setThreads(threads);
      return call().map(bytesOf);
    });
    for (const result of results) result.forEach((bytes, i) => expect(bytes.equals(results[0]![i]!)).toBe(true));
  } finally {
    setThreads(before);
  }
}

/** Columns of one head of one row, as numbers. */
export const headOf = (m: RealMatrix, row: number, head: number, heads: number): number[] => {
  const d = m.cols / heads;
  return Array.from(m.data.subarray(row * m.cols + head * d, row * m.cols + (head + 1) * d));
};

/** The recurrence of lightning attention, token by token. */
export function recurrence(
  q: RealMatrix,
  k: RealMatrix,
  v: RealMatrix,
  decay: ArrayLike<number>,
  state?: ArrayLike<number>,
) {
  const heads = decay.length;
  const [d, e] = [q.cols / heads, v.cols / heads];
  const out = new Float64Array(v.rows * v.cols);
  const last = Float64Array.from(state ?? new Float64Array(heads * d * e));
  for (let h = 0; h < heads; h++) {
    const s = last.subarray(h * d * e, (h + 1) * d * e);
    for (let t = 0; t < q.rows; t++) {
      const [qt, kt, vt] = [headOf(q, t, h, heads), headOf(k, t, h, heads), headOf(v, t, h, heads)];
      for (let i = 0; i < d; i++)
        for (let j = 0; j < e; j++) {
          s[i * e + j] = decay[h]! * s[i * e + j]! + kt[i]! * vt[j]!;
          out[t * v.cols + h * e + j]! += qt[i]! * s[i * e + j]!;
        }
    }
  }
  return { out, state: last };
}

/** Solves a·x = b for several right sides by Gauss-Jordan elimination with row pivots; a and b are overwritten. */
export function eliminate(a: number[][], b: number[][]): number[][] {
  const n = a.length;
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(a[r]![c]!) > Math.abs(a[pivot]![c]!)) pivot = r;
    [a[c], a[pivot]] = [a[pivot]!, a[c]!];
    [b[c], b[pivot]] = [b[pivot]!, b[c]!];
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const factor = a[r]![c]! / a[c]![c]!;
      for (let x = c; x < n; x++) a[r]![x]! -= factor * a[c]![x]!;
      for (let x = 0; x < b[r]!.length; x++) b[r]![x]! -= factor * b[c]![x]!;
    }
  }
  return b.map((row, r) => row.map((x) => x / a[r]![r]!));
}

interface LocalLinear {
  heads: number;
  lambda: number;
  scale: number;
  causal?: boolean;
}

const visible = (i: number, queries: number, keys: number, causal?: boolean) =>
  causal ? Math.max(0, Math.min(keys, i + 1 + keys - queries)) : keys;

/** The intercept of the weighted ridge regression of v on k − q, by its normal equations in 1 + d unknowns. */
export function ridgeIntercept(
  q: RealMatrix,
  k: RealMatrix,
  v: RealMatrix,
  { heads, lambda, scale, causal }: LocalLinear,
) {
  const e = v.cols / heads;
  const out = new Float64Array(q.rows * v.cols);
  for (let h = 0; h < heads; h++)
    for (let i = 0; i < q.rows; i++) {
      const at = headOf(q, i, h, heads);
      const n = visible(i, q.rows, k.rows, causal);
      if (n === 0) continue;
      const keys = Array.from({ length: n }, (_, j) => headOf(k, j, h, heads));
      const scores = keys.map((key) => scale * key.reduce((sum, x, c) => sum + x * at[c]!, 0));
      const top = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - top));
      const omega = weights.reduce((a, b) => a + b, 0);
      const side = at.length + 1;
      const normal = Array.from({ length: side }, () => new Array<number>(side).fill(0));
      const right = Array.from({ length: side }, () => new Array<number>(e).fill(0));
      keys.forEach((key, j) => {
        const z = [1, ...key.map((x, c) => x - at[c]!)];
        const value = headOf(v, j, h, heads);
        for (let a = 0; a < side; a++) {
          for (let b = 0; b < side; b++) normal[a]![b]! += weights[j]! * z[a]! * z[b]!;
          for (let c = 0; c < e; c++) right[a]![c]! += weights[j]! * z[a]! * value[c]!;
        }
      });
      for (let a = 1; a < side; a++) normal[a]![a]! += lambda * omega;
      out.set(eliminate(normal, right)[0]!, i * v.cols + h * e);
    }
  return out;
}

/** The formula as published: o = Σ w·(1 − zᵀρ)/δ·v with Σ = Σ w·z·zᵀ + λωI, ρ = Σ⁻¹·Σ w·z, δ = ω − μᵀρ. One head, f64. */
export function published(q: number[][], k: number[][], v: number[][], options: Omit<LocalLinear, 'heads'>) {
  return q.map((at, i) => {
    const n = visible(i, q.length, k.length, options.causal);
    const w = k.slice(0, n).map((key) => Math.exp(options.scale * key.reduce((sum, x, c) => sum + x * at[c]!, 0)));
    const z = k.slice(0, n).map((key) => key.map((x, c) => x - at[c]!));
    const omega = w.reduce((a, b) => a + b, 0);
    const mu = at.map((_, c) => z.reduce((sum, row, j) => sum + w[j]! * row[c]!, 0));
    const sigma = at.map((_, a) =>
      at.map(
        (__, b) =>
          z.reduce((sum, row, j) => sum + w[j]! * row[a]! * row[b]!, 0) + (a === b ? options.lambda * omega : 0),
      ),
    );
    const rho = eliminate(
      sigma,
      mu.map((x) => [x]),
    ).map(([x]) => x!);
    const delta = omega - mu.reduce((sum, x, c) => sum + x * rho[c]!, 0);
    const factor = z.map((row, j) => (w[j]! * (1 - row.reduce((sum, x, c) => sum + x * rho[c]!, 0))) / delta);
    return v[0]!.map((_, c) => factor.reduce((sum, f, j) => sum + f * v[j]![c]!, 0));
  });
}

/** Softmax attention with one head. */
export function softmaxAttention(q: RealMatrix, k: RealMatrix, v: RealMatrix, scale: number): Float64Array {
  return Float64Array.from(
    Array.from({ length: q.rows }, (_, i) => {
      const scores = Array.from({ length: k.rows }, (__, j) =>
        headOf(k, j, 0, 1).reduce((sum, x, c) => sum + scale * x * q.data[i * q.cols + c]!, 0),
      );
      const top = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - top));
      const sum = weights.reduce((a, b) => a + b, 0);
      return Array.from(
        { length: v.cols },
        (__, c) => weights.reduce((total, w, j) => total + w * v.data[j * v.cols + c]!, 0) / sum,
      );
    }).flat(),
  );
}

/** Tensor attention over all pairs at once. */
export function allPairs(
  q: RealMatrix,
  k1: RealMatrix,
  k2: RealMatrix,
  v1: RealMatrix,
  v2: RealMatrix,
  heads: number,
  scale: number,
) {
  const e = v1.cols / heads;
  const out = new Float64Array(q.rows * v1.cols);
  for (let h = 0; h < heads; h++)
    for (let i = 0; i < q.rows; i++) {
      const at = headOf(q, i, h, heads);
      const pairs: { score: number; value: number[] }[] = [];
      for (let a = 0; a < k1.rows; a++)
        for (let b = 0; b < k2.rows; b++) {
          const [x, y, w] = [headOf(k1, a, h, heads), headOf(k2, b, h, heads), headOf(v2, b, h, heads)];
          const score = scale * at.reduce((sum, qc, c) => sum + qc * x[c]! * y[c]!, 0);
          pairs.push({ score, value: headOf(v1, a, h, heads).map((vc, c) => vc * w[c]!) });
        }
      const top = pairs.reduce((m, { score }) => Math.max(m, score), -Infinity);
      const sum = pairs.reduce((s, { score }) => s + Math.exp(score - top), 0);
      for (const { score, value } of pairs)
        value.forEach((x, c) => (out[i * v1.cols + h * e + c]! += (Math.exp(score - top) / sum) * x));
    }
  return out;
}
