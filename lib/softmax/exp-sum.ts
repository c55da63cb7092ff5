import { where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** One number `m[i] · 2^n[i]` for each row, far beyond the range of f64: (0, −∞) is zero. */
export interface ExpSum {
  m: Float64Array;
  /** whole numbers, or −∞ */
  n: Float64Array;
}

/**
 * `Σ_j exp(x[i,j])` of each row as a pair `m · 2ⁿ`, which cannot overflow: the state of a softmax whose rows come in parts,
 * in time or from several machines. {@link mergeExpSum} joins parts; `Math.log(m) + n * Math.LN2` is the log-sum-exp.
 *
 * m is accurate to 2⁻²³ (f64: 2⁻⁵⁰) while the maximum of the row is below 2²⁰ in size; beyond, n still is, and m loses
 * what the maximum itself leaves open. A row of −∞ or without columns gives (0, −∞), one with NaN or +∞ an m of NaN.
 *
 * O(rows · cols) time in two passes.
 *
 * @param x rows × cols, f32 or f64
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), section 5
 * @example
 * const { m, n } = expSum(dense(1, 2, Float64Array.of(1000, 1000)));
 * Math.log(m[0]) + n[0] * Math.LN2 // 1000 + Math.LN2
 */
export function expSum(x: Dense<Real>): ExpSum {
  const at = where('expSum');
  const { rows, cols, data } = at.dense('x', x, [Float32Array, Float64Array]);
  const sum = { m: at.allocate(Float64Array, rows), n: at.allocate(Float64Array, rows) };
  native.expSum(data, sum.m, sum.n, rows, cols);
  return sum;
}

function pairs(at: Where, argument: string, value: ExpSum, length?: number): ExpSum {
  if (typeof value !== 'object' || (value as ExpSum | null) === null)
    at.fail('ERR_DTYPE', argument, 'an ExpSum, as expSum gives it', typeof value);
  const m = at.array(`${argument}.m`, value.m, [Float64Array], length);
  return { m, n: at.array(`${argument}.n`, value.n, [Float64Array], m.length) };
}

/**
 * The sum of two ExpSum, row by row: `a + b`. Commutative to the last bit, associative but for one rounding (2⁻⁵³) a
 * merge; (0, −∞) changes nothing.
 *
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_DETACHED
 * @source Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), section 5
 * @example
 * const parts = [[1, 2], [3]].map((x) => expSum(dense(1, x.length, Float64Array.from(x))));
 * const { m, n } = mergeExpSum(parts[0], parts[1]);
 * m[0] * 2 ** n[0] // Math.exp(1) + Math.exp(2) + Math.exp(3)
 */
export function mergeExpSum(a: ExpSum, b: ExpSum): ExpSum {
  const at = where('mergeExpSum');
  const left = pairs(at, 'a', a);
  const right = pairs(at, 'b', b, left.m.length);
  const rows = left.m.length;
  const sum = { m: at.allocate(Float64Array, rows), n: at.allocate(Float64Array, rows) };
  for (let i = 0; i < rows; i++) {
    const n = Math.max(left.n[i]!, right.n[i]!);
    // of two zeros −∞ − −∞ would be NaN
    const part = (x: ExpSum) => (x.n[i] === n ? x.m[i]! : x.m[i]! * 2 ** (x.n[i]! - n));
    sum.m[i] = part(left) + part(right);
    sum.n[i] = n;
  }
  return sum;
}
