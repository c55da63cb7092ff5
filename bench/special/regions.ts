/** The argument regions that benches of log-Bessel functions share: v and x each uniform on a range. */
import { uniform } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const regions = [
  ['small: v, x in [0, 10]', 0, 10],
  ['medium: v, x in [10, 100]', 10, 100],
  ['large: v, x in [100, 1000]', 100, 1000],
  ['huge: v, x in [1000, 10000]', 1000, 10_000],
] as const;

/** Rows of one log-Bessel function; SciPy's scaled function is finite in part of each region, and that part is compared. */
export function besselRows(
  operation: 'logBesselI' | 'logBesselK',
  evaluate: (v: Float64Array, x: Float64Array, out: Float64Array) => Float64Array,
): Bench {
  return ({ quick }) =>
    regions.map(([shape, low, high]) => ({
      shape,
      dtype: 'f64',
      published: ['log-bessel-cpu-scipy'],
      setup() {
        const n = quick ? 100 : 20_000;
        const v = uniform(n, 1, low, high);
        const x = uniform(n, 2, low, high);
        const out = new Float64Array(n);
        return {
          ours: () => evaluate(v, x, out),
          bytes: 3 * out.byteLength,
          peers: [scipy({ operation, arrays: { v, x } }, { tolerance: 1e-8, scale: 'each', mayFail: true })],
        };
      },
    }));
}
