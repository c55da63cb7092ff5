import { iterate, iterativeKeys, type Iterated, type IterativeOptions } from '../core/iterate.js';
import { where } from '../core/validate.js';
import { dense, type Dense } from '../core/values.js';
import { native } from './native.js';
import { logPeak, noDirection, points, solveConcentration } from './von-mises-fisher.js';

export interface VmfMixtureOptions extends IterativeOptions {
  /** `'soft'` (default) shares a row among the components by their posterior probabilities, `'hard'` gives it to one */
  assignment?: 'soft' | 'hard';
  /** no component gets more concentrated than this; default 10⁶ p */
  maxKappa?: number;
}

export interface VmfMixture extends Iterated {
  /** k numbers that sum to 1 */
  weights: Float64Array;
  /** k × p, rows of length 1: mean directions */
  mu: Dense;
  /** k concentrations, ≥ 0 */
  kappa: Float64Array;
  /** n × k: the probability of each component given the row; with `'hard'`, 0 or 1 */
  responsibilities: Dense;
  /** the most probable component of each row */
  labels: Uint32Array;
  /** Σ log density of the rows' directions; with `'hard'`, Σ log (weight · density) of each row's own component */
  logLikelihood: number;
}

/**
 * Mixture of k von Mises-Fisher distributions, density `Σ_c w_c C_p(κ_c) exp(κ_c μ_cᵀu)`, fitted to the directions
 * u_i = x_i / ‖x_i‖ of the rows of x by expectation-maximisation: clusters of embeddings, documents, normalised images.
 *
 * Responsibilities `r_ic ∝ w_c C(κ_c) exp(κ_c μ_cᵀu_i)` in the log domain; then `w_c = Σ_i r_ic / n`, `μ_c ∝ Σ_i r_ic u_i` and
 * κ_c from `A_p(κ_c) = ‖Σ_i r_ic u_i‖ / Σ_i r_ic`, solved exactly. The log-likelihood never falls (but for rounding). The
 * start: rows chosen by greedy k-means++ on the sphere, each row with the nearest of them, one κ for all.
 *
 * A likelihood of mixtures has no maximum: a component that settles on one direction would get κ = ∞, so κ ends at
 * `maxKappa`. A component that loses all rows keeps weight 0, with its last μ and κ. Where rows are fewer than
 * components or all alike, some components end so.
 *
 * @param x n × p, p ≥ 2; rows of any length but 0
 * @param k components, 1 to n
 * @param options `assignment`, `maxKappa` · `seed` (default 0) · `tolerance` (default 10⁻⁶) bounds the residual, the gain
 * in logLikelihood / n by the last iteration · `maxIterations` (default 200)
 * @returns responsibilities and logLikelihood belong to the returned weights, mu and kappa. O(n k p) an iteration, as
 * matrix products; memory for a copy of x and n × k numbers.
 * @throws LapidaryError ERR_RANGE (a row that is zero or not finite, k, p = 1, options), ERR_DTYPE, ERR_SHAPE, ERR_OPTION,
 * ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Banerjee, Dhillon, Ghosh & Sra, Clustering on the Unit Hypersphere using von Mises-Fisher Distributions (2005),
 * algorithms 1 (soft-moVMF) and 2 (hard-moVMF), with κ solved instead of their approximation 4.4; Arthur & Vassilvitskii,
 * k-means++ (2007) for the start
 * @example vmfMixtureFit(dense(4, 2, Float64Array.of(1, 0.1, 1, -0.1, -1, 0.1, -1, -0.1)), 2).weights // 0.5, 0.5
 */
export function vmfMixtureFit(x: Dense, k: number, options: VmfMixtureOptions = {}): VmfMixture {
  const at = where('vmfMixtureFit');
  const known = [...iterativeKeys, 'seed', 'assignment', 'maxKappa'] as const;
  const { seed = 0, assignment = 'soft', maxKappa } = at.options(options, known);
  const matrix = points(at, x, 1);
  const { rows: n, cols: p } = matrix;
  at.integer('x.rows', n, { max: 2 ** 32 - 1 });
  at.integer('k', k, { min: 1, max: n });
  at.integer('options.seed', seed);
  const hard = at.oneOf('options.assignment', assignment, ['soft', 'hard']) === 1;
  const largest = at.number('options.maxKappa', maxKappa ?? 1e6 * p, { min: 0, max: 1e300 });

  const u = at.allocate(Float64Array, n * p);
  const bad = native.unitRows(matrix.data, n, p, u);
  if (bad >= 0) noDirection(at, `x row ${bad}`);
  const mu = dense(k, p, at.allocate(Float64Array, at.size('k × p', k, p)));
  const responsibilities = dense(n, k, at.allocate(Float64Array, at.size('n × k', n, k)));
  const labels = at.allocate(Uint32Array, n);
  const sums = at.allocate(Float64Array, k * p);
  const mass = at.allocate(Float64Array, k);
  const weights = new Float64Array(k).fill(1 / k);
  const kappa = new Float64Array(k).fill(1);
  const logs = new Float64Array(k);

  const expect = (single: boolean): number =>
    native.mixtureExpect(n, p, k, single, u, mu.data, kappa, logs, responsibilities.data, labels);

  const maximize = (together: boolean): void => {
    native.mixtureSums(n, p, k, responsibilities.data, u, sums, mass);
    const lengths = Array.from({ length: k }, (_, c) => {
      const sum = sums.subarray(c * p, (c + 1) * p);
      const length = Math.sqrt(sum.reduce((total, a) => total + a * a, 0));
      if (length > 0) for (let j = 0; j < p; j++) mu.data[c * p + j] = sum[j]! / length;
      return length;
    });
    const concentrate = (length: number, of: number): number => {
      const mean = Math.min(1, length / of);
      const complement = 1 - mean;
      // κ ≥ (p−1) R̄ / (1−R̄²): above the limit for certain, rows that are all the same too
      if ((p - 1) * mean >= largest * complement * (1 + mean)) return largest;
      return Math.min(largest, solveConcentration(p, { mean, complement }));
    };
    const common = together
      ? concentrate(
          lengths.reduce((a, b) => a + b, 0),
          n,
        )
      : 0;
    for (let c = 0; c < k; c++) {
      weights[c] = mass[c]! / n;
      if (together) kappa[c] = common;
      else if (mass[c]! > 0) kappa[c] = concentrate(lengths[c]!, mass[c]!);
      logs[c] = Math.log(weights[c]!) + logPeak(p, kappa[c]!);
    }
  };

  const chosen = at.allocate(Uint32Array, k);
  native.mixtureSeeds(n, p, k, seed % 2 ** 32, Math.floor(seed / 2 ** 32), u, chosen);
  chosen.forEach((row, c) => mu.data.set(u.subarray(row * p, (row + 1) * p), c * p));
  expect(true);
  maximize(true);
  let logLikelihood = expect(hard);
  const iterated = iterate(at, options, { maxIterations: 200, tolerance: 1e-6 }, () => {
    const before = logLikelihood;
    maximize(false);
    logLikelihood = expect(hard);
    return (logLikelihood - before) / n;
  });
  return { weights, mu, kappa, responsibilities, labels, logLikelihood, ...iterated };
}
