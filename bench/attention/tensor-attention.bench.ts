/**
 * Tensor attention: the exact method is cubic in the number of tokens and bound by the FMA peak of f32; the polynomial is
 * linear, bound by that of f64.
 */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const rows = [
  [64, 64, 'exact'],
  [128, 64, 'exact'],
  [128, 16, 'exact'],
  [128, 16, 'polynomial'],
  [512, 16, 'polynomial'],
  [1024, 16, 'polynomial'],
  [4096, 16, 'polynomial'],
] as const;

const bench: Bench = ({ quick }) =>
  (quick ? [[24, 4, 'exact'] as const, [24, 4, 'polynomial'] as const] : rows).map(([n, d, method]) => ({
    shape: `${n} queries, ${n}² pairs, d = ${d}, ${method}`,
    dtype: 'f32',
    size: n,
    family: `${method} ${d}`,
    setup() {
      const matrix = (seed: number, size: number) => dense(n, d, uniformF32(n * d, seed, -size, size));
      const [q, k1, k2] = [matrix(1, 0.35), matrix(2, 0.35), matrix(3, 0.35)];
      const [v1, v2] = [matrix(4, 1), matrix(5, 1)];
      const call = (by: 'exact' | 'polynomial') => () => attention.tensorAttention(q, k1, k2, v1, v2, { method: by });
      const used = call(method)();
      if (used.method !== method) throw new Error(`fell back: ${used.fallback}`);
      const pairs = n * n * n * 4 * d;
      return {
        ours: call(method),
        output: (r: unknown) => (r as attention.TensorAttentionResult).out.data,
        flops: method === 'exact' ? pairs : 6 * n * (d + 1) * used.features!,
        peak: method === 'exact' ? ('f32' as const) : ('f64' as const),
        bytes: 6 * bytesOf(q.data),
        peers:
          method === 'polynomial' && n <= 512
            ? [plain('lapidary, exact', call('exact'), (r) => r.out.data, { tolerance: 2e-3 })]
            : [],
      };
    },
  }));
export default bench;
