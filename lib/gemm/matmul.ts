import { arrayTypeName, typeOf, where } from '../core/validate.js';
import type { Dense, NumericArray, Real } from '../core/values.js';
import { native } from './native.js';

/** 8-bit integers; at least one side of a product is signed. */
export type Bytes = Int8Array | Uint8Array;

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
  /** m × n, takes the result; shares no memory with `a` or `b`. Required where `beta` is not 0 */
  out?: Dense<A>;
}

const options = ['transposeA', 'transposeB', 'alpha', 'beta', 'out'] as const;
const real = [Float64Array, Float32Array] as const;
const bytes = [Uint8Array, Int8Array] as const;

/** Largest k whose sums cannot leave i32: 2^31 / (255·128). */
const integerDepth = 65793;

/**
 * Product of two matrices: `out = alpha · op(a) · op(b) + beta · out`, where op transposes on request.
 *
 * Floats: both operands have the same type, Float64Array or Float32Array, and so has the result; sums are formed in that
 * type with fused multiply-add where the processor has it. Error: elementwise at most γ_{k+2} · (|alpha| · |a| · |b| +
 * |beta| · |out|) with γ_n = n·u/(1 − n·u). NaN and infinity propagate; with `alpha` = 0 or k = 0 the result is `beta · out`
 * whatever `a` and `b` hold.
 *
 * Integers: Uint8Array × Int8Array, Int8Array × Int8Array or Int8Array × Uint8Array give an Int32Array, exactly: k is at
 * most 65,793, so that no sum leaves 32 bits. Where `alpha` and `beta`, whole numbers, take a result out of 32 bits, it is
 * exact modulo 2^32.
 *
 * The result has the same bits for any number of threads. 2·m·n·k operations, m·n values of result and at most 16 MiB of
 * scratch space. Few rows against a transposed `b` (the weights of a network layer), n × k, read it once and copy nothing.
 *
 * @param a m × k (k × m if transposed)
 * @param b k × n (n × k if transposed)
 * @returns m × n; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also k above 65,793 for integers), ERR_OPTION (unknown option, or
 *   `beta` without `out`), ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (ACM TOMS 34(3), 2008); Van Zee & van de
 *   Geijn, BLIS (ACM TOMS 41(3), 2015), section 4
 * @example
 * const a = dense(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6));
 * gemm.matmul(a, a, { transposeB: true }).data // 14, 32, 32, 77
 */
export function matmul<A extends Real>(a: Dense<A>, b: Dense<A>, given?: MatmulOptions<A>): Dense<A>;
export function matmul(a: Dense<Bytes>, b: Dense<Bytes>, given?: MatmulOptions<Int32Array>): Dense<Int32Array>;
export function matmul(
  a: Dense<Real | Bytes>,
  b: Dense<Real | Bytes>,
  given?: MatmulOptions<Real | Int32Array>,
): Dense<Real | Int32Array> {
  const at = where('matmul');
  const left = at.dense('a', a, [...real, ...bytes]);
  const integer = isBytes(left.data);
  const right = at.dense('b', b, integer ? bytes : [typeOf(left.data as Real)]);
  const opts = at.options(given, options);
  const transposeA = at.boolean('options.transposeA', opts.transposeA ?? false);
  const transposeB = at.boolean('options.transposeB', opts.transposeB ?? false);
  const m = transposeA ? left.cols : left.rows;
  const k = transposeA ? left.rows : left.cols;
  const n = transposeB ? right.rows : right.cols;
  if (k !== (transposeB ? right.cols : right.rows)) {
    const shape = (x: Dense<NumericArray>, transposed: boolean) =>
      `${x.rows} × ${x.cols}${transposed ? ' transposed' : ''}`;
    at.fail(
      'ERR_SHAPE',
      'b',
      `as many rows as a has columns`,
      `a of ${shape(left, transposeA)} and b of ${shape(right, transposeB)}`,
    );
  }
  const factor = (name: 'alpha' | 'beta', value: number) =>
    integer
      ? at.integer(`options.${name}`, value, { min: -(2 ** 31), max: 2 ** 31 - 1 })
      : at.number(`options.${name}`, value);
  const alpha = factor('alpha', opts.alpha ?? 1);
  const beta = factor('beta', opts.beta ?? 0);
  if (beta !== 0 && opts.out === undefined)
    at.fail('ERR_OPTION', 'options.out', 'a matrix to add to, since beta is not 0', 'none');
  if (integer) {
    if (arrayTypeName(left.data) === 'Uint8Array' && arrayTypeName(right.data) === 'Uint8Array')
      at.fail('ERR_DTYPE', 'b.data', 'Int8Array beside a Uint8Array', 'Uint8Array');
    if (k > integerDepth)
      at.fail('ERR_RANGE', 'a', `at most ${integerDepth} columns, so that every sum fits 32 bits`, String(k));
    const out = at.outDense('options.out', opts.out, Int32Array, m, n);
    native.integerMatmul(
      left.data as Bytes,
      right.data as Bytes,
      out.data,
      m,
      n,
      k,
      transposeA,
      transposeB,
      alpha,
      beta,
    );
    return out;
  }
  const out = at.outDense('options.out', opts.out, typeOf(left.data as Real), m, n);
  native.matmul(left.data as Real, right.data as Real, out.data, m, n, k, transposeA, transposeB, alpha, beta);
  return out;
}

const isBytes = (data: NumericArray): data is Bytes => arrayTypeName(data)!.endsWith('nt8Array');
