/** The argument regions that benches of log-Bessel functions share: v and x each uniform on a range. */
import { uniform } from '../harness/data.js';
import { cppBessel, plain, scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const ranges = [
  [0, 10],
  [10, 100],
  [100, 1000],
  [1000, 10_000],
] as const;
const regions = [
  ['small: v, x in [0, 10]', [0]],
  ['medium: v, x in [10, 100]', [1]],
  ['large: v, x in [100, 1000]', [2]],
  ['huge: v, x in [1000, 10000]', [3]],
  ['mixed: a quarter of each', [0, 1, 2, 3]],
] as const;

/** n values, each in the next of these ranges. */
function values(n: number, seed: number, which: readonly number[]): Float64Array {
  const parts = which.map((r) => uniform(n, seed, ranges[r]![0], ranges[r]![1]));
  return Float64Array.from({ length: n }, (_, i) => parts[i % parts.length]![i]!);
}

/**
 * Rows of one log-Bessel function. The peers' functions are finite in part of each region, and that part is compared; the
 * f32 rows run against f64.
 */
export function besselRows(
  operation: 'logBesselI' | 'logBesselK',
  evaluate: <A extends Float32Array | Float64Array>(v: A, x: A, out: A) => A,
): Bench {
  return ({ quick }) =>
    regions.flatMap(([shape, which]) => {
      const n = quick ? 100 : 20_000;
      const arguments64 = () => [values(n, 1, which), values(n, 2, which)] as const;
      const check = { tolerance: 1e-8, scale: 'each', mayFail: true } as const;
      return [
        {
          shape,
          dtype: 'f64',
          published: ['log-bessel-cpu-scipy'],
          setup() {
            const [v, x] = arguments64();
            const out = new Float64Array(n);
            const task = { operation, parameters: { n }, arrays: { v, x } };
            return {
              ours: () => evaluate(v, x, out),
              bytes: 3 * out.byteLength,
              peers: [scipy({ operation, arrays: { v, x } }, check), cppBessel('boost', task, check), cppBessel('std', task, check)], // prettier-ignore
            };
          },
        },
        {
          shape,
          dtype: 'f32',
          setup() {
            const [v, x] = arguments64();
            const [v32, x32, out] = [Float32Array.from(v), Float32Array.from(x), new Float32Array(n)];
            const out64 = new Float64Array(n);
            return {
              ours: () => evaluate(v32, x32, out),
              bytes: 3 * out.byteLength,
              peers: [plain('lapidary f64', () => evaluate(v, x, out64), (y) => y, { tolerance: 1e-4 })], // prettier-ignore
            };
          },
        },
      ];
    });
}
