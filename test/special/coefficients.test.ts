import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  coefficientsHeader,
  coefficientsPath,
  debyePolynomials,
  reciprocalGammaSeries,
} from '../../tools/special-coefficients.js';

test('the header is what the generator writes', () => {
  expect(readFileSync(coefficientsPath, 'utf8')).toBe(coefficientsHeader());
});

test('u_1, u_2, u_3 as in DLMF 10.41.10', () => {
  expect(debyePolynomials(3)).toEqual([
    [
      [1n, 8n],
      [-5n, 24n],
    ],
    [
      [9n, 128n],
      [-77n, 192n],
      [385n, 1152n],
    ],
    [
      [75n, 1024n],
      [-4563n, 5120n],
      [17017n, 9216n],
      [-85085n, 82944n],
    ],
  ]);
});

test('u_k(1) are the coefficients of the Stirling series of 1/Γ, k up to 6', () => {
  // Σ u_k(1) y^k = (2π)^½ z^(z−½) e^−z / Γ(z), y = 1/z (DLMF 5.11.3 inverted): −1/12, 1/288, 139/51840, …
  const sums = debyePolynomials(6).map((u) => u.reduce((sum, [n, d]) => sum + Number(n) / Number(d), 0));
  [-1 / 12, 1 / 288, 139 / 51840, -571 / 2488320, -163879 / 209018880, 5246819 / 75246796800].forEach((c, k) =>
    expect(sums[k]).toBeCloseTo(c, 12),
  );
});

test('1/Γ(1 + m): 1/Γ(1) = 1, 1/Γ(3/2) = 2/√π, 1/Γ(1/2) = 1/√π', () => {
  const g = reciprocalGammaSeries(30).map(([n, d]) => Number((n * 2n ** 80n) / d) * 2 ** -80);
  const at = (m: number): number => g.reduceRight((sum, c) => sum * m + c, 0);
  expect(at(1)).toBeCloseTo(1, 14);
  expect(at(0.5)).toBeCloseTo(2 / Math.sqrt(Math.PI), 15);
  expect(at(-0.5)).toBeCloseTo(1 / Math.sqrt(Math.PI), 15);
});
