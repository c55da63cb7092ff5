import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOutput } from './bessel.js';

/**
 * Ratio of modified Bessel functions `I_{v+1}(x) / I_v(x)`, for real `v ≥ 0` and `x ≥ 0`: a number in [0, 1], relative
 * error below 2e-15 (f32: 5e-7). The difference of two logarithms would lose digits in proportion to their size.
 *
 * With v = p/2 − 1 this is the mean resultant length of the von Mises-Fisher distribution on the sphere in ℝᵖ.
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. Constant time an element, 5 to 15 ns.
 * @throws LapidaryError ERR_RANGE (negative v or x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source Gauss's continued fraction (DLMF 10.33.1) from the back where v² + x² < 512 (f32: 96); beyond, Debye's expansions
 * of I and I' with v/x subtracted term by term (DLMF 10.41.3, 10.41.5, 10.41.11)
 * @example besselIRatio(0.5, 1) // 0.313035285499
 */
export function besselIRatio(v: number, x: number, options?: BesselOutput): number;
export function besselIRatio<A extends Real>(v: BesselArgument<A>, x: BesselArgument<A>, options?: BesselOutput<A>): A;
export function besselIRatio<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): number | A {
  return evaluate(where('besselIRatio'), 'ratio', v, x, options);
}
