import { where } from '../core/validate.js';
import { concentration, peakOf } from './von-mises-fisher.js';

/**
 * Differential entropy of the von Mises-Fisher distribution on the unit sphere of ℝᵖ, in nats:
 * `−log C_p(κ) − κ A_p(κ)`, A_p(κ) = I_{p/2}(κ) / I_{p/2−1}(κ). From the logarithm of the sphere's area at κ = 0 it falls
 * to −∞ like −(p−1)/2 · log κ.
 *
 * The two terms agree in their leading κ; they are evaluated as −(log C_p(κ) + κ) + κ (1 − A), each without a difference of
 * large numbers, so that the error stays near 10⁻¹³ of the larger of 1, p and the entropy for κ up to 10³⁰⁸.
 *
 * @param p dimension, a whole number from 2 up
 * @param kappa concentration, ≥ 0 and finite
 * @throws LapidaryError ERR_RANGE, ERR_DTYPE
 * @source Mardia & Jupp, Directional Statistics (2000), section 9.3.2
 * @example vmfEntropy(3, 0) // Math.log(4 * Math.PI)
 */
export function vmfEntropy(p: number, kappa: number): number {
  const at = where('vmfEntropy');
  at.integer('p', p, { min: 2 });
  concentration(at, 'kappa', kappa);
  const { complement, logPeak } = peakOf(p, kappa);
  return kappa * complement - logPeak;
}
