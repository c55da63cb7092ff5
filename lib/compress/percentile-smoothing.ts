import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';

/** Options of {@link percentileSmoothing}. */
export interface PercentileSmoothingOptions {
  /** share of the channels that may stand out, 0 to 1; default 0.005 */
  share?: number;
}

/**
 * Percentile clipping: for each channel (column) of a layer's inputs the factor by which it stands out, so that
 * `x[:, j] / factor[j]` has no outliers and `w[:, j] · factor[j]` makes the product the same.
 *
 * With m_j the largest |x| of channel j and b the ⌊share · cols + 1.5⌋-th largest of them, the factor is m_j / b where that is above
 * 1, and 1 elsewhere. Fold 1/factor into the layer before (a norm's scale, say), the factor into `w`. O(rows · cols).
 *
 * @param x samples × in, f32, finite
 * @returns length cols, f32
 * @throws LapidaryError ERR_RANGE for NaN or ±∞ and for the share, ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_DETACHED
 * @source Zhang et al., Dual Grained Quantization: Efficient Fine-Grained Quantization for LLM (2023), section 3.3
 * @example compress.percentileSmoothing(dense(2, 3, Float32Array.of(1, -8, 2, -2, 1, 1)), { share: 0.5 }) // 1, 4, 1
 */
export function percentileSmoothing(x: Dense<Float32Array>, options?: PercentileSmoothingOptions): Float32Array {
  const at = where('percentileSmoothing');
  const { rows, cols, data } = at.dense('x', x, [Float32Array]);
  const given = at.options(options, ['share']);
  const share = at.number('options.share', given.share ?? 0.005, { min: 0, max: 1 });
  const most = at.allocate(Float32Array, cols);
  let finite = true;
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      const size = Math.abs(data[i * cols + j]!);
      finite &&= Number.isFinite(size);
      if (size > most[j]!) most[j] = size;
    }
  if (!finite) at.fail('ERR_RANGE', 'x', 'finite numbers', 'one that is not finite');
  const sorted = most.slice().sort().reverse();
  const baseline = sorted[Math.min(cols, Math.floor(share * cols + 1.5)) - 1] ?? 0;
  return most.map((m) => (baseline > 0 && m > baseline ? m / baseline : 1));
}
