/** What the von Mises-Fisher functions share: directions and the normalising constant. */
import type { Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { logBesselI } from './log-bessel-i.js';
import { native } from './native.js';

const maxDimension = 32768;

/** A matrix whose rows are points of ℝᵖ, 2 ≤ p ≤ 32768, n ≥ `minRows`. */
export function points(at: Where, x: unknown, minRows: number): Dense {
  const matrix = at.dense('x', x, [Float64Array]);
  at.integer('x.rows', matrix.rows, { min: minRows });
  at.integer('x.cols', matrix.cols, { min: 2, max: maxDimension });
  return matrix;
}

export function noDirection(at: Where, argument: string): never {
  return at.fail('ERR_RANGE', argument, 'finite entries that are not all zero', 'none or others');
}

/** Σ x_i / ‖x_i‖ over the rows. */
export function directionSum(at: Where, argument: string, x: Dense): Float64Array {
  const sum = at.allocate(Float64Array, x.cols);
  const bad = native.directionSum(x.data, x.rows, x.cols, sum);
  if (bad >= 0) noDirection(at, `${argument} row ${bad}`);
  return sum;
}

/**
 * log C_p(κ) of the density C_p(κ) exp(κ μᵀx) on the unit sphere of ℝᵖ:
 * (p/2 − 1) log κ − (p/2) log 2π − log I_{p/2−1}(κ). Below 10⁻⁸ the first factor C_p(0) (1 − κ²/2p + …) is constant to
 * all places, and both logarithms diverge.
 */
export function logNormalizer(p: number, kappa: number): number {
  const k = Math.max(kappa, 1e-8);
  const order = p / 2 - 1;
  return order * Math.log(k) - (p / 2) * Math.log(2 * Math.PI) - logBesselI(order, k);
}
