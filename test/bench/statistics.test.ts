import { describe, expect, test } from 'vitest';
import { exponent, pairedRatio, quantile, timing, verdict } from '../../bench/harness/statistics.js';
import { uniform } from '../support/random.js';

describe('quantiles', () => {
  test('interpolate between order statistics and do not change the sample', () => {
    const sample = [4, 1, 3, 2];
    expect(quantile(sample, 0)).toBe(1);
    expect(quantile(sample, 0.5)).toBe(2.5);
    expect(quantile(sample, 0.25)).toBe(1.75);
    expect(quantile(sample, 1)).toBe(4);
    expect(sample).toEqual([4, 1, 3, 2]);
  });
  test('of one number are that number, of none NaN', () => {
    expect(quantile([7], 0.25)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });
  test('summarise a sample without regard to one stray slice', () => {
    expect(timing([1, 1, 1, 1, 1000])).toEqual({ median: 1, q1: 1, q3: 1, slices: 5 });
  });
});

test('the paired ratio cancels a machine that becomes ten times slower half way', () => {
  const slow = [1, 1, 1, 10, 10, 10];
  const { ratio, q1, q3 } = pairedRatio(
    slow.map((x) => 3 * x),
    slow,
  );
  expect([ratio, q1, q3]).toEqual([3, 3, 3]);
});

describe('verdict', () => {
  const noise = (n: number, seed: number, centre: number) => Array.from(uniform(n, seed, 0.9 * centre, 1.1 * centre));
  test('faster, slower', () => {
    expect(verdict(noise(12, 1, 1), noise(12, 2, 2))).toBe('faster');
    expect(verdict(noise(25, 1, 2), noise(25, 2, 1))).toBe('slower');
  });
  test('unclear for one population, and for too few slices to tell', () => {
    expect(verdict(noise(25, 1, 1), noise(25, 2, 1))).toBe('unclear');
    expect(verdict([1, 1.1], [2, 2.1])).toBe('unclear');
  });
});

test('growth is the exponent of a power law', () => {
  expect(exponent(256, 8, 128, 1)).toBeCloseTo(3, 12);
});
