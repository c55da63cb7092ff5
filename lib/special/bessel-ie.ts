import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOutput } from './bessel.js';

/**
 * Exponentially scaled modified Bessel function of the first kind, `e^(−x) I_v(x)`, for real `v ≥ 0` and `x ≥ 0`. It never
 * overflows; it underflows gradually where the value does.
 *
 * The relative error is at most 8 ε, ε = 2⁻⁵² (f32: 2⁻²³), where the value is a normal number; for x < 1e-100 or
 * arguments beyond 1e100 it is up to ε |log e^(−x) I_v(x)|. For the logarithm of small values: `logBesselI`.
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. 1 for v = x = 0, 0 for v > 0 and x = 0. Constant time an
 * element, about 15 ns.
 * @throws LapidaryError ERR_RANGE (negative v or x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source as logBesselI; the exponent is carried as a sum of two numbers
 * @example besselIe(0.5, 2) // 0.276928037885
 */
export function besselIe(v: number, x: number, options?: BesselOutput): number;
export function besselIe<A extends Real>(v: BesselArgument<A>, x: BesselArgument<A>, options?: BesselOutput<A>): A;
export function besselIe<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): number | A {
  return evaluate(where('besselIe'), 'scaledI', v, x, options);
}
