import fc from 'fast-check';
import { expect, it } from 'vitest';
import { dense, quant } from 'lapidary';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { encode, floatOf, formats, interesting } from './oracle.js';

const { castFp4 } = quant;
const values = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

describeEachIsa('castFp4', (isa) => {
  it('decodes all codes, by their low four bits', () =>
    withIsa(isa, () => {
      const all = Uint8Array.from({ length: 256 }, (_, code) => code);
      const expected = [...values, ...values.map((v) => -v)];
      castFp4(all).forEach((value, code) => {
        expect(value).toBe(expected[code % 16]);
      });
    }));

  it('encodes every code, every boundary and what lies beside it', () =>
    withIsa(isa, () => {
      const x = interesting(formats.e2m1);
      const got = castFp4(x);
      expect(Array.from(x).filter((value, i) => got[i] !== encode(formats.e2m1, value, true))).toEqual([]);
    }));

  it('breaks ties to even, as the boundaries of the format say', () =>
    withIsa(isa, () => {
      const ties = Float32Array.of(0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5);
      expect([...castFp4(castFp4(ties))]).toEqual([0, 1, 1, 2, 2, 4, 4]);
    }));

  it('refuses NaN wherever it stands', () =>
    withIsa(isa, () => {
      for (const n of [1, 7, 16, 33, 100_000]) {
        const x = new Float32Array(n);
        x[n - 1] = NaN;
        expect(() => castFp4(x)).toThrow(/castFp4|NaN/);
      }
    }));

  it('rounds any f32 as exact arithmetic does, at every length', () =>
    withIsa(isa, () => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0x3e000000, max: 0x41000000 }), { maxLength: 40 }), (bits) => {
          const x = Float32Array.from(bits.map(floatOf));
          expect([...castFp4(x)]).toEqual([...x].map((value) => encode(formats.e2m1, value, true)));
        }),
      );
    }));
});

describeEachIsa('castFp4 to and from E3M0', (isa) => {
  const format = 'e3m0';
  it('decodes all codes, by their low four bits', () =>
    withIsa(isa, () => {
      const powers = [0, 0.25, 0.5, 1, 2, 4, 8, 16];
      const expected = [...powers, ...powers.map((v) => -v)];
      castFp4(
        Uint8Array.from({ length: 256 }, (_, code) => code),
        { format },
      ).forEach((value, code) => {
        expect(value).toBe(expected[code % 16]);
      });
    }));

  it('encodes every code, every boundary and what lies beside it', () =>
    withIsa(isa, () => {
      const x = interesting(formats.e3m0);
      const got = castFp4(x, { format });
      expect(Array.from(x).filter((value, i) => got[i] !== encode(formats.e3m0, value, true))).toEqual([]);
      const ties = Float32Array.of(0.125, 0.375, 0.75, 1.5, 3, 6, 12, Infinity);
      expect([...castFp4(ties, { format })]).toEqual([0, 2, 2, 4, 4, 6, 6, 7]);
      expect(() => castFp4(Float32Array.of(1, NaN), { format })).toThrow(/NaN/);
    }));
});

it('takes and gives matrices', () => {
  expect(() => castFp4(new Float32Array(1), { format: 'e1m2' as never })).toThrow(/e3m0/);
  const codes = castFp4(dense(1, 3, Float32Array.of(1, -6, 0.5)));
  expect(codes).toEqual({ rows: 1, cols: 3, data: Uint8Array.of(2, 15, 1) });
  expect(castFp4(codes)).toEqual({ rows: 1, cols: 3, data: Float32Array.of(1, -6, 0.5) });
});
