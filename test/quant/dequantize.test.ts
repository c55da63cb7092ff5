import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { dense, quant } from 'lapidary';
import { codeOf } from '../support/errors.js';
import { uniform } from '../support/random.js';
import { everyOptions } from './support.js';

const { quantize, dequantize } = quant;
const w = dense(3, 70, Float32Array.from(uniform(210, 77, -3, 3)));
/** The same with groups of different sizes: those of w are so alike that M2 and M2-nearest agree. */
const uneven = dense(3, 70, w.data.map((v, k) => v * 2 ** (((k % 70) >> 4) / 3))); // prettier-ignore
const hash = (...parts: (ArrayBufferView | undefined)[]): string => {
  const digest = createHash('sha256');
  for (const part of parts) if (part) digest.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return digest.digest('hex').slice(0, 16);
};
const label = ({ format, ...rest }: quant.QuantizeOptions) => `${format} ${JSON.stringify(rest)}`;

// What these bytes were when layout 1 was laid down: a file written then must be read the same for ever.
it('packs to the bytes of layout 1', () => {
  const found = Object.fromEntries(
    everyOptions.map((options) => {
      const q = quantize(options.scaleConstraint === 'M2-nearest' ? uneven : w, options);
      return [label(options), hash(q.codes, q.scales, q.zeros, q.rowScales)];
    }),
  );
  expect(found).toMatchSnapshot();
  const constrained = (['M2', 'M2-nearest'] as const).map((scaleConstraint) =>
    hash(quantize(uneven, { format: 'fp4-e2m1', groupSize: 16, scaleConstraint }).scales),
  );
  expect(constrained[0]).not.toBe(constrained[1]);
});

it('reads the bytes of layout 1', () => {
  const base = { layout: 1, rows: 1, cols: 5, groupSize: 16 } as const;
  const one = Float32Array.of(0.5);
  const cases: [quant.Quantized, number[]][] = [
    [{ ...base, format: 'int8', bits: 8, codes: Uint8Array.of(0, 127, 128, 129, 255), scales: one }, [-64, -0.5, 0, 0.5, 63.5]], // prettier-ignore
    [{ ...base, format: 'int4', bits: 4, codes: Uint8Array.of(0x80, 0x9f, 0x01), scales: one }, [-4, 0, 3.5, 0.5, -3.5]], // prettier-ignore
    [{ ...base, format: 'int4', bits: 4, codes: Uint8Array.of(0x80, 0x9f, 0x01), scales: one, zeros: Uint8Array.of(1) }, [-0.5, 3.5, 7, 4, 0]], // prettier-ignore
    [{ ...base, format: 'int3', bits: 3, codes: Uint8Array.of(0b11_100_000, 0b0_010_001_1), scales: one }, [-2, 0, 1.5, -1.5, -1]], // prettier-ignore
    [{ ...base, format: 'int2', bits: 2, codes: Uint8Array.of(0b11_10_01_00, 0b11), scales: one }, [-1, -0.5, 0, 0.5, 0.5]], // prettier-ignore
    [{ ...base, format: 'ternary', bits: 2, codes: Uint8Array.of(0b00_10_01_00, 0b10), scales: one }, [-0.5, 0, 0.5, -0.5, 0.5]], // prettier-ignore
    [{ ...base, format: 'bipolar1', bits: 1, codes: Uint8Array.of(0b10110), scales: one }, [-0.5, 0.5, 0.5, -0.5, 0.5]], // prettier-ignore
    [{ ...base, format: 'bipolar2', bits: 2, codes: Uint8Array.of(0b11_10_01_00, 0b11), scales: one }, [-1.5, -0.5, 0.5, 1.5, 1.5]], // prettier-ignore
    [{ ...base, format: 'fp4-e2m1', bits: 4, codes: Uint8Array.of(0x17, 0xf2, 0x05), scales: one }, [3, 0.25, 0.5, -3, 1.5]], // prettier-ignore
    [{ ...base, groupSize: 32, format: 'mxfp4', bits: 4, codes: Uint8Array.of(0x17, 0xf2, 0x05), scales: Uint8Array.of(126) }, [3, 0.25, 0.5, -3, 1.5]], // prettier-ignore
    [{ ...base, format: 'nvfp4', bits: 4, codes: Uint8Array.of(0x17, 0xf2, 0x05), scales: Uint8Array.of(0x38), tensorScale: 0.5 }, [3, 0.25, 0.5, -3, 1.5]], // prettier-ignore
    [{ ...base, format: 'fp8-e4m3', bits: 8, codes: Uint8Array.of(0x38, 0x7e, 0x80, 0x01, 0xb8), scales: one }, [0.5, 224, -0, 2 ** -10, -0.5]], // prettier-ignore
    [{ ...base, format: 'bfp', bits: 4, codes: Uint8Array.of(0x81, 0x9f, 0x07), scales: Uint8Array.of(126), permutation: Uint32Array.of(4, 3, 2, 1, 0) }, [-0.5, 0.5, 3.5, 0, -3.5]], // prettier-ignore
    [{ ...base, format: 'dgq', bits: 4, codes: Uint8Array.of(0x80, 0x9f, 0x08), scales: Uint8Array.of(3), zeros: Uint8Array.of(8), rowScales: one }, [-12, 0, 10.5, 1.5, 0]], // prettier-ignore
  ];
  for (const [q, expected] of cases) expect([...dequantize(q).data], q.format).toEqual(expected);
});

