/** Rows of the derivatives and the scaled functions: v and x each uniform on a range where SciPy has finite values, too. */
import { uniform } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

export function slopeRows(
  operation: string,
  evaluate: (v: Float64Array, x: Float64Array, out: Float64Array) => Float64Array,
): Bench {
  return ({ quick }) =>
    (
      [
        ['v, x in [0, 10]', 0, 10],
        ['v, x in [10, 100]', 10, 100],
      ] as const
    ).map(([shape, low, high]) => ({
      shape,
      dtype: 'f64',
      setup() {
        const n = quick ? 100 : 20_000;
        const [v, x, out] = [uniform(n, 1, low, high), uniform(n, 2, low, high), new Float64Array(n)];
        return {
          ours: () => evaluate(v, x, out),
          bytes: 24 * n,
          peers: [scipy({ operation, arrays: { v, x } }, { tolerance: 1e-8, scale: 'each', mayFail: true })],
        };
      },
    }));
}
