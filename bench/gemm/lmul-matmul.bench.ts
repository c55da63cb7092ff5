/** L-Mul products against products by FMA: how much slower adding bits is where multiplying is free. */
import { dense, gemm } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const cases = [
  ['no edges', {}],
  ['zeros', {}],
  ['a small one', {}],
  ['formula', { variant: 'formula' }],
  ['e4m3', { dtype: 'e4m3' }],
  ['e4m3 sums', { dtype: 'e4m3', accumulate: 'e4m3' }],
] as const;

const bench: Bench = ({ quick }) =>
  (quick ? [48] : [512]).flatMap((n) =>
    cases.map(([name, options]) => ({
      shape: `${n}×${n}×${n}`,
      dtype: `f32 ${name}`,
      setup() {
        const [a, b] = [1, 2].map((seed) => dense(n, n, uniformF32(n * n, seed, 0.5, 2))) as [
          ReturnType<typeof dense<Float32Array>>,
          ReturnType<typeof dense<Float32Array>>,
        ];
        if (name === 'zeros') a.data.fill(0, 0, n);
        if (name === 'a small one') a.data[0] = 2e-38;
        const [out, product] = [0, 1].map(() => dense(n, n, new Float32Array(n * n))) as [typeof a, typeof a];
        // sums in 8 bits stop growing at 448
        const check = { tolerance: name === 'e4m3 sums' ? 8 : 0.15 };
        return {
          ours: () => gemm.lmulMatmul(a, b, { ...options, out }),
          flops: 2 * n ** 3,
          peak: 'f32' as const,
          peers: [plain('lapidary, FMA', () => gemm.matmul(a, b, { out: product }), (c) => c.data, check)], // prettier-ignore
        };
      },
    })),
  );
export default bench;
