import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { matmul, type Bytes, type MatmulOptions } from 'lapidary/gemm';
import { native as core } from '../../dist/core/native.js';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const pairs = [
  [Uint8Array, Int8Array],
  [Int8Array, Int8Array],
  [Int8Array, Uint8Array],
] as const;
type ByteType = (typeof pairs)[number][number];

/** Every value of the type comes up, the extreme ones too. */
const bytes = (type: ByteType, rows: number, cols: number, seed: number): Dense<Bytes> =>
  dense(rows, cols, new type(uniform(rows * cols, seed).map((u) => Math.floor((u + 1) * 128))));

/** The product by its definition, in doubles, which hold every sum exactly; at the end modulo 2^32. */
function expected(a: Dense<Bytes>, b: Dense<Bytes>, options: MatmulOptions<Int32Array>, before?: Int32Array) {
  const { transposeA = false, transposeB = false, alpha = 1, beta = 0 } = options;
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const n = transposeB ? b.rows : b.cols;
  const c = new Int32Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++)
        sum +=
          (transposeA ? a.data[p * m + i]! : a.data[i * k + p]!) *
          (transposeB ? b.data[j * k + p]! : b.data[p * n + j]!);
      c[i * n + j] = Math.imul(alpha, sum) + (beta === 0 ? 0 : Math.imul(beta, before![i * n + j]!));
    }
  return c;
}

const threads = getThreads();
afterAll(() => setThreads(threads));

describeEachIsa('matmul of integers', (isa) => {
  const product = (a: Dense<Bytes>, b: Dense<Bytes>, options?: MatmulOptions<Int32Array>) =>
    withIsa(isa, () => matmul(a, b, options));

  // Tiles and their edges, few rows, few columns, odd ends of a step, deep k, more than one block of k.
  const shapes = [
    [1, 1, 1], [4, 4, 4], [17, 33, 65], [16, 40, 130], [15, 70, 300], [6, 5, 63], [7, 4, 64], [100, 90, 3], [40, 17, 1000],
    [1, 300, 513], [100, 1, 513], [33, 16, 70], [20, 24, 5003], [16, 1100, 7], [29, 31, 2050], [1, 5, 9000],
  ] as const; // prettier-ignore

  test('few rows, b beginning anywhere in a line of the cache', () => {
    for (const n of [64, 128, 448])
      for (const offset of [0, 1, 17, 48, 63]) {
        const a = bytes(Uint8Array, 3, 37, n);
        const all = bytes(Int8Array, 38, n, offset);
        const b = dense(37, n, all.data.subarray(offset, offset + 37 * n));
        for (const rows of [1, 3]) {
          const some = dense(rows, 37, a.data.subarray(0, rows * 37));
          expect(product(some, b).data, `${rows}×${n} at ${offset}`).toEqual(expected(some, b, {}));
        }
      }
  });

  test('few rows, every width up to a line of the cache and beyond', () => {
    for (let n = 1; n <= 70; n++) {
      const [a, b] = [bytes(Int8Array, 3, 5, n), bytes(Int8Array, 5, n, 2 * n)];
      expect(product(a, b).data, `${n}`).toEqual(expected(a, b, {}));
    }
  });

  test.each(pairs.map((types) => [types.map((t) => t.name).join(' · '), types] as const))('%s is exact', (_, types) => {
    for (const [m, n, k] of shapes)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const a = transposeA ? bytes(types[0], k, m, m + k) : bytes(types[0], m, k, m + k);
          const b = transposeB ? bytes(types[1], n, k, n) : bytes(types[1], k, n, n);
          const options = { transposeA, transposeB };
          const what = `${m}×${n}×${k} ${transposeA} ${transposeB}`;
          expect(product(a, b, options).data, what).toEqual(expected(a, b, options));
        }
  });

  test('alpha and beta wrap at 32 bits, and beta = 0 does not read out', () => {
    for (const [m, n, k] of [
      [3, 5, 70],
      [16, 33, 9],
      [30, 40, 50],
      [2, 3, 0],
    ] as const)
      // prettier-ignore
      for (const [alpha, beta] of [[1, 1], [-3, 0], [0, 7], [2 ** 31 - 1, -(2 ** 31)]] as const) // prettier-ignore
        for (const transposeB of [false, true]) {
          const a = bytes(Int8Array, m, k, 1);
          const b = transposeB ? bytes(Int8Array, n, k, 2) : bytes(Int8Array, k, n, 2);
          const before = Int32Array.from(uniform(m * n, 3), (u) => u * 2 ** 31);
          const out = dense(m, n, before.slice());
          expect(product(a, b, { transposeB, alpha, beta, out })).toBe(out);
          expect(out.data).toEqual(expected(a, b, { transposeB, alpha, beta }, before));
        }
  });

  test('extreme values fill no sum to overflow, to the largest k allowed', () => {
    const k = 65793;
    const column = (type: ByteType, value: number) => dense(k, 1, new type(k).fill(value) as Bytes);
    for (const [x, y] of [
      [255, -128],
      [255, 127],
    ] as const)
      // prettier-ignore
      expect(product(column(Uint8Array, x), column(Int8Array, y), { transposeA: true }).data[0]).toBe(x * y * k);
    for (const [x, y] of [
      [-128, -128],
      [-128, 127],
      [127, 127],
    ] as const)
      // prettier-ignore
      for (const options of [{ transposeA: true }, { transposeA: true, alpha: 1 }])
        expect(product(column(Int8Array, x), column(Int8Array, y), options).data[0]).toBe(x * y * k);
    // through panels and sums, too
    for (const [m, n] of [
      [3, 20],
      [40, 33],
    ] as const)
      // prettier-ignore
      for (const [[left, x], [right, y]] of [
        [[Uint8Array, 255], [Int8Array, -128]],
        [[Int8Array, -128], [Int8Array, -128]],
        [[Int8Array, -128], [Int8Array, 127]],
        [[Int8Array, 127], [Uint8Array, 255]],
      ] as const)
        for (const transposeB of [false, true]) {
          const a = dense(m, k, new left(m * k).fill(x) as Bytes);
          const b = { ...dense(1, k * n, new right(k * n).fill(y) as Bytes), ...(transposeB ? { rows: n, cols: k } : { rows: k, cols: n }) };
          expect(product(a, b, { transposeB }).data.every((sum) => sum === x * y * k), `${m} × ${n}: ${x} · ${y}`).toBe(true);
        }
  });
});

