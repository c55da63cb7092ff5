/** log I and log K around their zeros, where their terms cancel: the table of bessel_zero_table.py. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logBesselI, logBesselK } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { errorOf } from './exact.js';
import { ulp } from './table.js';

const rows = JSON.parse(readFileSync(new URL('./bessel_zero_table.json', import.meta.url), 'utf8')) as [
  which: 'I' | 'K',
  v: string,
  x: string,
  value: string,
  scale: string,
][];

/** Where the elements are computed with twice the digits: see kNearI, kNearK and kNearU of log_bessel.cc. */
function near(which: 'I' | 'K', v: number, x: number, value: number): boolean {
  if (v * v + x * x >= 477) return Math.abs(value) < 0.99 * ((v + x) / 256);
  return Math.abs(value) < 0.99 * (which === 'I' ? Math.min(0.5, 0.25 * x * x) : 0.125);
}

describeEachIsa('around the zeros', (isa) => {
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
      if (size > 2 ** -42 * Number(scale)) expect(error, at).toBeLessThanOrEqual(2 * ulp(size));
    }
    expect(tried).toBeGreaterThan(200);
    expect(tiny).toBeGreaterThan(60);
  });
});
