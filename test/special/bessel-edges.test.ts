/** What every Bessel function does at the ends of its arguments: the table "Edges" of docs/special.md, read from there. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  besselIe,
  besselIRatio,
  besselKe,
  logBesselI,
  logBesselIDerivative,
  logBesselK,
  logBesselKDerivative,
} from 'lapidary/special';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';

/** In the order of the table's columns. */
const functions = [
  logBesselI,
  logBesselK,
  besselIRatio,
  logBesselIDerivative,
  logBesselKDerivative,
  besselIe,
  besselKe,
];
const named = functions.map((f) => ({ name: f.name, f }));
const evenInV = [logBesselK, logBesselKDerivative, besselKe];

/** Arguments for each row. */
const [some, far] = [
  [5e-324, 1e-300, 0.5, 3, 1e15, 1e308],
  [0, 5e-324, 1, 700.5, 1e308],
];
const places: Record<string, [v: number, x: number][]> = {
  'v = 0, x = 0': [
    [0, 0],
    [-0, -0],
  ],
  'v > 0, x = 0': some.flatMap((v): [number, number][] => [
    [v, 0],
    [v, -0],
  ]),
  'v finite, x = ∞': far.map((v) => [v, Infinity]),
  'v = ∞, x finite': far.map((x) => [Infinity, x]),
  'v = ∞, x = ∞; NaN anywhere': [
    [Infinity, Infinity],
    [NaN, 1],
    [1, NaN],
    [NaN, NaN],
    [NaN, 0],
    [0, NaN],
    [Infinity, NaN],
    [NaN, Infinity],
  ],
};

const text = readFileSync(new URL('../../docs/special.md', import.meta.url), 'utf8');
const rows = text
  .slice(text.indexOf('### Edges'), text.indexOf('### Cost'))
  .split('\n')
  .filter((line) => line.startsWith('| v'))
  .map((line) => line.split('|').map((cell) => cell.trim()).slice(1, -1)); // prettier-ignore
const numbers: Record<string, number> = { '0': 0, '1': 1, '−1': -1, '+∞': Infinity, '−∞': -Infinity, NaN };

describeEachIsa('edges', (isa) => {
  test.each(rows.slice(1))('%s', (place, ...cells) => {
    const at = places[place]!;
    expect(cells).toHaveLength(functions.length);
    for (const [i, f] of functions.entries()) {
      const expected = at.map(() => numbers[cells[i]!]!);
      const [v, x] = [0, 1].map((which) => at.map((pair) => pair[which]!)) as [number[], number[]];
      withIsa(isa, () => {
        expect(Array.from(f(Float64Array.from(v), Float64Array.from(x))), f.name).toEqual(expected);
        // in f32 the smallest of these are 0 and the largest ∞
        const single = at.filter((pair) => pair.every((a) => a === 0 || !(Math.fround(a) === 0 || (a > 1e38 && a < Infinity)))); // prettier-ignore
        const [v32, x32] = [0, 1].map((which) => Float32Array.from(single, (pair) => pair[which]!)) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>]; // prettier-ignore
        expect(Array.from(f(v32, x32)), f.name).toEqual(single.map(() => numbers[cells[i]!]!));
      });
    }
  });
});

test('the table has a row for every place', () => {
  expect(rows.slice(1).map(([place]) => place)).toEqual(Object.keys(places));
});

test.each(named)('$name: negative x, and negative v of what is not even in v, are ERR_RANGE', ({ f }) => {
  for (const x of [-1, -5e-324, -Infinity]) {
    expect(() => f(1, x)).toThrow(withCode('ERR_RANGE'));
    expect(() => f(1, Float64Array.of(1, x, 2))).toThrow(withCode('ERR_RANGE'));
    if (x !== -5e-324) expect(() => f(1, Float32Array.of(1, x, 2))).toThrow(withCode('ERR_RANGE'));
  }
  const values = Float64Array.of(0.25, 3, 40);
  if (evenInV.includes(f)) expect(f(-2.5, values)).toEqual(f(2.5, values));
  else expect(() => f(-2.5, values)).toThrow(withCode('ERR_RANGE'));
});

test.each(named)('$name: numbers beside arrays of f64 and f32 are repeated', ({ f }) => {
  for (const of of [Float64Array, Float32Array]) {
    const values = of.from([0.1, 0.9, 7, 60, 1500]);
    const same = new of(values.length).fill(2.5);
    expect(f(2.5, values as Float64Array)).toEqual(f(same as Float64Array, values as Float64Array));
    expect(f(values as Float64Array, 2.5)).toEqual(f(values as Float64Array, same as Float64Array));
  }
  expect(f(2.5, 0.9)).toBe((f(Float64Array.of(2.5), Float64Array.of(0.9)) as Float64Array)[0]);
});
