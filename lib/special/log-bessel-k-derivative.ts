import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOutput } from './bessel.js';

/**
 * Derivative of `log K_v(x)` in x, `K_v'(x) / K_v(x) = −(K_{v−1}(x) / K_v(x) + v/x)`, for real `v` and `x ≥ 0`: a sum of
 * negative terms, relative error below 2e-15 (f32: 1e-6).
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. −∞ for x = 0, −1 for x = ∞. Constant time an element,
 * about 10 ns.
 * @throws LapidaryError ERR_RANGE (negative x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source as logBesselK; from v² + x² = 512 on Debye's expansions of K and K' (DLMF 10.41.4, 10.41.6)
 * @example logBesselKDerivative(0.5, 2) // -1.25
 */
export function logBesselKDerivative(v: number, x: number, options?: BesselOutput): number;
export function logBesselKDerivative<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): A;
export function logBesselKDerivative<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): number | A {
  return evaluate(where('logBesselKDerivative'), 'logKSlope', v, x, options);
}
