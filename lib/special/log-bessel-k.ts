import { where } from '../core/validate.js';
import { evaluate, methods, type BesselArgument, type BesselOptions } from './bessel.js';

/**
 * Logarithm of the modified Bessel function of the second kind, `log K_v(x)`, for real `v` (K is even in v) and `x ≥ 0`:
 * finite where `K_v(x)` itself overflows or underflows.
 *
 * With `method: 'auto'` the error is at most 4 · 2⁻⁵² · (|L| + |x ∂L/∂x| + |v ∂L/∂v|) for L = log K_v(x): what rounding
 * the inputs in their last place may cost. `'paper'` has the published integral (absolute error up to 1.4e-9; up to
 * 1.9 for v < 0.1 and x < 1e-40).
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast
 * @returns a number for two numbers, else a Float64Array. `K_v(0)` gives +∞, `K_v(∞)` −∞; NaN gives NaN. Constant time
 * an element: a few tens of nanoseconds for large arguments, below 1 µs otherwise ('paper': tens of µs for small ones).
 * @throws LapidaryError ERR_RANGE (negative x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source Plesner, Sørensen & Hauberg, Accurate Computation of the Logarithm of Modified Bessel Functions on GPUs (2024),
 * for 'paper', with vη = √(v² + x²) − v asinh(v/x) in place of the paper's form, which overflows; Temme, On the Numerical
 * Evaluation of the Modified Bessel Function of the Third Kind (1975), for small arguments of 'auto'
 * @example logBesselK(Float64Array.of(0.5, -0.5), 1) // -0.774208647353, -0.774208647353
 */
export function logBesselK(v: number, x: number, options?: BesselOptions): number;
export function logBesselK(v: BesselArgument, x: BesselArgument, options?: BesselOptions): Float64Array;
export function logBesselK(v: BesselArgument, x: BesselArgument, options?: BesselOptions): number | Float64Array {
  const at = where('logBesselK');
  const { out, method = 'auto' } = at.options(options, ['out', 'method']);
  return evaluate(at, 'logK', at.oneOf('options.method', method, methods), v, x, out);
}
