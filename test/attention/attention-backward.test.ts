import { describe, expect, it } from 'vitest';
import { dense, getThreads, LapidaryError, setThreads, type Dense, type Real } from 'lapidary';
import { attention, attentionBackward, blockAttention, type AttentionBackwardOptions } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import {
  causally,
  distance,
  exactGradient,
  inBlocks,
  inSequences,
  operands,
  precisions,
  random,
  sameBits,
  type Problem,
  type RealType,
  type Shape,
} from './dense-attention.js';

const names = ['dq', 'dk', 'dv'] as const;

function expectExact(
  problem: Problem,
  type: RealType,
  options: AttentionBackwardOptions<Real>,
  tolerance: number,
): void {
  const { q, k, v, heads, kvHeads } = problem;
  const dOut = random(type, q.rows, (v.cols / kvHeads) * heads, 77);
  const exact = exactGradient(problem, dOut);
  const got = attentionBackward(q, k, v, dOut, { heads, kvHeads, ...options });
  for (const name of names) {
    expect(distance(got[name].data, exact[name]), name).toBeLessThanOrEqual(tolerance);
    expect(got[name].rows).toBe(name === 'dq' ? q.rows : k.rows);
  }
}

const shapes: Shape[] = [
  { queries: 0, keys: 0 },
  { queries: 1, keys: 1 },
  { queries: 3, keys: 0 },
  { queries: 0, keys: 3 },
  { queries: 15, keys: 33, heads: 4, kvHeads: 2, d: 5, dv: 33 },
  { queries: 70, keys: 65, heads: 3, kvHeads: 1, d: 64, dv: 17 },
  { queries: 29, keys: 520, d: 12 },
  { queries: 530, keys: 31, d: 20 },
];

describeEachIsa('attentionBackward', (isa) => {
  describe.each(precisions)('$name', ({ type, tolerance: forward }) => {
    const tolerance = 4 * forward;

    it.each(shapes)('is exact for %j, causal or not', (shape) => {
      withIsa(isa, () => {
        const p = operands(type, shape);
        expectExact({ ...p, sees: () => true }, type, {}, tolerance);
        expectExact({ ...p, sees: causally(shape.queries, shape.keys) }, type, { causal: true }, tolerance);
      });
    });

    it('keeps sequences apart, adds a mask and knows blocks', () => {
      withIsa(isa, () => {
        const lengths = [30, 0, 25];
        const kvLengths = [50, 3, 47];
        const p = operands(type, { queries: 55, keys: 100, heads: 4, kvHeads: 2, d: 12, dv: 9 });
        const mask = dense<Real>(55, 50, type.from(uniform(55 * 50, 9, -2, 2)));
        mask.data.forEach((x, i) => {
          if (x < -1 || Math.floor(i / 50) % 10 === 3) mask.data[i] = -Infinity;
        });
        for (const causal of [false, true])
          expectExact(
            {
              ...p,
              sees: inSequences(lengths, kvLengths, causal),
              bias: (i, j) => (i < 30 ? mask.data[i * 50 + j]! : mask.data[i * 50 + j - 53]!),
            },
            type,
            { lengths, kvLengths, causal, mask },
            tolerance,
          );
        const blocks = [20, 7, 0, 31, 12];
        const prompt = operands(type, { queries: 70, keys: 70, heads: 2, d: 6 });
        expectExact({ ...prompt, sees: inBlocks(blocks) }, type, { blocks }, tolerance);
      });
    });
  });

  it('has the same bits for any number of threads', () => {
    withIsa(isa, () => {
      const before = getThreads();
      const { q, k, v } = operands(Float32Array, { queries: 300, keys: 400, heads: 4, kvHeads: 2, d: 16 });
      const dOut = random(Float32Array, 300, 64, 5);
      const options = { heads: 4, kvHeads: 2, causal: true };
      const first = attentionBackward(q, k, v, dOut, options);
      for (const threads of [1, 2, 3, 7]) {
        setThreads(threads);
        const got = attentionBackward(q, k, v, dOut, options);
        for (const name of names) expect(sameBits(got[name].data, first[name].data)).toBe(true);
      }
      setThreads(before);
    });
  });
});

