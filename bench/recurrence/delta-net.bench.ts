/** The delta rule in chunks, forward and backward, 8 heads of 64: tokens a second must not fall as the sequence grows. */
import { dense, recurrence } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const heads = 8;
const d = 64;
const chunk = 64;

const bench: Bench = ({ quick }) =>
  (quick ? [32] : [1024, 4096, 16384]).flatMap((tokens) =>
    (['forward', 'backward'] as const).map((direction) => ({
      shape: `${tokens}×${heads}×${d} ${direction}`,
      dtype: 'f32',
      family: direction,
      size: tokens,
      setup() {
        const matrix = (cols: number, seed: number, low = -1, high = 1) =>
          dense(tokens, cols, uniformF32(tokens * cols, seed, low, high));
        const [q, k, v, dout] = [1, 2, 3, 4].map((seed) => matrix(heads * d, seed)) as [M, M, M, M];
        const beta = matrix(heads, 5, 0, 2);
        const out = matrix(heads * d, 6);
        const options = { heads, normalize: true };
        // a triangle of scores and one of the system, the solve, and three products with the state
        const flops = 2 * tokens * heads * (3 * d * d + (chunk / 2) * 4 * d);
        if (direction === 'forward')
          return {
            ours: () => recurrence.deltaNet(q, k, v, beta, { ...options, out }).out,
            flops,
            peak: 'f32' as const,
            peers: tokens === 4096 ? [plain('lapidary, token by token', () => recurrence.deltaNet(q, k, v, beta, { ...options, chunk: 1 }).out, (y) => y.data, { tolerance: 1e-4 })] : [], // prettier-ignore
          };
        return {
          ours: () => recurrence.deltaNetBackward(dout, q, k, v, beta, options),
          output: (gradient: { dq: M }) => gradient.dq.data,
          flops: 3 * flops,
          peak: 'f32' as const,
        };
      },
    })),
  );
export default bench;

type M = ReturnType<typeof dense<Float32Array>>;
