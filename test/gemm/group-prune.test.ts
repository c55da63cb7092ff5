import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { dense, getThreads, setThreads } from 'lapidary';
import { groupPrune } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
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

  test('scales, zeros and codes are those of quotients in f64, halves up (property)', () => {
    const kinds = [
      () => fc.float({ noNaN: true, noDefaultInfinity: true }),
      () => fc.integer({ min: -254, max: 254 }).map((k) => k / 2), // quotients on a half
      () => fc.integer({ min: -40, max: 40 }).map((k) => k * 2 ** -149),
      () => fc.constantFrom(0, -0, 1, -3),
    ];
    const weights = fc.constantFrom(...kinds).chain((kind) => fc.array(kind(), { minLength: 1, maxLength: 70 }));
    fc.assert(
      fc.property(weights, fc.constantFrom(1, 5, 16, 33), fc.constantFrom('f32', 'int8', 'int4'), (row, groupSize, storage) => {
        const w = Float32Array.from(row);
        const { groups, values, scales, zeros } = groupPrune(dense(1, w.length, w), { groupSize, density: 1, storage });
        for (const g of groups) {
          const group = Array.from(w.subarray(g * groupSize, (g + 1) * groupSize));
          const filled = (x: number) => [...group, ...new Array<number>(groupSize - group.length).fill(x)];
          if (storage === 'f32') {
            expect([...values.subarray(g * groupSize, (g + 1) * groupSize)]).toEqual(filled(0));
            continue;
          }
          const [low, high] = [Math.min(0, ...group), Math.max(0, ...group)];
          const scale = Math.fround(storage === 'int8' ? Math.max(-low, high) / 127 : high / 15 - low / 15);
          const zero = storage === 'int8' ? 0 : scale > 0 ? Math.min(15, Math.round(-low / scale)) + 0 : 0;
          const [least, most] = storage === 'int8' ? [-127, 127] : [0, 15];
          const want = filled(0).map((x) => Math.min(most, Math.max(least, (scale > 0 ? Math.round(x / scale) : 0) + zero)) + 0); // prettier-ignore
          const bytes = values.subarray(storage === 'int8' ? g * groupSize : g * Math.ceil(groupSize / 2));
          const code = (k: number) => (storage === 'int8' ? bytes[k]! : (bytes[k >> 1]! >> (4 * (k & 1))) & 15);
          expect([scales![g], zeros?.[g] ?? 0, ...want.map((_, k) => code(k))]).toEqual([scale, zero, ...want]);
          if (storage === 'int4' && groupSize % 2 === 1) expect(bytes[groupSize >> 1]! >> 4).toBe(0);
        }
      }),
      { numRuns: 500 },
    ); // prettier-ignore
  });

  test('quotients on a half go up whatever the scale, also where 1 / scale is below its value', () => {
    for (let scale = 1; scale < 256; scale += 2)
      for (const [storage, most] of [
        ['int8', 127],
        ['int4', 15],
      ] as const) {
        const halves = Array.from({ length: most }, (_, k) => k + 0.5);
        const w = Float32Array.of(most, ...halves).map((x) => x * scale);
        const made = groupPrune(dense(1, w.length, w), { groupSize: w.length, density: 1, storage });
        expect(made.scales).toEqual(Float32Array.of(scale));
        expect([...expanded(made)]).toEqual([most, ...halves.map((x) => x + 0.5)].map((x) => x * scale));
      }
  });

  test('the same bits for 1, 2, 3 and 7 threads, also of equal groups', () => {
    const before = getThreads();
    const w = f32(900, 601, 1);
    w.data.forEach((v, k) => (w.data[k] = Math.round(2 * v)));
    const importance = Float32Array.from(uniform(601, 3, 0, 2), Math.round);
    for (const storage of ['f32', 'int8', 'int4'] as const)
      for (const density of [0.01, 0.5, 0.93, 1]) {
        const all = [1, 2, 3, 7].map(
          (count) => (setThreads(count), groupPrune(w, { groupSize: 6, density, storage, importance })),
        );
        for (const made of all)
          for (const part of ['indptr', 'groups', 'values', 'scales', 'zeros'] as const)
            expect(made[part] && Buffer.compare(Buffer.from(made[part].buffer), Buffer.from(all[0]![part]!.buffer))).toBe(made[part] && 0); // prettier-ignore
        expect(all[0]!.indptr.at(-1)).toBe(all[0]!.groups.length);
      }
    setThreads(before);
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

  test('importance that becomes negative after it was looked at still keeps so many groups', () => {
    const importance = new Float32Array(new SharedArrayBuffer(40)).fill(1);
    importance.every = () => (importance.fill(-1), true); // as another thread might
    const { indptr, groups } = groupPrune(dense(4, 10, new Float32Array(40).fill(1)), { groupSize: 4, density: 0.5, importance }); // prettier-ignore
    expect(indptr).toEqual(Uint32Array.of(0, 3, 6, 6, 6));
    expect(groups).toEqual(Uint32Array.of(0, 1, 2, 0, 1, 2));
  });

  test('native functions check for themselves', () => {
    const w = new Float32Array(40);
    const prune = (count: number, length = 4 * count, size = 4, w40 = w) =>
      native.groupPrune(w40, undefined, new Uint32Array(5), new Uint32Array(count), new Float32Array(length), undefined, undefined, 4, 10, size); // prettier-ignore
    prune(12);
    expect(() => prune(13)).toThrow(withCode('ERR_RANGE'));
    expect(() => prune(12, 47)).toThrow(withCode('ERR_SHAPE'));
    expect(() => prune(12, 48, 0)).toThrow(withCode('ERR_RANGE'));
    expect(() => prune(12, 48, 4, new Float32Array(39))).toThrow(withCode('ERR_SHAPE'));
  });
});
