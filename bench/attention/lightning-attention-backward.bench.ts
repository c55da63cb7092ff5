/** Gradients of lightning attention: three passes like the forward one, bound by the FMA peak. */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const [d, block] = [64, 64];

const bench: Bench = ({ quick }) =>
  (quick ? [[2, 128] as const] : ([[8, 1024], [8, 4096], [8, 16384]] as const)) // prettier-ignore
    .map(([heads, n]) => ({
      shape: `${n} tokens, ${heads} × ${d}`,
      dtype: 'f32',
      size: n,
      family: `${heads} heads`,
      setup() {
        const matrix = (seed: number) => dense(n, heads * d, uniformF32(n * heads * d, seed));
        const [q, k, v, dOut] = [matrix(1), matrix(2), matrix(3), matrix(4)];
        return {
          ours: () => attention.lightningAttentionBackward(q, k, v, dOut, { heads }),
          output: (r: unknown) => (r as attention.LightningAttentionGradients).dq.data,
          flops: 3 * n * heads * (2 * block * d + 4 * d * d),
          peak: 'f32' as const,
          bytes: 2 * bytesOf(q.data, k.data, v.data),
        };
      },
    }));
export default bench;
