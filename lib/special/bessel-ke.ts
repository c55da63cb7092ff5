import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOutput } from './bessel.js';

/**
 * Exponentially scaled modified Bessel function of the second kind, `e^x K_v(x)`, for real `v` and `x ≥ 0`. It never
 * underflows for ordinary orders; where the value is beyond the largest number it is +∞.
 *
 * The relative error is at most 8 ε, ε = 2⁻⁵² (f32: 2⁻²³), for v² + x² ≥ 477 (f32: 96) and for x < ⅛, and (8 + v) ε
 * otherwise; for x < 1e-100 or arguments beyond 1e100 up to ε |log e^x K_v(x)|. For the logarithm of large values:
 * `logBesselK`.
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. +∞ for x = 0. Constant time an element, about 10 ns.
 * @throws LapidaryError ERR_RANGE (negative x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source as logBesselK; the exponent is carried as a sum of two numbers
 * @example besselKe(0.5, 2) // 0.886226925453
 */
export function besselKe(v: number, x: number, options?: BesselOutput): number;
export function besselKe<A extends Real>(v: BesselArgument<A>, x: BesselArgument<A>, options?: BesselOutput<A>): A;
export function besselKe<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOutput<A>,
): number | A {
  return evaluate(where('besselKe'), 'scaledK', v, x, options);
}
