/**
 * Clusters handwritten digits by direction: a mixture of von Mises-Fisher distributions on rows of 784 pixels.
 *
 *     npx tsx examples/digits/main.ts          10 clusters: what each holds
 *     npx tsx examples/digits/main.ts --all    the purity table of docs/special.md (a minute)
 */
import { special } from 'lapidary';
import { digits, meetings, purity } from './digits.js';

const { x, labels } = digits();
console.log(`${x.rows} images of ${x.cols} pixels`);

if (process.argv.includes('--all')) {
  console.log('assignment    k  purity, seeds 0 to 4                 iterations  seconds a fit');
  for (const assignment of ['soft', 'hard'] as const)
    for (const k of [10, 20, 50, 100]) {
      const start = performance.now();
      const fits = [0, 1, 2, 3, 4].map((seed) => special.vmfMixtureFit(x, k, { assignment, seed }));
      const seconds = (performance.now() - start) / 5000;
      const purities = fits.map((fit) => purity(fit.labels, labels).toFixed(3)).join(' ');
      const iterations = fits.map((fit) => fit.iterations).join(' ');
      console.log(
        `${assignment} ${String(k).padStart(10)}  ${purities}  ${iterations.padStart(20)}  ${seconds.toFixed(2)}`,
      );
    }
} else {
  const fit = special.vmfMixtureFit(x, 10);
  console.log('cluster  weight   kappa  images of 0 … 9');
  meetings(fit.labels, labels).forEach((row, c) => {
    const counts = row.map((count) => String(count).padStart(5)).join('');
    console.log(
      `${String(c).padStart(7)}  ${fit.weights[c]!.toFixed(3)}  ${fit.kappa[c]!.toFixed(0).padStart(6)} ${counts}`,
    );
  });
  console.log(`purity ${purity(fit.labels, labels).toFixed(3)} after ${fit.iterations} iterations`);
}
