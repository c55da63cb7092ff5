/** Products into memory that the caller gives: the same bits as without, nothing written beside them, nothing allocated. */
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { Csr } from 'lapidary';
import { fromCoo, spgemm, spgemmPlan, transpose, type Pattern, type SpgemmOptions } from 'lapidary/sparse';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { csrOf, randomCsr, randomGrid, sameBits } from '../support/sparse.js';

type Values = Float64Array | Float32Array | Int32Array;
const types = [Float64Array, Float32Array, Int32Array] as const;
const bare = ({ rows, cols, indptr, indices }: Pattern): Pattern => ({ rows, cols, indptr, indices });

/** The second differences of a grid of side × side points: rows that repeat the one before, shifted. */
function grid2d(side: number): Csr {
  const near = (i: number, j: number) => Math.abs((i % side) - (j % side)) + Math.abs(Math.trunc(i / side) - Math.trunc(j / side)) <= 1; // prettier-ignore
  const n = side * side;
  return csrOf(Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (near(i, j) ? i - 2 * j : undefined))), n); // prettier-ignore
}

/** One row with more products than one thread takes: it is cut by columns. */
function giantRow(): [Csr, Csr] {
  const [rows, perRow, cols] = [3000, 800, 90001];
  const row = Uint32Array.from({ length: rows * perRow }, (_, e) => e / perRow);
  const col = row.map((i, e) => (37 * i + 113 * e) % cols);
  const b = fromCoo({ rows, cols, row, col, value: Float64Array.from(row, (_, e) => (e % 17) - 8) });
  return [csrOf([Array.from({ length: rows }, (_, i) => (i % 5) - 2)], rows), b];
}

/** Room for `length` entries and `beside` more on both sides, all filled with a number that nothing writes. */
function paddedRoom(type: (typeof types)[number], length: number, beside: number) {
  const indices = new Uint32Array(length + 2 * beside).fill(0xabcdef01);
  const values = new type(length + 2 * beside).fill(-77);
  const untouched = (written: number) => {
    const out = (p: number) => p < beside || p >= beside + written;
    return indices.every((j, p) => !out(p) || j === 0xabcdef01) && values.every((x, p) => !out(p) || x === -77);
  };
  const within = <A extends Uint32Array | Values>(array: A) => array.subarray(beside, beside + length) as A;
  return { room: { indices: within(indices), values: within(values) as Float64Array }, untouched };
}

const sparse = randomCsr(2500, 2500, 12, 1);
const grid = grid2d(16);
const cases: [name: string, a: Csr, b: Csr, options?: SpgemmOptions][] = [
  ['hardly compresses: at once', sparse, sparse],
  ['hardly compresses, unsorted', sparse, sparse, { sorted: false }],
  ['hardly compresses, by hash', sparse, sparse, { accumulator: 'hash' }],
  ['hardly compresses, by sort', sparse, sparse, { accumulator: 'sort', semiring: 'min-plus' }],
  ['under a mask', sparse, sparse, { mask: randomCsr(2500, 2500, 30, 3) }],
  ['under a complement', sparse, sparse, { mask: randomCsr(2500, 2500, 30, 3), complement: true }],
  ['compresses', randomCsr(300, 200, 30, 4), randomCsr(200, 250, 20, 5)],
  ['narrow', randomCsr(900, 500, 9, 6), randomCsr(500, 60, 5, 7)],
  ['a grid', grid, grid],
  ['a giant row', ...giantRow()],
  ['one entry', csrOf([[3]], 1), csrOf([[4]], 1)],
  ['merged', randomCsr(400, 300, 2, 8), randomCsr(300, 100000, 9, 9), { accumulator: 'heap' }],
  ['no entries', csrOf([[undefined, undefined]], 2), csrOf([[1], [2]], 1)],
];

describeEachIsa('spgemm', (isa) => {
  test.each(cases)('%s: in memory that is given, as in its own, and nothing beside it', (_, a, b, options) => {
    for (const type of types) {
      const [x, y] = [a, b].map((m) => ({ ...m, values: type.from(m.values.map((v) => 4 * v)) as Float64Array })) as [Csr, Csr]; // prettier-ignore
      withIsa(isa, () => {
        const own = spgemm(x, y, options);
        const nnz = own.indices.length;
        for (const more of [0, 1, nnz + 100]) {
          const { room, untouched } = paddedRoom(type, nnz + more, 40);
          const c = spgemm(x, y, { ...options, out: room });
          sameBits(c, own);
          expect(c.stats).toEqual(own.stats);
          expect(c.indices.buffer).toBe(room.indices.buffer);
          expect(c.values.buffer).toBe(room.values.buffer);
          expect([c.indices.byteOffset, c.values.byteOffset]).toEqual([
            room.indices.byteOffset,
            room.values.byteOffset,
          ]);
          expect(untouched(nnz)).toBe(true);
        }
      });
    }
  });
});

