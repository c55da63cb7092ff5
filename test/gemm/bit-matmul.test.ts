import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { bitMatmul } from 'lapidary/gemm';
import { packBits, unpackBits, type BitEncoding, type BitMatrix } from 'lapidary/quant';
import { native as core } from '../../dist/core/native.js';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const encodings: BitEncoding[] = ['unsigned', 'twos', 'bipolar'];

const codes = (rows: number, cols: number, bits: number, encoding: BitEncoding, seed: number): BitMatrix =>
  packBits(
    Uint8Array.from(uniform(rows * cols, seed, 0, 2 ** bits), (u) => Math.floor(u)),
    { rows, cols, bits, encoding },
  );

const extreme = (rows: number, cols: number, bits: number, encoding: BitEncoding, code: number): BitMatrix =>
  packBits(new Uint8Array(rows * cols).fill(code), { rows, cols, bits, encoding });

/** Random codes below a first row of one code. */
const edged = (
  rows: number,
  cols: number,
  bits: number,
  encoding: BitEncoding,
  code: number,
  seed: number,
): BitMatrix =>
  packBits(
    Uint8Array.from(uniform(rows * cols, seed, 0, 2 ** bits), (u, at) => (at < cols ? code : Math.floor(u))),
    { rows, cols, bits, encoding },
  );

/** The product by its definition, from the values of the planes: sums stay below 2^53, where numbers are whole. */
function expected(a: BitMatrix, b: BitMatrix): Int32Array {
  const [x, y] = [unpackBits(a).data, unpackBits(b).data];
  const k = a.cols;
  return Int32Array.from({ length: a.rows * b.rows }, (_, at) => {
    const [i, j] = [Math.floor(at / b.rows), at % b.rows];
    let sum = 0;
    for (let p = 0; p < k; p++) sum += x[i * k + p]! * y[j * k + p]!;
    return sum;
  });
}

const threads = getThreads();
afterAll(() => setThreads(threads));

describeEachIsa('bitMatmul', (isa) => {
  const product: typeof bitMatmul = (a, b, options) => withIsa(isa, () => bitMatmul(a, b, options));

  // Extreme codes stand in the first row of each side, so that they meet random ones and each other.
  test.each([1, 63, 64, 65, 70, 511, 512, 513, 4096])('is exact for all 64 pairs of widths, %d columns', (k) => {
    const [rows, cols] = k < 100 ? [3, 18] : [2, 3];
    for (let n = 1; n <= 8; n++)
      for (let m = 1; m <= 8; m++) {
        const [ea, eb] = [encodings[(n + m + k) % 3]!, encodings[(n * m + k) % 3]!];
        const code = (n + m) % 2 ? 0 : 2 ** n - 1;
        const [a, b] = [edged(rows, k, n, ea, code, n), edged(cols, k, m, eb, 2 ** m - 1, 10 + m)];
        expect(product(a, b).data, `${n} ${ea} ${m} ${eb}`).toEqual(expected(a, b));
      }
  });

  test.each(encodings)('is exact at both ends of 8 bits, %s', (encoding) => {
    for (const k of [1, 64, 513, 4096])
      for (const [low, high] of [
        [0, 0],
        [0, 255],
        [127, 128],
        [128, 128],
        [255, 255],
      ] as const) {
        const [a, b] = [extreme(1, k, 8, encoding, low), extreme(1, k, 8, encoding, high)];
        expect(product(a, b).data).toEqual(expected(a, b));
      }
  });

  test('is exact up to the most columns whose sums fit 32 bits, and takes no more', () => {
    const most = 33_025; // the largest k with k · 255² below 2^31
    for (const [ea, eb, low] of [
      ['unsigned', 'unsigned', 255],
      ['bipolar', 'bipolar', 0],
      ['unsigned', 'bipolar', 0],
      ['twos', 'unsigned', 128],
    ] as const) {
      const of = (k: number) => [extreme(1, k, 8, ea, 255), extreme(2, k, 8, eb, low)] as const;
      const [a, b] = of(most);
      expect(product(a, b).data, `${ea} ${eb}`).toEqual(expected(a, b));
      expect(codeOf(() => product(...of(most + 1)))).toBe('ERR_RANGE');
    }
  });

  test('takes out, and gives zeros for no columns', () => {
    const [a, b] = [codes(9, 100, 2, 'twos', 1), codes(33, 100, 3, 'bipolar', 2)];
    const out = dense(9, 33, new Int32Array(9 * 33).fill(5));
    expect(product(a, b, { out })).toBe(out);
    expect(out.data).toEqual(expected(a, b));
    expect(product(codes(2, 0, 1, 'bipolar', 1), codes(3, 0, 1, 'bipolar', 1)).data).toEqual(new Int32Array(6));
    expect(product(codes(0, 5, 1, 'bipolar', 1), codes(3, 5, 1, 'bipolar', 1)).data.length).toBe(0);
  });
});

