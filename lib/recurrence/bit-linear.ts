/** BitLinear: RMSNorm, tokens rounded to 8-bit integers, and an exact product with ternary weights. */
import { describe, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { linear, quantizeActivations, type PackedWeights } from '../gemm/index.js';
import { isPacked, packedWeights } from '../gemm/pack-weights.js';
import { native } from './native.js';
import { fresh } from './sequences.js';

/** A layer of ternary weights behind an RMSNorm of its own. */
export interface BitLinear {
  /** out × in: `gemm.packWeights(quant.quantize(w, { format: 'ternary' }))`, packed once */
  w: PackedWeights;
  /** gain of the RMSNorm, one a column; default 1 */
  norm?: Float32Array;
}

/** `value` as a BitLinear of so many columns and, if given, rows. */
export function bitLinearOf(at: Where, argument: string, value: unknown, cols: number, rows?: number): BitLinear {
  if (typeof value !== 'object' || value === null || !('w' in value))
    at.fail('ERR_DTYPE', argument, 'an object with w and norm', describe(value));
  const { w: given, norm } = value as BitLinear;
  if (!isPacked(given)) at.fail('ERR_DTYPE', `${argument}.w`, 'PackedWeights', describe(given));
  const w = packedWeights(at, `${argument}.w`, given);
  if (w.kernel !== 'ternary') at.fail('ERR_FORMAT', `${argument}.w.kernel`, "'ternary'", `'${w.kernel}'`);
  if (w.cols !== cols || (rows !== undefined && w.rows !== rows))
    at.fail('ERR_SHAPE', `${argument}.w`, `${rows ?? 'any'} × ${cols}`, `${w.rows} × ${w.cols}`);
  if (norm !== undefined) at.array(`${argument}.norm`, norm, [Float32Array], w.cols);
  return norm ? { w, norm } : { w };
}

/**
 * `y = (q · tᵀ) / (s · s_w)`: with x normalised, `s = 127 / max(‖x‖∞, 1e-5)` and `q = clamp(rint(x·s), −128, 127)` a token, ties
 * to even. The integer product is exact.
 */
export const bitLinear = (x: Dense<Float32Array>, { w, norm }: BitLinear): Dense<Float32Array> =>
  linear(quantizeActivations(x, { rmsNorm: norm ? { gain: norm } : true }), w);

/** x / √(mean x² + epsilon) ⊙ gain. */
export function rmsNorm(
  at: Where,
  x: Dense<Float32Array>,
  gain: Float32Array | undefined,
  epsilon: number,
): Dense<Float32Array> {
  const out = fresh(at, Float32Array, x.rows, x.cols) as Dense<Float32Array>;
  native.gatedNorm(x.data, 0, x.cols, undefined, 0, 0, gain, true, epsilon, out.data, x.rows, x.cols);
  return out;
}
