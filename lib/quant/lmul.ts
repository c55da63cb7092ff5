import { arrayTypeName, where, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, NumericArray } from '../core/values.js';
import { native } from './native.js';

const dtypes = ['f32', 'bf16', 'f16', 'e4m3', 'e5m2'] as const;
const variants = ['adder', 'formula'] as const;
const mantissas = { f32: 23, bf16: 7, f16: 10, e4m3: 3, e5m2: 2 };

/** Formats that L-Mul multiplies in. */
export type LmulDtype = (typeof dtypes)[number];

/** What L-Mul multiplies: floats, or codes of 16 or 8 bits. */
export type LmulArray = Float32Array | Uint16Array | Uint8Array;

/** How L-Mul multiplies. */
export interface LmulNumberOptions {
  /** the format; default the tag of a Dense of codes, otherwise 'f32' */
  dtype?: LmulDtype;
  /**
   * 'adder' (default): the bits are added as integers, so that the carry of the mantissas runs into the exponent.
   * 'formula': the sum as the paper prints it, whose carry is halved
   */
  variant?: (typeof variants)[number];
  /** f32 only: bits of mantissa, 1 to 23 (default), that the operands are rounded to first */
  mantissaBits?: number;
}

/** Options of {@link lmul}. */
export interface LmulOptions<A extends LmulArray = Float32Array> extends LmulNumberOptions {
  /** takes the result; shares no memory with `a` or `b` */
  out?: A | Dense<A>;
}

/** The numbers of a call as native/binding/lmul.h takes them, with the dtype that they are of. */
export interface LmulNumbers {
  dtype: LmulDtype;
  native: [format: number, variant: number, mantissa: number];
}

export const lmulNumberOptions = ['dtype', 'variant', 'mantissaBits'] as const;

/** Checks what the functions by L-Mul share; `tag` is the dtype of operands that carry one. */
export function lmulNumbers(at: Where, options: LmulNumberOptions, tag?: Dense['dtype']): LmulNumbers {
  const dtype = dtypes[at.oneOf('options.dtype', options.dtype ?? tag ?? 'f32', dtypes)]!;
  const variant = at.oneOf('options.variant', options.variant ?? 'adder', variants);
  const own = mantissas[dtype];
  if (options.mantissaBits !== undefined && dtype !== 'f32')
    at.fail('ERR_OPTION', 'options.mantissaBits', `it for dtype 'f32' only; ${dtype} has ${own}`);
  const mantissa = at.integer('options.mantissaBits', options.mantissaBits ?? own, { min: 1, max: own });
  return { dtype, native: [dtypes.indexOf(dtype), variant, mantissa] };
}

/** The arrays that may hold operands of this format: f32 values, or its codes. */
export const lmulTypes = (dtype: LmulDtype): readonly ArrayType<LmulArray>[] =>
  dtype === 'f32' ? [Float32Array] : [Float32Array, dtype === 'bf16' || dtype === 'f16' ? Uint16Array : Uint8Array];

/** Refuses a Dense whose tag is not that of its codes' format. */
export function checkTag(at: Where, argument: string, { data, dtype: tag }: Dense<NumericArray>, dtype: LmulDtype) {
  if (tag !== undefined && (tag !== dtype || arrayTypeName(data) === 'Float32Array'))
    at.fail(
      'ERR_DTYPE',
      `${argument}.dtype`,
      arrayTypeName(data) === 'Float32Array' ? 'none' : `'${dtype}'`,
      `'${tag}'`,
    );
}

/** The tag of a Dense, if this is one. */
export const tagOf = (x: unknown): Dense['dtype'] =>
  typeof x === 'object' && x !== null && !arrayTypeName(x) ? (x as Dense).dtype : undefined;

/**
 * L-Mul, the product of floats by one addition of integers: with `x = (1 + x_m)·2^x_e`,
 * `L(x, y) ≈ (1 + x_m + y_m + 2^−l)·2^(x_e + y_e)`, elementwise. l is m, 3 and 4 for m ≤ 3, m = 4 and m > 4 bits of mantissa.
 *
 * For the study of accuracy: on a CPU a multiplication costs no more than this does. `adder` is what hardware would do, and
 * equals `2·(x_m + y_m + 2^−l)·2^(x_e + y_e)` where the mantissas carry; `formula` is the paper's equation as printed,
 * rounded to m bits, ties to even. Mean error for uniform mantissas against the exact product: 2.7 % for m ≥ 5 (formula
 * 7.6 %), 5.3 % for m = 4, 5.7 % for m = 3, 15 % for m = 2; 1 · 1 is 1.0625 for m ≥ 5. docs/lowbit.md has the table.
 *
 * f32 arrays give an f32 array: values are rounded to `dtype` (8-bit formats saturate), multiplied there, and widened. Codes of
 * 16 or 8 bits give codes. Both operands have one type and length. Edges: NaN gives NaN, and so does ∞ · 0; ∞ times
 * anything else is ∞. Subnormal operands and results are flushed to zero, which keeps the sign; ∞ times a subnormal is
 * therefore NaN. Overflow gives ∞, in e4m3, which has none, ±448. Commutative, and the same bits on every processor. Linear time.
 *
 * @param a f32 values, or codes (Uint16Array of bf16 or f16, Uint8Array of e4m3 or e5m2), or a Dense of them
 * @param b the same type and size
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_RANGE, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED
 * @source Luo & Sun, Addition is All You Need for Energy-efficient Language Models (2024), equations 1 to 3
 * @example lmul(Float32Array.of(1, 1.5, -2, 0), Float32Array.of(1, 1.5, 3, 3)) // 1.0625, 2.125, -6.25, 0
 * @example lmul(Uint8Array.of(0x38), Uint8Array.of(0x7e), { dtype: 'e4m3' }) // 0x7e
 */
export function lmul<A extends LmulArray>(a: A, b: A, options?: LmulOptions<A>): A;
export function lmul<A extends LmulArray>(a: Dense<A>, b: Dense<A>, options?: LmulOptions<A>): Dense<A>;
export function lmul(
  a: LmulArray | Dense<LmulArray>,
  b: LmulArray | Dense<LmulArray>,
  options?: LmulOptions<LmulArray>,
): LmulArray | Dense<LmulArray> {
  const at = where('lmul');
  const opts = at.options(options, [...lmulNumberOptions, 'out']);
  const numbers = lmulNumbers(at, opts, tagOf(a));
  const types = lmulTypes(numbers.dtype);
  if (arrayTypeName(a)) {
    const left = at.array('a', a, types);
    const type = types.find((t) => t.name === arrayTypeName(left))!;
    const right = at.array('b', b, [type], left.length);
    const out = at.outArray('options.out', opts.out, type, left.length);
    native.lmul(left, right, out, ...numbers.native);
    return out;
  }
  const left = at.dense('a', a, types);
  const type = types.find((t) => t.name === arrayTypeName(left.data))!;
  const right = at.dense('b', b, [type]);
  checkTag(at, 'a', left, numbers.dtype);
  checkTag(at, 'b', right, numbers.dtype);
  if (right.rows !== left.rows || right.cols !== left.cols)
    at.fail('ERR_SHAPE', 'b', `${left.rows} × ${left.cols}, as a is`, `${right.rows} × ${right.cols}`);
  const out = at.outDense('options.out', opts.out, type, left.rows, left.cols);
  native.lmul(left.data, right.data, out.data, ...numbers.native);
  if (arrayTypeName(left.data) !== 'Float32Array') out.dtype = numbers.dtype as NonNullable<Dense['dtype']>;
  return out;
}
