/** Causal attention of 8 heads. Bound: the FMA ports, about 85 % of them, since each logit needs its exponential as well. */
import { attention, dense } from 'lapidary';
import { plain } from '../harness/peers.js';
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
      const [out, full] = [0, 1].map(() => dense(n, heads * d, new Float32Array(n * heads * d))) as [
        typeof q,
        typeof q,
      ];
      return {
        ours: () => attention.attention(q, k, v, { heads, causal: true, out }),
        output: () => out.data,
        flops: 4 * d * causalLogits(shape),
        peak: 'f32',
        peers: [
          onnxAttention(shape, { q, k, v }),
          plain(
            'lapidary, one call a query',
            () => {
              for (let i = 0; i < n; i++)
                full.data.set(
                  attention.attention(
                    dense(1, heads * d, q.data.subarray(i * heads * d, (i + 1) * heads * d)),
                    dense(i + 1, heads * d, k.data.subarray(0, (i + 1) * heads * d)),
                    dense(i + 1, heads * d, v.data.subarray(0, (i + 1) * heads * d)),
                    { heads },
                  ).data,
                  i * heads * d,
                );
              return full;
            },
            (y) => y.data,
            { tolerance: 1e-5 },
          ),
        ].slice(0, quick ? 2 : 1),
      };
    },
  }));
export default bench;
