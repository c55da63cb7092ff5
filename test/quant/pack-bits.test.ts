import fc from 'fast-check';
import { expect, it } from 'vitest';
import { getThreads, quant, setThreads } from 'lapidary';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';

const { packBits, unpackBits } = quant;
/** The value of (i, k) read from the planes by the definition of the encoding, with BigInt. */
function valueAt({ rows, cols, bits, encoding, planes }: quant.BitMatrix, i: number, k: number): number {
  const words = 8 * Math.ceil(cols / 512);
  let value = 0;
  for (let p = 0; p < bits; p++) {
    const bit = Number((planes[(p * rows + i) * words + (k >> 6)]! >> BigInt(k & 63)) & 1n);
    if (encoding === 'bipolar') value += (2 * bit - 1) * 2 ** p;
    else value += encoding === 'twos' && p === bits - 1 ? -bit * 2 ** p : bit * 2 ** p;
  }
  return value;
}

function popcount(planes: BigUint64Array): number {
  let count = 0;
  for (let word of planes) for (; word > 0n; word >>= 1n) count += Number(word & 1n);
  return count;
}

const encodings = ['unsigned', 'twos', 'bipolar'] as const;

/** Every value of an encoding, again and again. */
function valuesOf(length: number, bits: number, encoding: (typeof encodings)[number], seed = 0): number[] {
  const all = 2 ** bits;
  return Array.from({ length }, (_, k) => {
    const code = (k * 7 + seed * 13 + (k >> 3)) % all;
    return encoding === 'unsigned' ? code : encoding === 'twos' ? code - all / 2 : 2 * code - (all - 1);
  });
}

describeEachIsa('packBits', (isa) => {
  it('has the bits of the definition, and zeros behind the last column', () =>
    withIsa(isa, () => {
      for (const encoding of encodings)
        for (let bits = 1; bits <= 8; bits++)
          for (const cols of [1, 63, 64, 65, 511, 512, 513]) {
            const values = valuesOf(3 * cols, bits, encoding);
            const src = Int16Array.from(values);
            const matrix = packBits(src, { rows: 3, cols, bits, encoding });
            expect(matrix.planes.length).toBe(bits * 3 * 8 * Math.ceil(cols / 512));
            let ones = 0;
            values.forEach((value, at) => {
              if (valueAt(matrix, Math.floor(at / cols), at % cols) !== value)
                expect(valueAt(matrix, Math.floor(at / cols), at % cols)).toBe(value);
              const code = encoding === 'bipolar' ? (value + 2 ** bits - 1) / 2 : value & (2 ** bits - 1);
              for (let rest = code; rest > 0; rest >>= 1) ones += rest & 1;
            });
            expect(popcount(matrix.planes)).toBe(ones);
            const back = unpackBits(matrix);
            expect(Array.from(back.data)).toEqual(values);
            expect([back.rows, back.cols]).toEqual([3, cols]);
          }
    }));

  it('takes codes in a Uint8Array', () =>
    withIsa(isa, () => {
      for (let bits = 1; bits <= 8; bits++) {
        const codes = Uint8Array.from({ length: 70 }, (_, k) => k % 2 ** bits);
        const options = { rows: 1, cols: 70, bits } as const;
        const planes = packBits(codes, { ...options, encoding: 'unsigned' }).planes;
        for (const encoding of encodings) expect(packBits(codes, { ...options, encoding }).planes).toEqual(planes);
        expect(unpackBits({ ...options, encoding: 'unsigned', planes }).data).toEqual(codes);
        // bipolar(n) = 2·unsigned − (2ⁿ − 1)
        expect(Array.from(unpackBits({ ...options, encoding: 'bipolar', planes }).data)).toEqual([...codes].map((c) => 2 * c - (2 ** bits - 1))); // prettier-ignore
      }
    }));

  it('refuses every value that has no code, wherever it stands', () =>
    withIsa(isa, () => {
      const wrong: [number, (typeof encodings)[number], number][] = [
        [3, 'unsigned', 8], [3, 'unsigned', -1], [8, 'unsigned', 256], [1, 'twos', 1], [4, 'twos', 8], [4, 'twos', -9],
        [1, 'bipolar', 0], [2, 'bipolar', 5], [2, 'bipolar', -5], [2, 'bipolar', 2], [8, 'bipolar', 257],
      ]; // prettier-ignore
      for (const [bits, encoding, value] of wrong)
        for (const place of [0, 63, 64, 129]) {
          const src = Int16Array.from(valuesOf(130, bits, encoding));
          src[place] = value;
          expect(codeOf(() => packBits(src, { rows: 1, cols: 130, bits, encoding }))).toBe('ERR_RANGE');
        }
      expect(codeOf(() => packBits(Uint8Array.of(4), { rows: 1, cols: 1, bits: 2, encoding: 'bipolar' }))).toBe('ERR_RANGE'); // prettier-ignore
    }));

  it('gives back any matrix', () =>
    withIsa(isa, () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 0, max: 5 }),
          fc.integer({ min: 0, max: 150 }),
          fc.integer({ min: 1, max: 8 }),
          fc.constantFrom(...encodings),
          fc.nat(999), // prettier-ignore
          (rows, cols, bits, encoding, seed) => {
            const values = valuesOf(rows * cols, bits, encoding, seed);
            const src = encoding === 'bipolar' && bits === 8 ? Int16Array.from(values) : encoding === 'unsigned' ? Uint8Array.from(values) : Int8Array.from(values); // prettier-ignore
            expect(unpackBits(packBits(src, { rows, cols, bits, encoding })).data).toEqual(src);
          },
        ),
        { numRuns: 40 },
      );
    }));
});

it('gives the same bits with any number of threads', () => {
  const src = Int8Array.from(valuesOf(900 * 1001, 5, 'twos'));
  const before = getThreads();
  const results = [1, 2, 3, 7].map((threads) => {
    setThreads(threads);
    return Buffer.from(packBits(src, { rows: 900, cols: 1001, bits: 5, encoding: 'twos' }).planes.buffer);
  });
  setThreads(before);
  for (const result of results) expect(result.equals(results[0]!)).toBe(true);
});

it('refuses what does not fit', () => {
  const options = { rows: 2, cols: 2, bits: 2, encoding: 'unsigned' } as const;
  expect(codeOf(() => packBits(new Uint8Array(3), options))).toBe('ERR_SHAPE');
  expect(codeOf(() => packBits(new Uint8Array(4), { ...options, bits: 9 }))).toBe('ERR_RANGE');
  expect(codeOf(() => packBits(new Uint8Array(4), { ...options, bits: 0 }))).toBe('ERR_RANGE');
  expect(codeOf(() => packBits(new Uint8Array(4), { ...options, encoding: 'gray' as never }))).toBe('ERR_OPTION');
  expect(codeOf(() => packBits(new Float32Array(4) as never, options))).toBe('ERR_DTYPE');
  const matrix = packBits(new Uint8Array(4), options);
  expect(codeOf(() => unpackBits({ ...matrix, rows: 3 }))).toBe('ERR_SHAPE');
  const planes = matrix.planes.slice();
  structuredClone(planes, { transfer: [planes.buffer] });
  expect(codeOf(() => unpackBits({ ...matrix, planes }))).toBe('ERR_DETACHED');
  expect(codeOf(() => unpackBits({ ...matrix, planes: new Float64Array(32) } as never))).toBe('ERR_DTYPE');
  expect(codeOf(() => unpackBits({} as never))).toBe('ERR_DTYPE');
});