test.each(cases)('%s: with a plan', (_, a, b, options = {}) => {
  const { sorted, semiring, ...counted } = options;
  const plan = spgemmPlan(a, b, counted);
  const how = { ...(sorted !== undefined && { sorted }), ...(semiring && { semiring }) };
  const own = spgemm(a, b, { ...how, plan });
  const { room, untouched } = paddedRoom(Float64Array, own.indices.length + 5, 40);
  const c = spgemm(a, b, { ...how, plan, out: room });
  sameBits(c, own);
  expect(c.values.buffer).toBe(room.values.buffer);
  expect(untouched(own.indices.length)).toBe(true);
});

test.each(cases)('%s: memory that is too short is refused with the number of entries', (_, a, b, options) => {
  const nnz = spgemm(a, b, options).indices.length;
  if (nnz === 0) return;
  for (const length of [nnz - 1, nnz >> 1, 0]) {
    const { room, untouched } = paddedRoom(Float64Array, length, 40);
    const error = expect.objectContaining({ code: 'ERR_SHAPE', argument: 'options.out', expected: `room for ${nnz} entries`, got: `room for ${length}` }); // prettier-ignore
    expect(() => spgemm(a, b, { ...options, out: room })).toThrow(error);
    expect(untouched(length)).toBe(true);
  }
});

test('the result of one product is the memory of the next, and nothing of its size is allocated', () => {
  const others = [sparse, { ...sparse, values: sparse.values.map((x) => x - 1) }, randomCsr(2500, 2500, 11, 11)];
  let out = spgemm(sparse, sparse);
  const { buffer } = out.values;
  for (const a of others) {
    const before = process.memoryUsage().arrayBuffers;
    out = spgemm(a, a, { out });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(out.values.byteLength / 10);
    expect(out.values.buffer).toBe(buffer);
    sameBits(out, spgemm(a, a));
  }
});

test('patterns: no values are needed where none come', () => {
  const [a, b] = [bare(randomCsr(50, 60, 5, 1)), bare(randomCsr(60, 40, 5, 2))];
  const own = spgemm(a, b);
  const indices = new Uint32Array(own.indices.length + 3);
  const c = spgemm(a, b, { out: { indices } });
  expect(c).toEqual(own);
  expect(c.indices.buffer).toBe(indices.buffer);
  expect(spgemm(a, b, { out: own })).toEqual(c);
  expect(spgemm(a, b, { out: { indices, values: new Int32Array(1) } })).toEqual(c);
  const counts = spgemm(a, b, { semiring: 'plus-pair' });
  const out = { indices, values: new Int32Array(indices.length) };
  expect(spgemm(a, b, { semiring: 'plus-pair', out })).toEqual(counts);
  expectTypeOf(spgemm(a, b, { out: { indices } })).not.toHaveProperty('values');
});

test('patterns: nothing as long as the memory that is given is allocated', () => {
  const [a, b] = [bare(randomCsr(50, 60, 5, 1)), bare(randomCsr(60, 40, 5, 2))];
  const indices = new Uint32Array(2 ** 22);
  const before = process.memoryUsage().arrayBuffers;
  const { indices: own } = spgemm(a, b, { out: { indices } });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  expect(own).toEqual(spgemm(a, b).indices);
});

test.each([sparse, grid])('subclasses that do not take what subarray gives them', (a) => {
  class Indices extends Uint32Array {
    constructor(length: unknown) {
      super(typeof length === 'number' ? length : 0);
    }
  }
  class Numbers extends Float64Array {
    static get [Symbol.species]() {
      return Float32Array as never;
    }
  }
  const own = spgemm(a, a);
  const length = own.indices.length + 9;
  const out = { indices: new Indices(length), values: new Numbers(length) };
  const c = spgemm(a, a, { out });
  sameBits(c, own);
  expect([c.indices.buffer, c.values.buffer]).toEqual([out.indices.buffer, out.values.buffer]);
});

