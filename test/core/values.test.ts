import { describe, expect, test } from 'vitest';
import { runInNewContext } from 'node:vm';
import { dense, identity, LapidaryError } from 'lapidary';
import { where } from '../../dist/core/validate.js';
import { withCode } from '../support/errors.js';

describe('dense', () => {
  test('zeros without data, the very array with it', () => {
    expect(dense(2, 3)).toEqual({ rows: 2, cols: 3, data: new Float64Array(6) });
    const data = Float32Array.of(1, 2);
    expect(dense(1, 2, data).data).toBe(data);
    expect(dense(0, 5).data.length).toBe(0);
  });

  test('shared memory, subclasses and arrays of another realm are arrays too', () => {
    expect(dense(1, 2, new Float64Array(new SharedArrayBuffer(16))).cols).toBe(2);
    class Mine extends Float64Array {}
    expect(dense(1, 2, new Mine(2)).cols).toBe(2);
    expect(dense(1, 2, runInNewContext('new Float64Array(2)') as Float64Array).cols).toBe(2);
  });

  test('what does not fit is refused', () => {
    expect(() => dense(2, 3, new Float64Array(5))).toThrow(withCode('ERR_SHAPE'));
    for (const rows of [NaN, -1, 0.5, Infinity, 2 ** 53]) expect(() => dense(rows, 1)).toThrow(withCode('ERR_RANGE'));
    expect(() => dense('2' as never, 3)).toThrow(withCode('ERR_DTYPE'));
    expect(() => dense(1, 1, [1] as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => dense(1, 1, new BigInt64Array(1) as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => dense(1, 8, new DataView(new ArrayBuffer(8)) as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => dense(2 ** 30, 2 ** 30)).toThrow(withCode('ERR_RANGE'));
    expect(() => dense(2 ** 26, 2 ** 26)).toThrow(withCode('ERR_OUT_OF_MEMORY'));
  });

  test('a detached buffer is named as such', () => {
    const data = new Float64Array(4);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    expect(() => dense(2, 2, data)).toThrow(withCode('ERR_DETACHED'));
  });
});

test('identity', () => {
  expect(Array.from(identity(3).data)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  expect(identity(0).data.length).toBe(0);
});

test('an error says function, argument, expected and got', () => {
  const error = new LapidaryError('ERR_SHAPE', { function: 'f', argument: 'x', expected: '3 × 4', got: '2 × 4' });
  expect(error).toBeInstanceOf(Error);
  expect(error.message).toBe('f: x: expected 3 × 4, got 2 × 4');
  expect(error).toMatchObject({ function: 'f', argument: 'x', expected: '3 × 4', got: '2 × 4' });
});

describe('look-alikes', () => {
  const at = where('f');

  test('a contiguous ndarray is a view, a transposed one is refused', () => {
    const data = Float64Array.of(9, 1, 2, 3, 4, 5, 6);
    const nd = { data, shape: [2, 3], stride: [3, 1], offset: 1 };
    const matrix = at.dense('x', nd, [Float64Array]);
    expect(matrix).toMatchObject({ rows: 2, cols: 3 });
    expect(matrix.data.buffer).toBe(data.buffer);
    expect(Array.from(matrix.data)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(() => at.dense('x', { ...nd, stride: [1, 2] }, [Float64Array])).toThrow(withCode('ERR_DTYPE'));
    expect(() => at.dense('x', { ...nd, offset: 3 }, [Float64Array])).toThrow(withCode('ERR_SHAPE'));
    for (const shape of [[NaN, 1], [-1, 3], [2], [2, 3, 4], null, 6])
      expect(() => at.dense('x', { ...nd, shape }, [Float64Array])).toThrow(LapidaryError);
  });

  test('an ml-matrix Matrix is copied', () => {
    const ml = { rows: 2, columns: 2, data: [Float64Array.of(1, 2), Float64Array.of(3, 4)] };
    expect(Array.from(at.dense('x', ml, [Float64Array]).data)).toEqual([1, 2, 3, 4]);
    expect(() => at.dense('x', { ...ml, rows: 3 }, [Float64Array])).toThrow(withCode('ERR_DTYPE'));
    expect(() => at.dense('x', { ...ml, rows: 2 ** 52 }, [Float64Array])).toThrow(LapidaryError);
    // As an output the copy would be filled, and nobody would see it.
    expect(() => at.outDense('out', ml, Float64Array, 2, 2)).toThrow(withCode('ERR_DTYPE'));
  });
});

describe('checks', () => {
  const at = where('f');

  test('a misspelt option is an error that lists the options', () => {
    expect(() => at.options({ alhpa: 1 } as { alpha?: number }, ['alpha'])).toThrow(
      /alhpa.*expected one of the options alpha/,
    );
    expect(at.options<{ alpha?: number }>(undefined, ['alpha'])).toEqual({});
    expect(() => at.options(3 as never, [])).toThrow(withCode('ERR_DTYPE'));
    expect(() => at.options(null as never, [])).toThrow(withCode('ERR_DTYPE'));
  });

  test('a Csr by its outside', () => {
    const csr = {
      rows: 2,
      cols: 2,
      indptr: Uint32Array.of(0, 1, 2),
      indices: Uint32Array.of(0, 1),
      values: new Float64Array(2),
    };
    expect(at.csr('a', csr, [Float64Array])).toBe(csr);
    expect(() => at.csr('a', { ...csr, rows: 3 }, [Float64Array])).toThrow(withCode('ERR_SHAPE'));
    expect(() => at.csr('a', { ...csr, indices: new Uint32Array(3) }, [Float64Array])).toThrow(withCode('ERR_SHAPE'));
    expect(() => at.csr('a', { ...csr, values: new Float32Array(2) }, [Float64Array])).toThrow(withCode('ERR_DTYPE'));
    expect(() => at.csr('a', { ...csr, cols: 2 ** 32 }, [Float64Array])).toThrow(withCode('ERR_RANGE'));
    expect(() => at.csr('a', null, [Float64Array])).toThrow(withCode('ERR_DTYPE'));
  });
});
