/** BitLinear: RMSNorm, tokens rounded to 8-bit integers, and an exact product with ternary weights. */
import { describe, type Where } from '../core/validate.js';
import { dense, type Dense } from '../core/values.js';
import { linear } from '../gemm/index.js';
import { quantized, type Quantized } from '../quant/quantized.js';
import { native } from './native.js';
import { fresh } from './sequences.js';

/** A layer of ternary weights behind an RMSNorm of its own. */
export interface BitLinear {
  /** ternary, out × in, one scale a row: what `quant.quantize(w, { format: 'ternary' })` makes */
  w: Quantized;
  /** gain of the RMSNorm before it, one a column; default 1 */
  norm?: Float32Array;
}

/** A BitLinear that has been checked. */
export interface CheckedBitLinear {
  w: Dense<Int8Array>;
  scales: Float32Array;
  norm: Float32Array | undefined;
}

/** `value` as a BitLinear of cols columns and, if given, rows rows. */
export function bitLinearOf(
  at: Where,
  argument: string,
  value: unknown,
  cols: number | undefined,
  rows?: number,
): CheckedBitLinear {
  if (typeof value !== 'object' || value === null || !('w' in value))
    at.fail('ERR_DTYPE', argument, 'an object with w and norm', describe(value));
  const layer = value as BitLinear;
  const w = quantized(at, `${argument}.w`, layer.w);
  if (w.format !== 'ternary') at.fail('ERR_FORMAT', `${argument}.w.format`, "'ternary'", `'${w.format}'`);
  if (w.groupSize < w.cols) at.fail('ERR_FORMAT', `${argument}.w.groupSize`, 'one group a row', `${w.groupSize}`);
  if ((cols !== undefined && w.cols !== cols) || (rows !== undefined && w.rows !== rows))
    at.fail('ERR_SHAPE', `${argument}.w`, `${rows ?? 'any'} × ${cols ?? 'any'}`, `${w.rows} × ${w.cols}`);
  const norm = layer.norm === undefined ? undefined : at.array(`${argument}.norm`, layer.norm, [Float32Array], w.cols);
  return { w: expand(w), scales: w.scales as Float32Array, norm };
}

function expand({ rows, cols, codes }: Quantized): Dense<Int8Array> {
  const stride = Math.ceil(cols / 4);
  const data = new Int8Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) data[i * cols + j] = ((codes[i * stride + (j >> 2)]! >> (2 * (j & 3))) & 3) - 1;
  return dense(rows, cols, data);
}

/** RMSNorm with this gain: x / √(mean x² + epsilon) ⊙ gain. */
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

/** What BitLinear adds to the mean of squares. */
const epsilon = 1e-8;

/**
 * `y = (q · tᵀ) / (s · s_w)`: with x normalised, `s = 127 / max(‖x‖∞, 1e-5)` and `q = clamp(rint(x·s), −128, 127)` a token, ties
 * to even. The integer product is exact.
 */
export function bitLinear(
  at: Where,
  x: Dense<Float32Array>,
  { w, scales, norm }: CheckedBitLinear,
): Dense<Float32Array> {
  const normal = rmsNorm(at, x, norm, epsilon);
  const codes = dense(x.rows, x.cols, at.allocate(Int8Array, x.rows * x.cols));
  const steps = new Float32Array(x.rows);
  for (let t = 0; t < x.rows; t++) {
    const row = normal.data.subarray(t * x.cols, (t + 1) * x.cols);
    let most = Math.fround(1e-5);
    for (const v of row) most = Math.max(most, Math.abs(v));
    const factor = Math.fround(127 / most);
    steps[t] = most / 127;
    row.forEach((v, j) => (codes.data[t * x.cols + j] = roundEven(Math.fround(v * factor))));
  }
  const sums = linear(codes, w);
  const out = fresh(at, Float32Array, x.rows, w.rows) as Dense<Float32Array>;
  for (let t = 0; t < x.rows; t++)
    for (let i = 0; i < w.rows; i++) {
      const k = t * w.rows + i;
      out.data[k] = sums.data[k]! * Math.fround(steps[t]! * scales[i]!);
    }
  return out;
}

const roundEven = (x: number): number => {
  const floor = Math.floor(x);
  const rest = x - floor;
  const whole = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return Math.min(127, Math.max(-128, whole));
};
