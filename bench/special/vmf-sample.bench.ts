/** Random directions from a von Mises-Fisher distribution: bound by drawing p normal numbers a row. */
import { dense, special } from 'lapidary';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick
    ? [[20_000, 16, 10] as const]
    : ([
        [30_000, 2, 5],
        [30_000, 3, 5],
        [10_000, 16, 10],
        [2000, 256, 200],
        [500, 2048, 3000],
        [50, 32768, 50_000],
      ] as const)
  ).map(([n, p, kappa]) => ({
    // prettier-ignore
    shape: `${n}×${p}, κ = ${kappa}`,
    dtype: 'f64',
    setup() {
      const mu = new Float64Array(p).fill(1 / Math.sqrt(p));
      const out = dense(n, p);
      return {
        ours: () => special.vmfSample(mu, kappa, n, { out }),
        // two samples agree in the mean of mu·x only
        output: () => [out.data.reduce((sum, a) => sum + a, 0) / Math.sqrt(p) / n],
        bytes: out.data.byteLength,
        peers: [scipy({ operation: 'vmfSample', parameters: { rows: n, kappa }, arrays: { mu } }, { tolerance: 0.02 })],
      };
    },
  }));
export default bench;
