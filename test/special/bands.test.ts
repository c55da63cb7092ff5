/** The bands of native/special/bands.h: what they are made from, and how well they fit log I and log K as computed. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logBesselI, logBesselK } from 'lapidary/special';
import {
  bands,
  bandsHeader,
  bandsPath,
  border,
  cells,
  limitAt,
  smallR2,
  type Kind,
} from '../../tools/special-bands.js';
import { uniform } from '../support/random.js';

test('the header is what the generator writes', () => {
  expect(readFileSync(bandsPath, 'utf8')).toBe(bandsHeader());
});

test.each(['I', 'K'] as const)('a border of log %s is where the logarithm is its limit', (kind: Kind) => {
  const value = kind === 'I' ? logBesselI : logBesselK;
  let tried = 0;
  for (const { cell, from, to } of cells[kind])
    for (const sign of [1, -1] as const)
      for (const x of [0.1, 0.5, 0.95].map((part) => from + part * (to - from))) {
        const v = border(kind, cell, sign, x);
        const end = Math.sqrt(smallR2 - x * x);
        if (v < 0 || v === end) continue;
        expect(value(v, x), `x = ${x}`).toBeCloseTo(sign * limitAt(kind, cell, v), 9);
        tried++;
      }
  expect(tried).toBeGreaterThan(15);
});

test.each(['I', 'K'] as const)('the bands of log %s take in nearly all that is small and little else', (kind: Kind) => {
  const value = kind === 'I' ? logBesselI : logBesselK;
  const rows = bands(kind);
  for (const { cell, from, to } of cells[kind]) {
    const { low, high } = rows[cell]!;
    // the lower 32 bits are not kept
    for (const a of [...low, ...high]) expect(new Uint32Array(Float64Array.of(a).buffer)[0]).toBe(0);
    const n = 4000;
    const x = uniform(n, cell, from, to);
    const v = uniform(n, cell + 100, 0, 1).map((part, i) => part * Math.sqrt(smallR2 - x[i]! ** 2));
    let [small, missed, beyond] = [0, 0, 0];
    value(v, x).forEach((y, i) => {
      const within = v[i]! > low[0] + low[1] * x[i]! && v[i]! < high[0] + high[1] * x[i]!;
      const needed = Math.abs(y) < limitAt(kind, cell, v[i]!);
      small += Number(needed);
      missed += Number(needed && !within);
      beyond += Number(within && !needed);
    });
    expect(small, `cell ${cell}`).toBeGreaterThan(100);
    expect(missed / small, `missed in cell ${cell}`).toBeLessThan(0.04);
    expect(beyond / small, `beyond cell ${cell}`).toBeLessThan(0.04);
  }
});
