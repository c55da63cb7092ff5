import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dense, getThreads, philox, setThreads, type Dense } from 'lapidary';
import { besselIRatio, vmfFit, vmfSample } from 'lapidary/special';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';

/** A direction of ℝᵖ that is no axis. */
function direction(p: number): Float64Array {
  const mu = Float64Array.from({ length: p }, (_, j) => Math.sin(1.3 * j + 0.4));
  const length = Math.hypot(...mu);
  return mu.map((a) => a / length);
}

const row = (x: Dense, i: number): Float64Array => x.data.subarray(i * x.cols, (i + 1) * x.cols);
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, j) => sum + value * b[j]!, 0);

/** The angle between a row and mu, accurate for small ones: 2 asin(‖x − mu‖/2). */
function angle(x: Float64Array, mu: Float64Array): number {
  const chord = Math.sqrt(x.reduce((sum, a, j) => sum + (a - mu[j]!) ** 2, 0));
  return chord < 1.5 ? 2 * Math.asin(chord / 2) : Math.acos(Math.max(-1, dot(x, mu)));
}

/** The distribution function of the angle, density ∝ exp(κ cos θ) sin^(p−2) θ, by Simpson's rule on a fine grid. */
function angleDistribution(p: number, kappa: number): (theta: number) => number {
  const logDensity = (theta: number): number =>
    -2 * kappa * Math.sin(theta / 2) ** 2 + (p > 2 ? (p - 2) * Math.log(Math.sin(theta)) : 0);
  const peak = p > 2 ? Math.atan2(Math.sqrt((p - 2) * (2 / kappa)), 1) || 0 : 0;
  const probes = Array.from({ length: 4000 }, (_, i) => (Math.PI * (i + 0.5)) / 4000);
  for (let theta = Math.PI; theta > 1e-12; theta *= 0.97) probes.push(theta, Math.min(3, peak * (1 + theta)));
  const top = Math.max(...probes.map(logDensity));
  const inside = probes.filter((theta) => logDensity(theta) > top - 45).sort((a, b) => a - b);
  const low = p > 2 ? inside[0]! * 0.97 : 0;
  const high = Math.min(Math.PI, inside.at(-1)! * 1.04);
  const cells = 4000;
  const density = (theta: number): number => (theta <= 0 || theta >= Math.PI) && p > 2 ? 0 : Math.exp(logDensity(theta) - top); // prettier-ignore
  const step = (high - low) / cells;
  const cumulative = new Float64Array(cells + 1);
  for (let i = 0; i < cells; i++) {
    const at = low + i * step;
    cumulative[i + 1] = cumulative[i]! + (density(at) + 4 * density(at + step / 2) + density(at + step)) / 6;
  }
  return (theta) => {
    const place = Math.min(cells, Math.max(0, (theta - low) / step));
    const i = Math.min(cells - 1, Math.floor(place));
    const part = cumulative[i]! + (place - i) * (cumulative[i + 1]! - cumulative[i]!);
    return part / cumulative[cells]!;
  };
}

/** Kolmogorov's distance times √n: above 1.95 with probability 0.001. */
function kolmogorov(values: number[], distribution: (x: number) => number): number {
  const n = values.length;
  const sorted = values.map(distribution).sort((a, b) => a - b);
  return Math.sqrt(n) * Math.max(...sorted.map((u, i) => Math.max((i + 1) / n - u, u - i / n)));
}

const shapes = [
  [2, 0],
  [2, 0.3],
  [2, 5],
  [2, 1e8],
  [3, 0],
  [3, 1],
  [3, 700],
  [3, 1e12],
  [4, 2],
  [9, 30],
  [64, 0],
  [64, 1e-5],
  [64, 40],
  [64, 1e8],
  [500, 800],
  [2048, 5000],
] as const;

