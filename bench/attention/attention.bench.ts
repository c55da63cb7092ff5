/** Causal attention of 8 heads. Bound: the FMA ports, about 85 % of them, since each logit needs its exponential as well. */
import { attention, dense } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { causalLogits, onnxAttention, operands, type Heads } from './heads.js';

const shapes: Heads[] = [512, 1024, 2048, 4096, 8192].map((n) => ({ n, heads: 8, d: 64 }));

const bench: Bench = ({ quick }) =>
  (quick ? [{ n: 48, heads: 2, d: 16 }] : shapes).map((shape) => ({
    shape: `${shape.n}×${shape.n}, ${shape.heads} heads of ${shape.d}, causal`,
    dtype: 'f32',
    size: shape.n,
    setup() {
      const { n, heads, d } = shape;
      const { q, k, v } = operands(shape);
      const out = dense(n, heads * d, new Float32Array(n * heads * d));
      return {
        ours: () => attention.attention(q, k, v, { heads, causal: true, out }),
        output: () => out.data,
        flops: 4 * d * causalLogits(shape),
        peak: 'f32',
        peers: [onnxAttention(shape, { q, k, v })],
      };
    },
  }));
export default bench;
