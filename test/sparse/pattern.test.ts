import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { Csr } from 'lapidary';
import { jaccardSimilarity, kTruss, pageRank, triangleCount } from 'lapidary/graph';
import { lowerTriangle, spgemm, spgemmPlan, transpose, upperTriangle, type Pattern } from 'lapidary/sparse';
import { randomGraph } from '../support/graphs.js';
import { csrOf, grids, malformed, randomCsr, randomGrid, refusesBadMatrices, shared } from '../support/sparse.js';

const bare = ({ rows, cols, indptr, indices }: Pattern): Pattern => ({ rows, cols, indptr, indices });
const ones = <A extends Float64Array | Float32Array | Int32Array>(a: Csr<A>): Csr<A> => ({ ...a, values: a.values.map(() => 1) as A }); // prettier-ignore
const inOrder = { rows: 2, cols: 2, indptr: Uint32Array.of(0, 1, 2), indices: Uint32Array.of(0, 1) };

test('a product of patterns is a pattern, or counts, as that of ones', () => {
  const size = fc.integer({ min: 0, max: 50 });
  fc.assert(
    fc.property(size, size, size, fc.constantFrom(0.03, 0.2, 1), fc.integer(), (m, k, n, density, seed) => {
      const a = ones(csrOf(randomGrid(m, k, density, seed), k, Int32Array));
      const b = ones(csrOf(randomGrid(k, n, density, seed + 1), n, Int32Array));
      const mask = bare(csrOf(randomGrid(m, n, 0.5, seed + 2), n));
      const { stats, ...counts } = spgemm(a, b);
      for (const accumulator of ['auto', 'hash', 'dense', 'heap', 'sort'] as const) {
        const c = spgemm(bare(a), bare(b), { accumulator });
        expect(c).toEqual({ ...bare(counts), stats: { ...stats, rowsPerAccumulator: c.stats.rowsPerAccumulator } });
        expect(spgemm(bare(a), bare(b), { accumulator, semiring: 'plus-pair' }).values).toEqual(counts.values);
      }
      const masked = spgemm(bare(a), bare(b), { mask, semiring: 'plus-pair' });
      expect(masked).toEqual(spgemm(a, b, { mask, semiring: 'plus-pair' }));
    }),
    { numRuns: 60 },
  );
});

test('a pattern beside a matrix with values, of every type', () => {
  for (const type of [Float64Array, Float32Array, Int32Array]) {
    const a = csrOf<Float64Array>(randomGrid(30, 40, 0.2, 1), 40, type as never);
    const b = csrOf<Float64Array>(randomGrid(40, 20, 0.2, 2), 20, type as never);
    expect(spgemm(bare(a), b, { semiring: 'plus-second' })).toEqual(spgemm(a, b, { semiring: 'plus-second' }));
    expect(spgemm(a, bare(b), { semiring: { add: 'min', multiply: 'first' } })).toEqual(
      spgemm(a, b, { semiring: { add: 'min', multiply: 'first' } }),
    );
    expect(spgemm(a, bare(b), { semiring: 'any-pair' })).toEqual(spgemm(a, b, { semiring: 'any-pair' }));
  }
});

test('types', () => {
  const [a, p] = [csrOf([[1]], 1, Float32Array), bare(csrOf([[1]], 1))];
  expectTypeOf(spgemm(p, p)).toExtend<Pattern>();
  expectTypeOf(spgemm(p, p)).not.toHaveProperty('values');
  expectTypeOf(spgemm(p, p, { semiring: 'plus-pair' }).values).toEqualTypeOf<Int32Array>();
  expectTypeOf(spgemm(p, a, { semiring: 'plus-second' }).values).toEqualTypeOf(a.values);
  expectTypeOf(spgemm(a, a).values).toEqualTypeOf(a.values);
  expectTypeOf(transpose(p)).toEqualTypeOf<Pattern>();
  expectTypeOf(transpose(a)).toEqualTypeOf(a);
});

