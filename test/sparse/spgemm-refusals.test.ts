import { describe, expect, test } from 'vitest';
import { spgemm, transpose } from 'lapidary/sparse';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native as sparse } from '../../dist/sparse/native.js';
import { withCode } from '../support/errors.js';
import { csrOf, malformed, randomCsr, randomGrid } from '../support/sparse.js';

test('an abort is heard', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  raiseAbort(flag);
  const a = randomCsr(2000, 2000, 8, 2);
  expect(() => withCancelFlag(flag, () => spgemm(a, a))).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
});

describe('refusals', () => {
  const good = csrOf(randomGrid(8, 4, 1, 3), 4);
  test.each(malformed())('a factor that should %s', (text, bad) => {
    const message = expect.stringContaining(text);
    expect(() => spgemm(bad, good)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', function: 'spgemm', argument: 'a', message }),
    );
    expect(() => spgemm(transpose(good), transpose(good).rows === 4 ? { ...bad, rows: 4 } : bad)).toThrow(
      expect.objectContaining({ name: 'LapidaryError' }),
    );
    const four = csrOf(randomGrid(3, 4, 1, 5), 4);
    expect(() => spgemm(four, bad)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT', argument: 'b', message }));
  });

  const a = randomCsr(4, 5, 2, 1);
  const b = randomCsr(5, 3, 2, 1);
  test.each([
    ['ERR_SHAPE', () => spgemm(a, a)],
    ['ERR_DTYPE', () => spgemm(a, { ...b, values: Float32Array.from(b.values) } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { accumulator: 'tree' } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { acumulator: 'hash' } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { sorted: 1 } as never)],
    ['ERR_DTYPE', () => spgemm(a, 5 as never)],
    ['ERR_OPTION', () => spgemm(a, b, { semiring: 'plus-plus' } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { semiring: { add: 'plus' } } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { semiring: { add: 'first', multiply: 'times' } } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { semiring: 5 } as never)],
    ['ERR_SHAPE', () => spgemm(a, b, { mask: a })],
    ['ERR_DTYPE', () => spgemm(a, b, { mask: 1 } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { complement: 1 } as never)],
    [
      'ERR_FORMAT',
      () =>
        spgemm(a, b, { mask: { rows: 4, cols: 3, indptr: Uint32Array.of(0, 0, 0, 0, 1), indices: Uint32Array.of(3) } }),
    ],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('a second phase that was not preceded by the first is refused', () => {
    const factors = [
      a.rows,
      a.cols,
      a.indptr,
      a.indices,
      a.values,
      b.rows,
      b.cols,
      b.indptr,
      b.indices,
      b.values,
    ] as const;
    const { indptr, indices } = spgemm(a, b);
    const nnz = indices.length;
    const rest = [undefined, undefined, false] as const;
    // its own pattern as a mask changes nothing
    const masks: (readonly [Uint32Array | undefined, Uint32Array | undefined, boolean])[] = [
      rest,
      [indptr, indices, false],
    ];
    for (const [accumulator, mask] of [0, 1, 2, 3, 4].flatMap((kind) => masks.map((mask) => [kind, mask] as const)))
      for (const change of [1, -1, nnz]) {
        // one row longer or shorter than it should be, another made up for it
        const wrong = indptr.map((p, i) => (i === 0 || i === a.rows ? p : Math.min(nnz, Math.max(0, p + change))));
        expect(() =>
          sparse.spgemmFill(
            ...factors,
            ...mask,
            accumulator,
            0,
            0,
            true,
            wrong,
            new Uint32Array(nnz),
            new Float64Array(nnz),
          ),
        ).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      }
    const out = [true, indptr, new Uint32Array(nnz), new Float64Array(nnz)] as const;
    for (const [accumulator, add, multiply] of [
      [7, 0, 0],
      [0, 7, 0],
      [0, 0, 10],
    ] as const)
      expect(() => sparse.spgemmFill(...factors, ...rest, accumulator, add, multiply, ...out)).toThrow(
        expect.objectContaining({ code: 'ERR_RANGE' }),
      );
    expect(() =>
      sparse.spgemmFill(...factors, ...rest, 0, 0, 0, true, indptr, b.indices, new Float64Array(nnz)),
    ).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
  });
});

test('what gives the memory of the result may throw, lie, or take an argument away', () => {
  const a = randomCsr(50, 50, 9, 1);
  const indptr = new Uint32Array(51);
  const nnz = spgemm(a, a).indices.length;
  const product = (allocate: unknown, operand = a) => {
    const { indptr: begin, indices, values } = operand;
    const factor = [50, 50, begin, indices, values] as const;
    const rest = [undefined, undefined, false, 0, 0, 0, true, indptr, new Float64Array(7)] as const;
    return () => sparse.spgemm(...factor, ...factor, ...rest, allocate as never);
  };
  expect(product(() => [new Uint32Array(nnz), new Float64Array(nnz)])).not.toThrow();
  expect(product(() => { throw new RangeError('mine'); })).toThrow('mine'); // prettier-ignore
  expect(product(5)).toThrow(withCode('ERR_DTYPE'));
  expect(product(() => 5)).toThrow(withCode('ERR_DTYPE'));
  expect(product(() => [])).toThrow(withCode('ERR_DTYPE'));
  expect(product(() => [new Uint32Array(nnz), new Float32Array(nnz)])).toThrow(withCode('ERR_DTYPE'));
  expect(product(() => [new Uint32Array(nnz), new Float64Array(nnz - 1)])).toThrow(withCode('ERR_SHAPE'));
  expect(product(() => [new Uint32Array(nnz - 1), new Float64Array(nnz - 1)])).toThrow(withCode('ERR_FORMAT'));
  const buffer = new ArrayBuffer(12 * nnz);
  expect(product(() => [new Uint32Array(buffer, 0, nnz), new Float64Array(buffer, 0, nnz)])).toThrow(
    withCode('ERR_ALIAS'),
  );
  const lent = { ...a, indices: a.indices.slice() };
  const detach = () => (structuredClone(lent.indices, { transfer: [lent.indices.buffer] }), []);
  expect(product(() => (detach(), [new Uint32Array(nnz), new Float64Array(nnz)]), lent)).toThrow(withCode('ERR_SHAPE'));
});
