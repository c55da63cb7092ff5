/** What tests of recurrences share: random inputs, distances, finite differences. */
import { expect } from 'vitest';
import { getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { native } from '../../dist/core/native.js';
import { uniform } from './random.js';

export type RealType = typeof Float64Array | typeof Float32Array;
export const types: readonly RealType[] = [Float64Array, Float32Array];

/** A matrix of numbers uniform on [low, high). */
export const randomDense = (type: RealType, rows: number, cols: number, seed: number, low = -1, high = 1) =>
  ({ rows, cols, data: type.from(uniform(rows * cols, seed, low, high)) }) as Dense<Real>;

/** The rows [from, to) of a matrix, as a view. */
export const rowsOf = (x: Dense<Real>, from: number, to: number) =>
  ({ rows: to - from, cols: x.cols, data: x.data.subarray(from * x.cols, to * x.cols) }) as Dense<Real>;

/** The same numbers in f64. */
export const wide = (x: Dense<Real>): Dense => ({ rows: x.rows, cols: x.cols, data: Float64Array.from(x.data) });

/** The largest difference, relative to the largest magnitude of `expected` (or to 1 if all are zero). */
export function distance(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  let [largest, worst] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const difference = Math.abs(got[i]! - expected[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst / (largest || 1);
}

/** Asserts that arrays hold the same bits. */
export function expectSameBits(a: ArrayBufferView, b: ArrayBufferView): void {
  const bytes = (x: ArrayBufferView) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  expect(Buffer.compare(bytes(a), bytes(b))).toBe(0);
}

/** Runs `body` with 1, 2, 3 and 7 threads and asserts that its arrays have the same bits each time. */
export function sameForAnyThreads(body: () => ArrayBufferView[]): void {
  const before = getThreads();
  try {
    const [first, ...others] = [1, 2, 3, 7].map((n) => {
      setThreads(n);
      return body();
    });
    for (const other of others) first!.forEach((array, i) => expectSameBits(other[i]!, array));
  } finally {
    setThreads(before);
  }
}

/** Runs `body` with the n-th allocation failing, n = 0, 1, 2, … until it succeeds; gives the number of failures. */
export function withoutMemory(body: () => unknown): number {
  for (let n = 0; ; n++) {
    native.failAllocation(n);
    try {
      body();
      return n;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
      expect(n).toBeLessThan(60);
    } finally {
      native.failAllocation(-1);
    }
  }
}

/**
 * Asserts that `gradient` is that of `loss` by central differences in each of a few entries of `x` (f64), to 10⁻⁶ of the
 * largest entry.
 */
export function expectGradient(x: Dense<Real>, gradient: Dense<Real>, loss: () => number, entries = 12): void {
  expect([gradient.rows, gradient.cols]).toEqual([x.rows, x.cols]);
  const largest = Array.from(gradient.data).reduce((most, g) => Math.max(most, Math.abs(g)), 1e-3);
  const step = Math.max(1, Math.floor(x.data.length / entries));
  for (let i = 0; i < x.data.length; i += step) {
    const h = 1e-5;
    const kept = x.data[i]!;
    x.data[i] = kept + h;
    const above = loss();
    x.data[i] = kept - h;
    const below = loss();
    x.data[i] = kept;
    expect(Math.abs((above - below) / (2 * h) - gradient.data[i]!)).toBeLessThan(1e-6 * largest);
  }
}

/** Σ weight·value over several pairs of matrices: a loss whose gradient in each value is its weight. */
export const weighted = (...pairs: (readonly [Dense<Real>, Dense<Real>])[]): number =>
  pairs.reduce((sum, [weight, value]) => {
    for (let i = 0; i < weight.data.length; i++) sum += weight.data[i]! * value.data[i]!;
    return sum;
  }, 0);
