import { describe, expect, it } from 'vitest';
import { dense, type Dense } from 'lapidary';
import { rope, shiftRope } from 'lapidary/attention';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from 'lapidary/quant';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { bytesOf, random, sameForAllThreads } from '../support/linear-attention.js';
import { worstUlps } from '../support/rotary.js';

const layouts = ['half', 'interleaved'] as const;

describeEachIsa('shiftRope', (isa) => {
  for (const layout of layouts)
    it(`equals direct embedding at the new positions within 2 ulp: ${layout}`, () =>
      withIsa(isa, () => {
        for (const [heads, d, dims] of [
          [1, 2, 2],
          [3, 64, 64],
          [2, 21, 20],
          [1, 128, 32],
        ] as const)
          for (const [position, delta] of [
            [100, 37],
            [100, -40],
            [0, 1],
            [2 ** 24 + 3, 11],
            [5, 2 ** 25 + 1],
            [2 ** 30, -(2 ** 29) - 5],
          ] as const) {
            const options = { heads, layout, dims };
            const x = random(40, heads * d, 1);
            const old = rope(x, { ...options, position });
            const direct = rope(x, { ...options, position: position + delta });
            const moved = shiftRope(old, { ...options, delta });
            expect(worstUlps(moved, direct.data, heads, dims, layout)).toBeLessThanOrEqual(2);
            expect(bytesOf(shiftRope(old, { ...options, delta, out: old })).equals(bytesOf(moved))).toBe(true);
          }
      }));

  it('gives the same bits with any number of threads', () =>
    withIsa(isa, () => {
      const x = random(3000, 128, 1);
      sameForAllThreads(() => layouts.map((layout) => shiftRope(x, { heads: 2, delta: -9, layout, from: 7 })));
      sameForAllThreads(() => [fromBfloat16(shiftRope(toBfloat16(x), { heads: 2, delta: -9, from: 7 }))]);
    }));

  for (const dtype of ['f16', 'bf16'] as const)
    it(`turns keys in ${dtype} as in f32 and rounds once more; the others keep their bits`, () =>
      withIsa(isa, () => {
        const [narrow, widen] = dtype === 'f16' ? [toHalf, fromHalf] : [toBfloat16, fromBfloat16];
        for (const layout of layouts)
          for (const [heads, d, dims] of [
            [3, 64, 64],
            [2, 21, 14],
            [1, 2, 0],
          ] as const) {
            const old = narrow(random(40, heads * d, 1));
            old.data[5 * heads * d] = 0x7c01 | (dtype === 'bf16' ? 0x7f80 : 0); // a signalling NaN, outside the range
            if (dims < d) old.data[9 * heads * d + dims] = 0xff81; // and one beside the columns that turn
            const options = { heads, layout, dims, delta: -7, from: 6, to: 33 };
            const turned = narrow(shiftRope(widen(old), options));
            const expected = old.data.map((x, i) => {
              const [row, column] = [Math.floor(i / (heads * d)), i % d];
              return row >= 6 && row < 33 && column < dims ? turned.data[i]! : x;
            });
            const moved = shiftRope(old, options);
            expect(moved.dtype).toBe(dtype);
            expect(moved.data).toEqual(expected);
            expect(shiftRope(old, { ...options, delta: 0 }).data).toEqual(old.data);
            expect(shiftRope(old, { ...options, out: old })).toBe(old);
            expect(old.data).toEqual(expected);
          }
      }));
});

