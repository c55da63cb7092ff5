/** What tests of lapidary/compress share: inputs with correlated columns, and oracles in f64. */
import { compress, dense, quant, type Dense } from 'lapidary';
import { uniform } from '../support/random.js';

export const weights = (rows: number, cols: number, seed = 1): Dense<Float32Array> =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));

/** Each column is most of the one before it and something new. */
export function correlated(rows: number, cols: number, seed = 2, share = 0.8): Dense<Float32Array> {
  const x = weights(rows, cols, seed);
  for (let i = 0; i < rows; i++)
    for (let j = 1; j < cols; j++) x.data[i * cols + j]! += share * x.data[i * cols + j - 1]!;
  return x;
}

/** What dequantisation leaves of w. */
export function lost(w: Dense<Float32Array>, q: quant.Quantized): Float64Array {
  const back = quant.dequantize(q).data;
  return Float64Array.from(w.data, (x, k) => x - back[k]!);
}

/** tr(ΔHΔᵀ) by definition. */
export function trace(delta: Float64Array, rows: number, h: Dense): number {
  let sum = 0;
  for (let i = 0; i < rows; i++)
    for (let a = 0; a < h.rows; a++) {
      let along = 0;
      for (let b = 0; b < h.cols; b++) along += h.data[a * h.cols + b]! * delta[i * h.cols + b]!;
      sum += delta[i * h.cols + a]! * along;
    }
  return sum;
}

export const lossOf = (w: Dense<Float32Array>, q: quant.Quantized, h: Dense): number => trace(lost(w, q), w.rows, h);

/** The inverse of a positive definite matrix, by Gauss and Jordan. */
export function inverse(h: Float64Array, n: number): Float64Array {
  const a = h.slice();
  for (let k = 0; k < n; k++) {
    const pivot = a[k * n + k]!;
    a[k * n + k] = 1;
    for (let j = 0; j < n; j++) a[k * n + j]! /= pivot;
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = a[i * n + k]!;
      a[i * n + k] = 0;
      for (let j = 0; j < n; j++) a[i * n + j]! -= factor * a[k * n + j]!;
    }
  }
  return a;
}

/** Codes of one column of w for the scales of q: quantisation of that column alone, as `quantize` does it. */
export type Round = (row: number, column: number, value: number) => { value: number; code: number };

/** The nearest value of the grid of q's group: all codes are tried; of two equally near the one with the even code. */
export function nearestOf(q: quant.Quantized): Round {
  const groups = Math.ceil(q.cols / q.groupSize);
  const grids = new Map<number, Float32Array>();
  return (row, column, value) => {
    const group = Math.floor(column / q.groupSize);
    const index = row * groups + group;
    let grid = grids.get(index);
    if (!grid) {
      // every code in the place of a group of one column
      grid = new Float32Array(2 ** q.bits).fill(NaN);
      const part = <A extends Float32Array | Uint8Array>(all: A) => all.slice(index, index + 1) as A;
      for (let code = 0; code < grid.length; code++) {
        if (q.format === 'fp8-e4m3' && (code & 127) === 127) continue;
        if (q.format === 'fp8-e5m2' && (code & 127) > 123) continue;
        if ((q.format === 'ternary' && code > 2) || (q.format === 'bfp' && code === 0)) continue;
        const one: quant.Quantized = { ...q, rows: 1, cols: 1, codes: Uint8Array.of(code), scales: part(q.scales) };
        if (q.zeros) one.zeros = part(q.zeros);
        if (q.rowScales) one.rowScales = q.rowScales.slice(row, row + 1);
        if (q.format === 'dgq' && Math.abs(one.scales[0]! * (code - one.zeros![0]!)) > 127) continue;
        grid[code] = quant.dequantize(one).data[0]!;
      }
      grids.set(index, grid);
    }
    let best = { value: 0, code: -1 };
    let least = Infinity;
    // The largest magnitude of a symmetric group lies half a step beyond a code: its place is that of the f32 quotient.
    const halfway = q.format.startsWith('int') && !q.zeros ? Math.fround(value / q.scales[index]!) : NaN;
    grid.forEach((x, code) => {
      const away = Math.abs(Number.isFinite(halfway) ? code - 2 ** (q.bits - 1) - halfway : x - value);
      if (away < least || (away === least && code % 2 === 0)) [least, best] = [away, { value: x, code }];
    });
    return best;
  };
}

/** H + damping · mean(diag) · I. */
export function damped(h: Dense, damping: number): Float64Array {
  const n = h.rows;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += h.data[i * n + i]! / n;
  return h.data.map((x, k) => (k % (n + 1) === 0 ? x + damping * mean : x));
}

/**
 * Optimal Brain Quantisation in the given order of columns, with explicit inverses of what is left: after a column is
 * rounded, the weights that are left take the step that least squares asks for. K inverses, O(K⁴).
 */
export function brainSurgeon(w: Dense<Float32Array>, h: Float64Array, order: number[], round: Round): Float64Array {
  const n = w.cols;
  const out = new Float64Array(w.data.length);
  for (let i = 0; i < w.rows; i++) {
    const row = Float64Array.from(w.data.subarray(i * n, (i + 1) * n));
    for (let step = 0; step < n; step++) {
      const left = order.slice(step);
      const m = left.length;
      const sub = Float64Array.from({ length: m * m }, (_, k) => h[left[Math.floor(k / m)]! * n + left[k % m]!]!);
      const inverted = inverse(sub, m);
      const column = left[0]!;
      const { value } = round(i, column, Math.fround(row[column]!));
      out[i * n + column] = value;
      const error = (row[column]! - value) / inverted[0]!;
      left.forEach((j, k) => (row[j]! -= error * inverted[k]!));
    }
  }
  return out;
}

/** The steps as published: U of H⁻¹ = UᵀU, column by column. */
export function published(w: Dense<Float32Array>, h: Float64Array, order: number[], round: Round): Float64Array {
  const n = w.cols;
  const inverted = inverse(Float64Array.from({ length: n * n }, (_, k) => h[order[Math.floor(k / n)]! * n + order[k % n]!]!), n); // prettier-ignore
  const u = new Float64Array(n * n); // upper: row i of U from the Schur complement of H⁻¹
  for (let i = 0; i < n; i++) {
    const root = Math.sqrt(inverted[i * n + i]!);
    for (let j = i; j < n; j++) u[i * n + j] = inverted[i * n + j]! / root;
    for (let a = i + 1; a < n; a++)
      for (let b = i + 1; b < n; b++) inverted[a * n + b]! -= u[i * n + a]! * u[i * n + b]!;
  }
  const out = new Float64Array(w.data.length);
  for (let r = 0; r < w.rows; r++) {
    const row = Float64Array.from(order, (j) => w.data[r * n + j]!);
    for (let i = 0; i < n; i++) {
      const { value } = round(r, order[i]!, Math.fround(row[i]!));
      out[r * n + order[i]!] = value;
      const error = (row[i]! - value) / u[i * n + i]!;
      for (let j = i; j < n; j++) row[j]! -= error * u[i * n + j]!;
    }
  }
  return out;
}

/** The order of `actOrder`. */
export const byDiagonal = (h: Dense): number[] =>
  Array.from({ length: h.rows }, (_, j) => j).sort(
    (a, b) => h.data[b * h.cols + b]! - h.data[a * h.cols + a]! || a - b,
  );

export const naturalOrder = (n: number): number[] => Array.from({ length: n }, (_, j) => j);

export const { gptq, hessian } = compress;
