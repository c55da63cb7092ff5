/** The log density of a von Mises-Fisher distribution at n points: bound by reading them. */
import { dense, special } from 'lapidary';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';
import { directions } from './directions.js';

const bench: Bench = ({ quick }) =>
  (quick
    ? [[100, 16] as const]
    : ([
        [10_000, 16],
        [10_000, 256],
      ] as const)
  ).map(([n, p]) => ({
    // prettier-ignore
    shape: `${n}×${p}`,
    dtype: 'f64',
    setup() {
      const x = dense(n, p, directions(n, p));
      const { mu, kappa } = special.vmfFit(x);
      const order = p / 2 - 1;
      const javaScript = () => {
        const constant = order * Math.log(kappa) - (p / 2) * Math.log(2 * Math.PI) - special.logBesselI(order, kappa);
        const out = new Float64Array(n);
        for (let i = 0; i < n; i++) {
          let dot = 0;
          for (let j = 0; j < p; j++) dot += x.data[i * p + j]! * mu[j]!;
          out[i] = constant + kappa * dot;
        }
        return out;
      };
      return {
        ours: () => special.vmfLogPdf(x, mu, kappa),
        bytes: x.data.byteLength,
        flops: 2 * n * p,
        peers: [plain('plain JavaScript', javaScript, (out) => out, { tolerance: 1e-9 })],
      };
    },
  }));
export default bench;
