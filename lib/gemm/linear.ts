import { arrayTypeName, describe, type Where, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';
import { checkIntegers, isBytes, operand, storageOf, type Bytes, type Stored } from './operands.js';

const names = ['none', 'relu', 'gelu', 'geluTanh', 'silu', 'squaredRelu'] as const;
const polynomials = ['polyRelu', 'polyNorm'] as const;
const kernels = ['auto', 'dot', 'flat', 'blocked'] as const;

/** Activation functions of {@link linear}; σ(z) = 1/(1 + e^−z), Φ is the distribution function of the standard normal. */
export type Activation =
  /** z · Φ(z), as `gelu` is in PyTorch */
  | 'gelu'
  /** its approximation z · σ(√(8/π) · (z + 0.044715·z³)), as in GPT-2 and BERT's first code */
  | 'geluTanh'
  | 'none'
  /** max(z, 0) */
  | 'relu'
  /** z · σ(z), also called swish */
  | 'silu'
  /** max(z, 0)² */
  | 'squaredRelu'
  | PolynomialActivation;

/** The two instances of Polynomial Composition Activations. */
export interface PolynomialActivation {
  /**
   * `polyRelu`: Σ_p a_p · max(z, 0)^p. `polyNorm`: a_0 + Σ_{p ≥ 1} a_p · z^p / √(mean z^{2p} + epsilon), the mean over the row
   */
  name: (typeof polynomials)[number];
  /** a_0, a_1, …, a_r; r from 1 to 8 (the paper trains r = 3 from 0, 1/3, 1/3, 1/3) */
  coefficients: ArrayLike<number>;
  /** of polyNorm; default 1e-6 */
  epsilon?: number;
}

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
   * lie), 'flat' (`w` is read once, through panels that stay in the caches), 'blocked' (both are packed). Default 'auto'
   */
  kernel?: (typeof kernels)[number];
}

/**
 * A layer of a network: `y = activation(x · wᵀ + bias)`.
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
 * Deviation from the paper: PolyNorm divides by the root mean square, with `epsilon`, as the authors' code does; their
 * equation has the Euclidean norm, which differs by √n.
 *
 * @param x m × k
 * @param w n × k
 * @returns m × n; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also k above 65,793 for integers), ERR_OPTION, ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Hong et al., FlashDecoding++ (2023), section 4; Hendrycks & Gimpel, Gaussian Error Linear Units (2016); Zhuo et
 *   al., Polynomial Composition Activations (ICLR 2025)
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
export function linear(x: Dense<Stored>, w: Dense<Stored>, given?: LinearOptions<Float32Array>): Dense<Float32Array>;
export function linear(x: Dense<Bytes>, w: Dense<Bytes>, given?: LinearOptions<Int32Array>): Dense<Int32Array>;
export function linear(
  x: Dense<Float64Array | Stored | Bytes>,
  w: Dense<Float64Array | Stored | Bytes>,
  given?: LinearOptions<Real | Int32Array>,
): Dense<Real | Int32Array> {
  const at = where('linear');
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

/** The code of native/gemm/activation.h and what a polynomial needs. */
function activationOf(at: Where, activation: unknown, type: typeof Float64Array | typeof Float32Array) {
  const argument = 'options.activation';
  if (typeof activation !== 'object' || activation === null) {
    const code = names.indexOf(activation as (typeof names)[number]);
    if (code < 0)
      at.fail(
        'ERR_OPTION',
        argument,
        `one of ${names.join(', ')} or { name: 'polyRelu' or 'polyNorm', coefficients }`,
        describe(activation),
      );
    return { code, coefficients: undefined, epsilon: 0 };
  }
  const given = activation as Partial<PolynomialActivation>;
  for (const key of Object.keys(given))
    if (!['name', 'coefficients', 'epsilon'].includes(key))
      at.fail('ERR_OPTION', `${argument}.${key}`, 'one of name, coefficients, epsilon', key);
  const code = names.length + at.oneOf(`${argument}.name`, given.name, polynomials);
  const { coefficients } = given;
  if (!Array.isArray(coefficients) && arrayTypeName(coefficients) === undefined)
    at.fail('ERR_DTYPE', `${argument}.coefficients`, 'an array of numbers', describe(coefficients));
  const values = Array.from(coefficients as ArrayLike<number>);
  if (values.length < 2 || values.length > 9)
    at.fail('ERR_SHAPE', `${argument}.coefficients`, '2 to 9 numbers, a_0 to a_r', describe(coefficients));
  values.forEach((a, i) => at.number(`${argument}.coefficients[${i}]`, a));
  const epsilon = at.number(`${argument}.epsilon`, given.epsilon ?? 1e-6, { min: 0 });
  return { code, coefficients: type.from(values), epsilon };
}
