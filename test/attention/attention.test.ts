import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { attention, type AttentionOptions } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import {
  causally,
  distance,
  exactAttention,
  inSequences,
  operands,
  precisions,
  sameBits,
  type Problem,
  type Shape,
} from './dense-attention.js';

const attend = (p: Pick<Problem, 'q' | 'k' | 'v' | 'heads' | 'kvHeads'>, options: AttentionOptions<Real> = {}) =>
  attention(p.q, p.k, p.v, { heads: p.heads, kvHeads: p.kvHeads, returnLse: true, ...options });

/** out and lse against the oracle. */
function expectExact(problem: Problem, options: AttentionOptions<Real>, tolerance: number): void {
  const exact = exactAttention(problem);
  const got = attend(problem, options);
  expect(distance(got.data, exact.out)).toBeLessThanOrEqual(tolerance);
  expect(distance(got.lse!.data, exact.lse)).toBeLessThanOrEqual(tolerance);
}

const all = () => true;
// stripes have 4, 6 or 14 rows, panels 4 to 32 columns, tiles up to 512 keys
const shapes: Shape[] = [
  { queries: 0, keys: 0 },
  { queries: 1, keys: 1 },
  { queries: 1, keys: 0 },
  { queries: 0, keys: 3 },
  { queries: 3, keys: 2, d: 1 },
  { queries: 5, keys: 31, d: 3, dv: 7 },
  { queries: 14, keys: 32, heads: 2, d: 16 },
  { queries: 15, keys: 33, heads: 4, kvHeads: 2, d: 5, dv: 33 },
  { queries: 70, keys: 65, heads: 3, kvHeads: 1, d: 64, dv: 17 },
  { queries: 29, keys: 511, d: 64 },
  { queries: 2, keys: 512, d: 64 },
  { queries: 3, keys: 513, heads: 2, kvHeads: 1, d: 64 },
  { queries: 57, keys: 1030, d: 33, dv: 65 },
  { queries: 130, keys: 90, d: 130 },
];

