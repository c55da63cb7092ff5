import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOutput } from './bessel.js';

/**
 * Derivative of `log I_v(x)` in x, `I_v'(x) / I_v(x) = I_{v+1}(x) / I_v(x) + v/x`, for real `v ≥ 0` and `x ≥ 0`: a sum of
 * positive terms, relative error below 2e-15 (f32: 5e-7).
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. 0 for v = x = 0, +∞ for v > 0 and x = 0, 1 for x = ∞.
 * Constant time an element, 5 to 15 ns.
 * @throws LapidaryError ERR_RANGE (negative v or x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source as besselIRatio; from v² + x² = 512 on Debye's expansions of I and I' (DLMF 10.41.3, 10.41.5)
 * @example logBesselIDerivative(0.5, 1) // 0.813035285499
 */
export function logBesselIDerivative(v: number, x: number, options?: BesselOutput): number;
export function logBesselIDerivative<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): A;
export function logBesselIDerivative<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): number | A {
  return evaluate(where('logBesselIDerivative'), 'logISlope', v, x, options);
}