test('a plan of patterns', () => {
  const [a, b] = [randomCsr(50, 60, 5, 1), randomCsr(60, 40, 5, 2)];
  const plan = spgemmPlan(bare(a), bare(b));
  expect(plan).toEqual(spgemmPlan(a, b));
  expect(spgemm(bare(a), bare(b), { plan })).toEqual(spgemm(bare(a), bare(b)));
  expect(spgemm(a, b, { plan })).toEqual(spgemm(a, b));
});

test('transposes and triangles', () => {
  const size = fc.integer({ min: 0, max: 40 });
  fc.assert(
    fc.property(grids(size, size), fc.integer({ min: -5, max: 5 }), ({ grid, cols }, offset) => {
      const a = csrOf(grid, cols);
      expect(transpose(bare(a))).toEqual(bare(transpose(a)));
      expect(lowerTriangle(bare(a), offset)).toEqual(bare(lowerTriangle(a, offset)));
      expect(upperTriangle(bare(a), offset)).toEqual(bare(upperTriangle(a, offset)));
    }),
  );
});

test('a graph without weights has weights of 1', () => {
  const a = randomGraph(60, 6, 3, { undirected: true });
  expect(triangleCount(bare(a))).toBe(triangleCount(a));
  expect(kTruss(bare(a), 3)).toEqual(kTruss(a, 3));
  expect(jaccardSimilarity(bare(a))).toEqual(jaccardSimilarity(a));
  expect(pageRank(bare(a))).toEqual(pageRank(ones(a)));
});

test('indices in shared memory, which begin anywhere', () => {
  const a = randomCsr(20, 20, 4, 1);
  const there = { ...bare(a), indptr: shared(a.indptr), indices: shared(a.indices) };
  expect(spgemm(there, there).indices).toEqual(spgemm(a, a).indices);
});

describe('refusals', () => {
  test.each<[string, string, () => unknown]>([
    ['ERR_OPTION', 'options.semiring', () => spgemm(inOrder, inOrder, { semiring: 'plus-times' })],
    ['ERR_OPTION', 'options.semiring', () => spgemm(csrOf([[1, 2]], 2), inOrder)],
    ['ERR_OPTION', 'options.semiring', () => spgemm(inOrder, csrOf([[1], [2]], 1), {})],
    ['ERR_OPTION', 'options.semiring', () => spgemm(csrOf([[1, 2]], 2), inOrder, { semiring: 'plus-second' })],
    ['ERR_DTYPE', 'a.indices', () => spgemm({ ...inOrder, indices: [0, 1] } as never, inOrder)],
    ['ERR_SHAPE', 'b.indices', () => spgemm(inOrder, { ...inOrder, indices: new Uint32Array(3) })],
    [
      'ERR_SHAPE',
      'b',
      () => spgemm(inOrder, { rows: 1, cols: 2, indptr: Uint32Array.of(0, 1), indices: Uint32Array.of(0) }),
    ],
    ['ERR_SHAPE', 'graph.indices', () => triangleCount({ ...inOrder, indices: new Uint32Array(3) })],
    ['ERR_DTYPE', 'a.values', () => transpose({ ...inOrder, values: null } as never)],
  ])('%s %s', (code, argument, call) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });

  refusesBadMatrices((a) => transpose('values' in a && a.values.constructor === Float64Array && a.values.length === a.indices.length ? bare(a) : a)); // prettier-ignore

  test.each(malformed())('malformed patterns as factors and as a graph: %s', (_, a) => {
    const refused = expect.objectContaining({ code: 'ERR_FORMAT' });
    const good = { rows: 8, cols: 4, indptr: new Uint32Array(9), indices: new Uint32Array(0) };
    expect(() => spgemm(bare(a), good)).toThrow(refused);
    expect(() => spgemm(good, bare(a))).toThrow(refused);
    expect(() => triangleCount({ ...bare(a), rows: 4, cols: 4 })).toThrow(refused);
  });
});