test('random shapes, whatever the threads', () => {
  const size = fc.integer({ min: 0, max: 150 });
  const width = fc.integer({ min: 1, max: 8 });
  const encoding = fc.constantFrom(...encodings);
  fc.assert(
    fc.property(size, size, size, width, width, encoding, encoding, (m, n, k, x, y, ea, eb) => {
      const [a, b] = [codes(m, k, x, ea, 3), codes(n, k, y, eb, 4)];
      const reference = withIsa('portable', () => bitMatmul(a, b).data);
      for (const count of [1, 2, 3, 7]) {
        setThreads(count);
        expect(bitMatmul(a, b).data).toEqual(reference);
      }
    }),
    { numRuns: 40, seed: 7 },
  );
});

test('a product in several parts has the same bits for any number of threads', () => {
  const [a, b] = [codes(900, 900, 2, 'bipolar', 5), codes(300, 900, 2, 'bipolar', 6)];
  const results = [1, 2, 7].map((count) => (setThreads(count), bitMatmul(a, b).data));
  for (const result of results) expect(result).toEqual(results[0]);
});

describe('bad arguments', () => {
  const good = codes(2, 10, 2, 'twos', 1);
  const detached = () => {
    const planes = good.planes.slice();
    structuredClone(planes, { transfer: [planes.buffer] });
    return { ...good, planes };
  };
  test.each([
    ['other columns', () => bitMatmul(good, codes(2, 11, 2, 'twos', 1)), 'ERR_SHAPE'],
    ['planes whose buffer is gone', () => bitMatmul(good, detached()), 'ERR_DETACHED'],
    ['planes too short', () => bitMatmul({ ...good, planes: good.planes.subarray(1) }, good), 'ERR_SHAPE'],
    ['planes of another type', () => bitMatmul(good, { ...good, planes: new Float64Array(32) } as never), 'ERR_DTYPE'],
    ['9 bits', () => bitMatmul({ ...good, bits: 9 }, good), 'ERR_RANGE'],
    ['an unknown encoding', () => bitMatmul({ ...good, encoding: 'ternary' } as never, good), 'ERR_OPTION'],
    ['no matrix', () => bitMatmul(null as never, good), 'ERR_DTYPE'],
    [
      'sums beyond 32 bits',
      () => bitMatmul(codes(1, 33100, 8, 'unsigned', 1), codes(1, 33100, 8, 'twos', 1)),
      'ERR_RANGE',
    ],
    ['another out', () => bitMatmul(good, good, { out: dense(2, 3, new Int32Array(6)) }), 'ERR_SHAPE'],
  ] as const)('%s: refused', (_, run, want) => expect(codeOf(run)).toBe(want));

  test('failed allocations are ERR_OUT_OF_MEMORY until there are enough', () => {
    let failures = 0;
    for (let allowed = 0; ; allowed++) {
      core.failAllocation(allowed);
      const got = codeOf(() => bitMatmul(good, good));
      core.failAllocation(-1);
      if (got === 'none') break;
      expect(got).toBe('ERR_OUT_OF_MEMORY');
      expect(++failures).toBeLessThan(20);
    }
  });
});
