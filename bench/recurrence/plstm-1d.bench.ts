/** pLSTM on sequences in chunks, 8 heads of 64: tokens a second must not fall as the sequence grows. */
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
        const gates = { source: matrix(heads, 5, 0, 1), transition: matrix(heads, 6, 0.9, 1), mark: matrix(heads, 7, 0, 1) }; // prettier-ignore
        const flops = 2 * tokens * heads * (2 * d * d + (chunk / 2) * 2 * d);
        if (direction === 'forward')
          return {
            ours: () => recurrence.plstm1d(q, k, v, gates, { heads }).out,
            flops,
            peak: 'f32' as const,
            peers: tokens === 4096 ? [plain('lapidary, token by token', () => recurrence.plstm1d(q, k, v, gates, { heads, chunk: 1 }).out, (y) => y.data, { tolerance: 1e-4 })] : [], // prettier-ignore
          };
        return {
          ours: () => recurrence.plstm1dBackward(dout, q, k, v, gates, { heads }),
          output: (gradient: { dq: M }) => gradient.dq.data,
          flops: 2.5 * flops,
          peak: 'f32' as const,
        };
      },
    })),
  );
export default bench;

type M = ReturnType<typeof dense<Float32Array>>;
