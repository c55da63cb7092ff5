import { expect, test } from 'vitest';
import { dense } from 'lapidary';
import { besselIRatio, vmfLogPdf } from 'lapidary/special';

const total = (a: Float64Array): number => a.reduce((sum, b) => sum + b, 0);

test('p = 3: A(κ) = coth κ − 1/κ and C = κ / 4π sinh κ', () => {
  for (const kappa of [1e-9, 1e-3, 0.5, 3, 17, 40, 500, 1e5]) {
    const closed = kappa < 0.01 ? kappa / 3 - kappa ** 3 / 45 : 1 / Math.tanh(kappa) - 1 / kappa;
    expect(Math.abs(besselIRatio(0.5, kappa) / closed - 1)).toBeLessThan(1e-13);
    const [value] = vmfLogPdf(dense(1, 3, Float64Array.of(3, 0, 4)), Float64Array.of(0, 0, 1), kappa);
    // log(κ / 4π sinh κ) + 0.8 κ
    const logSinh = kappa < 1e-6 ? Math.log(kappa) : kappa + Math.log(-Math.expm1(-2 * kappa) / 2);
    const expected = Math.log(kappa / (4 * Math.PI)) - logSinh + 0.8 * kappa;
    expect(Math.abs(value! - expected)).toBeLessThan(4e-15 * (1 + 3 * kappa));
  }
});

test('the density integrates to 1 on the circle', () => {
  for (const kappa of [0, 0.3, 4, 90]) {
    const n = 400;
    const circle = Float64Array.from({ length: 2 * n }, (_, i) => {
      const angle = (2 * Math.PI * Math.floor(i / 2)) / n;
      return i % 2 ? Math.sin(angle) : Math.cos(angle);
    });
    const density = vmfLogPdf(dense(n, 2, circle), Float64Array.of(0.6, -0.8), kappa).map(Math.exp);
    expect((total(density) * 2 * Math.PI) / n).toBeCloseTo(1, 12);
  }
});
