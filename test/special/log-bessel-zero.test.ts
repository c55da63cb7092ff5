/** log I and log K around their zeros, where their terms cancel: the table of bessel_zero_table.py. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logBesselI, logBesselK } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { errorOf } from './exact.js';
import { arguments_, beyond, orders, ulp, type Row } from './table.js';

const rows = JSON.parse(readFileSync(new URL('./bessel_zero_table.json', import.meta.url), 'utf8')) as [
  which: 'I' | 'K',
  v: string,
  x: string,
  value: string,
  scale: string,
][];

/** Where the elements are computed with twice the digits: see the constants of log_bessel_near.cc. */
function near(which: 'I' | 'K', v: number, x: number, value: number): boolean {
  if (v * v + x * x >= 477) return Math.abs(value) < 0.99 * ((v + x) / 256);
  return Math.abs(value) < 0.99 * (which === 'I' ? Math.min(1 / 16, 24 * x * x) : 1 / 64);
}

/** v at which log I (log K) of x is 0. */
function root(f: (v: number, x: number) => number, falling: boolean, x: number): number {
  let [low, high] = [0, 40];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (f(middle, x) > 0 === falling) low = middle;
    else high = middle;
  }
  return low;
}

describeEachIsa('around the zeros', (isa) => {
  test.each(['I', 'K'] as const)('log %s of blocks that are all zeros, by turns of every branch: as alone', (which) => {
    const f = which === 'I' ? logBesselI : logBesselK;
    // One x in each cell of the branches; I falls with v, K rises.
    const xs = which === 'I' ? [0.5, 2, 4.5, 8, 12] : [0.15, 0.2, 0.28, 0.35, 0.45, 0.05, 0.1];
    const v: number[] = [];
    const x: number[] = [];
    const put = (count: number, each: number) => {
      for (const at of xs) {
        const order = withIsa(isa, () => root(f, which === 'I', at));
        for (let i = 0; i < each; i++) {
          v.push(order);
          x.push(at);
        }
      }
      while (v.length < count) {
        v.push(50);
        x.push(50);
      }
    };
    // A block that is full of one of them, one full of all, and one with some of each.
    for (const at of xs) {
      const order = withIsa(isa, () => root(f, which === 'I', at));
      const [full, alone] = withIsa(isa, () => [f(new Float64Array(8192).fill(order), at), f(order, at)] as const);
      expect(
        full.findIndex((y) => y !== alone),
        `x = ${at}`,
      ).toBe(-1);
    }
    put(8192, Math.floor(8192 / xs.length));
    put(16384, 128);
    const got = withIsa(isa, () => f(Float64Array.from(v), Float64Array.from(x)));
    for (let i = 0; i < v.length; i += 97)
      expect(got[i], `v = ${v[i]}, x = ${x[i]}`).toBe(withIsa(isa, () => f(v[i]!, x[i]!)));
  });

  test.each(['I', 'K'] as const)('log %s within 1 unit in the last place and 2^-94 · S', (which) => {
    const here = rows.filter((row) => row[0] === which);
    const v = Float64Array.from(here, (row) => Number(row[1]));
    const x = Float64Array.from(here, (row) => Number(row[2]));
    const got = withIsa(isa, () => (which === 'I' ? logBesselI : logBesselK)(v, x));
    let [tried, tiny] = [0, 0];
    for (const [i, [, , , value, scale]] of here.entries()) {
      const size = Math.abs(Number(value));
      const error = Math.abs(errorOf(got[i]!, value));
      if (!near(which, v[i]!, x[i]!, Number(value))) continue;
      tried++;
      if (size < 2 ** -45 * Number(scale)) tiny++;
      const at = `v = ${v[i]}, x = ${x[i]}`;
      expect(error, at).toBeLessThanOrEqual(ulp(size) + 2 ** -94 * Number(scale));
    }
    expect(tried).toBeGreaterThan(200);
    expect(tiny).toBeGreaterThan(60);
  });

  test.each(['I', 'K'] as const)('log %s within 2 units in the last place, wherever S is below 2^41 |L|', (which) => {
    const f = which === 'I' ? logBesselI : logBesselK;
    const beside = rows.filter((row) => row[0] === which && Math.abs(Number(row[3])) > 2 ** -41 * Number(row[4]));
    const [v, x] = [1, 2].map((i) => Float64Array.from(beside, (row) => Number(row[i]))) as [Float64Array, Float64Array]; // prettier-ignore
    withIsa(isa, () => f(v, x)).forEach((got, i) => {
      const value = beside[i]![3];
      const allowed = 2 * ulp(Number(value));
      expect(Math.abs(errorOf(got, value)), `v = ${v[i]}, x = ${x[i]}`).toBeLessThanOrEqual(allowed);
    });
    expect(beside.length).toBeGreaterThan(150);
    const all = withIsa(isa, () => f(orders, arguments_));
    const digits = (r: Row): string => (which === 'I' ? r.logI : r.logK);
    expect(beyond(all, digits, (r) => 2 * ulp(Number(digits(r))))).toEqual([]);
  });
});