test('types: options for products of any type, memory of one', () => {
  const options: SpgemmOptions = { sorted: true };
  const f64 = randomCsr(5, 5, 2, 1);
  const i32: Csr<Int32Array> = { ...f64, values: new Int32Array(f64.values.length) };
  const f32: Csr<Float32Array> = { ...f64, values: new Float32Array(f64.values.length) };
  const counts = spgemm(i32, i32, options);
  expectTypeOf(spgemm(f64, f64, options).values).toEqualTypeOf<Float64Array>();
  expectTypeOf(counts.values).toEqualTypeOf<Int32Array>();
  expectTypeOf(spgemm(f64, f64, { out: spgemm(f64, f64) }).values).toEqualTypeOf<Float64Array>();
  // @ts-expect-error values of another type
  expect(() => spgemm(f64, f64, { out: f32 })).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
  // the result is a pattern, whatever values the memory has
  const pattern = spgemm(bare(f64), bare(f64), { out: counts });
  expectTypeOf(pattern).not.toHaveProperty('values');
  expect(pattern).not.toHaveProperty('values');
  expect(spgemm(bare(f64), bare(f64), options)).toEqual(pattern);
});

describe('refusals', () => {
  const [a, b] = [randomCsr(40, 50, 5, 1), randomCsr(50, 30, 5, 2)];
  const mask = bare(csrOf(randomGrid(40, 30, 1, 3), 30));
  const room = (length = 2000) => ({ indices: new Uint32Array(length), values: new Float64Array(length) });
  const overlapping = () => {
    const buffer = new ArrayBuffer(24000);
    return { indices: new Uint32Array(buffer, 0, 2000), values: new Float64Array(buffer, 7992, 2000) };
  };
  const detached = () => {
    const out = room();
    structuredClone(out.values.buffer, { transfer: [out.values.buffer] });
    return out;
  };
  test.each([
    ['ERR_DTYPE', 'options.out', () => spgemm(a, b, { out: null } as never)],
    ['ERR_DTYPE', 'options.out', () => spgemm(a, b, { out: 5 } as never)],
    ['ERR_DTYPE', 'options.out.indices', () => spgemm(a, b, { out: { values: room().values } } as never)],
    ['ERR_DTYPE', 'options.out.values', () => spgemm(a, b, { out: { indices: room().indices } })],
    ['ERR_DTYPE', 'options.out.values', () => spgemm(a, b, { out: { ...room(), values: new Float32Array(2000) } } as never)], // prettier-ignore
    ['ERR_SHAPE', 'options.out.values', () => spgemm(a, b, { out: { ...room(), values: new Float64Array(1999) } })],
    ['ERR_DETACHED', 'options.out.values', () => spgemm(a, b, { out: detached() })],
    ['ERR_ALIAS', 'options.out', () => spgemm(a, b, { out: overlapping() })],
    ['ERR_ALIAS', 'options.out', () => spgemm(a, b, { out: { indices: a.indices, values: a.values.slice() } })],
    ['ERR_ALIAS', 'options.out', () => spgemm(a, b, { out: { indices: b.indices.slice(), values: b.values } })],
    ['ERR_ALIAS', 'options.out', () => spgemm(a, b, { mask, out: { indices: mask.indices, values: new Float64Array(mask.indices.length) } })], // prettier-ignore
    ['ERR_ALIAS', 'options.out', () => spgemm(a, b, { plan: spgemmPlan(a, b, { mask }), out: { indices: mask.indices, values: new Float64Array(mask.indices.length) } })], // prettier-ignore
  ])('%s of %s', (code, argument, call) => {
    const copies = [a, b].map((m) => structuredClone(m));
    expect(call).toThrow(expect.objectContaining({ code, argument, function: 'spgemm' }));
    expect([a, b]).toEqual(copies);
  });

  test("a plan's row pointers are no memory for the result", () => {
    const plan = spgemmPlan(a, b);
    const nnz = plan.indptr.at(-1)!;
    const indices = new Uint32Array(plan.indptr.length + nnz);
    const indptr = indices.subarray(nnz);
    indptr.set(plan.indptr);
    const out = { indices: indices.subarray(1, nnz + 1), values: new Float64Array(nnz) };
    const refused = expect.objectContaining({ code: 'ERR_ALIAS', argument: 'options.out' });
    expect(() => spgemm(a, b, { plan: { ...plan, indptr }, out })).toThrow(refused);
    expect(indptr).toEqual(plan.indptr);
  });

  test('an abort is heard', () => {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    const out = spgemm(sparse, sparse);
    const aborted = expect.objectContaining({ code: 'ERR_ABORTED' });
    expect(() => withCancelFlag(flag, () => spgemm(sparse, sparse, { out }))).toThrow(aborted);
    expect(() => withCancelFlag(flag, () => spgemm(transpose(sparse), sparse, { out }))).toThrow(aborted);
  });
});
