import { iterate, iterativeKeys, type Iterated, type IterativeOptions } from '../core/iterate.js';
import { where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import {
  concentrationStart,
  concentrationStep,
  directionSum,
  logPeak,
  points,
  type MeanLength,
} from './von-mises-fisher.js';

export interface VmfFitOptions extends Omit<IterativeOptions, 'seed'> {
  /** how often each row counts: n numbers, 0 or more, with a sum from 1e-290 to 1e290; rows of weight 0 are not looked at */
  weights?: Float64Array;
}

export interface VmfFit extends Iterated {
  /** mean direction, of length 1 */
  mu: Float64Array;
  /** concentration, ≥ 0 */
  kappa: number;
  /** Σ log density of the rows' directions, each times its weight */
  logLikelihood: number;
}

/** The sum of the weights, its rounding errors carried along as those of the directions are. */
function totalWeight(at: Where, weights: Float64Array | undefined, n: number): number {
  if (!weights) return n;
  at.array('options.weights', weights, [Float64Array], n);
  let [total, lost] = [0, 0];
  for (let i = 0; i < n; i++) {
    const w = weights[i]!;
    if (!(w >= 0 && w < Infinity))
      at.fail('ERR_RANGE', `options.weights[${i}]`, 'a finite number from 0 up', String(w));
    const next = total + w;
    const part = next - total;
    lost += total - (next - part) + (w - part);
    total = next;
  }
  if (!(total >= 1e-290 && total <= 1e290))
    at.fail('ERR_RANGE', 'options.weights', 'a sum from 1e-290 to 1e290', String(total));
  return total + lost;
}

/**
 * Maximum-likelihood fit of the von Mises-Fisher distribution, density `C_p(κ) exp(κ μᵀu)` for unit vectors u in ℝᵖ, to
 * the directions `u_i = x_i / ‖x_i‖` of the rows of x.
 *
 * μ = Σw_i u_i / ‖Σw_i u_i‖, and κ solves `I_{p/2}(κ) / I_{p/2−1}(κ) = R̄`, R̄ = ‖Σw_i u_i‖ / Σw_i, by Newton's method kept
 * inside Amos's bounds (p−1) R̄/(1−R̄²) ≤ κ ≤ p R̄/(1−R̄²); two or three steps. Costs two passes over x.
 *
 * If the directions cancel exactly, κ = 0 (the uniform distribution) and μ is the first axis.
 *
 * @param x n × p, n ≥ 1, p ≥ 2; rows of any length but 0
 * @param options `weights` (default all 1) · `tolerance` (default 10⁻¹²) bounds the residual, the last step |Δκ| / κ, or
 * 0 once the equation holds to rounding · `maxIterations` (default 50)
 * @throws LapidaryError ERR_RANGE (a row that is zero or not finite, no rows, p = 1, weights), ERR_NOT_CONVERGED if all
 * rows point the same way to rounding, a single row too (κ would be infinite), ERR_DTYPE, ERR_SHAPE, ERR_OPTION
 * @source Banerjee, Dhillon, Ghosh & Sra, Clustering on the Unit Hypersphere using von Mises-Fisher Distributions (2005),
 * equation 4.4, for the start; Sra, A Short Note on Parameter Approximation for von Mises-Fisher Distributions (2012) for
 * Newton's step; Amos, Computation of Modified Bessel Functions and Their Ratios (1974), equations 11 and 16
 * @example vmfFit(dense(2, 2, Float64Array.of(1, 1, 2, 0))).mu // 0.923879532511, 0.382683432365
 */
export function vmfFit(x: Dense, options: VmfFitOptions = {}): VmfFit {
  const at = where('vmfFit');
  const { weights } = at.options(options, [...iterativeKeys, 'weights']);
  const matrix = points(at, x, 1);
  const { rows: n, cols: p } = matrix;
  const total = totalWeight(at, weights, n);
  const mu = directionSum(at, 'x', matrix, weights);
  const largest = mu.reduce((most, a) => Math.max(most, Math.abs(a)), 0);
  const length = largest && largest * Math.sqrt(mu.reduce((sum, a) => sum + (a / largest) ** 2, 0));
  const mean = length / total;
  if (length === 0) mu[0] = 1;
  else for (let j = 0; j < p; j++) mu[j]! /= length;

  // Equal rows leave of 1 − R̄² = (1 − R̄)(1 + R̄) what rounding a row's length does, a sum of p squares in 8 lanes.
  const measured: MeanLength = { mean, complement: 1 - mean };
  if (!(measured.complement * (1 + mean) > (5 + p / 16) * 2 ** -52))
    at.fail('ERR_NOT_CONVERGED', 'x', 'rows that point in different directions', 'all the same, so kappa is infinite');
  let kappa = concentrationStart(p, measured);
  const iterated = iterate(at, options, { maxIterations: 50, tolerance: 1e-12 }, () => {
    if (kappa === 0) return 0;
    const next = concentrationStep(p, measured, kappa);
    const step = Math.abs(next - kappa) / kappa;
    kappa = next;
    return step;
  });
  const logLikelihood = total * (logPeak(p, kappa) - kappa * measured.complement);
  return { mu, kappa, logLikelihood, ...iterated };
}