describe.each(shapes)('p = %i, κ = %f', (p, kappa) => {
  const n = p > 400 ? 2000 : 20_000;
  const mu = direction(p);
  const x = vmfSample(mu, kappa, n, { seed: 11 });

  test('rows have length 1', () => {
    for (let i = 0; i < n; i++) expect(Math.abs(Math.sqrt(dot(row(x, i), row(x, i))) - 1)).toBeLessThan(1e-14);
  });

  test('the angle to μ has its distribution', () => {
    const angles = Array.from({ length: n }, (_, i) => angle(row(x, i), mu));
    expect(kolmogorov(angles, angleDistribution(p, kappa))).toBeLessThan(1.95);
  });

  test('around μ the rows are uniform', () => {
    // a direction across μ: the angle of ξ to it has the density sin^(p−3), p = 2 has but two values
    const across = new Float64Array(p);
    across[p - 1] = 1;
    const drop = mu[p - 1]!;
    mu.forEach((a, j) => (across[j]! -= drop * a));
    const length = Math.sqrt(dot(across, across));
    const cosines = Array.from({ length: n }, (_, i) => {
      const away = row(x, i).map((a, j) => a - mu[j]!);
      const along = dot(away, mu);
      away.forEach((_, j) => (away[j]! -= along * mu[j]!));
      return dot(away, across) / length / Math.sqrt(dot(away, away));
    });
    if (p > 2) {
      const angles = cosines.map((a) => Math.acos(Math.min(1, Math.max(-1, a))));
      expect(kolmogorov(angles, angleDistribution(p - 1, 0))).toBeLessThan(1.95);
    } else {
      const right = cosines.filter((a) => a > 0).length;
      expect(Math.abs(right - n / 2)).toBeLessThan(3.3 * Math.sqrt(n / 4));
    }
  });
});

test('moments: E t = A(κ), Var t = 1 − A² − (p−1)A/κ', () => {
  for (const [p, kappa] of [[2, 1], [3, 4], [20, 15], [300, 200]] as const) {
    const mu = direction(p);
    const n = 40_000;
    const x = vmfSample(mu, kappa, n, { seed: 3 });
    const heights = Array.from({ length: n }, (_, i) => dot(row(x, i), mu));
    const mean = heights.reduce((a, b) => a + b, 0) / n;
    const variance = heights.reduce((a, b) => a + (b - mean) ** 2, 0) / n;
    const ratio = besselIRatio(p / 2 - 1, kappa);
    const expected = 1 - ratio * ratio - ((p - 1) * ratio) / kappa;
    expect(Math.abs(mean - ratio)).toBeLessThan(4 * Math.sqrt(expected / n));
    // the fourth moment of t is at most an exponential's: 9 variances squared
    expect(Math.abs(variance / expected - 1)).toBeLessThan(4 * Math.sqrt(8 / n));
  }
}); // prettier-ignore

test('a fit finds the parameters', () => {
  for (const [p, kappa, n] of [[2, 3, 20_000], [5, 40, 20_000], [100, 60, 10_000], [2048, 3000, 400], [32768, 30_000, 30]] as const) {
    const mu = direction(p);
    const fit = vmfFit(vmfSample(mu, kappa, n, { seed: 8 }));
    expect(Math.abs(fit.kappa / kappa - 1)).toBeLessThan(6 / Math.sqrt(n * p) + 10 / n);
    expect(dot(fit.mu, mu)).toBeGreaterThan(1 - (2 * p) / (n * kappa * besselIRatio(p / 2 - 1, kappa)));
  }
}); // prettier-ignore

test('ξ is made of the normal numbers that Philox and Box-Muller say', () => {
  // With μ = e₁ the rest of a row is a multiple of the normal numbers: block 8g + l of stream i gives numbers 16g + l and
  // 16g + 8 + l, from two uniform numbers of 52 bits.
  const p = 70;
  const mu = new Float64Array(p);
  mu[0] = 1;
  const x = vmfSample(mu, 1, 3, { seed: 2 ** 40 + 3 });
  for (let i = 0; i < 3; i++) {
    const draws = philox(2 ** 40 + 3, i);
    const z = Float64Array.from({ length: 80 }, (_, j) => {
      const block = 8 * Math.floor(j / 16) + (j % 8);
      const w = [0, 1, 2, 3].map((k) => draws.uint32(4 * block + k)) as [number, number, number, number];
      const u = 1 - (w[0] * 2 ** 20 + Math.floor(w[1] / 4096)) * 2 ** -52;
      const turn = (w[2] * 2 ** 20 + Math.floor(w[3] / 4096)) * 2 ** -52 - 0.5;
      const radius = Math.sqrt(-2 * Math.log(u));
      const along = (w[3] & 1 ? -1 : 1) * radius * Math.cos((Math.PI / 2) * turn);
      const side = radius * Math.sin((Math.PI / 2) * turn);
      const first = j % 16 < 8;
      return ((w[3] & 2) !== 0) === first ? side : along;
    });
    const ratio = x.data[i * p + 1]! / z[0]!;
    for (let j = 1; j < p - 1; j++) expect(Math.abs(x.data[i * p + 1 + j]! / (ratio * z[j]!) - 1)).toBeLessThan(1e-13);
  }
});

