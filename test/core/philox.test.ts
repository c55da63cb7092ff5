import { expect, test } from 'vitest';
import { philox } from 'lapidary';

test('known answers of the authors (Random123 kat_vectors)', () => {
  // counter = (index, stream), key = seed
  const zero = philox(0n, 0n);
  expect([0, 1, 2, 3].map((i) => zero.uint32(i))).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});

test('TypeScript and C++ give the same bits', () => {
  for (const [seed, stream] of [
    [0, 0],
    [1, 2],
    [-1, 5],
    [2n ** 64n - 1n, 2n ** 63n],
    [123456789012345, 3],
  ] as const) {
    const p = philox(seed, stream);
    for (const first of [0, 1, 7, 2 ** 33 + 5, 2 ** 52]) {
      const words = p.fill(new Uint32Array(37), first);
      const numbers = p.fill(new Float64Array(37), first);
      words.forEach((w, i) => expect(w).toBe(p.uint32(first + i)));
      numbers.forEach((u, i) => expect(u).toBe(p.uniform(first + i)));
    }
  }
});

test('streams and seeds differ', () => {
  const first = [philox(1), philox(2), philox(1, 1), philox(1, 2 ** 40)].map((p) => p.uint32(0));
  expect(new Set(first).size).toBe(4);
});

test('bad seeds are refused', () => {
  expect(() => philox(NaN)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  expect(() => philox(0.5)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  expect(() => philox('1' as never)).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
  expect(() => philox(1).fill([] as never)).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
});
