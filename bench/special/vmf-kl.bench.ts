/** Divergences between 200 pairs, the integral against the closed form: what the digits cost. */
import { special } from 'lapidary';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [16] : [3, 16, 256]).map((p) => ({
    shape: `200 × p = ${p}`,
    dtype: 'f64',
    threads: [1],
    setup() {
      const kappa = Float64Array.from({ length: 200 }, (_, i) => p * 1.02 ** (i - 100));
      const first = new Float64Array(p).fill(1 / Math.sqrt(p));
      const second = Float64Array.from(first, (a, j) => (j ? a : -a));
      const cosine = 1 - 2 / p;
      const order = p / 2 - 1;
      const logNormalizer = (k: number) => order * Math.log(k) - special.logBesselI(order, k);
      const closed = () =>
        kappa.map((k) => {
          const ratio = special.besselIRatio(order, k);
          return logNormalizer(k) - logNormalizer(2 * k) + ratio * k * (1 - 2 * cosine);
        });
      return {
        ours: () => kappa.map((k) => special.vmfKl(first, k, second, 2 * k)),
        peers: [plain('closed form, which cancels', closed, (out) => out, { tolerance: 1e-9 })],
      };
    },
  }));
export default bench;
