import { where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { hadamard } from '../gemm/hadamard.js';
import { quantize, type QuantizeOptions } from '../quant/quantize.js';
import { schemeOf, type Quantized } from '../quant/quantized.js';
import { native } from './native.js';

/** Options of {@link gptq}: the format, whose options are those of `quantize`, and how its codes are chosen. */
export interface GptqOptions extends Omit<QuantizeOptions, 'permutation'> {
  /** columns in descending order of the diagonal of the Hessian instead of as they come; default false */
  actOrder?: boolean;
  /** columns of the Hadamard blocks that weights and Hessian are rotated by, a power of two that divides cols; default: none */
  rotate?: number;
  /** share of the mean diagonal that is added to the diagonal, 0 to 1; default 0.01 */
  damping?: number;
}

/** What {@link gptq} gives: quantised weights, and what came of it. */
export interface GptqResult extends Quantized {
  /** `tr(ΔHΔᵀ)`, Δ = w − ŵ with H as it was given: the mean over inputs of twice the squared error of the outputs */
  loss: number;
  /** the damping with which the factorisation came through: above the one asked for if that failed */
  damping: number;
  /** factorisations that were tried */
  attempts: number;
  /** the block by which the inputs must be rotated: `linear(hadamard(x, { block: rotated }), q)` */
  rotated?: number;
}

/**
 * GPTQ: weights in few bits whose rounding errors make up for each other, so that the outputs x·wᵀ keep close,
 * `tr((w − ŵ)·H·(w − ŵ)ᵀ)` small, H being the {@link hessian} of the inputs x.
 *
 * Columns are rounded one after another; what is lost in one is made good, as far as the inputs are correlated, by those
 * that come after it. Scales and zero points are those of {@link quantize} for `w` and are fixed before (static groups), so
 * that `actOrder` needs no permutation when the weights are used. The layout is that of {@link quantize}: `dequantize` and
 * `linear` take the result as it is. Every format will do; below 8 bits it gains most.
 *
 * With `rotate` this is MR-GPTQ: each block of columns of `w` goes through an orthonormal Hadamard transform, which spreads
 * outliers; the inputs must go through {@link hadamard} with the same block, and `rotated` says so. It helps integers and
 * formats whose groups are as large as the block or larger, and may harm NVFP4, whose groups are small.
 *
 * Inputs that never came (a zero on the diagonal) are rounded to nearest; columns of zeros stay zeros. Where the factorisation fails,
 * the damping is raised tenfold (from 0 to 1e-8) until it succeeds, at most to 1; `damping` and `attempts` tell. With H a multiple of the identity
 * the codes are those of {@link quantize}.
 *
 * All in f64: the same bits for any number of threads, the same codes on every instruction set but where rounding in f64 decides a tie.
 * cols³/3 + rows · cols² operations, and memory for 8 · cols² bytes and 9 bytes for each of at most 2^24 weights.
 *
 * Deviations from the authors' code: no inverse is formed (the Cholesky factor of H in reverse order gives the same numbers
 * at a quarter of the cost); the mean diagonal leaves out inputs that never came; a factorisation that fails is never
 * replaced by the identity.
 *
 * @param w out × in, f32, finite
 * @param h in × in, symmetric and positive semidefinite, f64 or f32
 * @throws LapidaryError ERR_RANGE for what is not finite, for an `h` that is asymmetric or not positive semidefinite, and
 * for a damping below 0 or above 1; ERR_SHAPE, ERR_DTYPE, ERR_OPTION as `quantize`, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Frantar, Ashkboos, Hoefler & Alistarh, GPTQ (ICLR 2023), algorithm 1; rotation and static groups: Egiazarian et al.,
 * Bridging the Gap Between Promise and Performance for Microscaling FP4 Quantization (2025), section 4
 * @example
 * const w = dense(1, 2, Float32Array.of(0.4, 0.4));
 * const h = compress.hessian(dense(1, 2, Float32Array.of(1, 1)));
 * const q = compress.gptq(w, h, { format: 'int2', groupSize: 'row', symmetric: false });
 * [q.attempts, q.loss < 0.01] // 1, true
 * @example
 * const row = (f) => dense(1, 16, Float32Array.from({ length: 16 }, (_, k) => f(k)));
 * const [w, x] = [row(Math.sin), row(Math.cos)];
 * const q = compress.gptq(w, compress.hessian(x), { format: 'nvfp4', rotate: 16 });
 * const y = gemm.matmul(gemm.hadamard(x, { block: q.rotated }), quant.dequantize(q), { transposeB: true });
 * Math.abs(y.data[0] - gemm.matmul(x, w, { transposeB: true }).data[0]) < 0.1 // true
 */
export function gptq(w: Dense<Float32Array>, h: Dense<Real>, options: GptqOptions): GptqResult {
  const at = where('gptq');
  let weights: Dense<Float32Array> = at.dense('w', w, [Float32Array]);
  const { rows, cols } = weights;
  const {
    actOrder = false,
    rotate,
    damping = 0.01,
    ...format
  } = at.options(options, [
    'format',
    'groupSize',
    'symmetric',
    'scaleConstraint',
    'observer',
    'mantissaBits',
    'actOrder',
    'rotate',
    'damping',
  ]);
  const byDiagonal = at.boolean('options.actOrder', actOrder);
  at.number('options.damping', damping, { min: 0, max: 1 });
  let matrix = hessianData(at, h, cols);
  if (rotate !== undefined) {
    weights = hadamard(weights, { block: blockOf(at, rotate, cols) });
    const rotated = at.allocate(Float64Array, matrix.length);
    native.rotateHessian(matrix, rotated, cols, rotate);
    matrix = rotated;
  }
  const q = quantize(weights, format as QuantizeOptions);
  const { code, byteScales } = schemeOf(q.format);
  const codes = at.allocate(Uint8Array, q.codes.length);
  const report = new Float64Array(3);
  native.gptq(
    weights.data,
    matrix,
    q.codes,
    byteScales ? undefined : (q.scales as Float32Array),
    byteScales ? (q.scales as Uint8Array) : undefined,
    q.zeros,
    q.rowScales,
    codes,
    report,
    rows,
    cols,
    q.groupSize,
    code,
    q.bits,
    q.tensorScale ?? 1,
    byDiagonal,
    damping,
  );
  return {
    ...q,
    codes,
    damping: report[0]!,
    attempts: report[1]!,
    loss: report[2]!,
    ...(rotate !== undefined && { rotated: rotate }),
  };
}

/** A Hessian of `cols` inputs in f64. */
function hessianData(at: Where, h: Dense<Real>, cols: number): Float64Array {
  const { rows, cols: width, data } = at.dense('hessian', h, [Float64Array, Float32Array]);
  if (rows !== cols || width !== cols)
    at.fail('ERR_SHAPE', 'hessian', `${cols} × ${cols}, as w has columns`, `${rows} × ${width}`);
  if (data.BYTES_PER_ELEMENT === 8) return data as Float64Array;
  const wide = at.allocate(Float64Array, data.length);
  wide.set(data);
  return wide;
}

function blockOf(at: Where, value: unknown, cols: number): number {
  const block = at.integer('options.rotate', value, { min: 2, max: 2 ** 15 });
  if ((block & (block - 1)) !== 0) at.fail('ERR_RANGE', 'options.rotate', 'a power of two', String(block));
  if (cols % block !== 0) at.fail('ERR_SHAPE', 'w', `a number of columns that ${block} divides`, String(cols));
  return block;
}
