import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOptions } from './bessel.js';

/**
 * Logarithm of the modified Bessel function of the second kind, `L = log K_v(x)`, for real `v` (K is even in v) and `x ≥ 0`:
 * finite where `K_v(x)` itself overflows or underflows.
 *
 * With `method: 'auto'` the error is at most 4 ε S, ε = 2⁻⁵² (f32: 2⁻²³), S = |L| + |x ∂L/∂x| + |v ∂L/∂v|: what rounding
 * the inputs in their last place may cost. Where v² + x² ≥ 477 (f32: 96) it is below 1 unit in the last place of L itself
 * plus 2⁻⁶¹ S (f32: 2⁻³⁰ S). `'paper'` has the published integral (absolute error up to 1.4e-9; up to 1.9
 * for v ≤ 0.1 and x < 1e-22).
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. `K_v(0)` gives +∞, `K_v(∞)` −∞; NaN gives NaN. Constant
 * time an element: about 10 ns ('paper': tens of µs for small arguments); in f32 a third to a half of that.
 * @throws LapidaryError ERR_RANGE (negative x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source Plesner, Sørensen & Hauberg, Accurate Computation of the Logarithm of Modified Bessel Functions on GPUs (2024),
 * for 'paper', with vη = √(v² + x²) − v asinh(v/x) in place of the paper's form, which overflows; Temme, On the Numerical
 * Evaluation of the Modified Bessel Function of the Third Kind (1975), for x < ⅛ in 'auto'
 * @example logBesselK(Float64Array.of(0.5, -0.5), 1) // -0.774208647353, -0.774208647353
 */
export function logBesselK(v: number, x: number, options?: BesselOptions): number;
export function logBesselK<A extends Real>(v: BesselArgument<A>, x: BesselArgument<A>, options?: BesselOptions<A>): A;
export function logBesselK<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOptions<A>,
): number | A {
  return evaluate(where('logBesselK'), 'logK', v, x, options);
}
