import { expect, test } from 'vitest';
import { where } from '../../dist/core/validate.js';
import { native } from '../../dist/core/native.js';

const hugePage = 2 ** 21;

test('where the first huge page begins', () => {
  expect(native.hugePages(new Uint8Array(0))).toBe(0);
  const memory = new Uint8Array(2 * hugePage + 4096);
  const first = native.hugePages(memory);
  expect(first).toBeLessThan(hugePage);
  expect(native.hugePages(memory.subarray(first))).toBe(0);
  expect(native.hugePages(memory.subarray(first + 1))).toBe(hugePage - 1);
  expect(native.hugePages(memory.subarray(first + 1, first + 100))).toBe(99); // none in it
  expect(() => native.hugePages(new Float64Array(8) as never)).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
});

test.each([0, 1, 2 ** 18, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3_300_000, 4_250_000])(
  'a result of %d values has its length, and begins with a huge page if it is large',
  (length) => {
    const bytes = 8 * length;
    const array = where('test').allocateUncleared(Float64Array, length);
    array.fill(1);
    expect(array.length).toBe(length);
    if (bytes < 4 * hugePage) {
      expect(array.buffer.byteLength).toBe(bytes);
      return;
    }
    expect(native.hugePages(new Uint8Array(array.buffer, array.byteOffset))).toBe(0);
    expect(array.buffer.byteLength).toBeLessThanOrEqual(1.1 * bytes + hugePage);
  },
);
