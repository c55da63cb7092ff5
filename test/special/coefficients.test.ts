import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  coefficientsHeader,
  coefficientsPath,
  debyePolynomials,
  reciprocalGammaSeries,
} from '../../tools/special-coefficients.js';
import { pairsHeader, pairsPath } from '../../tools/special-pairs.js';
import { debyeLogPolynomials, logCells, tablesHeader, tablesPath } from '../../tools/special-tables.js';

test('the headers are what the generators write', () => {
  expect(readFileSync(coefficientsPath, 'utf8')).toBe(coefficientsHeader());
  expect(readFileSync(tablesPath, 'utf8')).toBe(tablesHeader());
  expect(readFileSync(pairsPath, 'utf8')).toBe(pairsHeader());
});

test('d_1, d_2 are those of log(1 + u_1 y + u_2 y² + …)', () => {
  expect(debyeLogPolynomials(2)).toEqual([
    [
      [1n, 8n],
      [-5n, 24n],
    ],
    [
      [1n, 16n],
      [-3n, 8n],
      [5n, 16n],
    ],
  ]);
});

test('d_k(1) are the coefficients of the Stirling series of −log Γ', () => {
  // 1/12 z − 1/360 z³ + 1/1260 z⁵ − … (DLMF 5.11.1)
  const sums = debyeLogPolynomials(6).map((d) => d.reduce((sum, [n, m]) => sum + Number(n) / Number(m), 0));
  [-1 / 12, 0, 1 / 360, 0, -1 / 1260, 0].forEach((c, k) => expect(sums[k]).toBeCloseTo(c, 12));
});

test('the cells of the logarithm: e^−L within a sixteenth of 1 over their eighth of [1, 2), L short', () => {
  logCells().forEach(({ inverse, log }, i) => {
    const [scale, high] = [inverse, log].map(([n, d]) => Number((n << 60n) / d) * 2 ** -60) as [number, number];
    expect(Math.abs((1 + i / 8) * scale - 1)).toBeLessThan(1 / 16);
    expect(Math.abs((1 + (i + 1) / 8) * scale - 1)).toBeLessThan(1 / 16);
    expect(high * 2 ** 20).toBe(Math.round(high * 2 ** 20));
    expect(Math.exp(-high)).toBeCloseTo(scale, 14);
  });
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