describe('shiftRope', () => {
  const keys = random(10, 16, 1);

  it('by 0 gives the same bits, signs of zeros and NaN too', () => {
    const odd = dense(1, 4, Float32Array.of(-0, 0, NaN, Infinity));
    expect(bytesOf(shiftRope(odd, { delta: 0 })).equals(bytesOf(odd))).toBe(true);
    expect(bytesOf(shiftRope(keys, { delta: 0 })).equals(bytesOf(keys))).toBe(true);
  });

  it('by Δ and −Δ comes back within 2 ulp', () => {
    for (const layout of layouts)
      for (const delta of [1, 1000, 2 ** 26 + 1]) {
        const back = shiftRope(shiftRope(keys, { delta, layout }), { delta: -delta, layout });
        expect(worstUlps(back, keys.data, 1, 16, layout)).toBeLessThanOrEqual(2);
      }
  });

  it('moves the rows of a range only', () => {
    const all = shiftRope(keys, { delta: 3 });
    const some = shiftRope(keys, { delta: 3, from: 4, to: 7 });
    expect(some.data.subarray(0, 64)).toEqual(keys.data.subarray(0, 64));
    expect(some.data.subarray(64, 112)).toEqual(all.data.subarray(64, 112));
    expect(some.data.subarray(112)).toEqual(keys.data.subarray(112));
    const place = { ...keys, data: keys.data.slice() };
    expect(shiftRope(place, { delta: 3, from: 4, to: 7, out: place })).toBe(place);
    expect(place.data).toEqual(some.data);
    expect(shiftRope(keys, { delta: 3, from: 10 }).data).toEqual(keys.data);
  });

  it('repairs a cache after an edit: tokens 3 and 4 replaced by five others', () => {
    // kept keys of 10 tokens; the suffix 5 … 9 moves by 3 + 5 − 5 = 3
    const x = random(10, 16, 2);
    const moved = shiftRope(rope(x), { delta: 3, from: 5 });
    const positions = [0, 1, 2, 3, 4, 8, 9, 10, 11, 12];
    expect(worstUlps(moved, rope(x, { position: positions }).data, 1, 16, 'half')).toBeLessThanOrEqual(2);
  });

  it('drifts with repeated moves, not with one by their sum', () => {
    const x = random(50, 64, 3);
    let step = rope(x);
    for (let i = 0; i < 1000; i++) step = shiftRope(step, { delta: 1 });
    const direct = rope(x, { position: 1000 });
    const once = shiftRope(rope(x), { delta: 1000 });
    expect(worstUlps(once, direct.data, 1, 64, 'half')).toBeLessThanOrEqual(2);
    expect(worstUlps(step, direct.data, 1, 64, 'half')).toBeGreaterThan(4);
  });

  it('drifts in bf16 with sixteen moves, not with one by their sum', () => {
    const x = random(50, 64, 3);
    const direct = rope(x, { position: 1000 }).data;
    const start = toBfloat16(rope(x));
    const ulps = (keys: Dense<Uint16Array>) => worstUlps(fromBfloat16(keys), direct, 1, 64, 'half') / 2 ** 16;
    let step = start;
    for (let i = 0; i < 16; i++) step = shiftRope(step, { delta: 62.5 });
    expect(ulps(shiftRope(start, { delta: 1000 }))).toBeLessThanOrEqual(1.25);
    expect(ulps(step)).toBeGreaterThan(2.5);
  });

  it('takes scaled frequencies, whose rotations compose as well', () => {
    const frequencies = Array.from({ length: 8 }, (_, i) => 10000 ** (-i / 8) / (i < 3 ? 1 : 4));
    const moved = shiftRope(rope(keys, { frequencies, position: 9 }), { frequencies, delta: 100 });
    const direct = rope(keys, { frequencies, position: 109 });
    expect(worstUlps(moved, direct.data, 1, 16, 'half')).toBeLessThanOrEqual(2);
  });

  it('refuses what does not fit', () => {
    const refused = (code: string, call: () => unknown) => expect(call).toThrow(expect.objectContaining({ code }));
    refused('ERR_DTYPE', () => shiftRope(keys, {} as never));
    refused('ERR_DTYPE', () => shiftRope(keys, undefined as never));
    refused('ERR_RANGE', () => shiftRope(keys, { delta: NaN }));
    refused('ERR_RANGE', () => shiftRope(keys, { delta: 1, from: 5, to: 4 }));
    refused('ERR_RANGE', () => shiftRope(keys, { delta: 1, to: 11 }));
    refused('ERR_OPTION', () => shiftRope(keys, { delta: 1, layout: 'neox' as never }));
    const half = toHalf(keys);
    refused('ERR_OPTION', () => shiftRope({ ...half, dtype: undefined } as never, { delta: 1 }));
    refused('ERR_OPTION', () => shiftRope({ ...half, dtype: 'e4m3' }, { delta: 1 }));
    const other = toBfloat16(keys);
    refused('ERR_DTYPE', () => shiftRope(half, { delta: 1, out: other }));
    refused('ERR_DTYPE', () => shiftRope(half, { delta: 1, out: keys as never }));
  });
});
