/** Fitting a von Mises-Fisher distribution: a sum over the data, then a few steps in one dimension. */
import { dense, special } from 'lapidary';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';
import { directions } from './directions.js';

const bench: Bench = ({ quick }) =>
  (quick
    ? [[100, 16] as const]
    : ([
        [10_000, 16],
        [10_000, 256],
        [2_000, 2048],
      ] as const)
  ).map(([n, p]) => ({
    // prettier-ignore
    shape: `${n}×${p}`,
    dtype: 'f64',
    setup() {
      const x = dense(n, p, directions(n, p));
      return {
        ours: () => special.vmfFit(x),
        output: (fit) => [...(fit as special.VmfFit).mu, (fit as special.VmfFit).kappa],
        bytes: x.data.byteLength,
        flops: 3 * n * p,
        peers: [scipy({ operation: 'vmfFit', parameters: { rows: n }, arrays: { x: x.data } }, { tolerance: 1e-6 })],
      };
    },
  }));
export default bench;
