/** I_{v+1}(x) / I_v(x), against the quotient of SciPy's scaled functions. */
import { special } from 'lapidary';
import { uniform } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (
    [
      ['v, x in [0, 10]', 0, 10],
      ['v, x in [100, 1000]', 100, 1000],
    ] as const
  ).map(([shape, low, high]) => ({
    shape,
    dtype: 'f64',
    setup() {
      const n = quick ? 100 : 20_000;
      const [v, x] = [uniform(n, 1, low, high), uniform(n, 2, low, high)];
      return {
        ours: () => special.besselIRatio(v, x),
        bytes: 24 * n,
        peers: [
          scipy({ operation: 'besselIRatio', arrays: { v, x } }, { tolerance: 1e-8, scale: 'each', mayFail: true }),
        ],
      };
    },
  }));
export default bench;
