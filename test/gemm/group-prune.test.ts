import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { dense } from 'lapidary';
import { groupPrune } from 'lapidary/gemm';
import { uniform } from '../support/random.js';
import { expanded } from '../support/sparse-weights.js';

const code = (c: string) => expect.objectContaining({ code: c });
const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));

describe('groupPrune', () => {
  test('keeps the most salient groups of the whole matrix (property)', () => {
    const arguments_ = [fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 20 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()] as const; // prettier-ignore
    fc.assert(
      fc.property(...arguments_, (rows, cols, groupSize, density, weighted) => {
        const w = f32(rows, cols, rows + cols);
        w.data.forEach((v, k) => (w.data[k] = Math.round(2 * v))); // many ties
        const importance = Float32Array.from(uniform(cols, 3, 0, 2));
        const made = groupPrune(w, { groupSize, density, ...(weighted && { importance }) });
        const perRow = Math.ceil(cols / groupSize);
        const all = Array.from({ length: rows * perRow }, (_, g) => {
          let saliency = 0;
          for (let j = (g % perRow) * groupSize; j < Math.min(cols, ((g % perRow) + 1) * groupSize); j++)
            saliency += (weighted ? importance[j]! : 1) * w.data[Math.floor(g / perRow) * cols + j]! ** 2;
          return { g, saliency };
        });
        all.sort((a, b) => b.saliency - a.saliency || a.g - b.g);
        const kept = new Set(all.slice(0, Math.round(density * all.length)).map(({ g }) => g));
        const want = w.data.map((v, k) =>
          kept.has(Math.floor(k / cols) * perRow + Math.floor((k % cols) / groupSize)) ? v : 0,
        );
        expect(Float32Array.from(expanded(made))).toEqual(want);
      }),
      { numRuns: 200 },
    );
  });

  test('int8 codes are within half a step of each group', () => {
    const w = f32(20, 50, 1);
    const made = groupPrune(w, { density: 1, storage: 'int8' });
    const back = expanded(made);
    for (let g = 0; g < made.groups.length; g++) {
      const [i, first] = [Math.floor(g / 4), (g % 4) * 16];
      for (let j = first; j < Math.min(50, first + 16); j++)
        expect(Math.abs(back[i * 50 + j]! - w.data[i * 50 + j]!)).toBeLessThanOrEqual(made.scales![g]! * 0.5001);
    }
    expect(Math.max(...made.values)).toBe(127);
    expect(() => groupPrune(dense(1, 1, Float32Array.of(NaN)), { density: 1, storage: 'int8' })).toThrow(code('ERR_RANGE')); // prettier-ignore
    expect(groupPrune(dense(2, 2, Float32Array.of(0, 1, NaN, 0)), { density: 0.25, groupSize: 1 }).groups).toEqual(Uint32Array.of(0)); // prettier-ignore
  });
});
