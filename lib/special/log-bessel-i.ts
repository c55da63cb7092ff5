import type { Real } from '../core/values.js';
import { where } from '../core/validate.js';
import { evaluate, type BesselArgument, type BesselOptions } from './bessel.js';

/**
 * Logarithm of the modified Bessel function of the first kind, `L = log I_v(x)`, for real `v ≥ 0` and `x ≥ 0`: finite where
 * `I_v(x)` itself overflows or underflows.
 *
 * With `method: 'auto'` the error is at most 4 ε S, ε = 2⁻⁵² (f32: 2⁻²³), S = |L| + |x ∂L/∂x| + |v ∂L/∂v|: what rounding
 * the inputs in their last place may cost. Where v² + x² ≥ 477 (f32: 96) it is below 1 unit in the last place of L itself
 * plus 2⁻⁶¹ S (f32: 2⁻³⁰ S). `'paper'` loses more at its borders (1.4e-8 absolute at x = 10⁵, v = 797).
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast. Both arrays f64 or both f32; a number beside a Float32Array
 * is rounded to f32
 * @returns a number for two numbers, else an array of their type. `I_0(0) = 1` gives 0, `I_v(0)` −∞; NaN gives NaN.
 * Constant time an element: about 10 ns in f64, 5 ns in f32.
 * @throws LapidaryError ERR_RANGE (negative v or x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source Plesner, Sørensen & Hauberg, Accurate Computation of the Logarithm of Modified Bessel Functions on GPUs (2024),
 * for 'paper', with vη = √(v² + x²) − v asinh(v/x) in place of the paper's form, which overflows; 'auto' differs as
 * docs/special.md says
 * @example logBesselI(0.5, Float64Array.of(1, 1000)) // -0.06435199107353, 995.6271838273
 */
export function logBesselI(v: number, x: number, options?: BesselOptions): number;
export function logBesselI<A extends Real>(v: BesselArgument<A>, x: BesselArgument<A>, options?: BesselOptions<A>): A;
export function logBesselI<A extends Real>(
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options?: BesselOptions<A>,
): number | A {
  return evaluate(where('logBesselI'), 'logI', v, x, options);
}