describeEachIsa('attention', (isa) => {
  describe.each(precisions)('$name', ({ type, tolerance }) => {
    it.each(shapes)('is exact for %j, causal or not', (shape) => {
      withIsa(isa, () => {
        const p = operands(type, shape);
        expectExact({ ...p, sees: all }, {}, tolerance);
        expectExact({ ...p, sees: causally(shape.queries, shape.keys) }, { causal: true }, tolerance);
      });
    });

    it('keeps the sequences of a batch apart', () => {
      withIsa(isa, () => {
        const lengths = [5, 0, 1, 40, 17, 3];
        const kvLengths = [9, 4, 0, 40, 70, 2];
        const sum = (x: number[]) => x.reduce((a, b) => a + b, 0);
        const shape = { queries: sum(lengths), keys: sum(kvLengths), heads: 4, kvHeads: 2, d: 10, dv: 6 };
        const p = operands(type, shape);
        for (const causal of [false, true])
          expectExact(
            { ...p, sees: inSequences(lengths, kvLengths, causal) },
            { lengths, kvLengths, causal },
            tolerance,
          );
        const self = operands(type, { ...shape, keys: shape.queries });
        expectExact(
          { ...self, sees: inSequences(lengths, lengths, true) },
          { lengths: Uint32Array.from(lengths), causal: true },
          tolerance,
        );
      });
    });

    it('adds a mask, where −∞ hides keys and whole rows', () => {
      withIsa(isa, () => {
        const lengths = [30, 25];
        const kvLengths = [600, 40];
        const p = operands(type, { queries: 55, keys: 640, heads: 2, d: 12 });
        const mask = dense<Real>(55, 600, type.from(uniform(55 * 600, 9, -2, 2)));
        mask.data.forEach((x, i) => {
          if (x < -1 || Math.floor(i / 600) % 10 === 3) mask.data[i] = -Infinity;
        });
        for (const causal of [false, true])
          expectExact(
            {
              ...p,
              sees: inSequences(lengths, kvLengths, causal),
              bias: (i, j) => mask.data[i * 600 + (i < 30 ? j : j - 600)]!,
            },
            { lengths, kvLengths, causal, mask },
            tolerance,
          );
      });
    });

    it('gives zeros and −∞ where nothing is seen', () => {
      withIsa(isa, () => {
        const p = operands(type, { queries: 40, keys: 10, heads: 2, d: 4 });
        const { data, lse } = attend(p, { causal: true });
        for (let i = 0; i < 30; i++) {
          expect([...data.subarray(i * 8, i * 8 + 8)]).toEqual(new Array(8).fill(0));
          expect([...lse!.data.subarray(i * 2, i * 2 + 2)]).toEqual([-Infinity, -Infinity]);
        }
        expect(lse!.data[60]).toBeGreaterThan(-Infinity);
      });
    });

    it('takes logits of any size', () => {
      withIsa(isa, () => {
        const p = operands(type, { queries: 20, keys: 600, d: 4 });
        for (const scale of [0, -1, 40, type === Float32Array ? 1e30 : 1e290]) {
          if (Math.abs(scale) > 1e3) {
            // the largest logit takes all
            const exact = exactAttention({ ...p, sees: all, scale });
            expect(distance(attend(p, { scale }).data, exact.out)).toBeLessThanOrEqual(tolerance);
          } else expectExact({ ...p, sees: all, scale }, { scale }, tolerance * Math.max(1, Math.abs(scale)));
        }
      });
    });

    it('lets NaN and infinity reach those who see them and nobody else', () => {
      withIsa(isa, () => {
        for (const bad of [NaN, Infinity]) {
          for (const name of ['k', 'v'] as const) {
            const p = operands(type, { queries: 50, keys: 50, d: 8 });
            const clean = attend(p, { causal: true });
            p[name].data.fill(bad, 33 * 8, 34 * 8);
            const got = attend(p, { causal: true });
            expect(sameBits(got.data.subarray(0, 33 * 8), clean.data.subarray(0, 33 * 8))).toBe(true);
            expect(got.data.subarray(33 * 8).some((x) => Number.isFinite(x))).toBe(false);
          }
        }
      });
    });
  });

  it('has the same bits for any number of threads and in any company', () => {
    withIsa(isa, () => {
      const before = getThreads();
      const p = operands(Float32Array, { queries: 400, keys: 700, heads: 4, kvHeads: 2, d: 16 });
      const first = attend(p, { causal: true });
      for (const threads of [1, 2, 3, 7]) {
        setThreads(threads);
        const { data, lse } = attend(p, { causal: true });
        expect(sameBits(data, first.data) && sameBits(lse!.data, first.lse!.data)).toBe(true);
      }
      setThreads(before);
      const last = { ...p, q: dense<Real>(1, 64, p.q.data.subarray(399 * 64)) };
      expect(sameBits(attend(last, { causal: true }).data, first.data.subarray(399 * 64))).toBe(true);
    });
  });
});

