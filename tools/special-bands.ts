/**
 * Writes native/special/bands.h: where the methods for small v² + x² change with x, how small log I and log K must be for
 * their careful methods, and the bands of v between two lines in x that go there at once. Run it with
 * `npx tsx tools/special-bands.ts` after a change here; test/special/bands.test.ts proves that the header is what this
 * program writes and that the bands are where log I and log K are small.
 *
 * The limits come from a search for errors beyond 2 last places (docs/special.md), the lines from the limits: each passes
 * through two points of a border and misses the least area of the 64 middle ones of its cell.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { kBorders } from './special-tables.js';

/** From here on Debye's expansion takes over. */
export const smallR2 = 477;
/** Borders in x of the power series for I and the terms that it takes below, between and beyond them. */
const seriesBorders = [1, 3, 6, 10, 16];
const seriesTerms = [10, 14, 19, 25, 32, 40];

export interface Limit {
  least: number;
  fewSteps: number;
  most: number;
}
export type Kind = 'I' | 'K';
/** Careful below max(least, min(v − fewSteps, most)): each step in v rounds off a little. */
export const limits: Record<Kind, Limit> = {
  I: { least: 2, fewSteps: 2.5, most: 4 },
  K: { least: 2, fewSteps: 1.5, most: 4 },
};
/** In these cells everything below `most` is careful: the search found errors beyond 2 last places for small v too. */
const wholeCells: Record<Kind, number[]> = { I: [2], K: [1, 2] };

export function limitAt(kind: Kind, cell: number, v: number): number {
  const { least, fewSteps, most } = limits[kind];
  return wholeCells[kind].includes(cell) ? most : Math.max(least, Math.min(v - fewSteps, most));
}

/** The cells of x that have a band: their number among the branches, and their ends. */
export const cells: Record<Kind, { cell: number; from: number; to: number }[]> = {
  // from x = 16 on log I is above its limit
  I: seriesBorders.slice(0, -1).map((from, i) => ({ cell: i + 1, from, to: seriesBorders[i + 1]! })),
  // those of x ≥ 10 would be the ninth
  K: kBorders.slice(0, 7).map((from, i) => ({ cell: i + 1, from, to: kBorders[i + 1]! })),
};

// ---- log I and log K to some ten digits ----------------------------------------------------------------------------

/** log Γ(a) for a ≥ 1: Stirling's series from a + 8 on. */
function logGamma(a: number): number {
  let product = 1;
  for (; a < 9; a++) product *= a;
  const y = 1 / (a * a);
  const tail = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y / 1680))) / a;
  return (a - 0.5) * Math.log(a) - a + 0.5 * Math.log(2 * Math.PI) + tail - Math.log(product);
}

/** The power series, DLMF 10.25.2. */
function logI(v: number, x: number): number {
  const q = (x * x) / 4;
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-14 * sum; k++) sum += term *= q / (k * (k + v));
  return v * Math.log(x / 2) - logGamma(v + 1) + Math.log(sum);
}

/** ∫₀^∞ exp(−x cosh t) cosh vt dt, DLMF 10.32.9, by the trapezoidal rule. */
function logK(v: number, x: number): number {
  const step = 1 / 16;
  let sum = 0.5;
  for (let j = 1; ; j++) {
    const t = j * step;
    const fall = x * (Math.cosh(t) - 1);
    if (fall > v * t + 40) return Math.log(step * sum) - x;
    sum += Math.exp(-fall) * Math.cosh(v * t);
  }
}

// ---- lines -----------------------------------------------------------------------------------------------------------

const none = -1000;

/** The v where log I or log K leaves its limit, `sign` times that, at x; negative if there is none. */
export function border(kind: Kind, cell: number, sign: 1 | -1, x: number): number {
  const value = kind === 'I' ? logI : logK;
  const rises = kind === 'K';
  const end = Math.sqrt(smallR2 - x * x);
  const below = (v: number): boolean => value(v, x) < sign * limitAt(kind, cell, v);
  let [low, high] = [0, end];
  if (below(low) !== rises) return none;
  if (below(high) === rises) return end;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (below(middle) === rises) low = middle;
    else high = middle;
  }
  return low;
}

