import { where } from '../core/validate.js';
import { evaluate, methods, type BesselArgument, type BesselOptions } from './bessel.js';

/**
 * Logarithm of the modified Bessel function of the first kind, `log I_v(x)`, for real `v ≥ 0` and `x ≥ 0`: finite where
 * `I_v(x)` itself overflows or underflows.
 *
 * With `method: 'auto'` the error is at most 4 · 2⁻⁵² · (|L| + |x ∂L/∂x| + |v ∂L/∂v|) for L = log I_v(x): what rounding
 * the inputs in their last place may cost. `'paper'` loses more at its borders (1.4e-8 absolute at x = 10⁵, v = 797).
 *
 * @param v order, one number or one for each element
 * @param x argument, the same; an array and a number broadcast
 * @returns a number for two numbers, else a Float64Array. `I_0(0) = 1` gives 0, `I_v(0)` −∞; NaN gives NaN.
 * Constant time an element: a few tens of nanoseconds for large arguments, below 1 µs otherwise.
 * @throws LapidaryError ERR_RANGE (negative v or x), ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS
 * @source Plesner, Sørensen & Hauberg, Accurate Computation of the Logarithm of Modified Bessel Functions on GPUs (2024),
 * for 'paper', with vη = √(v² + x²) − v asinh(v/x) in place of the paper's form, which overflows; 'auto' differs as
 * docs/special.md says
 * @example logBesselI(0.5, Float64Array.of(1, 1000)) // -0.06435199107353, 995.6271838273
 */
export function logBesselI(v: number, x: number, options?: BesselOptions): number;
export function logBesselI(v: BesselArgument, x: BesselArgument, options?: BesselOptions): Float64Array;
export function logBesselI(v: BesselArgument, x: BesselArgument, options?: BesselOptions): number | Float64Array {
  const at = where('logBesselI');
  const { out, method = 'auto' } = at.options(options, ['out', 'method']);
  return evaluate(at, 'logI', at.oneOf('options.method', method, methods), v, x, out);
}
