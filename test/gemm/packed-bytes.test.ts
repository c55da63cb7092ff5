import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { linear, matmul, matvec, packWeights, quantizeActivations, type Bytes, type PackedBytes } from 'lapidary/gemm';
import { native as core } from '../../dist/core/native.js';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const types = [Uint8Array, Int8Array] as const;
type ByteType = (typeof types)[number];

/** Every value of the type comes up, the extreme ones too. */
const bytes = <A extends Bytes>(type: new (x: Float64Array) => A, rows: number, cols: number, seed: number): Dense<A> =>
  dense(rows, cols, new type(uniform(rows * cols, seed).map((u) => Math.floor((u + 1) * 128))));

const threads = getThreads();
afterAll(() => setThreads(threads));

/** Whether two values have the same bytes: arrays as large as these are slow to compare one element after another. */
const sameArray = (a: Bytes | Int32Array, b: Bytes | Int32Array) =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
const samePacked = (a: PackedBytes, b: PackedBytes) =>
  a.rows === b.rows && a.cols === b.cols && sameArray(a.packed, b.packed) && sameArray(a.sums, b.sums);

/** x · wᵀ by its definition, in doubles, which hold every sum exactly. */
function expected(x: Dense<Bytes>, w: Dense<Int8Array>): Int32Array {
  const out = new Int32Array(x.rows * w.rows);
  for (let i = 0; i < x.rows; i++)
    for (let j = 0; j < w.rows; j++) {
      let sum = 0;
      for (let p = 0; p < x.cols; p++) sum += x.data[i * x.cols + p]! * w.data[j * x.cols + p]!;
      out[i * w.rows + j] = sum;
    }
  return out;
}

function turned<A extends Bytes>(x: Dense<A>): Dense<A> {
  const out = dense(x.cols, x.rows, x.data.slice() as A);
  for (let i = 0; i < x.rows; i++) for (let p = 0; p < x.cols; p++) out.data[p * x.rows + i] = x.data[i * x.cols + p]!;
  return out;
}

