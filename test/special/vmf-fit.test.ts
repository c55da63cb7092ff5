import { expect, test } from 'vitest';
import { dense, LapidaryError, philox, setThreads, getThreads, type Dense } from 'lapidary';
import { besselIRatio, vmfFit, vmfLogPdf } from 'lapidary/special';
import { native } from '../../dist/core/native.js';
import { exactMeanLength, kappaError } from './vmf-big.js';
import { withCode } from '../support/errors.js';

/** n directions around the first axis: gaussian noise on every coordinate. */
function cloud(n: number, p: number, noise: number, seed: number): Dense {
  const u = philox(seed).fill(new Float64Array(2 * n * p));
  const data = Float64Array.from({ length: n * p }, (_, i) => {
    const gaussian = Math.sqrt(-2 * Math.log(1 - u[2 * i]!)) * Math.cos(2 * Math.PI * u[2 * i + 1]!);
    return (i % p === 0 ? 1 : 0) + noise * gaussian;
  });
  return dense(n, p, data);
}

function meanLength({ rows, cols, data }: Dense): number {
  const sum = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const norm = Math.hypot(...row);
    row.forEach((a, j) => (sum[j]! += a / norm));
  }
  return Math.hypot(...sum) / rows;
}

const eps = 2 ** -52;
const total = (a: Float64Array): number => a.reduce((sum, b) => sum + b, 0);

test.each([
  [2, 50, 0.5],
  [3, 40, 0.01],
  [3, 40, 30],
  [17, 100, 0.3],
  [768, 60, 0.02],
  [2048, 30, 0.05],
  [8192, 12, 0.01],
  [32768, 6, 0.02],
])('the likelihood equation holds: p = %i, n = %i, noise %f', (p, n, noise) => {
  const x = cloud(n, p, noise, p);
  const { mu, kappa, converged, iterations, residual } = vmfFit(x);
  const mean = meanLength(x);
  expect(Math.abs(besselIRatio(p / 2 - 1, kappa) - mean)).toBeLessThan(1e-10 * mean);
  expect(converged).toBe(true);
  expect(iterations).toBeLessThanOrEqual(6);
  expect(residual).toBeLessThanOrEqual(1e-12);
  expect(total(mu.map((a) => a * a))).toBeCloseTo(1, 13);
});

/** What a network's last pooling gives: many small numbers, none negative, a pattern shared by all rows. As integers. */
function features(n: number, p: number, seed: number): Dense {
  const u = philox(seed).fill(new Float64Array(n * p));
  const level = philox(seed, 1).fill(new Float64Array(p));
  return dense(
    n,
    p,
    u.map((a, i) => Math.round(2 ** 20 * level[i % p]! ** 2 * Math.max(0.01, -Math.log(1 - a) - 0.3))),
  );
}

test.each([
  [2, 30],
  [17, 50],
  [2048, 60],
  [8192, 24],
  [32768, 12],
  [100_003, 4],
])('κ solves the likelihood equation of feature-like rows to 1e-10: p = %i, n = %i', (p, n) => {
  const x = features(n, p, p);
  const { kappa, converged, iterations } = vmfFit(x);
  expect(kappa).toBeGreaterThan(p / 4);
  expect([converged, iterations <= 6]).toEqual([true, true]);
  expect(Math.abs(kappaError(p, kappa, exactMeanLength(x.data, p)))).toBeLessThan(1e-13);
  const weights = Float64Array.from({ length: n }, (_, i) => (i * 7) % 5);
  const weighted = vmfFit(x, { weights });
  expect(Math.abs(weighted.kappa / kappa - 1)).toBeGreaterThan(1e-4);
  expect(Math.abs(kappaError(p, weighted.kappa, exactMeanLength(x.data, p, weights)))).toBeLessThan(1e-13);
});

test('weights count rows: whole ones as copies, 0 as if they were not there, any scale', () => {
  const x = cloud(7, 5, 0.6, 4);
  const counts = [2, 0, 1, 3, 0, 1, 1];
  const copies = counts.flatMap((count, i) => Array.from({ length: count }, () => Array.from(x.data.subarray(5 * i, 5 * i + 5)))); // prettier-ignore
  const plain = vmfFit(dense(8, 5, Float64Array.from(copies.flat())));
  x.data.fill(NaN, 5, 10); // a row of weight 0 is not looked at
  for (const scale of [1, 0.1, 1e-200, 1e200]) {
    const fit = vmfFit(x, { weights: Float64Array.from(counts, (count) => count * scale) });
    expect(Math.abs(fit.kappa / plain.kappa - 1)).toBeLessThan(1e-14);
    fit.mu.forEach((a, j) => expect(Math.abs(a - plain.mu[j]!)).toBeLessThan(1e-15));
    expect(Math.abs(fit.logLikelihood / (plain.logLikelihood * scale) - 1)).toBeLessThan(1e-12);
  }
  const bad = (weights: Float64Array, name: string): void =>
    expect(() => vmfFit(x, { weights })).toThrow(withCode(name));
  bad(new Float64Array(6), 'ERR_SHAPE');
  bad(new Float64Array(7), 'ERR_RANGE');
  for (const value of [-1, NaN, Infinity, 1e300]) bad(new Float64Array(7).fill(value), 'ERR_RANGE');
  bad(new Float64Array(7).fill(1), 'ERR_RANGE'); // now the row of NaN counts
  bad(Float64Array.of(1, 0, 0, 0, 0, 0, 0), 'ERR_NOT_CONVERGED');
  expect(() => vmfFit(x, { weights: new Float32Array(7) as never })).toThrow(withCode('ERR_DTYPE'));
});