describe('attention', () => {
  const p = operands(Float64Array, { queries: 20, keys: 40, d: 6 });
  const rows = (x: Dense<Real>, order: number[]) =>
    dense<Real>(order.length, x.cols, Float64Array.from(order.flatMap((i) => [...x.data.subarray(i * x.cols, (i + 1) * x.cols)]))); // prettier-ignore

  it('does not mind the order of keys, and keeps the order of queries', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(40).keys()], { minLength: 40 }), (order) => {
        const shuffled = attention(p.q, rows(p.k, order), rows(p.v, order));
        expect(distance(shuffled.data, attention(p.q, p.k, p.v).data)).toBeLessThanOrEqual(1e-14);
      }),
      { numRuns: 20 },
    );
    const reversed = [...Array(20).keys()].reverse();
    const straight = attention(p.q, p.k, p.v);
    expect(sameBits(attention(rows(p.q, reversed), p.k, p.v).data, rows(straight, reversed).data)).toBe(true);
  });

  it('does not mind one shift of all logits of a query', () => {
    fc.assert(
      fc.property(fc.double({ min: -500, max: 500, noNaN: true }), (shift) => {
        const mask = dense(20, 40, new Float64Array(800).fill(shift));
        const got = attention(p.q, p.k, p.v, { mask, returnLse: true });
        const plain = attention(p.q, p.k, p.v, { returnLse: true });
        expect(distance(got.data, plain.data)).toBeLessThanOrEqual(1e-12);
        const moved = plain.lse!.data.map((x) => x + shift);
        expect(distance(got.lse!.data, moved)).toBeLessThanOrEqual(1e-12);
      }),
      { numRuns: 20 },
    );
  });

  it('is the mean of the values where all logits are equal, and the value of the only key', () => {
    const q = dense(1, 6, new Float64Array(6));
    const mean = Float64Array.from({ length: 6 }, (_, c) => {
      let sum = 0;
      for (let j = 0; j < 40; j++) sum += p.v.data[j * 6 + c]!;
      return sum / 40;
    });
    expect(distance(attention<Real>(q, p.k, p.v).data, mean)).toBeLessThanOrEqual(1e-14);
    const one = (x: Dense<Real>) => dense<Real>(1, 6, x.data.slice(0, 6));
    expect(attention(p.q, one(p.k), one(p.v)).data.subarray(0, 6)).toEqual(p.v.data.slice(0, 6));
  });

  it('fills out and returns its memory', () => {
    const out = dense(20, 6, new Float64Array(120).fill(NaN));
    expect(attention<Real>(p.q, p.k, p.v, { out })).toBe(out);
    expect(sameBits(out.data, attention(p.q, p.k, p.v).data)).toBe(true);
    const { data, lse } = attention<Real>(p.q, p.k, p.v, { out, returnLse: true });
    expect(data).toBe(out.data);
    expect([lse!.rows, lse!.cols]).toEqual([20, 1]);
  });

  it('refuses what does not fit', () => {
    const run = (q: Dense<Real>, k: Dense<Real>, v: Dense<Real>, o?: AttentionOptions<Real>) => codeOf(() => attention(q, k, v, o)); // prettier-ignore
    const of = (rows: number, cols: number) => dense<Real>(rows, cols, new Float64Array(rows * cols));
    expect(run(of(2, 4), of(3, 4), of(3, 4))).toBe('none');
    expect(run(of(2, 4), of(3, 5), of(3, 4))).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(2, 4))).toBe('ERR_SHAPE');
    expect(run(of(2, 0), of(3, 0), of(3, 4))).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 0))).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { heads: 3 })).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { heads: 0 })).toBe('ERR_RANGE');
    expect(run(of(2, 4), of(3, 2), of(3, 2), { heads: 2, kvHeads: 1 })).toBe('none');
    expect(run(of(2, 4), of(3, 8), of(3, 8), { heads: 2, kvHeads: 4 })).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { scale: NaN })).toBe('ERR_RANGE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { lengths: [2] })).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { lengths: [2], kvLengths: [3] })).toBe('none');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { lengths: [1, 1], kvLengths: [3] })).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { lengths: [3, -1], kvLengths: [3, 0] })).toBe('ERR_RANGE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { kvLengths: [3] })).toBe('ERR_OPTION');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { mask: of(2, 4) })).toBe('ERR_SHAPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { out: of(3, 4) })).toBe('ERR_SHAPE');
    expect(run(of(2, 4), dense<Real>(3, 4, new Float32Array(12)), of(3, 4))).toBe('ERR_DTYPE');
    expect(run(of(2, 4), of(3, 4), of(3, 4), { casual: true } as never)).toBe('ERR_OPTION');
    const q = of(2, 4);
    expect(run(q, of(3, 4), of(3, 4), { out: q })).toBe('ERR_ALIAS');
    expect(run(q, of(3, 4), of(3, 4), { scale: Infinity })).toBe('ERR_RANGE');
    const gone = of(3, 4);
    structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] });
    expect(run(q, gone, of(3, 4))).toBe('ERR_DETACHED');
  });

  it('survives every failed allocation and stops when told to', () => {
    const { q, k, v } = operands(Float32Array, { queries: 64, keys: 2000, d: 256 });
    const before = getThreads();
    setThreads(1);
    let failures = 0;
    try {
      for (let n = 0; n < 50; n++) {
        native.failAllocation(n);
        const outcome = codeOf(() => attention(q, k, v));
        native.failAllocation(-1);
        if (outcome === 'none') break;
        expect(outcome).toBe('ERR_OUT_OF_MEMORY');
        failures++;
      }
    } finally {
      native.failAllocation(-1);
      setThreads(before);
    }
    expect(failures).toBeLessThan(50);
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(codeOf(() => withCancelFlag(flag, () => attention(q, k, v)))).toBe('ERR_ABORTED');
  });
});
