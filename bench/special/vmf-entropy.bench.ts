/** Entropies at 200 concentrations: an expansion each, or two Bessel functions and two ratios. */
import { special } from 'lapidary';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [16] : [3, 16, 256]).map((p) => ({
    shape: `200 × p = ${p}`,
    dtype: 'f64',
    threads: [1],
    setup() {
      const kappa = Float64Array.from({ length: 200 }, (_, i) => p * 1.02 ** (i - 100));
      return {
        ours: () => kappa.map((k) => special.vmfEntropy(p, k)),
        peers: [scipy({ operation: 'vmfEntropy', parameters: { p }, arrays: { kappa } }, { tolerance: 1e-10 })],
      };
    },
  }));
export default bench;
