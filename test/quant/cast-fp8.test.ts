import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, quant } from 'lapidary';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { encode, floatOf, formats, interesting, valueOf } from './oracle.js';

const { castFp8 } = quant;
const all = Uint8Array.from({ length: 256 }, (_, code) => code);
const infinities = { e4m3: -1, e5m2: 0x7c };

describeEachIsa('castFp8', (isa) => {
  describe.each(['e4m3', 'e5m2'] as const)('%s', (name) => {
    const format = formats[name];

    it('decodes all 256 codes', () =>
      withIsa(isa, () => {
        const got = castFp8(all, name);
        for (const code of all) {
          const magnitude = code & 0x7f;
          const value = magnitude === infinities[name] ? Infinity : magnitude > format.largest ? NaN : valueOf(format, magnitude); // prettier-ignore
          expect(got[code]).toBe(code & 0x80 ? -value : value);
        }
      }));

    it('encodes every code, every boundary and what lies beside it', () =>
      withIsa(isa, () => {
        const x = interesting(format);
        for (const saturate of [true, false]) {
          const got = castFp8(x, name, { saturate });
          expect(Array.from(x).filter((value, i) => got[i] !== encode(format, value, saturate))).toEqual([]);
        }
      }));

    it('saturates by default', () =>
      withIsa(isa, () => {
        const [largest, over] = name === 'e4m3' ? [0x7e, 0x7f] : [0x7b, 0x7c];
        const x = Float32Array.of(Infinity, -Infinity, 3e38, -1e6);
        expect([...castFp8(x, name)]).toEqual([largest, largest + 128, largest, largest + 128]);
        expect([...castFp8(x, name, { saturate: false })]).toEqual([over, over + 128, over, over + 128]);
      }));

    it('keeps NaN and its sign', () =>
      withIsa(isa, () => {
        const x = new Float32Array(Uint32Array.of(0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff).buffer);
        for (const saturate of [true, false])
          expect([...castFp8(x, name, { saturate })]).toEqual([0, 128, 0, 128].map((sign) => format.nan + sign));
      }));

    it('encodes what it decodes, at every length', () =>
      withIsa(isa, () => {
        const finite = all.filter((code) => (code & 0x7f) <= format.largest);
        for (let n = 0; n < finite.length; n += 7)
          expect(castFp8(castFp8(finite.subarray(0, n), name), name)).toEqual(finite.subarray(0, n));
      }));

    it('rounds any f32 as exact arithmetic does', () =>
      withIsa(isa, () => {
        fc.assert(
          fc.property(fc.integer({ min: 0, max: 0x7f800000 }), fc.boolean(), (bits, saturate) => {
            const x = floatOf(bits);
            expect(castFp8(Float32Array.of(x), name, { saturate })[0]).toBe(encode(format, x, saturate));
          }),
        );
      }));
  });
});

it('takes and gives matrices with their tags', () => {
  const codes = castFp8(dense(1, 2, Float32Array.of(1, 2)), 'e5m2');
  expect(codes).toEqual({ rows: 1, cols: 2, data: Uint8Array.of(0x3c, 0x40), dtype: 'e5m2' });
  expect(castFp8(codes, 'e5m2').data).toEqual(Float32Array.of(1, 2));
  expect(() => castFp8(codes, 'e4m3')).toThrowError(/x\.dtype/);
  expect(() => castFp8(Float32Array.of(1), 'e3m4' as never)).toThrowError(/format/);
  expect(() => castFp8(Float32Array.of(1), 'e4m3', { saturate: 1 } as never)).toThrowError(/saturate/);
});
