import { arrayTypeName, where } from '../core/validate.js';
import type { Dense, NumericArray, Real } from '../core/values.js';
import { native } from './native.js';
import { checkIntegers, checkNoScales, isBytes, operand, storageOf, type Bytes, type Stored } from './operands.js';
import { isPackedBytes, packedMatmul, type PackedBytes } from './packed-bytes.js';

/** Options of {@link matmul}. */
export interface MatmulOptions<A extends Real | Int32Array = Float64Array> {
  /** multiply by the transpose of `a`, which is then k × m; default false */
  transposeA?: boolean;
  /** multiply by the transpose of `b`, which is then n × k; default false */
  transposeB?: boolean;
  /** factor of the product; default 1. A whole number of 32 bits for integers */
  alpha?: number;
  /** factor of what `out` holds before, default 0: then `out` is written without being read, NaN in it or not */
  beta?: number;
  /**
   * number of products, default 1: `a`, `b` and `out` then hold so many matrices of one shape, one below another (the
   * rows of the first, those of the second, …), and each of `a` is multiplied with its own of `b`
   */
  batch?: number;
  /** m × n (batch · m × n), takes the result; shares no memory with `a` or `b`. Required where `beta` is not 0 */
  out?: Dense<A>;
}

const options = ['transposeA', 'transposeB', 'alpha', 'beta', 'batch', 'out'] as const;
const stored = [Float32Array, Uint16Array] as const;
const bytes = [Uint8Array, Int8Array] as const;

/**
 * Product of two matrices: `out = alpha · op(a) · op(b) + beta · out`, where op transposes on request.
 *
 * Floats: two Float64Arrays give a Float64Array. Float32Array and 16-bit floats (a Uint16Array in a Dense with `dtype`
 * 'f16' or 'bf16'), mixed as you like, give a Float32Array: 16-bit floats are widened exactly, subnormals, infinities and
 * NaN included, while they are read. Sums are formed in the result's type with fused multiply-add where the processor has
 * it. Error: elementwise at most γ_{k+2} · (|alpha| · |a| · |b| + |beta| · |out|) with γ_n = n·u/(1 − n·u). NaN and infinity
 * propagate; with `alpha` = 0 or k = 0 the result is `beta · out` whatever `a` and `b` hold. Where the result is a
 * Float32Array, `alpha` and `beta` are rounded to 32 bits first, and refused if that makes them 0 or infinite.
 *
 * Integers: Uint8Array × Int8Array, Int8Array × Int8Array or Int8Array × Uint8Array give an Int32Array, exactly: k is at
 * most 65,793, so that no sum leaves 32 bits. Where `alpha` and `beta`, whole numbers, take a result out of 32 bits, it is
 * exact modulo 2^32.
 *
 * `b` may be weights of {@link packWeights}: then the product is `alpha · op(a) · bᵀ`, b being b.rows × b.cols, `a` holds
 * bytes, and there is neither `transposeB` nor `batch`. The result is the same; laying `b` out, which is much of what few
 * rows of `a` cost where it lies k × n, has been done.
 *
 * The result has the same bits for any number of threads. 2·m·n·k operations, m·n values of result and at most 16 MiB of
 * scratch space (2 MiB a thread, if there are more than 8). Few rows against a transposed `b` (the weights of a network
 * layer), n × k, read it once and copy nothing.
 *
 * @param a m × k (k × m if transposed), `batch` of them one below another
 * @param b k × n (n × k if transposed), `batch` of them one below another; or PackedBytes of k columns and n rows
 * @returns m × n, `batch` of them; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also k above 65,793 for integers, and see above), ERR_OPTION (unknown option, or
 *   `beta` without `out`), ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (ACM TOMS 34(3), 2008); Van Zee & van de
 *   Geijn, BLIS (ACM TOMS 41(3), 2015), section 4
 * @example
 * const a = dense(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6));
 * gemm.matmul(a, a, { transposeB: true }).data // 14, 32, 32, 77
 */