test('the fit is the maximum: gradient zero by finite differences, likelihood = Σ log density', () => {
  for (const [p, noise] of [
    [2, 0.7],
    [5, 0.4],
    [300, 0.1],
  ] as const) {
    const x = cloud(80, p, noise, 10 + p);
    const { mu, kappa, logLikelihood } = vmfFit(x);
    const likelihood = (m: Float64Array, k: number): number => total(vmfLogPdf(x, m, k));
    expect(Math.abs(likelihood(mu, kappa) - logLikelihood)).toBeLessThan(1e-11 * Math.abs(logLikelihood) + 1e-10);
    const step = 1e-4 * kappa;
    const slope = (likelihood(mu, kappa + step) - likelihood(mu, kappa - step)) / (2 * step);
    const curvature =
      (likelihood(mu, kappa + step) + likelihood(mu, kappa - step) - 2 * likelihood(mu, kappa)) / step ** 2;
    expect(curvature).toBeLessThan(0);
    expect(Math.abs(slope / curvature)).toBeLessThan(1e-5 * kappa);
    for (const j of [0, 1, p - 1]) {
      const moved = (by: number): number =>
        likelihood(
          mu.map((a, i) => (i === j ? a + by : a)),
          kappa,
        );
      expect(moved(1e-3)).toBeLessThan(logLikelihood);
      expect(moved(-1e-3)).toBeLessThan(logLikelihood);
    }
  }
});

test('two directions at angles ± a: the equation holds to rounding at every concentration', () => {
  for (const p of [2, 3, 10, 2048])
    for (let a = 1.5; a > 1e-6; a *= 0.83) {
      const rows = new Float64Array(2 * p);
      [rows[0], rows[1], rows[p], rows[p + 1]] = [Math.cos(a), Math.sin(a), Math.cos(a), -Math.sin(a)];
      const { mu, kappa, converged, iterations } = vmfFit(dense(2, p, rows));
      expect([mu[0], converged]).toEqual([1, true]);
      expect(iterations).toBeLessThanOrEqual(6);
      expect(Math.abs(besselIRatio(p / 2 - 1, kappa) / Math.cos(a) - 1)).toBeLessThan(2e-15);
      // 1 − R̄ = 2 sin²(a/2); κ lies between Amos's bounds, which are the same to 1/p, and meet for large κ and p = 3
      const spread = 2 * Math.sin(a / 2) ** 2;
      if (p === 3 && kappa > 40) expect(Math.abs(kappa * spread - 1)).toBeLessThan((4 * eps) / spread);
    }
});

test('one stray row among many equal ones decides kappa', () => {
  // R̄ = |(n − 1) e1 + e2| / n, so 1 − R̄ = 1/n − 1/2n² − …; p = 3: κ = 1 / (1 − R̄)
  const n = 1_000_000;
  const rows = Float64Array.from({ length: 3 * n }, (_, i) => [0.3, 0.6, 0.6][i % 3]!);
  rows.set([0.6, -0.6, 0.3], 3 * (n / 2));
  const { kappa } = vmfFit(dense(n, 3, rows));
  const resultant = Math.sqrt((n - 1) ** 2 + 1);
  expect(Math.abs((kappa * (n - resultant)) / n - 1)).toBeLessThan(4 * eps * n);
});

test('rows count by direction only, at any scale', () => {
  const x = cloud(20, 4, 0.5, 3);
  const { mu, kappa } = vmfFit(x);
  for (const scale of [2 ** 1000, 2 ** -1000, 2 ** -520, 2 ** 520]) {
    const scaled = vmfFit(
      dense(
        20,
        4,
        x.data.map((a) => a * scale),
      ),
    );
    expect(scaled.kappa).toBeCloseTo(kappa, 10);
    scaled.mu.forEach((a, j) => expect(a).toBeCloseTo(mu[j]!, 12));
  }
  const denormal = dense(2, 2, Float64Array.of(5e-324, 0, 0, 5e-324));
  expect(vmfFit(denormal).mu[0]).toBeCloseTo(Math.SQRT1_2, 14);
});