describe('attentionBackward', () => {
  it('agrees with finite differences of attention', () => {
    const p = operands(Float64Array, { queries: 9, keys: 11, heads: 2, kvHeads: 1, d: 3, dv: 4 });
    const weights = uniform(9 * 8, 4);
    const dOut = dense<Real>(9, 8, weights);
    const options = { heads: 2, kvHeads: 1, causal: true, scale: 1.3 };
    const loss = () => [...attention(p.q, p.k, p.v, options).data].reduce((sum, x, i) => sum + x * weights[i]!, 0);
    const got = attentionBackward(p.q, p.k, p.v, dOut, options);
    for (const [name, { data }] of [
      ['dq', p.q],
      ['dk', p.k],
      ['dv', p.v],
    ] as const) {
      const slope = Float64Array.from(data, (x, i) => {
        const h = 1e-5;
        data[i] = x + h;
        const above = loss();
        data[i] = x - h;
        const below = loss();
        data[i] = x;
        return (above - below) / (2 * h);
      });
      expect(distance(got[name].data, slope), name).toBeLessThanOrEqual(1e-8);
    }
  });

  it('takes the forward result, to the same bits', () => {
    const { q, k, v } = operands(Float32Array, { queries: 40, keys: 40, heads: 2, d: 8 });
    const dOut = random(Float32Array, 40, 16, 5);
    const out = attention(q, k, v, { heads: 2, causal: true, returnLse: true });
    const kept = attentionBackward(q, k, v, dOut, { heads: 2, causal: true, out });
    const anew = attentionBackward(q, k, v, dOut, { heads: 2, causal: true });
    for (const name of names) expect(sameBits(kept[name].data, anew[name].data)).toBe(true);
  });

  it('gives zero where nothing is seen', () => {
    const { q, k, v } = operands(Float32Array, { queries: 40, keys: 10, d: 8 });
    const { dq } = attentionBackward(q, k, v, random(Float32Array, 40, 8, 5), { causal: true });
    expect(dq.data.subarray(0, 30 * 8).every((x) => x === 0)).toBe(true);
    expect(dq.data.subarray(31 * 8).some((x) => x !== 0)).toBe(true);
  });

  it('what a query does not see does not reach its gradient, NaN or not', () => {
    const p = operands(Float32Array, { queries: 40, keys: 40, d: 8 });
    const dOut = random(Float32Array, 40, 8, 5);
    const clean = attentionBackward(p.q, p.k, p.v, dOut, { causal: true });
    for (const x of [p.k, p.v]) x.data.fill(NaN, 30 * 8, 31 * 8);
    const got = attentionBackward(p.q, p.k, p.v, dOut, { causal: true });
    expect(sameBits(got.dq.data.subarray(0, 30 * 8), clean.dq.data.subarray(0, 30 * 8))).toBe(true);
  });

  it('refuses what does not fit', () => {
    const { q, k, v } = operands(Float32Array, { queries: 6, keys: 6, d: 4 });
    const run = (dOut: Dense<Real>, options?: object) => {
      try {
        attentionBackward<Real>(q, k, v, dOut, options);
      } catch (error) {
        return (error as LapidaryError).code;
      }
      return 'none';
    };
    const dOut = random(Float32Array, 6, 4, 1);
    expect(run(dOut)).toBe('none');
    expect(run(random(Float32Array, 6, 5, 1))).toBe('ERR_SHAPE');
    expect(run(random(Float64Array, 6, 4, 1))).toBe('ERR_DTYPE');
    expect(run(dOut, { out: attention(q, k, v) })).toBe('ERR_OPTION');
    expect(run(dOut, { out: 3 })).toBe('ERR_OPTION');
    expect(run(dOut, { out: { ...attention(q, k, v), lse: random(Float32Array, 6, 2, 1) } })).toBe('ERR_SHAPE');
    expect(run(dOut, { blocks: [6], causal: true })).toBe('ERR_OPTION');
    expect(run(dOut, { blocks: [5] })).toBe('ERR_SHAPE');
    expect(run(dOut, { returnLse: true })).toBe('ERR_OPTION');
    expect(blockAttention(q, k, v, { blocks: [6] }).out.rows).toBe(6);
  });

  it('survives every failed allocation and stops when told to', () => {
    const { q, k, v } = operands(Float32Array, { queries: 1000, keys: 1000, d: 128 });
    const dOut = random(Float32Array, 1000, 128, 5);
    const out = attention(q, k, v, { returnLse: true });
    const outcome = () => {
      try {
        attentionBackward(q, k, v, dOut, { out });
      } catch (error) {
        return (error as LapidaryError).code;
      }
      return 'none';
    };
    const before = getThreads();
    setThreads(1);
    try {
      for (let n = 0; ; n++) {
        native.failAllocation(n);
        const code = outcome();
        native.failAllocation(-1);
        if (code === 'none') break;
        expect(code).toBe('ERR_OUT_OF_MEMORY');
      }
    } finally {
      native.failAllocation(-1);
      setThreads(before);
    }
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(withCancelFlag(flag, outcome)).toBe('ERR_ABORTED');
  });
});
