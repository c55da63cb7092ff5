import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dense, getThreads, LapidaryError, setThreads, type Dense } from 'lapidary';
import { besselIRatio, vmfFit, vmfLogPdf, vmfMixtureFit, vmfSample, type VmfMixture } from 'lapidary/special';
import { native } from '../../dist/core/native.js';
import { digits, purity } from '../../examples/digits/digits.js';
import { withCode } from '../support/errors.js';
import { uniform } from '../support/random.js';

const total = (a: Float64Array): number => a.reduce((sum, b) => sum + b, 0);
const rowOf = ({ data, cols }: Dense, i: number): Float64Array => data.subarray(i * cols, (i + 1) * cols);

/** Samples of several clusters below each other. */
function clusters(p: number, parts: { mu: Float64Array; kappa: number; n: number }[], seed: number): Dense {
  const data = parts.flatMap(({ mu, kappa, n }, c) => Array.from(vmfSample(mu, kappa, n, { seed: seed + c }).data));
  return dense(data.length / p, p, Float64Array.from(data));
}

const axis = (p: number, j: number): Float64Array => Float64Array.from({ length: p }, (_, i) => (i === j ? 1 : 0));
const three = (p: number, n: number, kappa: number): Dense =>
  clusters(p, [{ mu: axis(p, 0), kappa, n }, { mu: axis(p, 1), kappa: 2 * kappa, n: 2 * n }, { mu: axis(p, 1).map((a) => -a), kappa, n }], 20); // prettier-ignore

/** Σ_c w_c density_c of each row, in logarithms, by vmfLogPdf: the terms and their sum. */
function logTerms(x: Dense, fit: VmfMixture): { terms: Float64Array[]; sums: Float64Array } {
  const terms = Array.from(fit.kappa, (kappa, c) => vmfLogPdf(x, rowOf(fit.mu, c), kappa).map((a) => a + Math.log(fit.weights[c]!))); // prettier-ignore
  const sums = Float64Array.from({ length: x.rows }, (_, i) => {
    const top = Math.max(...terms.map((term) => term[i]!));
    return top + Math.log(terms.reduce((sum, term) => sum + Math.exp(term[i]! - top), 0));
  });
  return { terms, sums };
}