test('failed allocations are ERR_OUT_OF_MEMORY until there are enough', () => {
  // First of all, since scratch is kept from call to call.
  const [x, w] = [bytes(Uint8Array, 900, 5000, 1), bytes(Int8Array, 70, 5000, 2)];
  const packed = packWeights(w);
  let failures = 0;
  let last: Int32Array | undefined;
  for (let allowed = 0; last === undefined; allowed++) {
    core.failAllocation(allowed);
    try {
      last = matmul(x, packed).data;
    } catch (error) {
      expect(error).toEqual(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
      expect(++failures).toBeLessThan(20);
    } finally {
      core.failAllocation(-1);
    }
  }
  expect(failures).toBeGreaterThan(0);
  expect(sameArray(last, matmul(x, w, { transposeB: true }).data)).toBe(true);
});

describeEachIsa('products with packed bytes', (isa) => {
  const depths = [1, 3, 63, 64, 65, 511, 513, 4096];
  // Single rows, edges of tiles and of panels, more rows than one tile.
  const sides = [[1, 1], [1, 33], [8, 64], [29, 31]] as const; // prettier-ignore

  test.each(types)('%o: the sums of the definition, for all edges and both layouts', (type) => {
    for (const k of depths)
      for (const [m, n] of sides) {
        const x = bytes(type as new (x: Float64Array) => Bytes, m, k, m + k);
        const w = bytes(Int8Array, n, k, n + k);
        const want = expected(x, w);
        withIsa(isa, () => {
          const packed = packWeights(w);
          expect(samePacked(packWeights(turned(w), { transpose: true }), packed)).toBe(true);
          const what = `${m}×${n}×${k}`;
          expect(matmul(x, packed), what).toEqual(dense(m, n, want));
          expect(linear(x, packed).data, what).toEqual(want);
          expect(matmul(turned(x), packed, { transposeA: true }).data, what).toEqual(want);
        });
      }
  });

  test('extreme values fill no sum to overflow, to the largest k allowed', () => {
    for (const k of [300, 65793])
      for (const [type, value] of [
        [Uint8Array, 255],
        [Int8Array, -128],
        [Int8Array, 127],
      ] as const)
        // prettier-ignore
        for (const weight of [-128, 127])
          for (const m of [1, 20]) {
            const x = dense(m, k, new type(m * k).fill(value) as Bytes);
            const w = dense(2, k, new Int8Array(2 * k).fill(weight));
            const got = withIsa(isa, () => matmul(x, packWeights(w)).data);
            expect(new Set(got)).toEqual(new Set([value * weight * k]));
          }
  });

  // Where pairs of weights add up to no more than 128, AVX2 takes an instruction that saturates beyond: pairs at the border
  // and one past it, everywhere or in a single place, at each position of a step and in each block of k.
  test('pairs of weights at the border of what a saturating instruction may have', () => {
    const within = [[64, 64], [127, 1], [1, 127], [-64, -64], [-128, 0], [0, -128], [127, -128], [-127, -1]]; // prettier-ignore
    const beyond = [[127, 2], [65, 64], [127, 127], [-128, -1], [-65, -64], [-128, -128]]; // prettier-ignore
    for (const [m, n, k] of [
      [1, 33, 9],
      [2, 16, 770],
      [6, 33, 1540],
      [12, 70, 771],
      [13, 33, 769],
      [31, 70, 1603],
    ] as const)
      // prettier-ignore
      for (const type of types)
        for (const [places, first] of [[0, 0], [1, 0], [1, 3], [40, 0]] as const) { // prettier-ignore
          const weights = bytes(Int8Array, n, k + 1, 1).data.map((_, i) => within[(i >> 1) % within.length]![i & 1]!);
          const w = dense(n, k, new Int8Array(n * k));
          for (let j = 0; j < n; j++) w.data.set(weights.subarray(j * 2, j * 2 + k), j * k);
          const pairs = Math.floor(k / 2);
          uniform(places, k).forEach((u, i) => {
            const at = Math.floor((u + 1) / 2 * n) * k + ((i * 191) % pairs) * 2; // prettier-ignore
            w.data.set(beyond[(first + i) % beyond.length]!, at);
          });
          const extreme = dense(m, k, new type(m * k).fill(type === Uint8Array ? 255 : -128) as Bytes);
          for (const x of [extreme, bytes(type as new (x: Float64Array) => Bytes, m, k, 3)]) {
            const got = withIsa(isa, () => matmul(x, packWeights(w)).data);
            expect(sameArray(got, expected(x, w)), `${m}×${n}×${k}, ${places} beyond`).toBe(true);
          }
        }
  });

  test('alpha, beta and bias wrap at 32 bits, and beta = 0 does not read out', () => {
    for (const [m, n, k, bits] of [
      [3, 5, 70, 8],
      [16, 33, 1000, 8],
      [16, 33, 1000, 7],
      [30, 40, 50, 8],
      [2, 3, 0, 8],
    ] as const)
      // prettier-ignore
      for (const type of types) {
        const x = bytes(type as new (x: Float64Array) => Bytes, m, k, 1);
        const w = bytes(Int8Array, n, k, 2);
        for (let i = 0; i < w.data.length; i++) w.data[i]! >>= 8 - bits;
        const packed = withIsa(isa, () => packWeights(w));
        const before = Int32Array.from(uniform(m * n, 3), (u) => u * 2 ** 31);
        for (const [alpha, beta] of [[1, 1], [-3, 0], [0, 7], [2 ** 31 - 1, -(2 ** 31)]] as const) { // prettier-ignore
          const options = () => ({ alpha, beta, out: dense(m, n, before.slice()) });
          const want = matmul(x, w, { transposeB: true, ...options() });
          const out = options();
          expect(withIsa(isa, () => matmul(x, packed, out))).toBe(out.out);
          expect(out.out).toEqual(want);
        }
        const bias = Int32Array.from(uniform(n, 4), (u) => u * 2 ** 31);
        expect(withIsa(isa, () => linear(x, packed, { bias }))).toEqual(linear(x, w, { bias }));
      }
  });
});

test('the same bits as without packing on random shapes, whatever the threads', () => {
  const size = fc.integer({ min: 0, max: 80 });
  const depth = fc.integer({ min: 0, max: 2600 });
  fc.assert(
    fc.property(size, size, depth, fc.constantFrom<ByteType>(...types), (m, n, k, type) => {
      const x = bytes(type as new (x: Float64Array) => Bytes, m, k, 4);
      const w = bytes(Int8Array, n, k, 5);
      const packed = packWeights(w);
      const want = matmul(x, w, { transposeB: true });
      for (const count of [1, 2, 3, 7]) {
        setThreads(count);
        expect(sameArray(matmul(x, packed).data, want.data)).toBe(true);
        expect(samePacked(packWeights(w), packed)).toBe(true);
      }
    }),
    { numRuns: 40, seed: 5 },
  );
  for (const [m, n, k] of [
    [400, 700, 900],
    [3, 2000, 600],
    [2100, 40, 4500], // packed A in more than one piece
  ] as const) {
    const x = bytes(Int8Array, m, k, 6);
    const w = bytes(Int8Array, n, k, 7);
    const want = matmul(x, w, { transposeB: true });
    for (const count of [1, 2, 3, 7]) {
      setThreads(count);
      expect(sameArray(matmul(x, packWeights(w)).data, want.data)).toBe(true);
    }
  }
  setThreads(threads);
});

test('arrays at any offset', () => {
  const [x, w] = [bytes(Uint8Array, 5, 70, 1), bytes(Int8Array, 40, 70, 2)];
  const packed = packWeights(w);
  for (const offset of [1, 3, 64]) {
    const moved = new Int8Array(packed.packed.length + offset).subarray(offset);
    moved.set(packed.packed);
    expect(matmul(x, { ...packed, packed: moved }).data).toEqual(expected(x, w));
  }
});

describe('bad arguments', () => {
  const a = bytes(Uint8Array, 2, 70, 1);
  const w = packWeights(bytes(Int8Array, 40, 70, 2));
  const rounded = quantizeActivations(dense(2, 70, new Float32Array(140)));
  const with_ = (change: object) => ({ ...w, ...change }) as PackedBytes;
  test.each([
    ['another layout', () => matmul(a, with_({ layout: 2 })), 'ERR_FORMAT'],
    ['packed too short', () => matmul(a, with_({ packed: w.packed.subarray(1) })), 'ERR_SHAPE'],
    ['packed too long', () => linear(a, with_({ packed: new Int8Array(w.packed.length + 128) })), 'ERR_SHAPE'],
    ['packed unsigned', () => matmul(a, with_({ packed: new Uint8Array(w.packed) })), 'ERR_DTYPE'],
    ['sums too short', () => matmul(a, with_({ sums: new Int32Array(39) })), 'ERR_SHAPE'],
    ['no sums', () => matmul(a, with_({ sums: undefined })), 'ERR_DTYPE'],
    ['more rows than there are', () => matmul(a, with_({ rows: 65, sums: new Int32Array(65) })), 'ERR_SHAPE'],
    ['rows = −1', () => matmul(a, with_({ rows: -1 })), 'ERR_RANGE'],
    ['k too large', () => matmul(a, with_({ cols: 65794 })), 'ERR_RANGE'],
    ['another k', () => matmul(bytes(Uint8Array, 2, 71, 1), w), 'ERR_SHAPE'],
    ['another k of linear', () => linear(bytes(Uint8Array, 2, 71, 1), w), 'ERR_SHAPE'],
    ['floats', () => matmul(dense(2, 70) as never, w), 'ERR_DTYPE'],
    ['transposeB', () => matmul(a, w, { transposeB: true }), 'ERR_OPTION'],
    ['batch', () => matmul(a, w, { batch: 2 }), 'ERR_OPTION'],
    ['beta without out', () => matmul(a, w, { beta: 1 }), 'ERR_OPTION'],
    ['out that is the weights', () => matmul(a, w, { out: dense(2, 40, new Int32Array(w.packed.buffer, 0, 80)) }), 'ERR_ALIAS'],
    ['rounded tokens, whose scales would be lost', () => linear(rounded, w as never), 'ERR_OPTION'],
    ['rounded tokens of a matmul', () => matmul(rounded, w), 'ERR_OPTION'],
    ['rounded tokens and a plain matrix', () => linear(rounded, bytes(Int8Array, 40, 70, 2)), 'ERR_OPTION'],
    ['rounded tokens and a plain matrix of a matmul', () => matmul(rounded, bytes(Int8Array, 70, 40, 2)), 'ERR_OPTION'],
    ['rounded tokens as weights', () => linear(a, rounded), 'ERR_OPTION'],
    ['rounded tokens as weights to pack', () => packWeights(rounded), 'ERR_OPTION'],
    ['rounded tokens as the right side', () => matmul(a, rounded, { transposeB: true }), 'ERR_OPTION'],
    ['rounded tokens of a matvec', () => matvec(rounded, new Int8Array(70)), 'ERR_OPTION'],
    ['an activation', () => linear(a, w, { activation: 'relu' }), 'ERR_OPTION'],
    ['a kernel', () => linear(a, w, { kernel: 'dot' }), 'ERR_OPTION'],
    ['a short bias', () => linear(a, w, { bias: new Int32Array(39) }), 'ERR_SHAPE'],
    ['unsigned weights', () => packWeights(bytes(Uint8Array, 2, 3, 1) as never), 'ERR_DTYPE'],
    ['weights too deep', () => packWeights(dense(1, 65794, new Int8Array(65794))), 'ERR_RANGE'],
    ['an option of the others', () => packWeights(bytes(Int8Array, 2, 3, 1), { kernel: 'lut' } as never), 'ERR_OPTION'],
  ] as const)('%s is refused', (_, run, want) => expect(codeOf(run)).toBe(want)); // prettier-ignore

  test('an out that shares memory is named as the caller knows it', () => {
    const shared = new Int32Array(w.packed.buffer, 0, 80);
    const out = dense(2, 40, shared);
    expect(() => matmul(a, w, { out })).toThrow(/^matmul: options\.out/);
    expect(() => linear(a, w, { out })).toThrow(/^linear: options\.out/);
    expect(() => linear(a, w, { out, bias: shared.subarray(0, 40) })).toThrow(/^linear: options\.out/);
  });
});
