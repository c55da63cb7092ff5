import { expect, test } from 'vitest';

test('typed arrays are equal where kind, length and every element are', () => {
  expect(Float32Array.of(1, NaN, -0)).toEqual(Float32Array.of(1, NaN, -0));
  expect(Uint8Array.of(9, 7, 8).subarray(1)).toEqual(Uint8Array.of(7, 8));
  expect(new Uint16Array(0)).toEqual(new Uint16Array(0));
  for (const [a, b] of [
    [Float32Array.of(1, 2), Float32Array.of(1, 3)],
    [Float32Array.of(0), Float32Array.of(-0)],
    [Float64Array.of(1), Float64Array.of(1, 0)],
    [Int8Array.of(1), Uint8Array.of(1)],
    [new Float64Array(0), new Float32Array(0)],
    [Uint8Array.of(7, 8, 9).subarray(1), Uint8Array.of(7, 8)],
  ]) {
    expect(a).not.toEqual(b);
    expect({ data: [a] }).not.toEqual({ data: [b] });
  }
  // NaN of another payload is NaN
  expect(new Float32Array(Uint32Array.of(0x7fc00001).buffer)).toEqual(Float32Array.of(NaN));
});
