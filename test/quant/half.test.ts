import fc from 'fast-check';
import { expect, it } from 'vitest';
import { dense, getThreads, quant, setThreads } from 'lapidary';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { bitsOf, encode, floatOf, formats, interesting, valueOf } from './oracle.js';

const { fromHalf, toHalf } = quant;
const format = formats.half;
const all = Uint16Array.from({ length: 65536 }, (_, code) => code);

describeEachIsa('half', (isa) => {
  it('decodes every code', () =>
    withIsa(isa, () => {
      const got = fromHalf(all);
      for (const code of all) {
        const magnitude = code & 0x7fff;
        const value = magnitude > 0x7c00 ? NaN : magnitude === 0x7c00 ? Infinity : valueOf(format, magnitude);
        expect(got[code]).toBe(code & 0x8000 ? -value : value);
      }
    }));

  it('encodes every code, every boundary between two and what lies beside them', () =>
    withIsa(isa, () => {
      const x = interesting(format);
      const got = toHalf(x);
      const wrong = Array.from(x).filter((value, i) => got[i] !== encode(format, value, false));
      expect(wrong).toEqual([]);
    }));

  it('keeps NaN, quiet and with its sign and payload', () =>
    withIsa(isa, () => {
      const bits = Uint32Array.of(0x7f800001, 0xff800001, 0x7fc00000, 0x7fffffff, 0xffaaaaaa);
      expect([...toHalf(new Float32Array(bits.buffer))]).toEqual([0x7e00, 0xfe00, 0x7e00, 0x7fff, 0xff55]);
      const back = new Uint32Array(fromHalf(Uint16Array.of(0x7c01, 0xfd55, 0x7e00)).buffer);
      expect([...back]).toEqual([0x7fc02000, 0xffeaa000, 0x7fc00000]);
    }));

  it('works on every length, and reads and writes nothing past its ends', () =>
    withIsa(isa, () => {
      for (let n = 0; n < 70; n++) {
        const x = Float32Array.from(uniform(n, n, -70000, 70000));
        const around = new Uint16Array(n + 32).fill(0xabcd);
        const out = around.subarray(16, 16 + n);
        expect(toHalf(x, { out })).toBe(out);
        expect([...out]).toEqual([...x].map((value) => encode(format, value, false)));
        expect([...around.subarray(0, 16), ...around.subarray(16 + n)].every((v) => v === 0xabcd)).toBe(true);
        const values = new Float32Array(n + 32).fill(-1);
        fromHalf(out, { out: values.subarray(16, 16 + n) });
        expect([...values.subarray(0, 16), ...values.subarray(16 + n)].every((v) => v === -1)).toBe(true);
        expect([...toHalf(values.subarray(16, 16 + n))]).toEqual([...out]);
      }
    }));

  it('rounds any f32 as exact arithmetic does', () =>
    withIsa(isa, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 0x7f800000 }), (bits) => {
          const x = floatOf(bits);
          expect(toHalf(Float32Array.of(x))[0]).toBe(encode(format, x, false));
        }),
      );
    }));
});

it('gives the same bits with any number of threads', () => {
  const x = Float32Array.from(uniform(300_001, 1, -1e5, 1e5));
  const before = getThreads();
  const results = [1, 2, 3, 7].map((threads) => {
    setThreads(threads);
    return toHalf(x);
  });
  setThreads(before);
  for (const result of results) expect(result).toEqual(results[0]);
  expect(fromHalf(results[0]!).every((value, i) => Math.abs(value - x[i]!) <= Math.abs(x[i]!) * 2 ** -11 + 2 ** -25 || Math.abs(x[i]!) > 65519)).toBe(true); // prettier-ignore
});

it('takes and gives matrices', () => {
  const h = toHalf(dense(1, 2, Float32Array.of(1, 0.5)));
  expect(h).toEqual({ rows: 1, cols: 2, data: Uint16Array.of(0x3c00, 0x3800), dtype: 'f16' });
  expect(fromHalf(h)).toEqual({ rows: 1, cols: 2, data: Float32Array.of(1, 0.5) });
  const out = dense(1, 2, new Uint16Array(2));
  expect(toHalf(dense(1, 2, Float32Array.of(1, 0.5)), { out })).toBe(out);
});

it('refuses what does not fit', () => {
  const shared = new Float32Array(4);
  expect(codeOf(() => toHalf(new Float64Array(1) as never))).toBe('ERR_DTYPE');
  expect(codeOf(() => toHalf(shared, { out: new Uint16Array(3) }))).toBe('ERR_SHAPE');
  expect(codeOf(() => toHalf(shared, { out: new Uint16Array(shared.buffer, 0, 4) }))).toBe('ERR_ALIAS');
  expect(codeOf(() => toHalf(shared, { oot: 1 } as never))).toBe('ERR_OPTION');
  expect(codeOf(() => fromHalf({ rows: 1, cols: 1, data: new Uint16Array(1), dtype: 'bf16' }))).toBe('ERR_DTYPE');
  expect(bitsOf(fromHalf(Uint16Array.of(0x8000))[0]!)).toBe(0x80000000);
});
