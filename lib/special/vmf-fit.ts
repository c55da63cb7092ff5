import { iterate, iterativeKeys, type Iterated, type IterativeOptions } from '../core/iterate.js';
import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { besselIRatio } from './bessel-i-ratio.js';
import { directionSum, logNormalizer, points } from './von-mises-fisher.js';

export type VmfFitOptions = Omit<IterativeOptions, 'seed'>;

export interface VmfFit extends Iterated {
  /** mean direction, of length 1 */
  mu: Float64Array;
  /** concentration, ≥ 0 */
  kappa: number;
  /** Σ log density of the rows' directions */
  logLikelihood: number;
}

/**
 * dA/dκ of A = I_{p/2}(κ) / I_{p/2−1}(κ). The exact 1 − A² − (p−1) A/κ is a difference of numbers near (p−1)/κ that equals
 * about (p−1)/2κ²; for large κ its digits are gone and Amos's form A = κ / (s + √(s² + κ²)) with constant s gives the
 * slope without a difference, to a part in κ/p.
 */
function ratioSlope(p: number, kappa: number, ratio: number): number {
  const complement = (1 - ratio) * (1 + ratio);
  if (kappa < 1e4 * p) return complement - ((p - 1) / kappa) * ratio;
  const s = (kappa * complement) / (2 * ratio);
  const root = Math.sqrt(s * s + kappa * kappa);
  return s / (root * (s + root));
}

/**
 * Maximum-likelihood fit of the von Mises-Fisher distribution, density `C_p(κ) exp(κ μᵀu)` for unit vectors u in ℝᵖ, to
 * the directions `u_i = x_i / ‖x_i‖` of the rows of x.
 *
 * μ = Σu_i / ‖Σu_i‖, and κ solves `I_{p/2}(κ) / I_{p/2−1}(κ) = R̄`, R̄ = ‖Σu_i‖ / n, by Newton's method kept inside
 * Amos's bounds (p−1) R̄/(1−R̄²) ≤ κ ≤ p R̄/(1−R̄²); two or three steps. Costs two passes over x.
 *
 * If the directions cancel exactly, κ = 0 (the uniform distribution) and μ is the first axis.
 *
 * @param x n × p, n ≥ 1, 2 ≤ p ≤ 32768; rows of any length but 0
 * @param options `tolerance` (default 10⁻¹²) bounds the residual, the last step |Δκ| / κ, or 0 once the equation holds
 * to rounding; `maxIterations` (default 50)
 * @throws LapidaryError ERR_RANGE (a row that is zero or not finite, no rows, p out of range), ERR_NOT_CONVERGED if all
 * rows point the same way to rounding, a single row too (κ would be infinite), ERR_DTYPE, ERR_SHAPE, ERR_OPTION
 * @source Banerjee, Dhillon, Ghosh & Sra, Clustering on the Unit Hypersphere using von Mises-Fisher Distributions (2005),
 * equation 4.4, for the start; Sra, A Short Note on Parameter Approximation for von Mises-Fisher Distributions (2012) for
 * Newton's step; Amos, Computation of Modified Bessel Functions and Their Ratios (1974), equations 11 and 16
 * @example vmfFit(dense(2, 2, Float64Array.of(1, 1, 2, 0))).mu // 0.923879532511, 0.382683432365
 */
export function vmfFit(x: Dense, options: VmfFitOptions = {}): VmfFit {
  const at = where('vmfFit');
  at.options(options, iterativeKeys);
  const matrix = points(at, x, 1);
  const { rows: n, cols: p } = matrix;
  const mu = directionSum(at, 'x', matrix);
  const length = Math.sqrt(mu.reduce((sum, a) => sum + a * a, 0));
  const mean = length / n;
  if (length === 0) mu[0] = 1;
  else for (let j = 0; j < p; j++) mu[j]! /= length;

  // 1 − R̄² = (1 − R̄)(1 + R̄). Equal rows leave of it what rounding a row's length does, a sum of p squares in 8 lanes.
  const spread = (1 - mean) * (1 + mean);
  if (!(spread > (5 + p / 16) * 2 ** -52))
    at.fail('ERR_NOT_CONVERGED', 'x', 'rows that point in different directions', 'all the same, so kappa is infinite');
  const low = ((p - 1) * mean) / spread;
  const high = (p * mean) / spread;
  let kappa = (mean * (p - mean * mean)) / spread;
  const iterated = iterate(at, options, { maxIterations: 50, tolerance: 1e-12 }, () => {
    if (kappa === 0) return 0;
    const ratio = besselIRatio(p / 2 - 1, kappa);
    if (Math.abs(ratio - mean) <= 2 ** -51 * mean) return 0; // a step from here would follow the rounding errors
    const slope = ratioSlope(p, kappa, ratio);
    const next = Math.min(high, Math.max(low, kappa - (ratio - mean) / slope));
    const step = Math.abs(next - kappa) / kappa;
    kappa = next;
    return step;
  });
  return { mu, kappa, logLikelihood: n * (logNormalizer(p, kappa) + kappa * mean), ...iterated };
}
