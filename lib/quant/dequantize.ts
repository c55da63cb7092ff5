import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';
import { quantized, schemeOf, type Quantized } from './quantized.js';

/** Options of {@link dequantize}. */
export interface DequantizeOptions {
  /** takes the result */
  out?: Dense<Float32Array>;
}

/**
 * The f32 matrix that a {@link Quantized} stands for: scale times code for each element, in the order of the matrix
 * (a permutation is undone), plus `lowRank.left · lowRank.right` where it has such a part.
 *
 * Each element is one f32 product of an exact code and its scale. O(rows · cols) time, O(rows · cols · rank) with a low-rank
 * part. The same bits on every machine and for any number of threads.
 *
 * @throws LapidaryError ERR_FORMAT for another layout or a permutation that is none, ERR_SHAPE, ERR_DTYPE, ERR_OPTION for
 * parts that do not fit the format, ERR_ALIAS if `out` overlaps them
 * @example
 * const q = quantize(dense(1, 4, Float32Array.of(-3, 1, 2, 6)), { format: 'fp4-e2m1' });
 * dequantize(q).data // -3, 1, 2, 6
 */
export function dequantize(q: Quantized, options?: DequantizeOptions): Dense<Float32Array> {
  const at = where('dequantize');
  const { format, rows, cols, groupSize, bits, codes, scales, zeros, rowScales, permutation, tensorScale, lowRank } =
    quantized(at, 'q', q);
  const { out: given } = at.options(options, ['out']);
  const out = at.outDense('options.out', given, Float32Array, rows, cols);
  const { code, byteScales } = schemeOf(format);
  native.dequantize(
    codes,
    byteScales ? undefined : (scales as Float32Array),
    byteScales ? (scales as Uint8Array) : undefined,
    zeros,
    rowScales,
    permutation,
    out.data,
    rows,
    cols,
    groupSize,
    code,
    bits,
    format === 'mxfp4-43' || format === 'nvfp4' ? tensorScale! : 1,
  );
  if (lowRank) native.addLowRank(out.data, lowRank.left.data, lowRank.right.data, rows, cols, lowRank.left.cols);
  return out;
}
