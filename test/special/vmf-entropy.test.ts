import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dense } from 'lapidary';
import { vmfEntropy, vmfLogPdf } from 'lapidary/special';
import { errorOf } from './exact.js';
import { vmfTable } from './vmf-table.js';
import { withCode } from '../support/errors.js';

describe('against 40 digits', () => {
  test.each(vmfTable.entropy)('p = %i, κ = %f', (p, kappa, exact) => {
    const error = errorOf(vmfEntropy(p, kappa), exact);
    expect(Math.abs(error)).toBeLessThan(2e-14 * Math.max(1, p / 30, Math.abs(Number(exact))));
  });
});

test.each(vmfTable.scipy)('SciPy agrees: p = %i, κ = %f', (p, kappa, entropy, logPdf) => {
  expect(Math.abs(vmfEntropy(p, kappa) - entropy)).toBeLessThan(1e-12 * p);
  const axis = new Float64Array(p);
  axis[0] = 1;
  const x = new Float64Array(p);
  [x[0], x[1]] = [3, 4];
  expect(Math.abs(vmfLogPdf(dense(1, p, x), axis, kappa)[0]! - logPdf)).toBeLessThan(1e-12 * p);
});

test('p = 3: log(4π sinh κ / κ) + 1 − κ coth κ', () => {
  for (let kappa = 0.01; kappa < 1e150; kappa *= 1.37) {
    const scaledSinh = Math.log(-Math.expm1(-2 * kappa) / 2); // log sinh κ − κ
    const tail = 2 / Math.expm1(2 * kappa); // coth κ − 1
    const closed = Math.log(4 * Math.PI) - Math.log(kappa) + scaledSinh + 1 - kappa * tail;
    expect(Math.abs(vmfEntropy(3, kappa) - closed)).toBeLessThan(2e-13 * Math.max(1, Math.abs(closed)));
  }
});

test('falls as κ grows, without a step where the methods meet', () => {
  const property = fc.property(
    fc.integer({ min: 2, max: 5000 }),
    fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
    (p, kappa) => {
      const step = 1e-4 * kappa;
      return vmfEntropy(p, kappa + step) < vmfEntropy(p, kappa) + 1e-13 * p;
    },
  );
  fc.assert(property, { seed: 1, numRuns: 300 });
  for (const p of [2, 3, 30, 60, 121]) {
    const border = Math.sqrt(60 ** 2 - (p / 2 - 1) ** 2) || 1;
    const [below, above] = [vmfEntropy(p, border * (1 - 1e-15)), vmfEntropy(p, border * (1 + 1e-15))];
    expect(Math.abs(below - above)).toBeLessThan(1e-13 * p + 1e-13);
  }
});

test('extremes', () => {
  expect(vmfEntropy(2, Number.MAX_VALUE)).toBeCloseTo(0.5 - 0.5 * Math.log(Number.MAX_VALUE / (2 * Math.PI)), 10);
  expect(vmfEntropy(3, 5e-324)).toBe(vmfEntropy(3, 0));
  expect(vmfEntropy(2 ** 40, 1)).toBeLessThan(-1e13);
});

test('bad input', () => {
  for (const p of [0, 1, 2.5, NaN, Infinity, -3]) expect(() => vmfEntropy(p, 1)).toThrow(withCode('ERR_RANGE'));
  for (const kappa of [-1, NaN, Infinity]) expect(() => vmfEntropy(3, kappa)).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfEntropy('3' as never, 1)).toThrow(withCode('ERR_DTYPE'));
  expect(() => vmfEntropy(3, null as never)).toThrow(withCode('ERR_DTYPE'));
});
