import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { cast, type CastOptions } from './cast.js';
import { holdsCodes } from './cast-fp8.js';
import { native } from './native.js';

const formats = ['e2m1', 'e3m0'] as const;

/** Options of {@link castFp4}. */
export interface CastFp4Options<A extends Float32Array | Uint8Array> extends CastOptions<A> {
  /** default 'e2m1', of OCP's formats; 'e3m0' is that of ZeroQuant-FP */
  format?: (typeof formats)[number];
}

/**
 * 4-bit floats of f32 values to nearest even, or back, exactly: the type of `x` says which. One code a byte.
 *
 * The values of E2M1 are 0, 0.5, 1, 1.5, 2, 3, 4, 6 (codes 0 to 7) and their negatives (8 to 15; −0 is 8), those of E3M0 0,
 * 0.25, 0.5, 1, 2, 4, 8, 16. Beyond the largest, and ±∞, gives the largest. There is no NaN. Codes are read by their low four
 * bits. Linear time; the traffic of memory is its bound. For packed codes with scales see {@link quantize}, which has E2M1 only.
 *
 * @param x f32 values give codes; codes give f32 values
 * @throws LapidaryError ERR_RANGE for a NaN, ERR_DTYPE, ERR_OPTION, ERR_SHAPE if `out` has another size, ERR_ALIAS if it
 *   overlaps `x`
 * @source OCP Microscaling Formats (MX), version 1.0 (2023), section 5.3.3; E3M0: Wu, Yao & He, ZeroQuant-FP (2023)
 * @example castFp4(Float32Array.of(0.75, -1.25, 2.5, 100)) // 2, 10, 4, 7
 * @example castFp4(Uint8Array.of(2, 10, 4, 7)) // 1, -1, 2, 6
 * @example castFp4(Float32Array.of(3, -100), { format: 'e3m0' }) // 4, 15
 */
export function castFp4(x: Float32Array, options?: CastFp4Options<Uint8Array>): Uint8Array;
export function castFp4(x: Dense<Float32Array>, options?: CastFp4Options<Uint8Array>): Dense<Uint8Array>;
export function castFp4(x: Uint8Array, options?: CastFp4Options<Float32Array>): Float32Array;
export function castFp4(x: Dense<Uint8Array>, options?: CastFp4Options<Float32Array>): Dense<Float32Array>;
export function castFp4(
  x: Float32Array | Uint8Array | Dense<Float32Array> | Dense<Uint8Array>,
  options?: CastFp4Options<Uint8Array> | CastFp4Options<Float32Array>,
): Float32Array | Uint8Array | Dense<Float32Array> | Dense<Uint8Array> {
  const at = where('castFp4');
  const { out, format } = at.options(options as CastFp4Options<Uint8Array>, ['out', 'format']);
  // after the codes of the 8-bit ones
  const code = 2 + at.oneOf('options.format', format ?? 'e2m1', formats);
  if (holdsCodes(x))
    return cast(at, x, out, {
      from: Uint8Array,
      to: Float32Array,
      run(codes, values) {
        native.fromFloat8(codes, values, code);
      },
    });
  return cast(at, x, out, {
    from: Float32Array,
    to: Uint8Array,
    run(values, codes) {
      native.toFloat8(values, codes, code, true);
    },
  });
}
