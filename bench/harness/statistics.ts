/** Robust summaries; the significance test is the one of the `benchmark` package. */
import Benchmark from 'benchmark';
import type { Timing } from './row.js';

/** The q-quantile by linear interpolation between order statistics. */
export function quantile(sample: readonly number[], q: number): number {
  if (sample.length === 0) return NaN;
  const sorted = [...sample].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (at - below);
}

export const median = (sample: readonly number[]): number => quantile(sample, 0.5);

export function timing(sample: readonly number[]): Timing {
  return { median: median(sample), q1: quantile(sample, 0.25), q3: quantile(sample, 0.75), slices: sample.length };
}

/**
 * The median and quartiles of a[i] / b[i]. Two slices of one round lie milliseconds apart, so that what the machine does
 * meanwhile mostly cancels; the ratio of two medians would keep it.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): { ratio: number; q1: number; q3: number } {
  const ratios = a.map((value, i) => value / b[i]!);
  return { ratio: median(ratios), q1: quantile(ratios, 0.25), q3: quantile(ratios, 0.75) };
}

/** With fewer slices the U test cannot reach 5 %, and `benchmark` would call any order of them significant. */
const fewestSlices = 5;

/** Mann-Whitney U test at 5 %: are our times shorter than the peer's, longer, or not to be told apart? */
export function verdict(ours: readonly number[], peer: readonly number[]): 'faster' | 'slower' | 'unclear' {
  const holding = (sample: readonly number[]) => {
    const bench = new Benchmark(() => sample);
    bench.stats.sample = [...sample];
    return bench;
  };
  if (Math.min(ours.length, peer.length) < fewestSlices) return 'unclear';
  const sign = holding(ours).compare(holding(peer));
  return sign > 0 ? 'faster' : sign < 0 ? 'slower' : 'unclear';
}

/** The exponent e of cost ~ size^e between two points. */
export function exponent(size: number, cost: number, previousSize: number, previousCost: number): number {
  return Math.log(cost / previousCost) / Math.log(size / previousSize);
}
