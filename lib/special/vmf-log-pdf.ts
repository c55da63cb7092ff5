import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';
import { concentration, logPeak, meanDirection, noDirection, points } from './von-mises-fisher.js';

/**
 * Log density of the von Mises-Fisher distribution at the direction of each row of x:
 * `(p/2 − 1) log κ − (p/2) log 2π − log I_{p/2−1}(κ) + κ μᵀx_i / ‖x_i‖`, with respect to the surface of the unit sphere.
 *
 * @param x n × p, p ≥ 2; rows of any length but 0
 * @param mu mean direction, p numbers of any length but 0
 * @param kappa concentration, ≥ 0 and finite
 * @returns n numbers; one pass over x
 * @throws LapidaryError ERR_RANGE (a row or mu that is zero or not finite, kappa out of range), ERR_DTYPE, ERR_SHAPE
 * @source Mardia & Jupp, Directional Statistics (2000), section 9.3.2
 * @example vmfLogPdf(dense(1, 3, Float64Array.of(0, 0, 2)), Float64Array.of(0, 0, 1), 1) // -1.69246360804
 */
export function vmfLogPdf(x: Dense, mu: Float64Array, kappa: number): Float64Array {
  const at = where('vmfLogPdf');
  const { rows, cols, data } = points(at, x, 0);
  const direction = meanDirection(at, 'mu', mu, cols);
  concentration(at, 'kappa', kappa);
  const out = at.allocate(Float64Array, rows);
  const bad = native.directionDots(data, rows, cols, direction, out);
  if (bad >= 0) noDirection(at, `x row ${bad}`);
  const peak = logPeak(cols, kappa);
  for (let i = 0; i < rows; i++) out[i] = peak - kappa * (1 - out[i]!);
  return out;
}
