/** Gradients of local linear attention: two systems a query, then six products of a panel with the keys. */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const [heads, d] = [2, 64];

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [256, 512]).flatMap((n) =>
    (['direct', 'cg'] as const).map((solver) => ({
      shape: `${n} × ${n}, ${heads} × ${d}, ${solver}`,
      dtype: 'f32',
      size: n,
      family: solver,
      setup() {
        const matrix = (seed: number) => dense(n, heads * d, uniformF32(n * heads * d, seed));
        const [q, k, v, dOut] = [matrix(1), matrix(2), matrix(3), matrix(4)];
        const call = () => attention.localLinearAttentionBackward(q, k, v, dOut, { heads, solver });
        const { iterations } = call();
        const panels = n * n * d * (2 * 9 + (solver === 'cg' ? 8 * iterations : 0));
        const systems = solver === 'cg' ? 0 : n * (2 * n * d * d + (2 * d ** 3) / 3);
        return {
          ours: call,
          output: (r: unknown) => (r as attention.LocalLinearAttentionGradients).dq.data,
          flops: heads * (panels + systems),
          peak: solver === 'cg' ? ('f32' as const) : ('f64' as const),
          bytes: 7 * bytesOf(q.data),
        };
      },
    })),
  );
export default bench;
