import { describe, where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';
import { groupsOf, isFormat, rowBytes, schemeOf, type QuantFormat, type Quantized } from './quantized.js';

const constraints = ['none', 'M1', 'M2', 'M2-nearest'] as const;
const observers = ['absmax', 'mse'] as const;

/** Options of {@link quantize}. */
export interface QuantizeOptions {
  format: QuantFormat;
  /**
   * Columns that share a scale: a multiple of 16, `'row'`, or for ternary also `'tensor'` (one scale for all). Default
   * `'row'` for int8, bipolar and fp8, 128 for dgq, 256 for fp4-e2m1, `'tensor'` for ternary, 32 otherwise; mxfp4 has 32
   * and nvfp4 16.
   */
  groupSize?: number | 'row' | 'tensor';
  /** int8, int4, int3, int2: false stores a zero point for each group; default true */
  symmetric?: boolean;
  /**
   * fp4-e2m1: `'M1'` rounds each scale up to a power of two, `'M2'` makes the scales of a row its largest one divided by
   * powers of two, each rounded up to the next such; then a change of scale is a shift of exponents. `'M2-nearest'` rounds
   * to the nearest such, so that the largest values of a group may be clipped, by a factor of at most √2. Default `'none'`
   */
  scaleConstraint?: (typeof constraints)[number];
  /**
   * `'mse'` looks for the scale of each group, of a hundred from the default one down to a fifth of it, that loses least in
   * `Σ|w − ŵ|^2.4`; int8 to int2, fp8, fp4, mxfp4 and nvfp4, without scaleConstraint. Default `'absmax'`: the range of the group
   */
  observer?: (typeof observers)[number];
  /** bfp: bits of a signed mantissa, 2 to 8; default 4 */
  mantissaBits?: number;
  /** bfp: the order in which the columns are cut into groups, such as {@link kSort} gives it */
  permutation?: Uint32Array;
}

const f32Largest = 3.4028234663852886e38;

/**
 * The matrix in few bits, `w ≈ dequantize(quantize(w))`: each group gets the scale that its values ask for, each value the
 * nearest code of the format, ties to even. The layout of the result is that of {@link Quantized}.
 *
 * Scales: symmetric integers `max|w| / (2^(bits−1) − ½)`, so that all codes are used; with zero point
 * `(max(w, 0) − min(w, 0)) / (2^bits − 1)`; floats `max|w|` over the largest code (6, 448, 57344); ternary the mean of |w|;
 * bipolar `max|w| / (2^bits − 1)`, of one bit the mean of |w|; mxfp4 `2^(⌊log2 max|w|⌋ − 2)`, which saturates what lies
 * above 6 of it, mxfp4-43 4/3 of that, which never does; nvfp4 E4M3 of `max|w| / 6 / tensorScale` with
 * `tensorScale = max|W| / 2688`; bfp `2^(⌊log2 max|w|⌋ − bits + 2)`; dgq `rowScales = max|row| / 127` and whole scales, codes
 * clamped so that scale·(code − zero) fits a signed byte (the layout and its plain rounding; no search over data).
 *
 * |w − ŵ| is at most half a step (the scale) for symmetric integers, one step with zero points. A group of zeros, or one
 * so small that its scale underflows, becomes zeros. Scales are kept small enough that nothing dequantises to ∞.
 *
 * With `observer: 'mse'` scales are smaller where that loses less: the largest values are clipped so that the others are finer.
 *
 * O(rows · cols) time, a hundred times more of it with `observer: 'mse'`. The bits of the result are the same on every machine and for any number of threads.
 *
 * @param w rows × cols, f32, finite; the groups lie along the columns
 * @throws LapidaryError ERR_RANGE for NaN or ±∞ in `w` and for sizes out of range, ERR_OPTION for an option that the
 * format does not have, ERR_FORMAT if `permutation` is none, ERR_SHAPE, ERR_DTYPE
 * @source symmetric and zero-point scales: Frantar et al., GPTQ (2023), section 4; fp4, fp8, M1, M2: Wu, Yao & He,
 * ZeroQuant-FP (2023), section 3; mxfp4: OCP Microscaling Formats 1.0 (2023), section 6.3; the 4/3: Egiazarian et al.,
 * Bridging the Gap Between Promise and Performance for Microscaling FP4 (2025), and so the 'mse' observer, as in their code; ternary: Ma et al., The Era of 1-bit LLMs
 * (2024), equations 1 to 3, without their lower bound of 1e-5 on the scale; bfp: Trukhanov & Soloveychik (2024); dgq: Zhang et
 * al., Dual Grained Quantization (2023)
 * @example
 * const w = dense(1, 4, Float32Array.of(-1, 0.5, 0.25, 0));
 * const q = quantize(w, { format: 'fp4-e2m1' });
 * q.codes // 0x5f, 0x03
 */
export function quantize(w: Dense<Float32Array>, options: QuantizeOptions): Quantized {
  const at = where('quantize');
  const { rows, cols, data } = at.dense('w', w, [Float32Array]);
  const given = at.options(options, [
    'format',
    'groupSize',
    'symmetric',
    'scaleConstraint',
    'observer',
    'mantissaBits',
    'permutation',
  ]);
  const format = isFormat(at, 'options.format', given.format);
  const scheme = schemeOf(format);
  only(at, 'symmetric', given.symmetric, scheme.isInteger, 'int8, int4, int3 and int2');
  only(at, 'scaleConstraint', given.scaleConstraint, format === 'fp4-e2m1', 'fp4-e2m1');
  only(at, 'mantissaBits', given.mantissaBits, format === 'bfp', 'bfp');
  only(at, 'permutation', given.permutation, format === 'bfp', 'bfp');
  const symmetric = given.symmetric === undefined || at.boolean('options.symmetric', given.symmetric);
  const constraint = at.oneOf('options.scaleConstraint', given.scaleConstraint ?? 'none', constraints);
  const searched = at.oneOf('options.observer', given.observer ?? 'absmax', observers) === 1;
  const plain = format === 'ternary' || format === 'dgq' || format === 'bfp' || format.startsWith('bipolar');
  if (searched && (plain || constraint !== 0))
    at.fail('ERR_OPTION', 'options.observer', "'absmax' for this format and scaleConstraint", "'mse'");
  const bits = scheme.bits ?? at.integer('options.mantissaBits', given.mantissaBits ?? 4, { min: 2, max: 8 });
  const { permutation } = given;
  if (permutation !== undefined) at.array('options.permutation', permutation, [Uint32Array], cols);
  const size = groupSizeOf(at, format, given.groupSize);
  const groupSize = typeof size === 'number' ? size : Math.max(1, cols);
  const groups = at.size('rows × groups', rows, groupsOf({ cols, groupSize }));

  const q: Quantized = {
    layout: 1,
    format,
    rows,
    cols,
    groupSize,
    bits,
    codes: at.allocate(Uint8Array, at.size('codes', rows, rowBytes(cols, bits))),
    scales: at.allocate<Float32Array | Uint8Array>(scheme.byteScales ? Uint8Array : Float32Array, groups),
  };
  if (format === 'dgq' || (scheme.isInteger && !symmetric)) q.zeros = at.allocate(Uint8Array, groups);
  if (format === 'dgq') q.rowScales = at.allocate(Float32Array, rows);
  if (permutation !== undefined) q.permutation = permutation.slice();
  if (format === 'mxfp4-43') q.tensorScale = Math.fround(4 / 3);
  if (format === 'nvfp4') q.tensorScale = Math.fround(Math.min(native.absMax(data), 0.999999 * f32Largest) / (448 * 6));
  // Of a ternary tensor the mean, given to every group.
  const mean = size === 'tensor' && data.length > 0 && native.absMax(data) > 0 ? native.absSum(data) / data.length : 0;
  native.quantize(
    data,
    q.codes,
    scheme.byteScales ? undefined : (q.scales as Float32Array),
    scheme.byteScales ? (q.scales as Uint8Array) : undefined,
    q.zeros,
    q.rowScales,
    q.permutation,
    rows,
    cols,
    groupSize,
    scheme.code,
    bits,
    format === 'ternary' ? mean : (q.tensorScale ?? 1),
    searched ? constraints.length : constraint,
  );
  return q;
}

/** Refuses an option that another format has. */
function only(at: Where, option: string, value: unknown, allowed: boolean, formats: string): void {
  if (value !== undefined && !allowed) at.fail('ERR_OPTION', `options.${option}`, `it for ${formats} only`);
}

function groupSizeOf(at: Where, format: QuantFormat, value: unknown): number | 'row' | 'tensor' {
  const argument = 'options.groupSize';
  const fixed = schemeOf(format).groupSize;
  if (fixed !== undefined) {
    if (value !== undefined && value !== fixed)
      at.fail('ERR_OPTION', argument, `${fixed}, which ${format} has`, describe(value));
    return fixed;
  }
  if (value === undefined) {
    if (format === 'ternary') return 'tensor';
    if (format === 'dgq') return 128;
    if (format === 'fp4-e2m1') return 256;
    return format === 'int8' || format.startsWith('bipolar') || format.startsWith('fp8') ? 'row' : 32;
  }
  if (value === 'row') return value;
  if (value === 'tensor' && format === 'ternary') return value;
  if (typeof value === 'string')
    at.fail('ERR_OPTION', argument, `a multiple of 16${format === 'ternary' ? ", 'tensor'" : ''} or 'row'`, value);
  const size = at.integer(argument, value, { min: 16, max: 2 ** 31 });
  if (size % 16 !== 0) at.fail('ERR_RANGE', argument, 'a multiple of 16', String(size));
  return size;
}
