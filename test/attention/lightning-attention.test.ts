import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { alibiSlopes, lightningAttention } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { bytesOf, distance, random, recurrence, sameForAllThreads, type Matrix } from '../support/linear-attention.js';

const rows = (m: Matrix, from: number, to: number): Matrix =>
  dense(to - from, m.cols, m.data.slice(from * m.cols, to * m.cols));

describeEachIsa('lightningAttention', (isa) => {
  it.each([
    [1, 1, 1, 1],
    [2, 1, 3, 2],
    [31, 2, 5, 7],
    [63, 1, 8, 8],
    [64, 3, 4, 9],
    [65, 2, 33, 17],
    [129, 1, 64, 64],
    [300, 5, 17, 31],
    [257, 1, 130, 40],
  ])('%i tokens, %i heads of %i and %i columns equal the recurrence', (n, heads, d, e) =>
    withIsa(isa, () => {
      const [q, k, v] = [random(n, heads * d, 1), random(n, heads * d, 2), random(n, heads * e, 3)];
      const state = random(heads * d, e, 4);
      const slopes = Float64Array.from({ length: heads }, (_, h) => (h % 2 ? 0.3 : 0.004) * (h + 1));
      const expected = recurrence(q, k, v, slopes.map((s) => Math.exp(-s)), state.data); // prettier-ignore
      const actual = lightningAttention(q, k, v, { heads, slopes, state });
      expect(distance(actual.out.data, expected.out)).toBeLessThan(2e-6);
      expect(distance(actual.state.data, expected.state)).toBeLessThan(2e-6);
    }),
  );

  it('gives the same bits with any number of threads, long sequences of few heads included', () =>
    withIsa(isa, () => {
      for (const [n, heads, options] of [
        [5000, 1, {}],
        [900, 9, { lengths: [300, 0, 599, 1] }],
        // blocks of which waves are no multiples by themselves
        [900, 9, { block: 100 }],
        [900, 9, { block: 33 }],
      ] as const) {
        const [q, k, v] = [random(n, heads * 8, 1), random(n, heads * 8, 2), random(n, heads * 6, 3)];
        sameForAllThreads(() => {
          const { out, state } = lightningAttention(q, k, v, { heads, ...options });
          return [out, state];
        });
      }
    }));

  it('shares the products of a single head with the same bits, and is right where they are packed', () =>
    withIsa(isa, () => {
      // columns whose products are small, shared out in threads, and packed; the first block has no state to add to
      for (const [n, d, e] of [
        [400, 192, 192],
        [400, 256, 256],
        [300, 512, 512],
        // gemm would cut so deep a product into pieces
        [300, 2100, 16],
      ] as const) {
        const [q, k, v] = [random(n, d, 1, 0.1), random(n, d, 2, 0.1), random(n, e, 3)];
        const call = () => lightningAttention(q, k, v, { decay: 0.99 });
        sameForAllThreads(() => Object.values(call()));
        if (d !== 512) continue;
        const [expected, actual] = [recurrence(q, k, v, [0.99]), call()];
        expect(distance(actual.out.data, expected.out)).toBeLessThan(2e-6);
        expect(distance(actual.state.data, expected.state)).toBeLessThan(2e-6);
      }
    }));
});

