/** Ten steps of expectation-maximisation for a mixture of von Mises-Fisher distributions: two products a step. */
import { dense, special } from 'lapidary';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const steps = 10;

const bench: Bench = ({ quick }) =>
  (quick
    ? [[300, 16, 3] as const]
    : ([
        [20_000, 16, 8],
        [10_000, 128, 10],
        [5_000, 784, 20],
      ] as const)
  ).map(([n, p, k]) => ({
    // prettier-ignore
    shape: `${n}×${p}, ${k} components`,
    dtype: 'f64',
    setup() {
      // clusters so far apart that every start leads to the same mixture
      const x = dense(n, p);
      for (let c = 0; c < k; c++) {
        const mu = new Float64Array(p);
        mu[c] = 1;
        const [first, last] = [Math.floor((c * n) / k), Math.floor(((c + 1) * n) / k)];
        x.data.set(special.vmfSample(mu, 10 * p, last - first, { seed: c }).data, first * p);
      }
      return {
        ours: () => special.vmfMixtureFit(x, k, { maxIterations: steps, tolerance: 0, seed: 1 }),
        output: (fit) => [(fit as special.VmfMixture).logLikelihood],
        flops: 4 * n * p * k * steps,
        footprint: x.data.byteLength,
        peers: [
          scipy({ operation: 'vmfMixtureFit', parameters: { rows: n, k, steps }, arrays: { x: x.data } }, { tolerance: 1e-8 }),
        ],
      };
    },
  })); // prettier-ignore
export default bench;