export function matmul<A extends Real>(a: Dense<A>, b: Dense<A>, given?: MatmulOptions<A>): Dense<A>;
export function matmul(a: Dense<Stored>, b: Dense<Stored>, given?: MatmulOptions<Float32Array>): Dense<Float32Array>;
export function matmul(
  a: Dense<Bytes>,
  b: Dense<Bytes> | PackedBytes,
  given?: MatmulOptions<Int32Array>,
): Dense<Int32Array>;
export function matmul(
  a: Dense<Float64Array | Stored | Bytes>,
  b: Dense<Float64Array | Stored | Bytes> | PackedBytes,
  given?: MatmulOptions<Real | Int32Array>,
): Dense<Real | Int32Array> {
  const at = where('matmul');
  if (isPackedBytes(b)) return packedMatmul(at, a, b, given);
  const left = operand(at, 'a', a, [Float64Array, ...stored, ...bytes]);
  const integer = isBytes(left.data);
  const double = arrayTypeName(left.data) === 'Float64Array';
  const right = operand(at, 'b', b, integer ? bytes : double ? [Float64Array] : stored);
  const opts = at.options(given, options);
  const transposeA = at.boolean('options.transposeA', opts.transposeA ?? false);
  const transposeB = at.boolean('options.transposeB', opts.transposeB ?? false);
  const batch = at.integer('options.batch', opts.batch ?? 1, { min: 1 });
  for (const [name, { rows }] of [
    ['a', left],
    ['b', right],
  ] as const)
    if (rows % batch !== 0)
      at.fail('ERR_SHAPE', name, `a multiple of ${batch} rows, ${batch} matrices`, `${rows} rows`);
  const [m, k] = transposeA ? [left.cols, left.rows / batch] : [left.rows / batch, left.cols];
  const [n, depth] = transposeB ? [right.rows / batch, right.cols] : [right.cols, right.rows / batch];
  if (k !== depth) {
    const shape = (x: Dense<NumericArray>, transposed: boolean) =>
      `${x.rows / batch} × ${x.cols}${transposed ? ' transposed' : ''}`;
    at.fail(
      'ERR_SHAPE',
      'b',
      `as many rows as a has columns`,
      `a of ${shape(left, transposeA)} and b of ${shape(right, transposeB)}`,
    );
  }
  const factor = (name: 'alpha' | 'beta', value: number) => {
    if (integer) return at.integer(`options.${name}`, value, { min: -(2 ** 31), max: 2 ** 31 - 1 });
    const number = at.number(`options.${name}`, value);
    if (double) return number;
    const rounded = Math.fround(number);
    if ((rounded === 0) !== (number === 0) || Number.isFinite(rounded) !== Number.isFinite(number))
      at.fail('ERR_RANGE', `options.${name}`, 'a number that does not become 0 or infinite in 32 bits', String(number));
    return rounded;
  };
  const alpha = factor('alpha', opts.alpha ?? 1);
  const beta = factor('beta', opts.beta ?? 0);
  if (beta !== 0 && opts.out === undefined)
    at.fail('ERR_OPTION', 'options.out', 'a matrix to add to, since beta is not 0', 'none');
  const rows = at.size('a', batch, m);
  const sizes = [m, n, k, transposeA, transposeB, alpha, beta, batch] as const;
  if (integer) {
    checkNoScales(at, 'a', a);
    checkNoScales(at, 'b', b);
    checkIntegers(at, 'a', left.data, 'b.data', right.data, k);
    const out = at.outDense('options.out', opts.out, Int32Array, rows, n);
    native.integerMatmul(left.data as Bytes, right.data as Bytes, out.data, ...sizes);
    return out;
  }
  const out = at.outDense<Real>('options.out', opts.out, double ? Float64Array : Float32Array, rows, n);
  const storages = double ? [0, 0] : [storageOf(left as Dense<Stored>), storageOf(right as Dense<Stored>)];
  if (storages[0] === 0 && storages[1] === 0) native.matmul(left.data as Real, right.data as Real, out.data, ...sizes);
  else native.halfMatmul(left.data as Stored, right.data as Stored, out.data as Float32Array, ...sizes, ...storages);
  return out;
}
