import fc from 'fast-check';
import { expect, it } from 'vitest';
import { dense, quant } from 'lapidary';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { encode, floatOf, formats, interesting, valueOf } from './oracle.js';

const { fromBfloat16, toBfloat16 } = quant;
const format = formats.bfloat16;

describeEachIsa('bfloat16', (isa) => {
  it('decodes every code', () =>
    withIsa(isa, () => {
      const got = fromBfloat16(Uint16Array.from({ length: 65536 }, (_, code) => code));
      for (let code = 0; code < 65536; code++) {
        const magnitude = code & 0x7fff;
        const value = magnitude > 0x7f80 ? NaN : magnitude === 0x7f80 ? Infinity : valueOf(format, magnitude);
        expect(got[code]).toBe(code & 0x8000 ? -value : value);
      }
    }));

  it('encodes every code, every boundary between two and what lies beside them', () =>
    withIsa(isa, () => {
      const x = interesting(format);
      const got = toBfloat16(x);
      expect(Array.from(x).filter((value, i) => got[i] !== encode(format, value, false))).toEqual([]);
    }));

  it('keeps NaN, quiet and with its sign and payload', () =>
    withIsa(isa, () => {
      const bits = Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffaaaaaa);
      expect([...toBfloat16(new Float32Array(bits.buffer))]).toEqual([0x7fc0, 0xffc0, 0x7fff, 0xffea]);
      expect([...new Uint32Array(fromBfloat16(Uint16Array.of(0x7f81, 0xffd5)).buffer)]).toEqual([
        0x7fc10000, 0xffd50000,
      ]);
    }));

  it('rounds any f32 as exact arithmetic does, at every length', () =>
    withIsa(isa, () => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0, max: 0x7f800000 }), { maxLength: 40 }), (bits) => {
          const x = Float32Array.from(bits.map(floatOf));
          expect([...toBfloat16(x)]).toEqual([...x].map((value) => encode(format, value, false)));
        }),
      );
    }));
});

it('takes and gives matrices', () => {
  const h = toBfloat16(dense(2, 1, Float32Array.of(1, 0.5)));
  expect(h).toEqual({ rows: 2, cols: 1, data: Uint16Array.of(0x3f80, 0x3f00), dtype: 'bf16' });
  expect(fromBfloat16(h)).toEqual({ rows: 2, cols: 1, data: Float32Array.of(1, 0.5) });
  expect(() => fromBfloat16({ ...h, dtype: 'f16' })).toThrowError(/bf16/);
});

it('keeps an error of at most 2^−8', () => {
  const x = Float32Array.from(uniform(200_000, 5, -1e30, 1e30));
  expect(fromBfloat16(toBfloat16(x)).every((value, i) => Math.abs(value - x[i]!) <= 2 ** -8 * Math.abs(x[i]!))).toBe(true); // prettier-ignore
});