describe.each(['soft', 'hard'] as const)('%s', (assignment) => {
  test.each([
    [2, 60, 3],
    [3, 100, 8],
    [40, 60, 60],
    [500, 40, 400],
  ])('p = %i: what is returned belongs together, and is a fixed point of the equations', (p, n, kappa) => {
    const x = three(p, n, kappa);
    const fit = vmfMixtureFit(x, 3, { assignment, tolerance: 1e-13, maxIterations: 3000, seed: 3 });
    expect(fit.converged).toBe(true);
    expect(Math.abs(total(fit.weights) - 1)).toBeLessThan(1e-13);
    const { terms, sums } = logTerms(x, fit);
    const own = sums.map((_, i) => terms[fit.labels[i]!]![i]!);
    const scale = x.rows * (kappa + p);
    expect(Math.abs(fit.logLikelihood - total(assignment === 'soft' ? sums : own))).toBeLessThan(1e-14 * scale);
    const r = fit.responsibilities;
    for (let i = 0; i < x.rows; i++) {
      expect(own[i]).toBeGreaterThanOrEqual(Math.max(...terms.map((term) => term[i]!)) - 1e-10);
      for (let c = 0; c < 3; c++) {
        const expected = assignment === 'soft' ? Math.exp(terms[c]![i]! - sums[i]!) : Number(c === fit.labels[i]);
        expect(Math.abs(r.data[3 * i + c]! - expected)).toBeLessThan(1e-10);
      }
    }
    for (let c = 0; c < 3; c++) {
      const share = Float64Array.from({ length: x.rows }, (_, i) => r.data[3 * i + c]!);
      expect(Math.abs(fit.weights[c]! - total(share) / x.rows)).toBeLessThan(1e-5);
      const sum = new Float64Array(p);
      share.forEach((w, i) => rowOf(x, i).forEach((a, j) => (sum[j]! += w * a)));
      const length = Math.hypot(...sum);
      expect(Math.abs(length / total(share) - besselIRatio(p / 2 - 1, fit.kappa[c]!))).toBeLessThan(1e-5);
      sum.forEach((a, j) => expect(Math.abs(a / length - rowOf(fit.mu, c)[j]!)).toBeLessThan(1e-5));
    }
  });

  test('finds planted clusters', () => {
    const x = three(20, 200, 60);
    const fit = vmfMixtureFit(x, 3, { assignment, seed: 1 });
    const names = [0, 250, 700].map((i) => fit.labels[i]!);
    const wrong = fit.labels.filter((label, i) => label !== names[i < 200 ? 0 : i < 600 ? 1 : 2]);
    expect(wrong.length).toBe(0);
    const [a, b, c] = names.map((name) => [fit.weights[name]!, fit.kappa[name]!, rowOf(fit.mu, name)] as const);
    expect([a![0], b![0], c![0]].map((w) => Math.round(w * 1000) / 1000)).toEqual([0.25, 0.5, 0.25]);
    expect(Math.abs(a![1] / 60 - 1)).toBeLessThan(0.1);
    expect(Math.abs(b![1] / 120 - 1)).toBeLessThan(0.1);
    expect([a![2][0]! > 0.99, b![2][1]! > 0.99, c![2][1]! < -0.99]).toEqual([true, true, true]);
  });

  test('the log-likelihood never falls; iterations are told', () => {
    fc.assert(
      fc.property(
        fc.record({
          n: fc.integer({ min: 1, max: 60 }),
          p: fc.integer({ min: 2, max: 12 }),
          k: fc.integer({ min: 1, max: 6 }),
          seed: fc.nat(),
          distinct: fc.integer({ min: 1, max: 60 }),
        }),
        ({ n, p, k, seed, distinct }) => {
          const source = uniform(n * p, seed);
          const data = source.map((_, i) => source[(Math.floor(i / p) % distinct) * p + (i % p)]!);
          const x = dense(n, p, data);
          const components = Math.min(n, k);
          let seen = 0;
          const fit = vmfMixtureFit(x, components, {
            seed,
            assignment,
            record: true,
            maxIterations: 40,
            onProgress: ({ iteration }) => void (seen = iteration),
          });
          const rounding = 1e-13 * (1 + Math.max(...fit.kappa));
          expect(fit.history!.every((gain) => gain >= -rounding)).toBe(true);
          expect([fit.history!.length, seen]).toEqual([fit.iterations, fit.iterations]);
          expect(Math.abs(total(fit.weights) - 1)).toBeLessThan(1e-12);
          expect([...fit.kappa, ...fit.mu.data, fit.logLikelihood].every(Number.isFinite)).toBe(true);
          for (let c = 0; c < components; c++)
            expect(Math.abs(Math.hypot(...rowOf(fit.mu, c)) - 1)).toBeLessThan(1e-13);
          for (let i = 0; i < n; i++) expect(Math.abs(total(rowOf(fit.responsibilities, i)) - 1)).toBeLessThan(1e-13);
        },
      ),
      { seed: 6, numRuns: 150 },
    );
  });

  test('the same bits for any number of threads; another seed, another start', () => {
    const x = three(30, 700, 10);
    const threads = getThreads();
    const fits = [1, 2, 3, 7].map((n) => {
      setThreads(n);
      return vmfMixtureFit(x, 7, { assignment, maxIterations: 5, seed: 2 });
    });
    setThreads(threads);
    for (const fit of fits) expect(fit).toEqual(fits[0]);
    expect(vmfMixtureFit(x, 7, { assignment, maxIterations: 5, seed: 3 }).mu).not.toEqual(fits[0]!.mu);
  });

  test('clusters digits', () => {
    const { x, labels } = digits(150);
    const fit = vmfMixtureFit(x, 10, { assignment, seed: 0 });
    expect(fit.converged).toBe(true);
    expect(purity(fit.labels, labels)).toBeGreaterThan(0.5);
    expect(purity(vmfMixtureFit(x, 40, { assignment, seed: 0 }).labels, labels)).toBeGreaterThan(0.72);
  });
});

test('one component is the fit', () => {
  for (const [p, kappa] of [[2, 1], [5, 30], [300, 150]] as const) {
    const x = vmfSample(axis(p, 1), kappa, 80, { seed: p });
    const mixture = vmfMixtureFit(x, 1);
    const fit = vmfFit(x);
    expect(Math.abs(mixture.kappa[0]! / fit.kappa - 1)).toBeLessThan(1e-12);
    expect(Math.abs(mixture.logLikelihood - fit.logLikelihood)).toBeLessThan(1e-12 * 80 * (p + kappa));
    mixture.mu.data.forEach((a, j) => expect(Math.abs(a - fit.mu[j]!)).toBeLessThan(1e-14));
    expect([mixture.weights[0], mixture.iterations, mixture.converged]).toEqual([1, 1, true]);
  }
}); // prettier-ignore

