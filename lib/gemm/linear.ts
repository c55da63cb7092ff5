import { arrayTypeName, describe, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import type { Quantized } from '../quant/quantized.js';
import { activationOf, type Activation } from './activations.js';
import { native } from './native.js';
import { checkIntegers, checkNoScales, isBytes, operand, storageOf, type Bytes, type Stored } from './operands.js';
import { isPacked, type PackedWeights } from './pack-weights.js';
import { isPackedBytes, packedBytesLinear, type PackedBytes } from './packed-bytes.js';
import { packedLinear, type packedKernels } from './packed-linear.js';
import type { QuantizedActivations } from './quantize-activations.js';
import { isQuantized, quantizedLinear } from './quantized-linear.js';

const kernels = ['auto', 'dot', 'flat', 'blocked'] as const;

/** Options of {@link linear}. */
export interface LinearOptions<A extends Real | Int32Array = Float64Array> {
  /** length `w.rows`, in the type of the result */
  bias?: A;
  /** default 'none'; none for integers */
  activation?: Activation;
  /** m × n, takes the result; shares no memory with the other arguments */
  out?: Dense<A>;
  /**
   * forces a way to the product, which is otherwise chosen by the shape: 'dot' (rows of `x` against rows of `w` where they
   * lie), 'flat' (`w` is read once, through panels that stay in the caches), 'blocked' (both are packed). For PackedWeights:
   * 'lut' (exact sums of activations in 8 bits), 'lut8' (tables of f32 activations rounded to 8 bits), 'ternary', and for all
   * of them, with the same bits as 'lut', 'bytes' (for many tokens) and 'bits' (planes). Default 'auto'
   */
  kernel?: (typeof kernels)[number] | (typeof packedKernels)[number];
  /**
   * with a Quantized only: 'int8' rounds each 32 neighbours of a token to 8 bits and sums whole numbers, 'f32' leaves `x` as
   * it is and decodes the weights. Default 'f32' for the fp8 formats, 'int8' for all others
   */
  activations?: 'int8' | 'f32';
}

/**
 * A layer of a network: `y = activation(x · wᵀ + bias)`, with dense weights or a Quantized of any format.
 *
 * Float64Arrays give a Float64Array; Float32Array and 16-bit floats (a Uint16Array with `dtype` 'f16' or 'bf16'), mixed as
 * you like, a Float32Array; 8-bit integers, of which one side is signed, an exact Int32Array, to which an Int32Array `bias`
 * may be added (modulo 2^32) but no activation applied.
 *
 * Up to 16 rows of `x` read `w` once, in place, in the time that reading it takes. Bias and activation are applied while a
 * piece of the result is still in the cache and cost no pass over memory; polyNorm, which needs whole rows, is a pass of its
 * own. Error: that of `matmul` before the activation, which adds a few units in the last place. NaN gives NaN; gelu and silu
 * of −∞ are 0. The same bits for any number of threads. 2·m·n·k operations.
 *
 * With a Quantized `x` is a Float32Array or 16-bit floats and the result f32; codes are decoded in registers or caches, never
 * repacked. `activations: 'int8'`, the default but for fp8, rounds each 32 neighbours of a token (counted from the beginning
 * of a group whose size is no multiple of 16, else of the row) to whole multiples of `a = max|x| / 127` and multiplies
 * integers, exactly within the columns that share both scales. The result is within
 * `Σ_k |ŵ_k|·a_k/2 + 2^−24·(k/16 + 12)·Σ_k s_k·(|c_k| + |z_k|)·|x_k|` of `x · ŵᵀ`, ŵ the dequantised weights, codes c, zero
 * points z and scales s; it overflows where that last sum does, and
 * loses what is denormal on the way. 32 neighbours all below 2^−120 count as zeros. A NaN or an
 * infinity in a token makes all its results NaN; one in a scale leaves none of its row finite. `'f32'` decodes the weights
 * and has the error of `matmul`. Codes that `quantize` does not write mean what `dequantize` says. Up to 8 tokens read the
 * codes where they lie ('dot'), more of them pass over small panels of decoded weights ('blocked'); there is no 'flat'.
 *
 * Deviation from the paper: PolyNorm divides by the root mean square, with `epsilon`, as the authors' code does; their
 * equation has the Euclidean norm, which differs by √n.
 *
 * @param x m × k
 * @param w n × k; a Quantized with its zero points, permutation and low-rank part; or weights of `packWeights`
 * @returns m × n; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also k above 65,793 for integers), ERR_OPTION, ERR_FORMAT, ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Hong et al., FlashDecoding++ (2023), section 4; Hendrycks & Gimpel, Gaussian Error Linear Units (2016); Zhuo et
 *   al., Polynomial Composition Activations (ICLR 2025); Zhang et al., Dual Grained Quantization (2023), section 3
 * @example
 * const x = dense(1, 2, Float64Array.of(1, 2));
 * const w = dense(2, 2, Float64Array.of(3, 4, 5, -6));
 * gemm.linear(x, w, { bias: Float64Array.of(1, 1), activation: 'relu' }).data // 12, 0
 */
export function linear(
  x: Dense<Float64Array>,
  w: Dense<Float64Array>,
  given?: LinearOptions<Float64Array>,
): Dense<Float64Array>;
export function linear(
  x: Dense<Stored>,
  w: Dense<Stored> | Quantized,
  given?: LinearOptions<Float32Array>,
): Dense<Float32Array>;
export function linear(
  x: Dense<Float32Array> | QuantizedActivations,
  w: PackedWeights,
  given?: LinearOptions<Float32Array>,
): Dense<Float32Array>;
export function linear(
  x: Dense<Bytes>,
  w: Dense<Bytes> | PackedBytes,
  given?: LinearOptions<Int32Array>,
): Dense<Int32Array>;
export function linear(
  x: Dense<Float64Array | Stored | Bytes> | QuantizedActivations,
  w: Dense<Float64Array | Stored | Bytes> | Quantized | PackedWeights | PackedBytes,
  given?: LinearOptions<Real | Int32Array>,
): Dense<Real | Int32Array> {
  const at = where('linear');
  if (isPackedBytes(w)) return packedBytesLinear(at, x, w, given);
  if (isPacked(w)) return packedLinear(at, x, w, given);
  if (isQuantized(w)) return quantizedLinear(at, x, w, given);
  const stored = [Float32Array, Uint16Array] as const;
  const bytes = [Uint8Array, Int8Array] as const;
  const input = operand(at, 'x', x, [Float64Array, ...stored, ...bytes]);
  const integer = isBytes(input.data);
  const double = arrayTypeName(input.data) === 'Float64Array';
  const weights = operand(at, 'w', w, integer ? bytes : double ? [Float64Array] : stored);
  const opts = at.options(given, ['bias', 'activation', 'out', 'kernel']);
  const [m, k, n] = [input.rows, input.cols, weights.rows];
  if (weights.cols !== k) at.fail('ERR_SHAPE', 'w', `${k} columns, as x has`, `${weights.rows} × ${weights.cols}`);
  const kernel = at.oneOf('options.kernel', opts.kernel ?? 'auto', kernels);
  const head = activationOf(at, opts.activation ?? 'none', double ? Float64Array : Float32Array);
  const type = integer ? Int32Array : double ? Float64Array : Float32Array;
  const bias = opts.bias === undefined ? undefined : at.array('options.bias', opts.bias, [type], n);
  if (integer) {
    checkNoScales(at, 'x', x);
    checkNoScales(at, 'w', w);
    if (head.code !== 0) at.fail('ERR_OPTION', 'options.activation', "'none' for integers", describe(opts.activation));
    checkIntegers(at, 'x', input.data, 'w.data', weights.data, k);
    const out = at.outDense('options.out', opts.out, Int32Array, m, n);
    native.integerLinear(input.data as Bytes, weights.data as Bytes, out.data, m, n, k, bias as Int32Array, kernel);
    return out;
  }
  const out = at.outDense<Real>('options.out', opts.out, double ? Float64Array : Float32Array, m, n);
  const [storageX, storageW] = double
    ? [0, 0]
    : [storageOf(input as Dense<Stored>), storageOf(weights as Dense<Stored>)];
  native.linear(
    input.data,
    weights.data,
    out.data,
    m,
    n,
    k,
    bias as Real | undefined,
    head.code,
    head.coefficients,
    head.epsilon,
    kernel,
    storageX,
    storageW,
  );
  return out;
}
