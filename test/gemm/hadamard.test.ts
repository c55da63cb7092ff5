import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { hadamard, linear } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const types = [Float64Array, Float32Array] as const;
const threads = getThreads();
afterAll(() => setThreads(threads));

const parity = (i: number): number => (i === 0 ? 0 : (i & 1) ^ parity(i >> 1));
const norm = (x: Iterable<number>) => Math.sqrt([...x].reduce((sum, v) => sum + v * v, 0));
const of = (data: Real, cols: number) => ({ rows: data.length / cols, cols, data }) as Dense<never>;

describeEachIsa('hadamard', (isa) => {
  test.each(types)('%o: every block is its definition, and the same bits as the reference', (type) => {
    const unit = type === Float32Array ? 2 ** -24 : 2 ** -53;
    for (const block of [2, 4, 8, 16, 32, 64, 128, 256, 1024])
      for (const blocks of [1, 3, 7]) {
        const x = type.from(uniform(block * blocks, block + blocks));
        const y = withIsa(isa, () => hadamard(of(x, block), { block }).data) as Real;
        expect(y).toBeInstanceOf(type);
        expect(y).toEqual(withIsa('portable', () => hadamard(of(x, block), { block }).data));
        for (let b = 0; b < blocks; b++) {
          const from = x.subarray(b * block, (b + 1) * block);
          const error = Array.from(from, (_, i) => {
            let sum = 0;
            for (let j = 0; j < block; j++) sum += parity(i & j) ? -from[j]! : from[j]!;
            return y[b * block + i]! - sum / Math.sqrt(block);
          });
          const n = Math.log2(block) + 2;
          expect(norm(error)).toBeLessThanOrEqual((n * unit / (1 - n * unit)) * norm(from) + 1e-15 * norm(from) * (type === Float64Array ? 4 : 0)); // prettier-ignore
        }
      }
  });

  test('blocks of a row lie side by side, in place or not', () => {
    const x = dense(3, 96, uniform(288, 1));
    const want = withIsa(isa, () => hadamard(dense(9, 32, x.data.slice()), { block: 32 }).data);
    expect(withIsa(isa, () => hadamard(x, { block: 32 }).data)).toEqual(want);
    expect(withIsa(isa, () => hadamard(x, { block: 32, out: x }))).toBe(x);
    expect(x.data).toEqual(want);
  });

  test('NaN and infinity stay within their block', () => {
    const x = dense(1, 64, new Float32Array(64).fill(1));
    x.data[17] = NaN;
    const y = withIsa(isa, () => hadamard(x, { block: 16 }).data);
    y.forEach((v, i) => expect(Number.isNaN(v)).toBe(i >= 16 && i < 32));
  });
});

test('its own inverse, keeps lengths, and leaves a product as it is', () => {
  fc.assert(
    fc.property(fc.constantFrom(2, 16, 64, 128, 512), fc.integer({ min: 1, max: 5 }), fc.nat(), (block, rows, seed) => {
      const x = dense(rows, 2 * block, uniform(2 * rows * block, seed));
      const y = hadamard(x, { block });
      expect(Math.abs(norm(y.data) - norm(x.data))).toBeLessThan(1e-14 * norm(x.data) * 4);
      hadamard(y, { block }).data.forEach((v, i) => expect(Math.abs(v - x.data[i]!)).toBeLessThan(1e-14));
      const w = dense(3, 2 * block, uniform(6 * block, seed + 1));
      const turned = linear(y, hadamard(w, { block })).data;
      linear(x, w).data.forEach((v, i) => expect(Math.abs(v - turned[i]!)).toBeLessThan(1e-12));
    }),
    { numRuns: 50, seed: 7 },
  );
});

test('the same bits for 1, 2, 3 and 7 threads, and the largest block', () => {
  const x = dense(20, 32768, Float32Array.from(uniform(20 * 32768, 1)));
  for (const block of [128, 32768]) {
    const all = [1, 2, 3, 7].map((count) => (setThreads(count), hadamard(x, { block }).data));
    for (const y of all) expect(Buffer.compare(Buffer.from(y.buffer), Buffer.from(all[0]!.buffer))).toBe(0);
  }
});

describe('bad arguments', () => {
  const x = dense(2, 12);
  test('are refused', () => {
    expect(() => hadamard(x)).toThrow(withCode('ERR_SHAPE'));
    expect(() => hadamard(x, { block: 12 })).toThrow(withCode('ERR_RANGE'));
    expect(() => hadamard(x, { block: 1 })).toThrow(withCode('ERR_RANGE'));
    expect(() => hadamard(x, { block: 65536 })).toThrow(withCode('ERR_RANGE'));
    expect(() => hadamard(x, { blocks: 4 } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => hadamard(dense(1, 4, new Int32Array(4)) as never, { block: 4 })).toThrow(withCode('ERR_DTYPE'));
    const shifted = dense(2, 8, new Float64Array(x.data.buffer, 8, 16));
    expect(() => hadamard(dense(2, 8, x.data.subarray(0, 16)), { block: 4, out: shifted })).toThrow(
      withCode('ERR_ALIAS'),
    );
    expect(hadamard(dense(0, 128)).data).toHaveLength(0);
    expect(() => native.hadamard(x.data, new Float64Array(24), 24, 3)).toThrow(withCode('ERR_RANGE'));
    expect(() => native.hadamard(x.data, new Float64Array(24), 24, 16)).toThrow(withCode('ERR_SHAPE'));
  });
});
