import { arrayTypeName, where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { cast, type CastOptions } from './cast.js';
import { native } from './native.js';

const formats = ['e4m3', 'e5m2'] as const;
/** The 8-bit floats of OCP OFP8. */
export type Fp8Format = (typeof formats)[number];

/** Options of {@link castFp8}. */
export interface CastFp8Options extends CastOptions<Uint8Array> {
  /** what lies beyond the largest number, and ±∞: that number (true, the default), or NaN (e4m3) and ±∞ (e5m2) */
  saturate?: boolean;
}

/**
 * 8-bit floats of f32 values to nearest even, or back, exactly: the type of `x` says which.
 *
 * `e4m3` (exponent bias 7): largest 448, smallest 2^−9, no infinity, NaN 0x7f and 0xff. `e5m2` (bias 15): largest 57344,
 * smallest 2^−16, ±∞ 0x7c and 0xfc, NaN beyond; a NaN is written 0x7e with its sign. Overflow is judged after rounding:
 * 464 is a tie and gives 448. Linear time; the traffic of memory is its bound.
 *
 * @param x f32 values gives codes (a Dense tagged with the format); codes give f32 values
 * @throws LapidaryError ERR_DTYPE, ERR_OPTION, ERR_SHAPE if `out` has another size, ERR_ALIAS if it overlaps `x`
 * @source OCP 8-bit Floating Point Specification (OFP8), revision 1.0 (2023), sections 4 and 5
 * @example castFp8(Float32Array.of(1, -448, 1000), 'e4m3') // 0x38, 0xfe, 0x7e
 * @example castFp8(Uint8Array.of(0x38, 0xfe, 0x01), 'e4m3') // 1, -448, 2 ** -9
 */
export function castFp8(x: Float32Array, format: Fp8Format, options?: CastFp8Options): Uint8Array;
export function castFp8(x: Dense<Float32Array>, format: Fp8Format, options?: CastFp8Options): Dense<Uint8Array>;
export function castFp8(x: Uint8Array, format: Fp8Format, options?: CastOptions<Float32Array>): Float32Array;
export function castFp8(
  x: Dense<Uint8Array>,
  format: Fp8Format,
  options?: CastOptions<Float32Array>,
): Dense<Float32Array>;
export function castFp8(
  x: Float32Array | Uint8Array | Dense<Float32Array> | Dense<Uint8Array>,
  format: Fp8Format,
  options?: CastFp8Options | CastOptions<Float32Array>,
): Float32Array | Uint8Array | Dense<Float32Array> | Dense<Uint8Array> {
  const at = where('castFp8');
  const code = at.oneOf('format', format, formats);
  const { out, saturate = true } = at.options(options as CastFp8Options, ['out', 'saturate']);
  at.boolean('options.saturate', saturate);
  if (holdsCodes(x))
    return cast(at, x, out, {
      from: Uint8Array,
      to: Float32Array,
      inputTag: format,
      run(codes, values) {
        native.fromFloat8(codes, values, code);
      },
    });
  return cast(at, x, out, {
    from: Float32Array,
    to: Uint8Array,
    resultTag: format,
    run(values, codes) {
      native.toFloat8(values, codes, code, saturate);
    },
  });
}

/** True for a Uint8Array and for a Dense of one. */
export function holdsCodes(x: unknown): boolean {
  const data: unknown = typeof x === 'object' && x !== null && !arrayTypeName(x) ? (x as { data?: unknown }).data : x;
  return arrayTypeName(data) === 'Uint8Array';
}
