import { afterEach, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Csr, type Real } from 'lapidary';
import { spmm } from 'lapidary/sparse';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, integers, malformed, productOf, randomCsr, sameVectorBits, shared, within } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => setThreads(threads));

describeEachIsa('spmm', (isa) => {
  test('integers exact, every tail', () => {
    const a = randomCsr(40, 50, 6, 3);
    a.values.set(integers(a.values.length, 4));
    for (const Type of [Float64Array, Float32Array]) {
      const single = { ...a, values: Type.from(a.values) } as Csr<Real>;
      for (let cols = 0; cols <= 141; cols += cols < 20 ? 1 : 11) {
        const b = Type.from(integers(50 * cols, cols + 1));
        // exact length: a read beyond the end of b would show under a sanitizer, a write beyond c in the guard
        const guarded = new Type(40 * cols + 16).fill(77);
        const out = guarded.subarray(8, 8 + 40 * cols);
        withIsa(isa, () => spmm(single, dense(50, cols, b as Real), { out: dense(40, cols, out as Real) }));
        expect(out).toEqual(Type.from(productOf(single, b, cols).sum));
        expect([...guarded.subarray(0, 8), ...guarded.subarray(8 + 40 * cols)].every((x) => x === 77)).toBe(true);
      }
    }
  });

  test('rounding stays within its bound', () => {
    const a = randomCsr(200, 3000, 50, 9);
    const b = uniform(3000 * 37, 5);
    withIsa(isa, () => {
      within(spmm(a, dense(3000, 37, b)).data, productOf(a, b, 37), 50);
      const single = { ...a, values: Float32Array.from(a.values) };
      const b32 = Float32Array.from(b);
      within(spmm(single, dense(3000, 37, b32)).data, productOf(single, b32, 37), 50);
    });
  });

  test('NaN and infinity go where they belong', () => {
    const a = csrOf(
      [
        [1, undefined],
        [0, 2],
        [undefined, undefined],
      ],
      2,
    );
    withIsa(isa, () => expect(spmm(a, dense(2, 1, Float64Array.of(1, NaN))).data).toEqual(Float64Array.of(1, NaN, 0)));
  });

  test.each(malformed())('a matrix that should %s', (text, a) => {
    const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining(text) });
    withIsa(isa, () => expect(() => spmm(a, dense(8, 3))).toThrow(refused));
  });
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(30000, 20000, 20, 21);
  const b = dense(20000, 12, uniform(20000 * 12, 3));
  setThreads(1);
  const one = spmm(a, b).data;
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameVectorBits(spmm(a, b).data, one);
  }
});

test('shared memory', () => {
  const a = randomCsr(50, 60, 5, 2);
  const x = uniform(60, 1);
  const b = { ...a, indptr: shared(a.indptr), indices: shared(a.indices), values: shared(a.values) };
  expect(spmm(b, dense(60, 1, shared(x))).data).toEqual(spmm(a, dense(60, 1, x)).data);
});

describe('refusals', () => {
  const a = randomCsr(4, 5, 2, 1);
  test.each([
    ['ERR_SHAPE', () => spmm(a, dense(4, 4))],
    ['ERR_DTYPE', () => spmm(a, dense(5, 1, new Float32Array(5)) as never)],
    ['ERR_SHAPE', () => spmm(a, dense(5, 2), { out: dense(4, 3) })],
    ['ERR_DTYPE', () => spmm(undefined as never, dense(5, 1))],
    ['ERR_RANGE', () => spmm({ ...a, rows: 2 ** 53 }, dense(5, 1))],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('an output that overlaps an input', () => {
    const both = new Float64Array(12);
    const square = { ...randomCsr(4, 4, 1, 1), values: both.subarray(0, 4) };
    const alias = expect.objectContaining({ code: 'ERR_ALIAS' });
    expect(() => spmm(square, dense(4, 1), { out: dense(4, 1, both.subarray(0, 4)) })).toThrow(alias);
    expect(() => spmm(square, dense(4, 1, both.subarray(8)), { out: dense(4, 1, both.subarray(7, 11)) })).toThrow(
      alias,
    );
  });

  test('the native side holds when TypeScript is bypassed', () => {
    const args = [4, 5, a.indptr, a.indices, a.values] as const;
    const x = new Float64Array(5);
    const y = new Float64Array(4);
    for (const bad of [
      () => sparse.spmm(...args, x, y, 2 ** 52),
      () => sparse.spmm(...args, x, y, NaN),
      () => sparse.spmm(...args, x, y, 2),
    ])
      expect(bad).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
  });
});