describe('lightningAttention', () => {
  const [q, k, v] = [random(4500, 8, 1), random(4500, 8, 2), random(4500, 5, 3)];

  it.each([1, 0.999, 0.5, 1e-3, 1e-30, 0])('is right for λ = %d', (decay) => {
    // 0.5^64 and 1e-3^13 are below the least f32: nothing of a block reaches the next but its last tokens
    const expected = recurrence(q, k, v, [decay]);
    const actual = lightningAttention(q, k, v, { decay });
    expect(distance(actual.out.data, expected.out)).toBeLessThan(1e-5);
    expect(distance(actual.state.data, expected.state)).toBeLessThan(1e-5);
  });

  it('goes on from a given state where one head is cut along time', () => {
    const state = random(8, 5, 9, 30);
    const expected = recurrence(q, k, v, [0.9995], state.data);
    const actual = lightningAttention(q, k, v, { decay: 0.9995, state });
    expect(distance(actual.out.data, expected.out)).toBeLessThan(1e-5);
    expect(distance(actual.state.data, expected.state)).toBeLessThan(1e-5);
  });

  it.each([1, 7, 32, 33, 100, 1024])('does not depend on the block: %i tokens', (block) => {
    const whole = lightningAttention(q, k, v, { decay: 0.98 });
    const other = lightningAttention(q, k, v, { decay: 0.98, block });
    expect(distance(other.out.data, whole.out.data)).toBeLessThan(2e-6);
    expect(distance(other.state.data, whole.state.data)).toBeLessThan(2e-6);
  });

  it('streams: any cut of a sequence, the state handed on, equals the whole', () => {
    const heads = 2;
    const [a, b, c] = [random(200, 12, 4), random(200, 12, 5), random(200, 10, 6)];
    const whole = lightningAttention(a, b, c, { heads });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 5 }), (cuts) => {
        const ends = [0, ...cuts.sort((x, y) => x - y), 200];
        const out: number[] = [];
        let state: Matrix | undefined;
        for (let i = 1; i < ends.length; i++) {
          const part = [a, b, c].map((m) => rows(m, ends[i - 1]!, ends[i]!)) as [Matrix, Matrix, Matrix];
          const result = lightningAttention(...part, { heads, ...(state && { state }) });
          out.push(...result.out.data);
          state = result.state;
        }
        expect(distance(out, whole.out.data)).toBeLessThan(2e-6);
        expect(distance(state!.data, whole.state.data)).toBeLessThan(2e-6);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps sequences apart, empty ones too', () => {
    const lengths = [100, 0, 1, 99];
    const state = random(4 * 8, 5, 7);
    const all = lightningAttention(rows(q, 0, 200), rows(k, 0, 200), rows(v, 0, 200), { lengths, state, decay: 0.9 });
    let first = 0;
    lengths.forEach((length, s) => {
      const part = [q, k, v].map((m) => rows(m, first, first + length)) as [Matrix, Matrix, Matrix];
      const alone = lightningAttention(...part, { state: rows(state, 8 * s, 8 * s + 8), decay: 0.9 });
      expect(bytesOf(rows(all.out, first, first + length)).equals(bytesOf(alone.out))).toBe(true);
      expect(bytesOf(rows(all.state, 8 * s, 8 * s + 8)).equals(bytesOf(alone.state))).toBe(true);
      first += length;
    });
  });

  it('takes sequences of many heads and unlike lengths together with the bits of each alone', () => {
    // 20 scans, in groups that a thread takes along time together, the longest in several waves
    const [heads, lengths] = [5, [2600, 0, 65, 1300]];
    const total = lengths.reduce((a, b) => a + b);
    const [a, b, c] = [random(total, heads * 6, 1), random(total, heads * 6, 2), random(total, heads * 3, 3)];
    const all = lightningAttention(a, b, c, { heads, lengths });
    let first = 0;
    lengths.forEach((length, s) => {
      const part = [a, b, c].map((m) => rows(m, first, first + length)) as [Matrix, Matrix, Matrix];
      const alone = lightningAttention(...part, { heads });
      expect(bytesOf(rows(all.out, first, first + length)).equals(bytesOf(alone.out))).toBe(true);
      expect(bytesOf(rows(all.state, 30 * s, 30 * s + 30)).equals(bytesOf(alone.state))).toBe(true);
      first += length;
    });
    expect(all.state.data.subarray(90, 180).every((x) => x === 0)).toBe(true);
  });

  it('returns the given state, or zeros, of no tokens', () => {
    const none = (cols: number) => dense(0, cols, new Float32Array(0));
    expect([...lightningAttention(none(2), none(2), none(1)).state.data]).toEqual([0, 0]);
    const state = dense(2, 1, Float32Array.of(3, 4));
    expect([...lightningAttention(none(2), none(2), none(1), { state }).state.data]).toEqual([3, 4]);
  });

  it('is causal: a NaN shows from its token on', () => {
    const bad = { ...v, data: v.data.slice() };
    bad.data[150 * 5] = NaN;
    const { out } = lightningAttention(q, k, bad, { decay: 0.9, block: 1 });
    expect(out.data.subarray(0, 150 * 5).some(Number.isNaN)).toBe(false);
    expect(Number.isNaN(out.data[150 * 5])).toBe(true);
  });

  it('has the slopes of ALiBi', () => {
    expect([...alibiSlopes(8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((h) => 2 ** -h));
    expect([...alibiSlopes(1)]).toEqual([2 ** -8]);
    // 12 heads: the 8 above and every second of 16
    expect([...alibiSlopes(12)].slice(8)).toEqual([0.5, 1.5, 2.5, 3.5].map((h) => 2 ** -h));
    expect(() => alibiSlopes(0)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  });

  it('survives every failing allocation', () => {
    // more scratch than a thread keeps from call to call
    const [a, b] = [random(3, 5000, 1), random(3, 1000, 2)];
    let failures = 0;
    for (let n = 0; n < 100; n++) {
      native.failAllocation(n);
      try {
        lightningAttention(a, a, b, { block: 1024 });
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
        failures++;
      } finally {
        native.failAllocation(-1);
      }
    }
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThan(100);
  });

  it('hears an abort', () => {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    const call = () => withCancelFlag(flag, () => lightningAttention(q, k, v));
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
  });

  it('refuses what does not fit', () => {
    const refused = (code: string, call: () => unknown) => expect(call).toThrow(expect.objectContaining({ code }));
    refused('ERR_SHAPE', () => lightningAttention(q, rows(k, 0, 3), v));
    refused('ERR_SHAPE', () => lightningAttention(q, k, v, { heads: 3 }));
    refused('ERR_SHAPE', () => lightningAttention(q, k, v, { lengths: [1, 2] }));
    refused('ERR_SHAPE', () => lightningAttention(q, k, v, { decay: [0.5, 0.5] }));
    refused('ERR_SHAPE', () => lightningAttention(q, k, v, { state: q }));
    refused('ERR_RANGE', () => lightningAttention(q, k, v, { decay: 1.01 }));
    refused('ERR_RANGE', () => lightningAttention(q, k, v, { slopes: -1 }));
    refused('ERR_RANGE', () => lightningAttention(q, k, v, { block: 0 }));
    refused('ERR_OPTION', () => lightningAttention(q, k, v, { slopes: 1, decay: 1 }));
    refused('ERR_ALIAS', () => lightningAttention(q, k, v, { out: v }));
  });
});
