import { arrayTypeName, typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';
import { checkIntegers, checkNoScales, isBytes, operand, storageOf, type Bytes, type Stored } from './operands.js';

/** Options of {@link matvec}. */
export interface MatvecOptions<A extends Real | Int32Array = Float64Array> {
  /** length `a.rows`, takes the result; shares no memory with `a` or `x` */
  out?: A;
}

/**
 * Product of a matrix and a vector: `y[i] = Σ_j a[i,j] · x[j]`.
 *
 * Floats: `a` and `x` have the same type, Float64Array or Float32Array, and so has the result; or `a` holds 16-bit floats
 * (a Uint16Array with `dtype` 'f16' or 'bf16'), which are widened exactly, beside a Float32Array. Error: elementwise at most
 * γ_{cols} · |a| · |x|. NaN and infinity propagate.
 *
 * Integers: Uint8Array and Int8Array, at least one of the two signed and at most 65,793 columns, give an Int32Array,
 * exactly.
 *
 * The result has the same bits for any number of threads. The time is that of reading `a` once: rows · cols values.
 *
 * @param a rows × cols
 * @param x length cols
 * @returns length rows; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (more than 65,793 columns of integers), ERR_OPTION, ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Blackford et al., An Updated Set of Basic Linear Algebra Subprograms (ACM TOMS 28(2), 2002), GEMV
 * @example gemm.matvec(dense(2, 2, Float64Array.of(1, 2, 3, 4)), Float64Array.of(1, 10)) // 21, 43
 */
export function matvec<A extends Real>(a: Dense<A>, x: A, given?: MatvecOptions<A>): A;
export function matvec(a: Dense<Stored>, x: Float32Array, given?: MatvecOptions<Float32Array>): Float32Array;
export function matvec(a: Dense<Bytes>, x: Bytes, given?: MatvecOptions<Int32Array>): Int32Array;
export function matvec(
  a: Dense<Float64Array | Stored | Bytes>,
  x: Real | Bytes,
  given?: MatvecOptions<Real | Int32Array>,
): Real | Int32Array {
  const at = where('matvec');
  const matrix = operand(at, 'a', a, [Float64Array, Float32Array, Uint16Array, Uint8Array, Int8Array]);
  const { rows, cols, data } = matrix;
  const opts = at.options(given, ['out']);
  if (isBytes(data)) {
    checkNoScales(at, 'a', a);
    const vector = at.array('x', x, [Uint8Array, Int8Array], cols);
    checkIntegers(at, 'a', data, 'x', vector, cols);
    const out = at.outArray('options.out', opts.out, Int32Array, rows);
    native.integerMatmul(data, vector, out, rows, 1, cols, false, false, 1, 0, 1);
    return out;
  }
  if (arrayTypeName(data) === 'Uint16Array') {
    const vector = at.array('x', x, [Float32Array], cols);
    const out = at.outArray('options.out', opts.out, Float32Array, rows);
    native.halfMatvec(data as Uint16Array, vector, out, rows, cols, storageOf(matrix as Dense<Stored>));
    return out;
  }
  const type = typeOf(data as Real);
  const vector = at.array('x', x, [type], cols);
  const out = at.outArray('options.out', opts.out, type, rows);
  native.matvec(data as Real, vector, out, rows, cols);
  return out;
}
