import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { dense } from 'lapidary';
import { groupPrune } from 'lapidary/gemm';
import { withCode } from '../support/errors.js';
import { uniform } from '../support/random.js';
import { expanded } from '../support/sparse-weights.js';

const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));

describe('groupPrune', () => {
  test('codes of denormal groups stay among the codes', () => {
    const w = dense(1, 2, Float32Array.of(190 * 2 ** -149, -190 * 2 ** -149));
    const { values, scales } = groupPrune(w, { groupSize: 2, density: 1, storage: 'int8' });
    expect([...values]).toEqual([127, -127]);
    expect(scales).toEqual(Float32Array.of(2 ** -149));
  });

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
    expect(() => groupPrune(dense(1, 1, Float32Array.of(NaN)), { density: 1, storage: 'int8' })).toThrow(withCode('ERR_RANGE')); // prettier-ignore
    expect(groupPrune(dense(2, 2, Float32Array.of(0, 1, NaN, 0)), { density: 0.25, groupSize: 1 }).groups).toEqual(Uint32Array.of(0)); // prettier-ignore
  });

  test('int4 codes are within half a step of each group, 0 is one of them, and a tail is padded with it', () => {
    for (const groupSize of [16, 5]) {
      const w = f32(20, 52, 1);
      for (let j = 0; j < 52; j++) w.data[j] = 1 + Math.abs(w.data[j]!); // a row of one sign
      w.data.fill(0, 52, 104); // and one of zeros
      const made = groupPrune(w, { groupSize, density: 1, storage: 'int4' });
      const perRow = Math.ceil(52 / groupSize);
      expect(made.values).toHaveLength(20 * perRow * Math.ceil(groupSize / 2));
      expect(made.zeros!.every((z) => z <= 15)).toBe(true);
      const back = expanded(made);
      const far = back.filter((x, k) => Math.abs(x - w.data[k]!) > made.scales![Math.floor(k / 52) * perRow + Math.floor((k % 52) / groupSize)]! * 1.0001); // prettier-ignore
      expect(far).toHaveLength(0); // half a step for the code and half for the zero point
      const last = made.values.subarray(-Math.ceil(groupSize / 2));
      const tail = 52 - (perRow - 1) * groupSize;
      for (let k = tail; k < groupSize; k++) expect((last[k >> 1]! >> (4 * (k & 1))) & 15).toBe(made.zeros!.at(-1));
    }
    expect(() => groupPrune(dense(1, 1, Float32Array.of(Infinity)), { density: 1, storage: 'int4' })).toThrow(withCode('ERR_RANGE')); // prettier-ignore
    expect(groupPrune(dense(0, 5, new Float32Array(0)), { density: 1, storage: 'int4' }).values).toHaveLength(0);
  });
});
