import { where } from '../core/validate.js';
import { evaluate, type BesselArgument } from './bessel.js';

/**
 * Ratio of modified Bessel functions `I_{v+1}(x) / I_v(x)`, for real `v ≥ 0` and `x ≥ 0`: a number in [0, 1], relative
 * error below 2e-15. The difference of two logarithms would lose digits in proportion to their size.
 *
 * With v = p/2 − 1 this is the mean resultant length of the von Mises-Fisher distribution on the sphere in ℝᵖ.
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast
 * @returns a number for two numbers, else a Float64Array. Constant time an element.
 * @throws LapidaryError ERR_RANGE (negative v or x), ERR_SHAPE, ERR_DTYPE
 * @source Gauss's continued fraction (DLMF 10.33.1) by the modified Lentz algorithm (Thompson & Barnett 1986) where
 * v² + x² < 19²; beyond, where the fraction needs about 6 √x steps, Debye's expansions of I and I' with v/x subtracted
 * term by term (DLMF 10.41.3, 10.41.5, 10.41.11)
 * @example besselIRatio(0.5, 1) // 0.313035285499
 */
export function besselIRatio(v: number, x: number): number;
export function besselIRatio(v: BesselArgument, x: BesselArgument): Float64Array;
export function besselIRatio(v: BesselArgument, x: BesselArgument): number | Float64Array {
  return evaluate(where('besselIRatio'), 'ratio', 0, v, x, undefined);
}
