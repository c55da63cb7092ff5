import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dense, type Csr, type Dense } from 'lapidary';
import { readMatrixMarket, writeMatrixMarket } from 'lapidary/io';
import { csrOf, grids } from '../support/sparse.js';

const failure = (code: string) => expect.objectContaining({ code, name: 'LapidaryError' });
const banner = (kind: string): string => `%%MatrixMarket matrix ${kind}\n`;

test('reads back what was written', () => {
  fc.assert(
    fc.property(
      grids(fc.nat(12), fc.nat(12)),
      fc.array(fc.double(), { minLength: 200, maxLength: 200 }),
      (made, xs) => {
        const a = csrOf(made.grid, made.cols);
        a.values.set(xs.slice(0, a.values.length));
        expect(readMatrixMarket(writeMatrixMarket(a))).toEqual(a);
        const pattern = readMatrixMarket(writeMatrixMarket(a, { pattern: true }));
        expect(pattern).toEqual({ ...a, values: new Float64Array(a.values.length).fill(1) });
        const full = dense(
          made.grid.length,
          made.cols,
          Float64Array.from({ length: made.grid.length * made.cols }, (_, i) => xs[i]!),
        );
        expect(readMatrixMarket(writeMatrixMarket(full))).toEqual(full);
      },
    ),
  );
});

test('its text', () => {
  const decode = (b: Uint8Array): string => new TextDecoder().decode(b);
  const a: Csr<Int32Array> = { ...csrOf([[undefined, 7]], 2), values: Int32Array.of(7) };
  expect(decode(writeMatrixMarket(a, { comment: 'a\nb' }))).toBe(
    banner('coordinate integer general') + '% a\n% b\n1 2 1\n1 2 7\n',
  );
  expect(decode(writeMatrixMarket(dense(1, 3, Float32Array.of(0.5, -Infinity, -0))))).toBe(
    banner('array real general') + '1 3\n0.5\n-inf\n-0\n',
  );
});

test('refuses what is no matrix', () => {
  const a = csrOf([[1, 2]], 2);
  expect(() => writeMatrixMarket({ ...a, indices: Uint32Array.of(0, 2) })).toThrow(failure('ERR_FORMAT'));
  expect(() => writeMatrixMarket({ ...a, indptr: Uint32Array.of(1, 2) })).toThrow(failure('ERR_FORMAT'));
  expect(() => writeMatrixMarket({ ...a, indptr: Uint32Array.of(0, 3) })).toThrow(failure('ERR_SHAPE'));
  expect(() => writeMatrixMarket([1] as never)).toThrow(failure('ERR_DTYPE'));
  expect(() => writeMatrixMarket(a, { comments: 'x' } as never)).toThrow(failure('ERR_OPTION'));
  expect(() => writeMatrixMarket(a, { comment: 7 as never })).toThrow(failure('ERR_DTYPE'));
  expect(() => writeMatrixMarket(dense(1, 1), { pattern: true })).toThrow(failure('ERR_OPTION'));
  const half: Dense<Uint16Array> = { rows: 1, cols: 1, data: new Uint16Array(1), dtype: 'f16' };
  expect(() => writeMatrixMarket(half)).toThrow(failure('ERR_DTYPE'));
});
