import { arrayTypeName, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native-linear.js';
import { rotaryArguments, rotaryKeys, type RotaryOptions } from './rope.js';

const halves = ['f16', 'bf16'] as const;

/** Options of {@link shiftRope}. */
export interface ShiftRopeOptions<A extends Real | Uint16Array = Float32Array> extends RotaryOptions<A> {
  /** what is added to the position of each row, negative to move back; required */
  delta: number;
  /** first row that moves; default 0 */
  from?: number;
  /** the row after the last that moves; default all to the end */
  to?: number;
}

/**
 * Moves keys that carry a rotary position embedding to other positions, without the text they came from: rotations
 * compose, so turning a key that was embedded at p by `delta · frequency_i` embeds it at p + delta.
 *
 * After an edit of a text that replaces tokens i … j − 1 by m others, the cached keys from j on move by
 * `delta = i + m − j`; values stay as they are. (What the suffix attended to has changed, too: the paper finds that not
 * recomputing it costs 0.3 to 2.2 % of accuracy.) Equal to {@link rope} at the new positions within 2 ulp of the pair's
 * length. After several edits add up the deltas and move once from the original keys: each move rounds again.
 *
 * Keys of 16 bits are turned in f32 and rounded again: within 1.25 ulp, of 16 bits, of the pair's length where the old keys
 * were rounded once; what f16 does not hold becomes infinite. There repeated moves drift away soon.
 *
 * delta = 0 gives the same bits. O(rows · cols), bound by memory bandwidth: one table of d/2 angles serves all rows.
 *
 * @param keys rows × heads · d, f32 or f64, or a Uint16Array whose `dtype` says f16 or bf16
 * @returns rows × heads · d, rows outside `from` … `to` unchanged; `out` if it was given: `out: keys` works in place
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS if `out` overlaps `keys` without being it,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source He, Zhang, Li et al., Let the Code LLM Edit Itself When You Edit the Code (2024): positional
 *   integrity encoding
 * @example
 * const keys = dense(1, 4, Float32Array.of(1, 2, 3, 4));
 * shiftRope(rope(keys, { position: 7 }), { delta: -7 }).data // 1, 2, 3, 4
 */
export function shiftRope<A extends Real | Uint16Array>(keys: Dense<A>, options: ShiftRopeOptions<A>): Dense<A> {
  const at = where('shiftRope');
  const given = at.options(options, [...rotaryKeys, 'delta', 'from', 'to']);
  const delta = at.number('options.delta', given.delta, { min: -(2 ** 53), max: 2 ** 53 });
  const matrix = at.dense('keys', keys, [Float32Array, Float64Array, Uint16Array]) as Dense<A>;
  const format =
    arrayTypeName(matrix.data) === 'Uint16Array' ? at.oneOf('keys.dtype', matrix.dtype, halves) : undefined;
  const { out, sizes } = rotaryArguments(at, 'keys', matrix, given);
  const to = at.integer('options.to', given.to ?? matrix.rows, { max: matrix.rows });
  const from = at.integer('options.from', given.from ?? 0, { max: to });
  if (format === undefined) {
    native.rotateRange(matrix.data as Real, out.data as Real, delta, from, to, ...sizes);
    return out;
  }
  const dtype = halves[format]!;
  if (given.out === undefined) out.dtype = dtype;
  else if (out.dtype !== dtype) at.fail('ERR_DTYPE', 'options.out.dtype', `${dtype} as keys`, String(out.dtype));
  native.rotateRange16(matrix.data as Uint16Array, out.data as Uint16Array, delta, from, to, ...sizes, format);
  return out;
}
