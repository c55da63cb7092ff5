import { typeOf, where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import { csrArguments, native } from './native.js';

const accumulators = ['auto', 'hash', 'dense'] as const;

/** Options of {@link spgemm}. */
export interface SpgemmOptions {
  /**
   * where the products of a row meet: `hash` a table with linear probing, `dense` an array over the columns in reach;
   * `auto` (the default) chooses for each window of rows. The result is the same to the last bit.
   */
  accumulator?: (typeof accumulators)[number];
  /**
   * `false` leaves rows that went through a hash table in no particular order of columns: somewhat faster, but no other
   * function of this package takes such a matrix. Default `true`.
   */
  sorted?: boolean;
}

/** What a product cost. */
export interface SpgemmStats {
  /** floating-point operations, a multiplication and an addition for each pair of entries that met */
  flops: number;
  /** multiplications for each entry of the result, at least 1; 0 for an empty result */
  compressionRatio: number;
  /** rows of the result by accumulator; `none`: rows without a product */
  rowsPerAccumulator: { hash: number; dense: number; none: number };
}

/**
 * The product of two sparse matrices: `c[i,j] = Σ_k a[i,k] · b[k,j]`, summed in ascending order of k.
 *
 * An entry stands wherever a product fell, also if the sum is zero. Two phases: count, then fill. Time is proportional to
 * `flops`, and for results that hardly compress to writing them: 12 bytes an entry. Scratch: 16 bytes a row of `a` and
 * `b`, and for each thread an accumulator.
 *
 * @param a m × k, f64 or f32; `a` and `b` may be the same
 * @param b k × n of the same type
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_FORMAT (a malformed factor), ERR_RANGE (2^32 entries or more,
 * known before the result is allocated), ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Gustavson, Two Fast Algorithms for Sparse Matrices (1978); windows of rows after Shivdikar, SMASH (2021); hash
 * accumulator and equal-work partition after Nagasaka, Matsuoka, Azad & Buluç (2018)
 * @example
 * const a = fromCoo({ rows: 2, cols: 2, row: [0, 0, 1], col: [0, 1, 1], value: [1, 2, 3] });
 * toDense(spgemm(a, a)).data // 1, 8, 0, 9
 */
export function spgemm<A extends Real>(a: Csr<A>, b: Csr<A>, options?: SpgemmOptions): Csr<A> & { stats: SpgemmStats } {
  const at = where('spgemm');
  at.csr('a', a, [Float64Array, Float32Array]);
  const type = typeOf(a.values);
  at.csr('b', b, [type]);
  if (b.rows !== a.cols) at.fail('ERR_SHAPE', 'b', `${a.cols} rows, as many as a has columns`, `${b.rows}`);
  const { accumulator = 'auto', sorted = true } = at.options(options, ['accumulator', 'sorted']);
  const code = at.oneOf('options.accumulator', accumulator, accumulators);
  at.boolean('options.sorted', sorted);

  const factors = [...csrArguments(a), ...csrArguments(b)] as const;
  const indptr = at.allocate(Uint32Array, a.rows + 1);
  const counts = new Float64Array(5);
  native.spgemm(...factors, code, indptr, counts);
  const [nnz, products, none, hash, dense] = counts as unknown as [number, number, number, number, number];
  if (nnz >= 2 ** 32) at.fail('ERR_RANGE', undefined, 'a result of at most 2^32 - 1 entries', String(nnz));
  const indices = at.allocate(Uint32Array, nnz);
  const values = at.allocate(type, nnz);
  native.spgemmFill(...factors, code, sorted, indptr, indices, values);
  const stats = {
    flops: 2 * products,
    compressionRatio: nnz > 0 ? products / nnz : 0,
    rowsPerAccumulator: { hash, dense, none },
  };
  return { rows: a.rows, cols: b.cols, indptr, indices, values, stats };
}
