/** Local linear attention by both solvers: direct is bound by the FMA peak of f64, conjugate gradients by that of f32. */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [[64, 16] as const] : ([[256, 64], [512, 64], [1024, 64], [512, 32]] as const)) // prettier-ignore
    .flatMap(([n, d]) =>
      (['direct', 'cg'] as const).map((solver) => ({
        shape: `${n} × ${n}, d = ${d}, ${solver}`,
        dtype: 'f32',
        size: n,
        family: `${solver} ${d}`,
        setup() {
          const matrix = (seed: number) => dense(n, d, uniformF32(n * d, seed));
          const [q, k, v] = [matrix(1), matrix(2), matrix(3)];
          const { iterations } = attention.localLinearAttention(q, k, v, { solver });
          const other = solver === 'cg' ? 'direct' : 'cg';
          return {
            ours: () => attention.localLinearAttention(q, k, v, { solver }),
            output: (r: unknown) => (r as attention.LocalLinearAttentionResult).out.data,
            flops: solver === 'cg' ? n * n * d * (4 * iterations + 8) : n * (2 * n * d * d + (2 * d ** 3) / 3),
            peak: solver === 'cg' ? ('f32' as const) : ('f64' as const),
            bytes: 4 * bytesOf(q.data),
            peers: [
              plain(`lapidary, ${other}`, () => attention.localLinearAttention(q, k, v, { solver: other }), (r) => r.out.data, { tolerance: 1e-4 }), // prettier-ignore
            ],
          };
        },
      })),
    );
export default bench;