const mixed = (): Float64Array[] =>
  [2, 3, 8, 17, 100, 1031].flatMap((p) =>
    [0, 2.5, 1e4].map((kappa) => vmfSample(direction(p), kappa, 37, { seed: p }).data),
  );

describeEachIsa('the bits of every instruction set are the portable ones', (isa) => {
  test('same', () => expect(withIsa(isa, mixed)).toEqual(withIsa('portable', mixed)));
}); // prettier-ignore

test('the same bits for any number of threads, and a longer sample begins with the shorter', () => {
  const mu = direction(33);
  const threads = getThreads();
  const samples = [1, 2, 3, 7].map((n) => {
    setThreads(n);
    return vmfSample(mu, 20, 3000, { seed: 1 });
  });
  setThreads(threads);
  for (const sample of samples) expect(sample).toEqual(samples[0]);
  expect(vmfSample(mu, 20, 1000, { seed: 1 }).data).toEqual(samples[0]!.data.subarray(0, 33_000));
  expect(vmfSample(mu, 20, 10, { seed: 2 }).data).not.toEqual(samples[0]!.data.subarray(0, 330));
  expect(vmfSample(mu, 20, 10, { seed: 1 + 2 ** 32 }).data).not.toEqual(samples[0]!.data.subarray(0, 330));
});

test('any p and κ: ends, and the rows are finite and of length 1', () => {
  const exponent = fc.double({ min: -324, max: 308.25, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 300 }), exponent, fc.nat(), (p, e, seed) => {
      const kappa = Math.min(Number.MAX_VALUE, 10 ** e);
      const x = vmfSample(direction(p), kappa, 20, { seed });
      return Array.from({ length: 20 }, (_, i) => Math.abs(dot(row(x, i), row(x, i)) - 1)).every((gap) => gap < 1e-13);
    }),
    { seed: 4, numRuns: 300 },
  );
  const far = vmfSample(direction(5), Number.MAX_VALUE, 4);
  for (let i = 0; i < 4; i++) expect(angle(row(far, i), direction(5))).toBeLessThan(1e-15);
  const denormal = vmfSample(Float64Array.of(0, -5e-324), 1e40, 2);
  expect(denormal.data).toEqual(Float64Array.of(0, -1, 0, -1).map((a, j) => (j % 2 ? a : denormal.data[j]!)));
});

test('out is filled and returned', () => {
  const out = dense(4, 3);
  expect(vmfSample(direction(3), 2, 4, { out })).toBe(out);
  expect(out).toEqual(vmfSample(direction(3), 2, 4));
  expect(vmfSample(direction(3), 2, 0).data.length).toBe(0);
  const shared = dense(4, 3, new Float64Array(new SharedArrayBuffer(96)));
  expect(Array.from(vmfSample(direction(3), 2, 4, { out: shared }).data)).toEqual(Array.from(out.data));
  const aliased = dense(1, 3);
  aliased.data.set([1, 2, 3]);
  expect(vmfSample(aliased.data, 2, 1, { out: aliased })).toEqual(vmfSample(Float64Array.of(1, 2, 3), 2, 1));
});

test('bad input', () => {
  const mu = direction(3);
  expect(() => vmfSample(new Float64Array(3), 1, 1)).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfSample(Float64Array.of(1, NaN), 1, 1)).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfSample(Float64Array.of(1), 1, 1)).toThrow(withCode('ERR_SHAPE'));
  expect(() => vmfSample([1, 0] as never, 1, 1)).toThrow(withCode('ERR_DTYPE'));
  for (const kappa of [-1, NaN, Infinity]) expect(() => vmfSample(mu, kappa, 1)).toThrow(withCode('ERR_RANGE'));
  for (const n of [-1, 0.5, NaN, 2 ** 53]) expect(() => vmfSample(mu, 1, n)).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfSample(mu, 1, 2 ** 50)).toThrow(withCode('ERR_OUT_OF_MEMORY'));
  expect(() => vmfSample(mu, 1, 2, { seed: -1 })).toThrow(withCode('ERR_RANGE'));
  expect(() => vmfSample(mu, 1, 2, { sed: 1 } as never)).toThrow(withCode('ERR_OPTION'));
  expect(() => vmfSample(mu, 1, 2, { out: dense(3, 2) })).toThrow(withCode('ERR_SHAPE'));
  expect(() => vmfSample(mu, 1, 2, { out: dense(2, 3, new Float32Array(6)) as never })).toThrow(withCode('ERR_DTYPE'));
});
