import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { cast, type CastOptions } from './cast.js';
import { native } from './native.js';

/**
 * bfloat16 (the upper half of an f32: 8 exponent, 7 mantissa bits) of each f32, to nearest even: above the largest number
 * ±∞, subnormals kept. NaN stays NaN, quiet, with the upper bits of its payload.
 *
 * An array gives an array, a Dense a Dense tagged `bf16`. Linear time; the traffic of memory is its bound.
 *
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE if `out` has another size, ERR_ALIAS if it overlaps `x`
 * @example toBfloat16(Float32Array.of(1, -2, 3.4e38)) // 0x3f80, 0xc000, 0x7f80
 */
export function toBfloat16(x: Float32Array, options?: CastOptions<Uint16Array>): Uint16Array;
export function toBfloat16(x: Dense<Float32Array>, options?: CastOptions<Uint16Array>): Dense<Uint16Array>;
export function toBfloat16(
  x: Float32Array | Dense<Float32Array>,
  options?: CastOptions<Uint16Array>,
): Uint16Array | Dense<Uint16Array> {
  const at = where('toBfloat16');
  const { out } = at.options(options, ['out']);
  return cast(at, x, out, {
    from: Float32Array,
    to: Uint16Array,
    resultTag: 'bf16',
    run(values, codes) {
      native.toFloat16(values, codes, 1);
    },
  });
}

/**
 * The f32 of each bfloat16, exactly; a signalling NaN becomes quiet.
 *
 * @param x codes, or a Dense of them (tagged `bf16` or untagged)
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE if `out` has another size, ERR_ALIAS if it overlaps `x`
 * @example fromBfloat16(Uint16Array.of(0x3f80, 0xc000)) // 1, -2
 */
export function fromBfloat16(x: Uint16Array, options?: CastOptions<Float32Array>): Float32Array;
export function fromBfloat16(x: Dense<Uint16Array>, options?: CastOptions<Float32Array>): Dense<Float32Array>;
export function fromBfloat16(
  x: Uint16Array | Dense<Uint16Array>,
  options?: CastOptions<Float32Array>,
): Float32Array | Dense<Float32Array> {
  const at = where('fromBfloat16');
  const { out } = at.options(options, ['out']);
  return cast(at, x, out, {
    from: Uint16Array,
    to: Float32Array,
    inputTag: 'bf16',
    run(codes, values) {
      native.fromFloat16(codes, values, 1);
    },
  });
}
