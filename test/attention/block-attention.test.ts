import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, LapidaryError, setThreads, type Real } from 'lapidary';
import { attention, blockAttention } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { distance, exactAttention, inBlocks, operands, precisions, sameBits, type Problem } from './dense-attention.js';

const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0);

/** The paper's scores: softmax over document tokens, summed over each document, averaged over heads. */
function exactScores(problem: Omit<Problem, 'sees'>, blocks: readonly number[], count: number): Float64Array {
  const documents = blocks.slice(1, -1);
  const first = blocks[0]!;
  const end = first + sum(documents);
  const { probability } = exactAttention({ ...problem, sees: (_, j) => j >= first && j < end });
  const scores = new Float64Array(count * documents.length);
  const n = problem.q.rows;
  for (let i = 0; i < count; i++)
    for (let h = 0; h < problem.heads; h++) {
      let start = first;
      documents.forEach((length, b) => {
        const mass = probability(h, n - count + i).subarray(start, start + length);
        scores[i * documents.length + b]! += mass.reduce((a, x) => a + x, 0) / problem.heads;
        start += length;
      });
    }
  return scores;
}

const prompts = [
  [7],
  [7, 5],
  [0, 5],
  [4, 6, 9],
  [16, 30, 0, 33, 14, 5, 40],
  [0, 20, 20, 3],
  [9, 20, 0],
  [530, 30, 40, 20],
];

describeEachIsa('blockAttention', (isa) => {
  describe.each(precisions)('$name', ({ type, tolerance }) => {
    it.each(prompts.map((blocks) => ({ blocks })))('is dense attention under the mask for $blocks', ({ blocks }) => {
      withIsa(isa, () => {
        const n = sum(blocks);
        const p = operands(type, { queries: n, keys: n, heads: 4, kvHeads: 2, d: 6, dv: 5 });
        const { out, scores } = blockAttention(p.q, p.k, p.v, { heads: 4, kvHeads: 2, blocks });
        expect(distance(out.data, exactAttention({ ...p, sees: inBlocks(blocks) }).out)).toBeLessThanOrEqual(tolerance);
        const count = blocks.length > 1 ? Math.min(16, blocks.at(-1)!) : 0;
        expect([scores.rows, scores.cols]).toEqual([count, Math.max(0, blocks.length - 2)]);
        expect(distance(scores.data, exactScores(p, blocks, count))).toBeLessThanOrEqual(tolerance);
      });
    });
  });
});

describe('blockAttention', () => {
  it('scores add up to 1, an empty document scores 0, and a document may stand anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(12), { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        (documents, last) => {
          fc.pre(sum(documents) > 0);
          const blocks = [3, ...documents, last];
          const n = sum(blocks);
          const { q, k, v } = operands(Float64Array, { queries: n, keys: n, heads: 2, d: 4 });
          const { scores } = blockAttention(q, k, v, { heads: 2, blocks, lastQueries: 2 });
          for (let i = 0; i < scores.rows; i++) {
            const row = [...scores.data.subarray(i * documents.length, (i + 1) * documents.length)];
            expect(sum(row)).toBeCloseTo(1, 12);
            documents.forEach((length, b) => expect(row[b] === 0).toBe(length === 0));
          }
          // the same with the first two documents exchanged
          const order = [...Array(n).keys()];
          const moved = [...order.splice(3, documents[0])];
          order.splice(3 + documents[1]!, 0, ...moved);
          const rows = (x: { cols: number; data: Real }) =>
          dense<Real>(n, x.cols, Float64Array.from(order.flatMap((i) => [...x.data.subarray(i * x.cols, (i + 1) * x.cols)]))); // prettier-ignore
          const exchanged = [3, documents[1]!, documents[0]!, ...documents.slice(2), last];
          const other = blockAttention(rows(q), rows(k), rows(v), {
            heads: 2,
            blocks: exchanged,
            lastQueries: 2,
          }).scores;
          for (let i = 0; i < scores.rows; i++) {
            const at = i * documents.length;
            expect(other.data[at]).toBeCloseTo(scores.data[at + 1]!, 12);
            expect(other.data[at + 1]).toBeCloseTo(scores.data[at]!, 12);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('one block, or two, is causal attention', () => {
    const { q, k, v } = operands(Float32Array, { queries: 30, keys: 30, d: 8 });
    const causal = attention(q, k, v, { causal: true });
    for (const blocks of [[30], [0, 30]])
      expect(sameBits(blockAttention(q, k, v, { blocks }).out.data, causal.data)).toBe(true);
    expect(distance(blockAttention(q, k, v, { blocks: [10, 20] }).out.data, causal.data)).toBeLessThanOrEqual(1e-6);
  });

  it('has the same bits for any number of threads', () => {
    const before = getThreads();
    const blocks = [60, 100, 70, 120, 50];
    const { q, k, v } = operands(Float32Array, { queries: 400, keys: 400, heads: 2, d: 32 });
    const first = blockAttention(q, k, v, { heads: 2, blocks });
    for (const threads of [1, 2, 3, 7]) {
      setThreads(threads);
      const { out, scores } = blockAttention(q, k, v, { heads: 2, blocks });
      expect(sameBits(out.data, first.out.data) && sameBits(scores.data, first.scores.data)).toBe(true);
    }
    setThreads(before);
  });

  it('refuses what does not fit, survives failed allocations, stops when told to', () => {
    const { q, k, v } = operands(Float32Array, { queries: 60, keys: 60, d: 4 });
    const run = (options: object, keys = k) => {
      try {
        blockAttention<Real>(q, keys, v, options as never);
      } catch (error) {
        return (error as LapidaryError).code;
      }
      return 'none';
    };
    const blocks = [10, 40, 10];
    expect(run({ blocks })).toBe('none');
    expect(run({})).toBe('ERR_DTYPE');
    expect(run({ blocks: [10, 40] })).toBe('ERR_SHAPE');
    expect(run({ blocks: [10.5, 39.5, 10] })).toBe('ERR_RANGE');
    expect(run({ blocks, lastQueries: -1 })).toBe('ERR_RANGE');
    expect(run({ blocks, causal: true })).toBe('ERR_OPTION');
    expect(run({ blocks, out: q })).toBe('ERR_ALIAS');
    expect(run({ blocks }, dense<Real>(59, 4, new Float32Array(236)))).toBe('ERR_SHAPE');
    for (let n = 0; ; n++) {
      native.failAllocation(n);
      const code = run({ blocks });
      native.failAllocation(-1);
      if (code === 'none') break;
      expect(code).toBe('ERR_OUT_OF_MEMORY');
    }
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(withCancelFlag(flag, () => run({ blocks }))).toBe('ERR_ABORTED');
  });
});
