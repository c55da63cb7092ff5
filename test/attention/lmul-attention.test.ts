import { afterAll, describe, expect, it } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { attention, lmulAttention, type LmulAttentionOptions } from 'lapidary/attention';
import { lmulMatmul, matmul } from 'lapidary/gemm';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

const matrix = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));

const part = (x: Dense<Float32Array>, first: number, rows: number, head: number, width: number) => {
  const data = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++)
    data.set(x.data.subarray((first + i) * x.cols + head * width).subarray(0, width), i * width);
  return dense(rows, width, data);
};

type Case = LmulAttentionOptions & { lengths?: number[]; kvLengths?: number[] };

/** Head by head and sequence by sequence, softmax in f64. */
function expected(q: Dense<Float32Array>, k: Dense<Float32Array>, v: Dense<Float32Array>, options: Case): Float32Array {
  const { heads = 1, kvHeads = heads, causal = false, lengths = [q.rows], values = 'lmul', dtype, variant } = options;
  const kvLengths = options.kvLengths ?? (options.lengths ? lengths : [k.rows]);
  const [d, dv] = [q.cols / heads, v.cols / kvHeads];
  const { scale = 1 / Math.sqrt(d) } = options;
  const out = new Float32Array(q.rows * heads * dv);
  const numbers = { ...(dtype && { dtype }), ...(variant && { variant }) };
  let [query, key] = [0, 0];
  lengths.forEach((queries, s) => {
    const keys = kvLengths[s]!;
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor((h * kvHeads) / heads);
      const left = part(q, query, queries, h, d);
      const scores = lmulMatmul(left, part(k, key, keys, kv, d), { ...numbers, transposeB: true });
      const p = dense(queries, keys, new Float32Array(queries * keys));
      for (let i = 0; i < queries; i++) {
        const end = causal ? Math.max(0, keys - queries + i + 1) : keys;
        const logits = Array.from(scores.data.subarray(i * keys, i * keys + end), (x) => x * scale);
        const max = Math.max(...logits);
        const exps = logits.map((x) => Math.exp(x - max));
        const sum = exps.reduce((a, b) => a + b, 0);
        p.data.set(exps.map((x) => x / sum), i * keys); // prettier-ignore
      }
      const right = part(v, key, keys, kv, dv);
      const read = values === 'exact' ? matmul(p, right) : lmulMatmul(p, right, numbers);
      for (let i = 0; i < queries; i++)
        out.set(read.data.subarray(i * dv, (i + 1) * dv), (query + i) * heads * dv + h * dv);
    }
    query += queries;
    key += keys;
  });
  return out;
}

const cases: [string, number, number, Case][] = [
  ['one head', 5, 7, {}],
  ['causal, blocks of queries', 130, 130, { causal: true }],
  ['causal, more queries than keys', 9, 4, { causal: true, values: 'exact' }],
  ['grouped heads', 12, 20, { heads: 4, kvHeads: 2 }],
  ['a batch', 14, 17, { heads: 2, lengths: [3, 0, 11], kvLengths: [5, 4, 8], causal: true, values: 'exact' }],
  ['the formula', 6, 6, { variant: 'formula', scale: 0.7 }],
  ['bf16', 6, 9, { dtype: 'bf16', values: 'exact' }],
];

describeEachIsa('lmulAttention', (isa) => {
  it.each(cases)('%s', (_, queries, keys, options) =>
    withIsa(isa, () => {
      const { heads = 1, kvHeads = heads } = options;
      const [d, dv] = [8, 5];
      const q = matrix(queries, heads * d, 1);
      const k = matrix(keys, kvHeads * d, 2);
      const v = matrix(keys, kvHeads * dv, 3);
      const want = expected(q, k, v, options);
      const got = lmulAttention(q, k, v, options);
      // A probability that falls to the other side of a carry is off by at most its own rounding: L is continuous for the
      // adder; the formula jumps by half of 2 % there.
      const bound = options.variant === 'formula' ? 0.02 : 2e-6;
      expect(got.data.length).toBe(want.length);
      got.data.forEach((x, i) => expect(Math.abs(x - want[i]!)).toBeLessThan(bound));
      for (const count of [1, 3]) {
        setThreads(count);
        expect(lmulAttention(q, k, v, options)).toEqual(got);
      }
    }),
  );
});

describe('lmulAttention', () => {
  it('is near attention: within the 6 % that a product may be off', () => {
    const [q, k, v] = [matrix(40, 32, 4), matrix(40, 32, 5), matrix(40, 32, 6)];
    const exact = attention(q, k, v, { heads: 2 }).data;
    const got = lmulAttention(q, k, v, { heads: 2 }).data;
    const size = Math.sqrt(exact.reduce((sum, x) => sum + x * x, 0));
    const error = Math.sqrt(exact.reduce((sum, x, i) => sum + (x - got[i]!) ** 2, 0));
    expect(error / size).toBeLessThan(0.06);
    expect(error / size).toBeGreaterThan(0.001);
  });

  it('gives zeros to a query without keys and NaN to one with NaN among its logits', () => {
    const q = dense(2, 1, Float32Array.of(1, NaN));
    const none = dense(0, 1, new Float32Array(0));
    expect(lmulAttention(q, none, none).data).toEqual(new Float32Array(2));
    const one = dense(1, 1, Float32Array.of(1));
    expect(lmulAttention(q, one, one, { values: 'exact' }).data).toEqual(Float32Array.of(1, NaN));
  });

  it('refuses what does not fit', () => {
    const x = matrix(2, 4, 1);
    expect(() => lmulAttention(x, x, x, { mask: x } as never)).toThrow(/mask/);
    expect(() => lmulAttention(x, x, x, { values: 'l' as never })).toThrow(/values/);
    expect(() => lmulAttention(x, x, matrix(3, 4, 1))).toThrow(/rows/);
    expect(() => lmulAttention({ ...x, data: new Float64Array(8) } as never, x, x)).toThrow(/Float32Array/);
    expect(() => lmulAttention(x, x, x, { out: x })).toThrow(/out/);
  });
});
