/** Attention by L-Mul against the exact one: for the study of accuracy, so only the slowdown is of interest. */
import { attention, dense } from 'lapidary';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';
import { operands, type Heads } from './heads.js';

const shapes: Heads[] = [512, 1024].map((n) => ({ n, heads: 8, d: 64 }));

const bench: Bench = ({ quick }) =>
  (quick ? [{ n: 48, heads: 2, d: 16 }] : shapes).map((shape) => ({
    shape: `${shape.n}×${shape.n}, ${shape.heads} heads of ${shape.d}`,
    dtype: 'f32',
    size: shape.n,
    setup() {
      const { n, heads, d } = shape;
      const { q, k, v } = operands(shape);
      const [out, exact] = [0, 1].map(() => dense(n, heads * d, new Float32Array(n * heads * d))) as [
        typeof q,
        typeof q,
      ];
      return {
        ours: () => attention.lmulAttention(q, k, v, { heads, out }),
        output: () => out.data,
        flops: 4 * d * heads * n * n,
        peak: 'f32',
        peers: [
          plain('lapidary, exact', () => attention.attention(q, k, v, { heads, out: exact }), (y) => y.data, { tolerance: 0.3 }), // prettier-ignore
        ],
      };
    },
  }));
export default bench;
