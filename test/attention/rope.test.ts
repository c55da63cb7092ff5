import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { rope } from 'lapidary/attention';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { random, sameForAllThreads } from '../support/linear-attention.js';
import { rotated, worstUlps } from '../support/rotary.js';

describeEachIsa('rope', (isa) => {
  for (const layout of ['half', 'interleaved'] as const)
    it(`is within 1 ulp of the pair's length of f64: ${layout}`, () =>
      withIsa(isa, () => {
        for (const [rows, heads, d, dims] of [
          [1, 1, 2, 2],
          [5, 3, 64, 64],
          [9, 2, 7, 6],
          [4, 3, 50, 34],
          [3, 1, 9, 0],
        ] as const)
          for (const position of [0, 17, -5, 2 ** 24 + 1, 2 ** 31 + 7]) {
            const x = random(rows, heads * d, 1);
            const positions = Array.from({ length: rows }, (_, t) => position + t);
            const { out } = { out: rope(x, { heads, layout, dims, position }) };
            expect(worstUlps(out, rotated(x, positions, { heads, dims, layout }), heads, dims, layout)).toBeLessThan(1);
            const place = { ...x, data: x.data.slice() };
            expect(rope(place, { heads, layout, dims, position, out: place }).data).toEqual(out.data);
            expect(rope(x, { heads, layout, dims, position: positions }).data).toEqual(out.data);
          }
      }));

  it('gives the same bits with any number of threads', () =>
    withIsa(isa, () => {
      const x = random(3000, 128, 1);
      sameForAllThreads(() => [rope(x, { heads: 2, position: 5 })]);
    }));
});

describeEachIsa('rope', (isa) => {
  it('turns for positions of any size, beyond those that vectors are made for', () =>
    withIsa(isa, () => {
      const positions = [2 ** 45, -(2 ** 53), 1e18, -1e300, 0.25];
      for (const layout of ['half', 'interleaved'] as const) {
        const x = random(positions.length, 20, 1);
        const rotary = { heads: 2, dims: 10, layout };
        const out = rope(x, { heads: 2, layout, position: positions });
        expect(worstUlps(out, rotated(x, positions, rotary), 2, 10, layout)).toBeLessThan(1);
      }
    }));
});

describe('rope', () => {
  it('takes frequencies as they are', () => {
    const x = random(4, 8, 1);
    const frequencies = Array.from({ length: 4 }, (_, i) => 500000 ** (-i / 4));
    expect(rope(x, { frequencies }).data).toEqual(rope(x, { base: 500000 }).data);
    const half = rope(x, { frequencies: [1, 0.5] }); // turns the first 4 columns
    expect(half.data.subarray(12, 16)).toEqual(x.data.subarray(12, 16));
    expect(half.data.subarray(8, 12)).not.toEqual(x.data.subarray(8, 12));
  });

  it('leaves products that depend on the distance only', () => {
    const [q, k] = [random(1, 64, 1), random(1, 64, 2)];
    const product = (i: number, j: number) => {
      const [a, b] = [rope(q, { position: i }), rope(k, { position: j })];
      return a.data.reduce((sum, x, c) => sum + x * b.data[c]!, 0);
    };
    expect(product(1003, 1000)).toBeCloseTo(product(3, 0), 4);
    expect(product(2 ** 26 + 3, 2 ** 26)).toBeCloseTo(product(3, 0), 4);
    expect(Math.abs(product(5, 0) - product(3, 0))).toBeGreaterThan(0.01);
  });

  it('refuses what does not fit', () => {
    const x = random(3, 8, 1);
    const refused = (code: string, call: () => unknown) => expect(call).toThrow(expect.objectContaining({ code }));
    refused('ERR_SHAPE', () => rope(x, { heads: 3 }));
    refused('ERR_RANGE', () => rope(x, { dims: 3 }));
    refused('ERR_RANGE', () => rope(x, { dims: 10 }));
    refused('ERR_SHAPE', () => rope(x, { position: [1, 2] }));
    refused('ERR_RANGE', () => rope(x, { position: NaN }));
    refused('ERR_SHAPE', () => rope(x, { frequencies: [1], dims: 4 }));
    refused('ERR_OPTION', () => rope(x, { frequencies: [1], base: 4 }));
    refused('ERR_ALIAS', () => rope(dense(2, 8, x.data.subarray(0, 16)), { out: dense(2, 8, x.data.subarray(8)) }));
  });
});