test('degenerate data end in the documented mixture', () => {
  // all rows alike: one component takes them, as concentrated as allowed; the others are empty
  const alike = vmfMixtureFit(
    dense(
      6,
      3,
      Float64Array.from({ length: 18 }, (_, i) => [1, 2, 2][i % 3]!),
    ),
    3,
  );
  expect(Array.from(alike.labels)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(Array.from(alike.weights)).toEqual([1, 0, 0]);
  expect(alike.kappa[0]).toBe(3e6);
  expect(Array.from(rowOf(alike.mu, 0), (a) => Math.round(3 * a))).toEqual([1, 2, 2]);
  const limited = vmfMixtureFit(dense(2, 2, Float64Array.of(1, 0, 1, 0)), 1, { maxKappa: 50 });
  expect(limited.kappa[0]).toBe(50);
  // directions that cancel: uniform
  const opposite = dense(2, 3, Float64Array.of(1, 2, 3, -1, -2, -3));
  const flat = vmfMixtureFit(opposite, 1);
  expect(flat.kappa[0]).toBe(0);
  expect(flat.logLikelihood).toBeCloseTo(-2 * Math.log(4 * Math.PI), 12);
  // as many components as rows
  const own = vmfMixtureFit(opposite, 2);
  expect(Array.from(own.labels).sort()).toEqual([0, 1]);
  // a single row
  expect(vmfMixtureFit(dense(1, 2, Float64Array.of(0, -3)), 1).mu.data).toEqual(Float64Array.of(0, -1));
  // rows count by direction only, at any scale
  const x = three(4, 30, 20);
  const scaled = x.data.map((a, i) => a * 2 ** ((Math.floor(i / 4) % 5) * 400 - 800));
  expect(vmfMixtureFit(dense(x.rows, 4, scaled), 3).labels).toEqual(vmfMixtureFit(x, 3).labels);
});

test('a stop, and a limit', () => {
  const x = three(6, 50, 5);
  expect(vmfMixtureFit(x, 3, { maxIterations: 2, tolerance: 0 })).toMatchObject({ iterations: 2, converged: false });
  expect(vmfMixtureFit(x, 3, { onProgress: ({ iteration }) => iteration < 3, tolerance: 0 }).iterations).toBe(3);
  const start = vmfMixtureFit(x, 3, { maxIterations: 0 });
  expect(start.iterations).toBe(0);
  expect(Math.abs(start.logLikelihood - total(logTerms(x, start).sums))).toBeLessThan(1e-10);
});

test('bad input', () => {
  const x = three(3, 5, 5);
  for (const k of [0, -1, 1.5, NaN, 21]) expect(() => vmfMixtureFit(x, k)).toThrow(withCode('ERR_RANGE'));
  for (const value of [0, NaN, Infinity]) {
    const broken = dense(20, 3, x.data.map((a, i) => (Math.floor(i / 3) === 7 ? value : a))); // prettier-ignore
    expect(() => vmfMixtureFit(broken, 2)).toThrow(/x row 7/);
  }
  expect(() => vmfMixtureFit(dense(0, 3), 1)).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfMixtureFit(dense(3, 1), 1)).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfMixtureFit(dense(2, 2, new Float32Array(4)) as never, 1)).toThrow(withCode('ERR_DTYPE'));
  expect(() => vmfMixtureFit(x, 2, { assignment: 'firm' as never })).toThrow(withCode('ERR_OPTION'));
  expect(() => vmfMixtureFit(x, 2, { weights: x.data } as never)).toThrow(withCode('ERR_OPTION'));
  expect(() => vmfMixtureFit(x, 2, { seed: 0.5 })).toThrow(withCode('ERR_RANGE'));
  for (const maxKappa of [-1, NaN, Infinity])
    expect(() => vmfMixtureFit(x, 2, { maxKappa })).toThrow(withCode('ERR_RANGE'));
});

test('failing allocations end in ERR_OUT_OF_MEMORY', () => {
  // larger than the blocks that the arena keeps
  const n = 5_000_000;
  const x = dense(n, 2, new Float64Array(2 * n).map((_, i) => (i % 7) + 1)); // prettier-ignore
  let failures = 0;
  for (let nth = 0; ; nth++) {
    native.failAllocation(nth);
    try {
      vmfMixtureFit(x, 2, { maxIterations: 1 });
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
