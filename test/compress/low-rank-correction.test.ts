import { describe, expect, test } from 'vitest';
import { compress, dense, gemm, getThreads, quant, setThreads, type Dense } from 'lapidary';
import { symmetricEigen } from '../../dist/compress/symmetric-eigen.js';
import { withCode } from '../support/errors.js';
import { uniform } from '../support/random.js';
import { everyOptions } from '../quant/support.js';
import { lost, weights } from './support.js';

const { lowRankCorrection } = compress;
const norm = (x: Float64Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

/** Singular values by one-sided Jacobi: rows are turned in pairs until all are orthogonal. */
function singularValues(e: Float64Array, rows: number, cols: number): number[] {
  const a = Array.from({ length: rows }, (_, i) => e.slice(i * cols, (i + 1) * cols));
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, v, k) => sum + v * y[k]!, 0);
  for (let sweep = 0; sweep < 8; sweep++)
    for (let p = 0; p < rows; p++)
      for (let q = p + 1; q < rows; q++) {
        const [alpha, beta, gamma] = [dot(a[p]!, a[p]!), dot(a[q]!, a[q]!), dot(a[p]!, a[q]!)];
        if (Math.abs(gamma) <= 1e-15 * Math.sqrt(alpha * beta)) continue;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        for (let k = 0; k < cols; k++) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * (x - t * y);
          a[q]![k] = c * (t * x + y);
        }
      }
  return a.map(norm).sort((x, y) => y - x);
}

describe('lowRankCorrection', () => {
  // the whole space at once, and the Krylov search; tall, wide, odd
  test.each([
    [12, 30, 3],
    [30, 12, 12],
    [40, 40, 1],
    [110, 120, 8],
    [120, 101, 5],
  ] as const)('of %i × %i: what is left has the norm of the other singular values, rank %i', (rows, cols, rank) => {
    // prettier-ignore
    const w = weights(rows, cols, rows);
    const q = quant.quantize(w, { format: 'int2', groupSize: 16 });
    const values = singularValues(lost(w, q), rows, cols);
    const corrected = lowRankCorrection(w, q, { rank });
    const tail = Math.sqrt(values.slice(rank).reduce((sum, s) => sum + s * s, 0));
    const total = norm(lost(w, q));
    expect(Math.abs(norm(lost(w, corrected)) - tail)).toBeLessThanOrEqual(1e-6 * total); // the halves are f32
    const { left, right } = corrected.lowRank!;
    expect([left.rows, left.cols, right.rows, right.cols]).toEqual([rows, rank, rank, cols]);
    // both halves carry the root of each singular value, and their columns and rows are orthogonal
    for (let k = 0; k < rank; k++) {
      const column = Float64Array.from({ length: rows }, (_, i) => left.data[i * rank + k]!);
      expect(norm(column) ** 2).toBeCloseTo(values[k]!, 4);
      expect(norm(Float64Array.from(right.data.subarray(k * cols, (k + 1) * cols))) ** 2).toBeCloseTo(values[k]!, 4);
    }
    expect(corrected.codes).toBe(q.codes);
  });

  test('gives back all of an error that has its rank, in every format', () => {
    for (const options of everyOptions) {
      const w = weights(20, 40);
      const q = quant.quantize(w, options);
      expect(norm(lost(w, lowRankCorrection(w, q, { rank: 20 }))), JSON.stringify(options)).toBeLessThan(1e-4);
    }
    // zero error: nothing to give back
    const exact = dense(
      4,
      16,
      Float32Array.from({ length: 64 }, (_, k) => (k % 13) - 6),
    );
    const q = quant.quantize(exact, { format: 'int4', symmetric: false, groupSize: 16 });
    const same = lowRankCorrection(dense(4, 16, quant.dequantize(q).data), q, { rank: 2 });
    expect(same.lowRank!.left.data.every((x) => x === 0)).toBe(true);
  });

  test('equal singular values are all found', () => {
    const w = dense(128, 128, new Float32Array(128 * 128));
    for (let i = 0; i < 128; i++) w.data[i * 129] = i < 6 ? 1 : 0.25;
    const q = quant.quantize(dense(128, 128, new Float32Array(128 * 128)), { format: 'int8' });
    expect(norm(lost(w, lowRankCorrection(w, q, { rank: 6 })))).toBeCloseTo(0.25 * Math.sqrt(122), 5);
  });

  test('replaces the one that was there; the same bits for any number of threads', () => {
    const w = weights(120, 140);
    const q = quant.quantize(w, { format: 'int3' });
    const threads = getThreads();
    try {
      const [one, two] = [1, 2].map((n) => (setThreads(n), lowRankCorrection(w, q, { rank: 4 })));
      expect(two!.lowRank).toEqual(one!.lowRank);
      expect(lowRankCorrection(w, one!, { rank: 4 }).lowRank).toEqual(one!.lowRank);
    } finally {
      setThreads(threads);
    }
  });

  test('edges', () => {
    const w = weights(4, 16);
    const q = quant.quantize(w, { format: 'int4' });
    expect(lowRankCorrection(w, q, { rank: 0 }).lowRank!.left.data).toHaveLength(0);
    expect(lowRankCorrection(w, q).lowRank!.left.cols).toBe(4);
    expect(() => lowRankCorrection(w, q, { rank: 5 })).toThrow(withCode('ERR_RANGE'));
    expect(() => lowRankCorrection(weights(4, 17), q)).toThrow(withCode('ERR_SHAPE'));
    const broken = weights(4, 16);
    broken.data[3] = NaN;
    expect(() => lowRankCorrection(broken, q)).toThrow(withCode('ERR_RANGE'));
    const none = dense(0, 16, new Float32Array(0));
    expect(lowRankCorrection(none, quant.quantize(none, { format: 'int4' })).lowRank!.right.data).toHaveLength(0);
  });
});

describe('symmetricEigen', () => {
  const check = (a: Dense, tolerance: number) => {
    const n = a.rows;
    const { values, vectors } = symmetricEigen(a.data.slice(), n);
    const v = dense(n, n, vectors);
    const unit = gemm.matmul(v, v, { transposeB: true }).data;
    expect(Math.max(...unit.map((x, k) => Math.abs(x - (k % (n + 1) === 0 ? 1 : 0))))).toBeLessThan(1e-12);
    const image = gemm.matmul(v, a).data;
    expect(Math.max(...image.map((x, k) => Math.abs(x - values[Math.floor(k / n)]! * vectors[k]!)))).toBeLessThan(tolerance); // prettier-ignore
  };
  test.each([1, 2, 3, 10, 45])('A·v = λ·v with orthonormal v, n = %i', (n) => {
    const a = dense(n, n, uniform(n * n, n));
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a.data[i * n + j] = a.data[j * n + i]!;
    check(a, 1e-12);
  });
  test('diagonal, zero, rank one and equal eigenvalues', () => {
    for (const f of [
      () => 0,
      (i: number, j: number) => (i === j ? i % 3 : 0),
      () => 1,
      (i: number, j: number) => (i === j ? 2 : 0),
    ])
      // prettier-ignore
      check(dense(9, 9, Float64Array.from({ length: 81 }, (_, k) => f(Math.floor(k / 9), k % 9))), 1e-12);
  });
});
