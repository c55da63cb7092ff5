/** A MatMul-free block, bound by reading its ternary codes (5/3 bits a weight) for one token, by lookups for many. */
import { dense, gemm, quant, recurrence, type Dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

type Matrix = Dense<Float32Array>;

const shapes = [
  [1, 2048],
  [16, 2048],
  [256, 2048],
] as const;

const swish = (x: number) => x / (1 + Math.exp(-x));

function normalised({ rows, cols, data }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  for (let t = 0; t < rows; t++) {
    const row = data.subarray(t * cols, (t + 1) * cols);
    const factor = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / cols + 1e-6);
    row.forEach((v, j) => (out[t * cols + j] = v * factor));
  }
  return dense(rows, cols, out);
}

/** The same block with its weights as f32 and activations that are not rounded. */
function wideBlock(x: Matrix, w: Record<keyof recurrence.MatmulFreeWeights, Matrix>): Matrix {
  const layer = (y: Matrix, weights: Matrix) => gemm.linear(normalised(y), weights);
  const mixed = normalised(x);
  const { out: h } = recurrence.mlgru(layer(mixed, w.forget), layer(mixed, w.input));
  const gate = layer(mixed, w.gate);
  const read = normalised(h);
  const between = layer(dense(h.rows, h.cols, read.data.map((v, k) => v * swish(gate.data[k]!))), w.output); // prettier-ignore
  between.data.forEach((v, k) => (between.data[k] = v + x.data[k]!));
  const both = layer(normalised(between), w.up);
  const m = both.cols / 2;
  const gated = dense(x.rows, m, new Float32Array(x.rows * m));
  for (let t = 0; t < x.rows; t++)
    for (let j = 0; j < m; j++)
      gated.data[t * m + j] = swish(both.data[2 * t * m + j]!) * both.data[(2 * t + 1) * m + j]!;
  const out = layer(gated, w.down);
  out.data.forEach((v, k) => (out.data[k] = v + between.data[k]!));
  return out;
}

const bench: Bench = ({ quick }) =>
  (quick ? [[3, 64] as const] : shapes).map(([tokens, d]) => ({
    shape: `${tokens} tokens, width ${d}`,
    dtype: 'ternary',
    size: tokens,
    setup() {
      const m = 64 * Math.ceil((8 * d) / 3 / 64);
      const layers = { forget: [d, d], input: [d, d], gate: [d, d], output: [d, d], up: [2 * m, d], down: [d, m] };
      const ternary = Object.entries(layers).map(([name, [rows, cols]], i) => {
        const w = dense(rows!, cols!, uniformF32(rows! * cols!, i + 1));
        return [name, quant.quantize(w, { format: 'ternary' })] as const;
      });
      const weights = Object.fromEntries(ternary.map(([name, w]) => [name, { w: gemm.packWeights(w) }])) as unknown as recurrence.MatmulFreeWeights; // prettier-ignore
      const wide = Object.fromEntries(ternary.map(([name, w]) => [name, quant.dequantize(w)])) as Parameters<typeof wideBlock>[1]; // prettier-ignore
      const x = dense(tokens, d, uniformF32(tokens * d, 9));
      return {
        ours: () => recurrence.matmulFreeBlock(x, weights).out,
        bytes: ternary.reduce((sum, [, w]) => sum + gemm.packWeights(w).packed.length, 0),
        peers: [plain('the same in f32', () => wideBlock(x, wide), (y) => y.data, { tolerance: 0.1 })], // prettier-ignore
      };
    },
  }));
export default bench;
