import { dense } from 'lapidary';
import { quantizeActivations, type PackedWeights } from 'lapidary/gemm';
import type { QuantFormat, Quantized } from 'lapidary/quant';
import { uniform } from './random.js';

// For tests of packed weights.

export const formats: QuantFormat[] = [
  'int4',
  'int3',
  'int2',
  'ternary',
  'bipolar1',
  'bipolar2',
  'bipolar3',
  'bipolar4',
];

export const matrix = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -1, 1)));

export const bitsOf = (q: Quantized) => q.bits;

/** Code j of row i. */
export function code(q: Quantized, i: number, j: number): number {
  const bytes = Math.ceil((q.cols * q.bits) / 8);
  let c = 0;
  for (let b = 0; b < q.bits; b++) {
    const at = j * q.bits + b;
    c |= ((q.codes[i * bytes + (at >> 3)]! >> (at & 7)) & 1) << b;
  }
  return c;
}

/** factor · code − zero of an element: a whole number. */
export function whole(q: Quantized, i: number, j: number): number {
  const c = code(q, i, j);
  if (q.format === 'ternary') return c - 1;
  if (q.format.startsWith('bipolar')) return 2 * c - (2 ** q.bits - 1);
  const group = i * Math.ceil(q.cols / q.groupSize) + Math.floor(j / q.groupSize);
  return c - (q.zeros?.[group] ?? 2 ** (q.bits - 1));
}

export const f = Math.fround;

/** The documented result: whole sums in each group, then f32, groups ascending. */
export function exact(x: Float32Array, q: Quantized): Float32Array {
  const tokens = x.length / q.cols;
  const rounded = quantizeActivations(dense(tokens, q.cols, x), { floor: 0 });
  const groups = Math.ceil(q.cols / q.groupSize);
  const y = new Float32Array(tokens * q.rows);
  for (let t = 0; t < tokens; t++)
    for (let i = 0; i < q.rows; i++) {
      let sum = 0;
      for (let g = 0; g < groups; g++) {
        let dot = 0;
        for (let j = g * q.groupSize; j < Math.min(q.cols, (g + 1) * q.groupSize); j++)
          dot += whole(q, i, j) * rounded.data[t * q.cols + j]!;
        sum = f(sum + f(q.scales[i * groups + g]! * f(dot)));
      }
      y[t * q.rows + i] = f(rounded.scales[t]! * sum);
    }
  return y;
}

/** All that give the same bits. */
export const ways = (w: PackedWeights) => [w.kernel, 'bytes', 'bits'] as const;