test('directions that cancel give kappa 0; directions that agree have no fit', () => {
  const none = vmfFit(dense(2, 3, Float64Array.of(1, 2, 3, -1, -2, -3)));
  expect(none.kappa).toBe(0);
  expect(none.mu).toEqual(Float64Array.of(1, 0, 0));
  expect(none.logLikelihood).toBeCloseTo(-2 * Math.log(4 * Math.PI), 13);
  expect(() => vmfFit(dense(1, 3, Float64Array.of(1, 2, 3)))).toThrow(withCode('ERR_NOT_CONVERGED'));
  expect(() => vmfFit(dense(3, 2, Float64Array.of(1, 2, 3, 6, 0.1, 0.2)))).toThrow(withCode('ERR_NOT_CONVERGED'));
  // many rows, or long ones: rounding errors are not a spread
  for (const [n, p] of [
    [1_000_000, 3],
    [50_000, 40],
    [2000, 2048],
    [3, 32768],
  ] as const) {
    const row = Float64Array.from({ length: p }, (_, i) => Math.sin(1.7 * i + 1));
    const data = new Float64Array(n * p);
    for (let i = 0; i < n; i++) data.set(row, i * p);
    expect(() => vmfFit(dense(n, p, data)), `${n} × ${p}`).toThrow(withCode('ERR_NOT_CONVERGED'));
  }
  // nearly agreeing directions still fit
  const tight = vmfFit(dense(2, 3, Float64Array.of(1, 0, 1e-6, 1, 0, -1e-6)));
  expect(tight.kappa).toBeGreaterThan(1e11);
  expect(tight.converged).toBe(true);
});

test('bad input', () => {
  const fine = cloud(4, 3, 0.5, 1);
  const axis = Float64Array.of(1, 0, 0);
  const broken = (value: number): Dense =>
    dense(
      4,
      3,
      fine.data.map((a, i) => (Math.floor(i / 3) === 2 ? value : a)),
    );
  for (const value of [0, NaN, Infinity, -Infinity]) {
    expect(() => vmfFit(broken(value))).toThrow(/x row 2/);
    expect(() => vmfFit(broken(value))).toThrow(withCode('ERR_RANGE'));
    expect(() => vmfLogPdf(broken(value), axis, 1)).toThrow(/x row 2/);
    expect(() =>
      vmfLogPdf(
        fine,
        axis.map(() => value),
        1,
      ),
    ).toThrow(withCode('ERR_RANGE'));
  }
  const oneNaN = dense(
    4,
    3,
    fine.data.map((a, i) => (i === 4 ? NaN : a)),
  );
  expect(() => vmfFit(oneNaN)).toThrow(/x row 1/);
  expect(() => vmfFit(dense(0, 3))).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfFit(dense(3, 1))).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfFit(dense(2, 2, new Float32Array(4)) as never)).toThrow(withCode('ERR_DTYPE'));
  expect(() => vmfFit(fine, { seed: 1 } as never)).toThrow(withCode('ERR_OPTION'));
  expect(() => vmfLogPdf(fine, new Float64Array(2), 1)).toThrow(withCode('ERR_SHAPE'));
  for (const kappa of [-1, NaN, Infinity]) expect(() => vmfLogPdf(fine, axis, kappa)).toThrow(withCode('ERR_RANGE'));
  expect(vmfLogPdf(dense(0, 3), axis, 1)).toEqual(new Float64Array(0));
});

test('iterations: history, limit, progress', () => {
  const x = cloud(30, 6, 0.5, 5);
  const seen: number[] = [];
  const full = vmfFit(x, { record: true, onProgress: ({ residual }) => void seen.push(residual) });
  expect(Array.from(full.history!)).toEqual(seen);
  expect(vmfFit(x, { maxIterations: 1 }).converged).toBe(false);
  expect(vmfFit(x, { onProgress: () => false }).iterations).toBe(1);
});

test('the same bits for any number of threads', () => {
  const x = cloud(300, 700, 0.1, 9);
  const threads = getThreads();
  const results = [1, 2, 3, 7].map((n) => {
    setThreads(n);
    const fit = vmfFit(x);
    return [fit.mu, fit.kappa, fit.logLikelihood, vmfLogPdf(x, fit.mu, fit.kappa)];
  });
  setThreads(threads);
  for (const result of results) expect(result).toEqual(results[0]);
});

test('failing allocations end in ERR_OUT_OF_MEMORY', () => {
  // larger than the blocks that the arena keeps
  const x = dense(
    3_000_000,
    2,
    new Float64Array(6_000_000).map((_, i) => (i % 7) + 1),
  );
  let failures = 0;
  for (let n = 0; ; n++) {
    native.failAllocation(n);
    try {
      vmfFit(x);
      break;
    } catch (error) {
      expect((error as LapidaryError).code).toBe('ERR_OUT_OF_MEMORY');
      failures++;
    } finally {
      native.failAllocation(-1);
    }
  }
  expect(failures).toBeGreaterThan(0);
});
