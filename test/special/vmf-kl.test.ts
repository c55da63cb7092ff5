import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dense } from 'lapidary';
import { vmfEntropy, vmfKl, vmfLogPdf, vmfSample } from 'lapidary/special';
import { errorOf } from './exact.js';
import { vmfTable } from './vmf-table.js';
import { withCode } from '../support/errors.js';

/** Two directions of ℝᵖ with this cosine, exactly as far apart as numbers allow. */
function pair(p: number, cosine: number): [Float64Array, Float64Array] {
  const [first, second] = [new Float64Array(p), new Float64Array(p)];
  first[0] = 1;
  [second[0], second[1]] = [cosine, Math.sqrt(1 - cosine * cosine)];
  return [first, second];
}

describe('against 40 digits', () => {
  test.each(vmfTable.kl)('p = %i, κ₁ = %f, κ₂ = %f, cosine %f', (p, kappa1, kappa2, cosine, exact) => {
    const [mu1, mu2] = pair(p, cosine);
    const value = vmfKl(mu1, kappa1, mu2, kappa2);
    // relative, however close the two are: nothing cancels. (√(1 − ½²) is rounded, which moves the cosine by an ulp.)
    expect(Math.abs(errorOf(value, exact))).toBeLessThan(5e-13 * Math.abs(Number(exact)) + 1e-40);
  });
});

test('close distributions: ½ A′ Δκ² + ½ κ A |Δμ|²', () => {
  // p = 3: A = coth κ − 1/κ, A′ = 1/κ² − 1/sinh² κ
  const kappa = 5;
  const slope = 1 / kappa ** 2 - 1 / Math.sinh(kappa) ** 2;
  const axis = Float64Array.of(1, 0, 0);
  expect(vmfKl(axis, kappa, axis, kappa)).toBe(0);
  for (const delta of [1e-4, 1e-7, 1e-10]) {
    const other = kappa + delta;
    const exact = 0.5 * slope * (other - kappa) ** 2;
    expect(Math.abs(vmfKl(axis, kappa, axis, other) / exact - 1)).toBeLessThan(2 * delta + 1e-12);
    const moved = Float64Array.of(1, delta, 0);
    const ratio = 1 / Math.tanh(kappa) - 1 / kappa;
    expect(Math.abs(vmfKl(axis, kappa, moved, kappa) / (0.5 * kappa * ratio * delta ** 2) - 1)).toBeLessThan(
      2 * delta + 1e-12,
    );
  }
});

test('is 0 or more; against the uniform distribution it is log area − entropy', () => {
  const kappas = fc.double({ min: 0, max: 1e5, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 3000 }), kappas, kappas, fc.double({ min: -1, max: 1, noNaN: true }), (p, a, b, cosine) => {
      const [mu1, mu2] = pair(p, cosine);
      const value = vmfKl(mu1, a, mu2, b);
      const gap = vmfEntropy(p, 0) - vmfEntropy(p, a);
      const uniform = vmfKl(mu1, a, mu2, 0);
      return value >= 0 && Number.isFinite(value) && Math.abs(uniform - gap) <= 1e-12 * (p + Math.abs(gap));
    }),
    { seed: 2, numRuns: 200 },
  ); // prettier-ignore
});

test('a sample of the first has this mean log density ratio', () => {
  const [mu1, mu2] = pair(6, 0.3);
  const n = 40_000;
  const x = vmfSample(mu1, 9, n, { seed: 5 });
  const [first, second] = [vmfLogPdf(x, mu1, 9), vmfLogPdf(x, mu2, 4)];
  const differences = first.map((a, i) => a - second[i]!);
  const mean = differences.reduce((a, b) => a + b, 0) / n;
  const deviation = Math.sqrt(differences.reduce((a, b) => a + (b - mean) ** 2, 0) / n);
  expect(Math.abs(mean - vmfKl(mu1, 9, mu2, 4))).toBeLessThan((4 * deviation) / Math.sqrt(n));
});

test('extremes and bad input', () => {
  const [a, b] = pair(3, -1);
  expect(vmfKl(a, 1e300, a, 2e300)).toBeCloseTo(1 - Math.log(2), 12); // p = 3: the limit of two exponentials
  expect(vmfKl(a, 1e308, b, 1e308)).toBe(Infinity);
  expect(vmfKl(a.map((x) => x * 1e-300), 3, a, 4)).toBe(vmfKl(a, 3, a, 4)); // prettier-ignore
  expect(vmfKl(a, 0, b, 0)).toBe(0);
  expect(() => vmfKl(a, 1, new Float64Array(2), 1)).toThrow(withCode('ERR_SHAPE'));
  expect(() => vmfKl(new Float64Array(1), 1, new Float64Array(1), 1)).toThrow(withCode('ERR_SHAPE'));
  expect(() => vmfKl(new Float64Array(3), 1, a, 1)).toThrow(/mu1/);
  expect(() => vmfKl(a, 1, Float64Array.of(1, NaN, 0), 1)).toThrow(/mu2/);
  expect(() => vmfKl(dense(1, 3) as never, 1, a, 1)).toThrow(withCode('ERR_DTYPE'));
  for (const kappa of [-1, NaN, Infinity]) {
    expect(() => vmfKl(a, kappa, a, 1)).toThrow(/kappa1/);
    expect(() => vmfKl(a, 1, a, kappa)).toThrow(withCode('ERR_RANGE'));
  }
});
