import { describe, where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

/** Options of {@link quantizeActivations}. */
export interface QuantizeActivationsOptions {
  /** RMSNorm of each row before it is rounded: `x / √(mean x² + epsilon) · gain`. `true` for the defaults; default none */
  rmsNorm?: true | { /** length cols; default 1 */ gain?: Float32Array; /** default 1e-8 */ epsilon?: number };
  /** smallest magnitude that a row's scale allows for; default 1e-5, as in BitLinear */
  floor?: number;
}

/** Rows of activations in 8 bits, each with its scale: what stands for `x` in `linear(x, packedWeights)`. */
export interface QuantizedActivations {
  rows: number;
  cols: number;
  /** row-major; the value of q in row i is `scales[i] · q` */
  data: Int8Array;
  /** length rows; NaN for a row that held a NaN or an infinity */
  scales: Float32Array;
}

/**
 * Activations of BitLinear: each row `q = clamp(round(x · 127/a), −128, 127)` with `a = max(max|x|, floor)`, ties to even, and
 * `scale = a/127`. With `rmsNorm` the row is normalised first, in the same pass.
 *
 * Quantise once where several layers read the same activations; `linear` does it itself otherwise (with `floor: 0`).
 * |x − scale·q| is at most scale/2; a scale is never below 2.9e-39 unless the row is zero. A row with a NaN or an infinity gives zeros and scale NaN, so that all its results are NaN.
 * The same bits on every machine and for any number of threads; O(rows · cols) time.
 *
 * @param x tokens × cols, f32
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Ma et al., The Era of 1-bit LLMs: All Large Language Models are in 1.58 Bits (2024); Zhu et al., Scalable
 *   MatMul-free Language Modeling (2024), algorithm 1, whose fused code rounds halves away from zero instead
 * @example
 * const x = dense(1, 3, Float32Array.of(-2, 1, 0.5));
 * gemm.quantizeActivations(x).data // -127, 64, 32
 */
export function quantizeActivations(
  x: Dense<Float32Array>,
  options?: QuantizeActivationsOptions,
): QuantizedActivations {
  const at = where('quantizeActivations');
  const { rows, cols, data } = at.dense('x', x, [Float32Array]);
  const given = at.options(options, ['rmsNorm', 'floor']);
  const floor = at.number('options.floor', given.floor ?? 1e-5, { min: 0, max: 1e30 });
  const norm = given.rmsNorm;
  if (norm === undefined) return rounded(at, data, rows, cols, floor, false, undefined, 0);
  if (norm !== true && (typeof norm !== 'object' || (norm as unknown) === null))
    at.fail('ERR_DTYPE', 'options.rmsNorm', 'true or { gain, epsilon }', describe(norm));
  const { gain, epsilon } = norm === true ? {} : norm;
  if (norm !== true)
    for (const key of Object.keys(norm))
      if (!['gain', 'epsilon'].includes(key))
        at.fail('ERR_OPTION', `options.rmsNorm.${key}`, 'one of gain, epsilon', key);
  if (gain !== undefined) at.array('options.rmsNorm.gain', gain, [Float32Array], cols);
  const eps = at.number('options.rmsNorm.epsilon', epsilon ?? 1e-8, { min: 0, max: 1e30 });
  return rounded(at, data, rows, cols, floor, true, gain, eps);
}

/** The same for checked arguments. */
export function rounded(
  at: Where,
  x: Float32Array,
  rows: number,
  cols: number,
  floor: number,
  rms: boolean,
  gain: Float32Array | undefined,
  epsilon: number,
): QuantizedActivations {
  const [data, scales] = [at.allocate(Int8Array, x.length), at.allocate(Float32Array, rows)];
  native.quantizeActivations(x, data, scales, gain, rows, cols, rms, epsilon, floor);
  return { rows, cols, data, scales };
}
