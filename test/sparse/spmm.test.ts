import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Csr, type Real } from 'lapidary';
import { spmm, transpose } from 'lapidary/sparse';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, integers, malformed, productOf, randomCsr, sameVectorBits, shared, within } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  native.failAllocation(-1);
});

const turned = ({ rows, cols, data }: { rows: number; cols: number; data: Float64Array }) =>
  dense(
    cols,
    rows,
    Float64Array.from(data, (_, e) => data[(e % rows) * cols + Math.floor(e / rows)]!),
  );

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

  test('transposed factors, batches with one set of values and with their own', () => {
    const size = fc.integer({ min: 0, max: 70 });
    fc.assert(
      fc.property(size, size, size, fc.integer({ min: 1, max: 3 }), fc.integer(), (m, k, n, batch, seed) => {
        const a = randomCsr(m, k, k > 0 ? 4 : 0, seed);
        const nnz = a.values.length;
        const sets = integers(batch * nnz, seed + 1);
        const b = integers(batch * k * n, seed + 2);
        for (const own of [false, true]) {
          const parts = Array.from({ length: batch }, (_, p) => {
            const values = own ? sets.subarray(p * nnz, (p + 1) * nnz) : sets.subarray(0, nnz);
            return { a: { ...a, values }, b: dense(k, n, b.subarray(p * k * n, (p + 1) * k * n)) };
          });
          const expected = Float64Array.from(parts.flatMap((p) => [...productOf(p.a, p.b.data, n).sum]));
          for (const [transposeA, transposeB] of [
            [false, false],
            [false, true],
            [true, false],
            [true, true],
          ] as const) {
            const left = transposeA ? transpose(a) : a;
            const each = parts.map((p) => (transposeA ? transpose(p.a) : p.a).values);
            const values = Float64Array.from((own ? each : each.slice(0, 1)).flatMap((v) => [...v]));
            const data = Float64Array.from(parts.flatMap((p) => [...(transposeB ? turned(p.b) : p.b).data]));
            const right = transposeB ? dense(batch * n, k, data) : dense(batch * k, n, data);
            const c = withIsa(isa, () => spmm({ ...left, values }, right, { transposeA, transposeB, batch }));
            expect([c.rows, c.cols]).toEqual([batch * m, n]);
            expect([...c.data].map((x) => x + 0)).toEqual([...expected].map((x) => x + 0));
          }
        }
      }),
      { numRuns: 25 },
    );
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

test('transposed: any number of threads gives the same bits, and those of a transpose made before', () => {
  const a = randomCsr(3000, 2000, 20, 21);
  const b = dense(13, 3000, uniform(3000 * 13, 3));
  setThreads(1);
  const one = spmm(a, b, { transposeA: true, transposeB: true }).data;
  sameVectorBits(spmm(transpose(a), b, { transposeB: true }).data, one);
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameVectorBits(spmm(a, b, { transposeA: true, transposeB: true }).data, one);
  }
});

test('a malformed matrix is refused before it is turned around; scratch may run out; an abort is heard', () => {
  for (const [text, a] of malformed()) {
    const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining(text) });
    expect(() => spmm(a, dense(4, 3), { transposeA: true })).toThrow(refused);
    expect(() => spmm(a, dense(3, 8), { transposeB: true })).toThrow(refused);
  }
  const a = randomCsr(400, 300, 20, 21);
  native.failAllocation(0);
  const b = dense(400, 30000); // more scratch than any call before it
  expect(() => spmm(a, dense(30000, 300), { transposeB: true })).toThrow(
    expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
  );
  native.failAllocation(-1);
  const flag = new Int32Array(new SharedArrayBuffer(4));
  raiseAbort(flag);
  const aborted = expect.objectContaining({ code: 'ERR_ABORTED' });
  expect(() => withCancelFlag(flag, () => spmm(a, b, { transposeA: true }))).toThrow(aborted);
});

test('a batch of nothing ends at once', () => {
  const none = {
    rows: 0,
    cols: 0,
    indptr: new Uint32Array(1),
    indices: new Uint32Array(0),
    values: new Float64Array(0),
  };
  const options = { batch: 2 ** 50, transposeA: true };
  expect(spmm(none, dense(0, 3), options).rows).toBe(0);
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
    ['ERR_SHAPE', () => spmm(a, dense(5, 2), { transposeA: true })],
    ['ERR_SHAPE', () => spmm(a, dense(5, 2), { transposeB: true })],
    ['ERR_SHAPE', () => spmm(a, dense(5, 2), { batch: 2 })],
    ['ERR_RANGE', () => spmm(a, dense(5, 2), { batch: 1.5 })],
    ['ERR_DTYPE', () => spmm(a, dense(5, 2), { transposeA: 1 } as never)],
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
      () => sparse.spmm(...args, x, y, 2 ** 52, false, false, 1),
      () => sparse.spmm(...args, x, y, NaN, false, false, 1),
      () => sparse.spmm(...args, x, y, 2, false, false, 1),
      () => sparse.spmm(...args, x, y, 1, true, false, 1),
      () => sparse.spmm(...args, x, y, 1, false, false, 2 ** 52),
    ])
      expect(bad).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
  });
});