test('the kinds of an instruction set agree on random shapes, whatever the threads', () => {
  const size = fc.integer({ min: 0, max: 70 });
  fc.assert(
    fc.property(size, size, fc.integer({ min: 0, max: 2600 }), fc.boolean(), fc.boolean(), (m, n, k, ta, tb) => {
      const a = ta ? bytes(Int8Array, k, m, 4) : bytes(Int8Array, m, k, 4);
      const b = tb ? bytes(Int8Array, n, k, 5) : bytes(Int8Array, k, n, 5);
      const options = { transposeA: ta, transposeB: tb };
      const reference = withIsa('portable', () => matmul(a, b, options).data);
      for (const count of [1, 2, 3, 7]) {
        setThreads(count);
        expect(matmul(a, b, options).data).toEqual(reference);
      }
    }),
    { numRuns: 40, seed: 5 },
  );
  setThreads(threads);
  const a = bytes(Uint8Array, 200, 600, 6);
  const b = bytes(Int8Array, 600, 500, 7);
  const results = [1, 2, 3, 7].map((count) => (setThreads(count), matmul(a, b).data));
  for (const result of results) expect(result).toEqual(results[0]);
});

describe('bad arguments', () => {
  const a = bytes(Uint8Array, 2, 3, 1);
  const b = bytes(Int8Array, 3, 2, 2);
  test.each([
    ['two unsigned sides', () => matmul(a, bytes(Uint8Array, 3, 2, 1)), 'ERR_DTYPE'],
    ['a float beside a byte', () => matmul(a, dense(3, 2, new Float32Array(6)) as never), 'ERR_DTYPE'],
    ['out of floats', () => matmul(a, b, { out: dense(2, 2, new Float32Array(4)) as never }), 'ERR_DTYPE'],
    [
      'out in a',
      () => {
        const x = bytes(Int8Array, 2, 8, 1);
        matmul(x, bytes(Int8Array, 8, 2, 1), { out: dense(2, 2, new Int32Array(x.data.buffer)) });
      },
      'ERR_ALIAS',
    ],
    [
      'out in b',
      () => {
        const x = bytes(Int8Array, 8, 2, 1);
        matmul(bytes(Int8Array, 2, 8, 1), x, { out: dense(2, 2, new Int32Array(x.data.buffer)) });
      },
      'ERR_ALIAS',
    ],
    ['alpha = 0.5', () => matmul(a, b, { alpha: 0.5 }), 'ERR_RANGE'],
    ['beta = 2^31', () => matmul(a, b, { beta: 2 ** 31, out: dense(2, 2, new Int32Array(4)) }), 'ERR_RANGE'],
    ['k too large', () => matmul(bytes(Int8Array, 1, 65794, 1), bytes(Int8Array, 65794, 1, 1)), 'ERR_RANGE'],
    ['beta without out', () => matmul(a, b, { beta: 1 }), 'ERR_OPTION'],
    ['another k', () => matmul(a, bytes(Int8Array, 2, 2, 1)), 'ERR_SHAPE'],
  ] as const)('%s is refused', (_, run, want) => expect(codeOf(run)).toBe(want));

  test('failed allocations are ERR_OUT_OF_MEMORY until there are enough', () => {
    for (const [m, n, k, transposeB] of [
      [40, 40, 300, false],
      [3, 90, 80, true],
      [3, 90, 80, false],
    ] as const) {
      // prettier-ignore
      const x = bytes(Int8Array, m, k, 1);
      const y = transposeB ? bytes(Int8Array, n, k, 2) : bytes(Int8Array, k, n, 2);
      const want = expected(x, y, { transposeB });
      let failures = 0;
      for (let allowed = 0; ; allowed++) {
        core.failAllocation(allowed);
        const got = codeOf(() => expect(matmul(x, y, { transposeB }).data).toEqual(want));
        core.failAllocation(-1);
        if (got === 'none') break;
        expect(got).toBe('ERR_OUT_OF_MEMORY');
        expect(++failures).toBeLessThan(20);
      }
    }
  });
});
