import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dense, type Dense, type NumericArray } from 'lapidary';
import { readNpy, writeNpy } from 'lapidary/io';

const failure = (code: string) => expect.objectContaining({ code, name: 'LapidaryError' });
const types: (new (values: number[]) => NumericArray)[] = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
];

test('reads back what was written', () => {
  const type = fc.constantFrom(...types);
  fc.assert(
    fc.property(
      type,
      fc.nat(9),
      fc.nat(9),
      fc.array(fc.double(), { minLength: 81, maxLength: 81 }),
      (Type, rows, cols, numbers) => {
        const value = dense(rows, cols, new Type(numbers.slice(0, rows * cols)));
        expect(readNpy(writeNpy(value))).toEqual(value);
        expect(readNpy(writeNpy(value.data))).toEqual(value.data);
      },
    ),
  );
  const half: Dense<Uint16Array> = { rows: 1, cols: 2, data: Uint16Array.of(1, 2), dtype: 'f16' };
  expect(readNpy(writeNpy(half))).toEqual(half);
});

test('is byte for byte what NumPy writes', () => {
  const expected = `\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }`.padEnd(127) + '\n';
  const written = writeNpy(dense(1, 2, Float32Array.of(1, 2)));
  expect(Buffer.from(written.subarray(0, 128)).toString('latin1')).toBe(expected);
  expect(written.length).toBe(136);
});

test('takes views, shared memory and look-alikes; refuses the rest', () => {
  const shared = new Float32Array(new SharedArrayBuffer(12));
  shared.set([1, 2, 3]);
  expect(readNpy(writeNpy(shared.subarray(1)))).toEqual(Float32Array.of(2, 3));
  const bytes = new Uint8Array(new SharedArrayBuffer(136));
  bytes.set(writeNpy(dense(1, 2, Float32Array.of(1, 2))));
  expect(readNpy(bytes)).toEqual(dense(1, 2, Float32Array.of(1, 2)));
  expect(readNpy(Buffer.from(bytes))).toEqual(dense(1, 2, Float32Array.of(1, 2)));
  expect(() => writeNpy([1, 2] as never)).toThrow(failure('ERR_DTYPE'));
  expect(() => writeNpy(BigInt64Array.of(1n) as never)).toThrow(failure('ERR_DTYPE'));
  expect(() => writeNpy({ rows: 1, cols: 3, data: shared.subarray(1) })).toThrow(failure('ERR_SHAPE'));
  expect(() => writeNpy({ rows: 1, cols: 1, data: new Uint16Array(1), dtype: 'bf16' })).toThrow(failure('ERR_DTYPE'));
  expect(() => writeNpy({ rows: 1, cols: 1, data: new Uint8Array(1), dtype: 'f16' })).toThrow(failure('ERR_DTYPE'));
});
