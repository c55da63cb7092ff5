import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { cast, type CastOptions } from './cast.js';
import { native } from './native.js';

/**
 * IEEE binary16 (1 sign, 5 exponent, 10 mantissa bits) of each f32, to nearest even: from 65520 on ±∞, subnormals down to
 * 2^−24, below half of that ±0. NaN stays NaN, quiet, with the upper bits of its payload.
 *
 * An array gives an array, a Dense a Dense tagged `f16`. Linear time; the traffic of memory is its bound.
 *
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE if `out` has another size, ERR_ALIAS if it overlaps `x`
 * @source IEEE 754-2019, section 3.6 and 5.4.2
 * @example toHalf(Float32Array.of(1, -2, 65504, 65520)) // 0x3c00, 0xc000, 0x7bff, 0x7c00
 */
export function toHalf(x: Float32Array, options?: CastOptions<Uint16Array>): Uint16Array;
export function toHalf(x: Dense<Float32Array>, options?: CastOptions<Uint16Array>): Dense<Uint16Array>;
export function toHalf(
  x: Float32Array | Dense<Float32Array>,
  options?: CastOptions<Uint16Array>,
): Uint16Array | Dense<Uint16Array> {
  const at = where('toHalf');
  const { out } = at.options(options, ['out']);
  return cast(at, x, out, {
    from: Float32Array,
    to: Uint16Array,
    resultTag: 'f16',
    run(values, codes) {
      native.toFloat16(values, codes, 0);
    },
  });
}

/**
 * The f32 of each IEEE binary16, exactly; a signalling NaN becomes quiet.
 *
 * @param x codes, or a Dense of them (tagged `f16` or untagged)
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE if `out` has another size, ERR_ALIAS if it overlaps `x`
 * @example fromHalf(Uint16Array.of(0x3555, 0x0001)) // 0.333251953125, 2 ** -24
 */
export function fromHalf(x: Uint16Array, options?: CastOptions<Float32Array>): Float32Array;
export function fromHalf(x: Dense<Uint16Array>, options?: CastOptions<Float32Array>): Dense<Float32Array>;
export function fromHalf(
  x: Uint16Array | Dense<Uint16Array>,
  options?: CastOptions<Float32Array>,
): Float32Array | Dense<Float32Array> {
  const at = where('fromHalf');
  const { out } = at.options(options, ['out']);
  return cast(at, x, out, {
    from: Uint16Array,
    to: Float32Array,
    inputTag: 'f16',
    run(codes, values) {
      native.fromFloat16(codes, values, 0);
    },
  });
}