it('knows the ends of E8M0: 2^−127 for 0, NaN for 255', () => {
  const q: quant.Quantized = { layout: 1, format: 'mxfp4', rows: 3, cols: 1, groupSize: 32, bits: 4, codes: Uint8Array.of(2, 2, 2), scales: Uint8Array.of(0, 254, 255) }; // prettier-ignore
  expect([...dequantize(q).data]).toEqual([2 ** -127, 2 ** 127, NaN]);
});

it('adds a low-rank part', () => {
  const q = quantize(w, { format: 'int4', groupSize: 16 });
  const left = dense(3, 2, Float32Array.of(1, 2, 0, -1, 0.5, 4));
  const right = dense(2, 70, Float32Array.from(uniform(140, 4)));
  const plain = dequantize(q).data;
  dequantize({ ...q, lowRank: { left, right } }).data.forEach((value, at) => {
    const [i, j] = [Math.floor(at / 70), at % 70];
    const sum = plain[at]! + left.data[2 * i]! * right.data[j]! + left.data[2 * i + 1]! * right.data[70 + j]!;
    expect(value).toBeCloseTo(sum, 5);
  });
});

it('undoes a permutation of the columns', () => {
  const permutation = Uint32Array.from({ length: 70 }, (_, j) => (j * 37) % 70);
  const sorted = dense(3, 70, Float32Array.from({ length: 210 }, (_, at) => w.data[Math.floor(at / 70) * 70 + permutation[at % 70]!]!)); // prettier-ignore
  const q = quantize(w, { format: 'bfp', permutation });
  const plain = quantize(sorted, { format: 'bfp' });
  expect(q.codes).toEqual(plain.codes);
  const [back, inOrder] = [dequantize(q).data, dequantize(plain).data];
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 70; j++) expect(back[i * 70 + permutation[j]!]).toBe(inOrder[i * 70 + j]);
});

it('fills a matrix that is given', () => {
  const out = dense(3, 70, new Float32Array(210));
  const q = quantize(w, { format: 'int8' });
  expect(dequantize(q, { out })).toBe(out);
  expect(out.data).toEqual(dequantize(q).data);
});

it('refuses what is no Quantized, and parts that do not fit', () => {
  const q = quantize(w, { format: 'int4', symmetric: false });
  const dual = quantize(w, { format: 'dgq' });
  expect(codeOf(() => dequantize({ ...q, layout: 2 } as never))).toBe('ERR_FORMAT');
  expect(codeOf(() => dequantize({ ...q, format: 'int5' } as never))).toBe('ERR_OPTION');
  expect(codeOf(() => dequantize({ ...q, bits: 8 }))).toBe('ERR_RANGE');
  expect(codeOf(() => dequantize({ ...q, cols: 71 }))).toBe('ERR_SHAPE');
  expect(codeOf(() => dequantize({ ...q, cols: 2 ** 40 }))).toBe('ERR_SHAPE');
  expect(codeOf(() => dequantize({ ...q, groupSize: 16 }))).toBe('ERR_SHAPE');
  expect(codeOf(() => dequantize({ ...q, groupSize: 0 }))).toBe('ERR_RANGE');
  expect(codeOf(() => dequantize({ ...q, zeros: new Uint8Array(1) }))).toBe('ERR_SHAPE');
  expect(codeOf(() => dequantize({ ...q, scales: new Uint8Array(q.scales.length) }))).toBe('ERR_DTYPE');
  expect(codeOf(() => dequantize({ ...dual, zeros: undefined } as never))).toBe('ERR_DTYPE');
  expect(codeOf(() => dequantize({ ...q, permutation: new Uint32Array(70) }))).toBe('ERR_FORMAT');
  expect(codeOf(() => dequantize({ ...q, lowRank: { left: dense(3, 1), right: dense(1, 70) } } as never))).toBe('ERR_DTYPE'); // prettier-ignore
  expect(codeOf(() => dequantize(null as never))).toBe('ERR_DTYPE');
  const bytes = new Uint8Array(840);
  const inside = { ...quantize(w, { format: 'int8' }), codes: bytes.subarray(0, 210) };
  expect(codeOf(() => dequantize(inside, { out: dense(3, 70, new Float32Array(bytes.buffer)) }))).toBe('ERR_ALIAS');
});