/** A multiple of 2^-10: the lower 32 bits of such a small f64 are 0. */
const short = (a: number): number => Math.round(a * 1024) / 1024;

/** start + slope · x near a border: through two of its points, so that the area between is least. */
function line(kind: Kind, cell: number, sign: 1 | -1, from: number, to: number): [start: number, slope: number] {
  const n = 64;
  const x = Array.from({ length: n }, (_, i) => from + ((to - from) * (i + 0.5)) / n);
  const v = x.map((at) => border(kind, cell, sign, at));
  let best: [number, number] = [none, 0];
  const area = ([start, slope]: [number, number]): number =>
    x.reduce((sum, at, i) => {
      const end = Math.sqrt(smallR2 - at * at);
      return sum + Math.abs(Math.min(end, Math.max(0, start + slope * at)) - Math.max(0, v[i]!));
    }, 0);
  let least = area(best);
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      if (v[i]! < 0 || v[j]! < 0) continue;
      const slope = short((v[j]! - v[i]!) / (x[j]! - x[i]!));
      const candidate: [number, number] = [short(v[i]! - slope * x[i]!), slope];
      const missed = area(candidate);
      if (missed < least) [best, least] = [candidate, missed];
    }
  return best;
}

export interface Band {
  low: [start: number, slope: number];
  high: [start: number, slope: number];
}
/** By number of the cell; those that are not there have no band. */
export function bands(kind: Kind): Band[] {
  const nothing: Band = { low: [1e6, 0], high: [0, 0] };
  const out = Array.from({ length: 8 }, () => nothing);
  for (const { cell, from, to } of cells[kind]) {
    const of = (sign: 1 | -1): [number, number] => line(kind, cell, sign, from, to);
    out[cell] = kind === 'I' ? { low: of(1), high: of(-1) } : { low: of(-1), high: of(1) };
  }
  return out;
}

// ---- the header ------------------------------------------------------------------------------------------------------

export function bandsHeader(): string {
  const rows = (kind: Kind): string => {
    const all = bands(kind);
    const list = (values: number[]): string => `{${values.join(', ')}}`;
    return [
      list(all.map((b) => b.low[0])),
      list(all.map((b) => b.low[1])),
      list(all.map((b) => b.high[0])),
      list(all.map((b) => b.high[1])),
    ].join(',\n    ');
  };
  const limit = (kind: Kind): string => `{${limits[kind].least}, ${limits[kind].fewSteps}, ${limits[kind].most}}`;
  return `// Generated by tools/special-bands.ts; not to be edited.
// clang-format off
#pragma once

#include "special/log_bessel_branches.h"

namespace lapidary {

// v² + x² from which on Debye's expansion serves.
inline constexpr double kSmallR2 = ${smallR2};

// The power series for I takes kSeriesTerms[c] terms for x from kSeriesBorders[c−1] to kSeriesBorders[c].
inline constexpr int kSeriesCells = ${seriesTerms.length};
inline constexpr double kSeriesBorders[kSeriesCells - 1] = {${seriesBorders.join(', ')}};
inline constexpr int kSeriesTerms[kSeriesCells] = {${seriesTerms.join(', ')}};

// |log I| and |log K| below max(least, min(v − few_steps, most)) are computed carefully; in the whole cells, of the
// series that takes kWholeTermsI terms and the first kWholeCellsK of K's polynomials, below \`most\`.
struct CarefulLimit {
  double least, few_steps, most;
};
inline constexpr CarefulLimit kLimitI = ${limit('I')}, kLimitK = ${limit('K')};
inline constexpr int kWholeTermsI = ${seriesTerms[wholeCells.I[0]!]}, kWholeCellsK = ${wholeCells.K.length};

// Where they are below these limits, by lines close to where that is. Only time hangs on the lines: whatever they miss
// goes to the careful method after its first result, and what they take in beyond is more exact.
inline constexpr BesselBorders<double>::Band kBandI = {
    ${rows('I')}};
inline constexpr BesselBorders<double>::Band kBandK = {
    ${rows('K')}};

}  // namespace lapidary
`;
}

export const bandsPath = fileURLToPath(new URL('../native/special/bands.h', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(bandsPath, bandsHeader());
