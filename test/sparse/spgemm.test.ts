import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr, type Real } from 'lapidary';
import {
  fromCoo,
  semirings,
  spgemm,
  spgemmPlan,
  spmv,
  transpose,
  type Semiring,
  type SpgemmValues,
} from 'lapidary/sparse';
import { withCancelFlag, raiseAbort } from '../../dist/core/cancel.js';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, gridOf, malformed, randomCsr, randomGrid, sameBits, type Grid } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => setThreads(threads));
const accumulators = ['auto', 'hash', 'dense', 'heap', 'sort'] as const;

type Operator = (x: number, y: number) => number;
const truth = (x: boolean) => Number(x);
const adders: Record<Semiring['add'], Operator> = {
  plus: (x, y) => x + y,
  times: (x, y) => x * y,
  min: Math.min,
  max: Math.max,
  or: (x, y) => truth(x !== 0 || y !== 0),
  and: (x, y) => truth(x !== 0 && y !== 0),
  any: (_, y) => y,
};
const multipliers: Record<Semiring['multiply'], Operator> = {
  times: adders.times,
  plus: adders.plus,
  minus: (x, y) => x - y,
  min: Math.min,
  max: Math.max,
  or: adders.or,
  and: adders.and,
  first: (x) => x,
  second: (_, y) => y,
  pair: () => 1,
};

/** The same with other operators, rounded to the type. A single product of `or` or `and` becomes 0 or 1 too. */
function oracleOf(a: Csr<SpgemmValues>, b: Csr<SpgemmValues>, { add, multiply }: Semiring): Grid {
  const [x, y] = [gridOf(a), gridOf(b)];
  const whole = a.values instanceof Int32Array;
  const round = (v: number) => (whole ? v | 0 : a.values instanceof Float32Array ? Math.fround(v) : v);
  const apply = (operator: Operator, v: number, w: number) =>
    whole && operator === adders.times ? Math.imul(v, w) : round(operator(v, w));
  const unit = (p: number) => (add === 'or' || add === 'and' ? truth(p !== 0) : p);
  return x.map((row) =>
    Array.from({ length: b.cols }, (_, j) =>
      row.reduce<number | undefined>((sum, value, k) => {
        const other = y[k]![j];
        if (value === undefined || other === undefined) return sum;
        const product = apply(multipliers[multiply], value, other);
        return sum === undefined ? unit(product) : apply(adders[add], sum, product);
      }, undefined),
    ),
  );
}

/** By the definition, entry by entry. An entry without a product is undefined. */
function oracle(a: Csr<Real>, b: Csr<Real>): Grid {
  const [x, y] = [gridOf(a), gridOf(b)];
  return x.map((row) =>
    Array.from({ length: b.cols }, (_, j) =>
      row.reduce<number | undefined>((sum, value, k) => {
        const other = y[k]![j];
        return value === undefined || other === undefined
          ? sum
          : sum === undefined
            ? value * other
            : sum + value * other;
      }, undefined),
    ),
  );
}

describeEachIsa('spgemm', (isa) => {
  test('against the definition: f64 and f32, every accumulator, zeros and cancellation kept', () => {
    const size = fc.integer({ min: 0, max: 60 });
    const density = fc.constantFrom(0, 0.02, 0.1, 0.4, 1);
    fc.assert(
      fc.property(size, size, size, density, density, fc.integer(), fc.boolean(), (m, k, n, da, db, seed, single) => {
        const type = (single ? Float32Array : Float64Array) as Float64ArrayConstructor;
        const a = csrOf(randomGrid(m, k, da, seed), k, type);
        const b = csrOf(randomGrid(k, n, db, seed + 1), n, type);
        const expected = csrOf(oracle(a, b), n, type);
        withIsa(isa, () => {
          for (const accumulator of accumulators) sameBits(spgemm(a, b, { accumulator }), expected);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('every semiring, every value type, masks and complements, every accumulator', () => {
    const size = fc.integer({ min: 0, max: 40 });
    const density = fc.constantFrom(0, 0.05, 0.3, 1);
    const types = fc.constantFrom(Float64Array, Float32Array, Int32Array);
    const pairs = fc.record({
      add: fc.constantFrom(...(Object.keys(adders) as Semiring['add'][])),
      multiply: fc.constantFrom(...(Object.keys(multipliers) as Semiring['multiply'][])),
    });
    const semiring = fc.oneof(fc.constantFrom(...Object.values(semirings)), pairs);
    const masks = fc.constantFrom<boolean | undefined>(undefined, true, false);
    fc.assert(
      fc.property(size, size, size, density, density, fc.integer(), types, semiring, masks, (...drawn) => {
        const [m, k, n, da, db, seed, type, ring, complement] = drawn;
        const a = csrOf(randomGrid(m, k, da, seed), k, type as never);
        const b = csrOf(randomGrid(k, n, db, seed + 1), n, type as never);
        const allowed = randomGrid(m, n, 0.5, seed + 2);
        const grid = oracleOf(a, b, ring).map((row, i) =>
          row.map((x, j) =>
            complement === undefined || (allowed[i]![j] !== undefined) !== complement ? x : undefined,
          ),
        );
        const expected = csrOf(grid, n, type as never);
        const mask = complement === undefined ? {} : { mask: csrOf(allowed, n), complement };
        withIsa(isa, () => {
          for (const accumulator of accumulators) {
            const c = spgemm(a, b, { accumulator, semiring: ring, ...mask });
            sameStructure(c, expected);
            // −0 and 0 are the same here: Math.min and the sums of the oracle choose otherwise among them
            expect([...c.values].map((v) => v + 0)).toEqual([...expected.values].map((v) => v + 0));
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  test('masked products are the entries of whole ones: long rows, wide matrices, any operators', () => {
    for (const [m, k, n, perA, perB] of [
      [20, 300, 5000, 60, 400], // rows of b in chunks
      [30, 50, 130, 40, 100],
      [60, 200, 3_000_000, 3, 4], // too wide for a bitmap
    ] as const) {
      const whole = (x: Csr) => ({ ...x, values: x.values.map((v) => Math.round(8 * v)) });
      const [a, b] = [whole(randomCsr(m, k, perA, 1)), whole(randomCsr(k, n, perB, 2))];
      // a third of the entries, and others that no product meets
      const all = spgemm(a, b);
      const row = Array.from({ length: m }, (_, i) =>
        Array<number>(all.indptr[i + 1]! - all.indptr[i]!).fill(i),
      ).flat();
      const met = row.map((i, p) => [i, all.indices[p]!] as const).filter((_, p) => p % 3 === 0);
      const other = Array.from({ length: n }, (_, j) => [j % m, j] as const).filter(([, j]) => j % 7 === 0 && j < 9000);
      const places = [...met, ...other];
      const [from, to] = [places.map(([i]) => i), places.map(([, j]) => j)];
      const mask = fromCoo({ rows: m, cols: n, row: from, col: to, value: from.map(() => 1) });
      const masked = new Set(places.map(([i, j]) => i * n + j));
      withIsa(isa, () => {
        for (const semiring of ['plus-times', 'plus-pair', 'min-plus'] as const) {
          const c = spgemm(a, b, { semiring });
          for (const complement of [false, true]) {
            const kept = (p: number) => masked.has(row[p]! * n + c.indices[p]!) !== complement;
            const some = spgemm(a, b, { semiring, mask, complement });
            expect([...some.indices]).toEqual([...c.indices].filter((_, p) => kept(p)));
            expect([...some.values]).toEqual([...c.values].filter((_, p) => kept(p)));
            const ends = [0];
            row.forEach((i, p) => (ends[i + 1] = (ends[i + 1] ?? 0) + Number(kept(p))));
            for (let i = 1; i <= m; i++) ends[i] = ends[i - 1]! + (ends[i] ?? 0);
            expect([...some.indptr]).toEqual(ends);
          }
        }
      });
    }
  });

  test('rows that repeat the row before: grids, bands and blocks of equal rows', () => {
    const line = (n: number, reach: number): Grid =>
      Array.from({ length: n }, (_, i) =>
        Array.from({ length: n }, (_, j) => (Math.abs(i - j) <= reach ? ((i * 7 + j * 3) % 5) - 2 : undefined)),
      );
    const blocks: Grid = Array.from({ length: 60 }, (_, i) =>
      Array.from({ length: 60 }, (_, j) => ((i - (i % 3) + 2 * (j - (j % 3))) % 7 === 0 ? i - j : undefined)),
    );
    const five = kron(line(9, 1), 11);
    for (const grid of [line(70, 2), line(90, 12), blocks, five]) {
      const a = csrOf(grid, grid.length);
      const expected = csrOf(oracle(a, a), grid.length);
      withIsa(isa, () => {
        for (const accumulator of accumulators) sameBits(spgemm(a, a, { accumulator }), expected);
        const least = csrOf(oracleOf(a, a, semirings['min-plus']), grid.length);
        sameBits(spgemm(a, a, { semiring: 'min-plus' }), least);
      });
    }
  });

  test('repeated rows in blocks of four sums: every offset, NaN, infinities and zeros of both signs', () => {
    // a line of points crossed with itself: runs of 3, 5, 7 … that begin anywhere, from the first row of B on
    for (const [side, reach, axes] of [
      [40, 1, 1],
      [50, 6, 1],
      [9, 1, 2],
      [6, 2, 2],
    ] as const) {
      const n = side ** axes;
      const near = (i: number, j: number) => Math.abs(i - j) <= reach;
      const grid: Grid = Array.from({ length: n }, (_, i) =>
        Array.from({ length: n }, (_, j) =>
          near(i % side, j % side) && near(Math.floor(i / side), Math.floor(j / side))
            ? ((5 * i + 3 * j) % 9) - 4
            : undefined,
        ),
      );
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const a = csrOf<Float64Array>(grid, n, type as never);
        if (type !== Int32Array) [NaN, Infinity, -Infinity, -0].forEach((x, e) => (a.values[7 * e * (e + 2)] = x));
        withIsa(isa, () => {
          const c = spgemm(a, a);
          const other = spgemm(a, a, { accumulator: 'hash' });
          expect(c.indices).toEqual(other.indices);
          expect(c.values).toEqual(other.values); // zeros by their sign, NaN by being one
          if (type === Int32Array) sameBits(c, csrOf(oracle(a as never, a as never), n, type));
        });
      }
    }
  });

  test('C·1 = A·(B·1), every accumulator the same bits, sorted or not', () => {
    // sparse, crowded, and wide enough for hash tables by choice
    for (const [m, k, n, perA, perB] of [
      [300, 400, 500, 10, 12],
      [50, 300, 300, 120, 90],
      [200, 5000, 3000000, 20, 10],
    ] as const) {
      const a = randomCsr(m, k, perA, 1);
      const b = randomCsr(k, n, perB, 2);
      withIsa(isa, () => {
        const c = spgemm(a, b);
        for (const accumulator of accumulators) sameBits(spgemm(a, b, { accumulator }), c);
        const left = spmv(c, new Float64Array(n).fill(1));
        const right = spmv(a, spmv(b, new Float64Array(n).fill(1)));
        expect(left.every((x, i) => Math.abs(x - right[i]!) < 1e-12 * perA * perB)).toBe(true);
        const unsorted = spgemm(a, b, { accumulator: 'hash', sorted: false });
        const row = Uint32Array.from(unsorted.indices);
        for (let i = 0; i < m; i++) row.fill(i, unsorted.indptr[i], unsorted.indptr[i + 1]);
        sameBits(fromCoo({ rows: m, cols: n, row, col: unsorted.indices, value: unsorted.values }), c);
      });
    }
  });

  test('products that hardly compress, counted and filled at once: as in two phases, to the last bit', () => {
    const holes = (a: Csr): Csr => {
      const keep = Array.from(a.indices, (_, p) => p).filter((p) => a.indices[p]! % 5 > 0);
      const row = new Uint32Array(a.indices.length);
      for (let i = 0; i < a.rows; i++) row.fill(i, a.indptr[i], a.indptr[i + 1]);
      const some = keep.filter((p) => row[p]! % 7 > 0);
      return fromCoo({ rows: a.rows, cols: a.cols, row: some.map((p) => row[p]!), col: some.map((p) => a.indices[p]!), value: some.map((p) => a.values[p]!) }); // prettier-ignore
    };
    const column = csrOf(Array.from({ length: 300 }, (_, i) => [i % 9]), 1); // prettier-ignore
    for (const [a, b] of [
      [randomCsr(3000, 3000, 12, 1), randomCsr(3000, 3000, 12, 2)], // many rows to a group, many groups
      [holes(randomCsr(3000, 3000, 14, 3)), holes(randomCsr(3000, 4000, 14, 4))], // rows without products
      [randomCsr(200, 300, 100, 5), randomCsr(300, 400000, 60, 6)], // too many products for a list of columns
      [column, transpose(column)], // crowded rows
      [randomCsr(900, 40, 1, 7), randomCsr(40, 3000, 70, 8)], // rows of B of more than 64 entries
    ] as const) {
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const [x, y] = [a, b].map((m) => ({ ...m, values: type.from(m.values.map((v) => 4 * v)) as Float64Array }));
        for (const semiring of ['plus-times', 'min-plus'] as const)
          withIsa(isa, () => {
            const c = spgemm(x!, y!, { semiring });
            const other = spgemm(x!, y!, { semiring, accumulator: 'hash' });
            sameBits(c, other);
            expect(c.stats.flops).toBe(other.stats.flops);
            expect(c.stats.compressionRatio).toBe(other.stats.compressionRatio);
            expect(spgemmPlan(x!, y!).indptr).toEqual(c.indptr);
          });
      }
    }
  });

  test('a crowded row whose sums are negative zero keeps its entries', () => {
    const n = 70;
    const a = csrOf([[1, 2, 3]], 3);
    const b = csrOf(
      [0, 1, 2].map(() => Array.from({ length: n }, (_, j) => (j % 3 === 0 ? -0 : j % 3 === 1 ? 0 : j))),
      n,
    );
    withIsa(isa, () => {
      for (const accumulator of accumulators) {
        const c = spgemm(a, b, { accumulator });
        expect(c.indices.length).toBe(n);
        c.values.forEach((x, j) => expect(x).toBe(j % 3 === 0 ? -0 : j % 3 === 1 ? 0 : 6 * j));
      }
    });
  });
});

/** The five-point stencil of a grid: neighbours along the line of the given pattern, and across lines of `width`. */
function kron(line: Grid, width: number): Grid {
  const n = line.length * width;
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) =>
      i === j
        ? 4
        : Math.abs(i - j) === width || (Math.abs(i - j) === 1 && i - (i % width) === j - (j % width))
          ? -1
          : undefined,
    ),
  );
}

function sameStructure(c: Csr<SpgemmValues>, expected: Csr<SpgemmValues>): void {
  expect([...c.indptr]).toEqual([...expected.indptr]);
  expect([...c.indices]).toEqual([...expected.indices]);
}

test('one row too long for a thread is cut by columns: the same bits for every number of threads and accumulator', () => {
  const [k, n] = [700, 60000];
  const a = randomCsr(3, k, 2 * k, 3);
  const b = randomCsr(k, n, 4000, 4);
  setThreads(1);
  const one = spgemm(a, b);
  expect(one.stats.flops).toBeGreaterThan(6 * 2 ** 21);
  const x = uniform(n, 1);
  const [left, right] = [spmv(one, x), spmv(a, spmv(b, x))];
  left.forEach((v, i) => expect(Math.abs(v - right[i]!)).toBeLessThan(1e-9));
  for (const count of [1, 2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), one);
  }
  for (const accumulator of accumulators) sameBits(spgemm(a, b, { accumulator }), one);
  const mask = randomCsr(3, n, 1000, 9);
  const some = spgemm(a, b, { mask });
  const rest = spgemm(a, b, { mask, complement: true });
  expect(some.indices.length + rest.indices.length).toBe(one.indices.length);
  for (const accumulator of accumulators) sameBits(spgemm(a, b, { mask, accumulator }), some);
});

test('a long row with most of its products in few columns', () => {
  const [k, n] = [1500, 200000];
  const next = uniform(k * 3000, 6, 0, 1);
  // half of the products fall on a hundredth of the columns
  const rows = Array.from({ length: k }, (_, i) => {
    const columns = new Set<number>();
    for (let e = 0; e < 3000; e++) columns.add(Math.floor(next[i * 3000 + e]! ** 6 * n));
    return [...columns].sort((x, y) => x - y);
  });
  const indices = Uint32Array.from(rows.flat());
  const indptr = new Uint32Array(k + 1);
  rows.forEach((row, i) => (indptr[i + 1] = indptr[i]! + row.length));
  const b = { rows: k, cols: n, indptr, indices, values: Float64Array.from(indices, (j, e) => ((j + e) % 7) - 3) };
  const a = { rows: 2, cols: k, indptr: Uint32Array.of(0, k, k), indices: Uint32Array.from(rows, (_, i) => i), values: new Float64Array(k).fill(2) }; // prettier-ignore
  expect(indices.length).toBeGreaterThan(2 ** 21);
  const sums = new Map<number, number>();
  indices.forEach((j, e) => sums.set(j, (sums.get(j) ?? 0) + 2 * b.values[e]!));
  const expected = [...sums].sort(([x], [y]) => x - y);
  setThreads(1);
  const c = spgemm(a, b);
  expect(c.indices).toEqual(Uint32Array.from(expected, ([j]) => j));
  expect(c.values).toEqual(Float64Array.from(expected, ([, x]) => x));
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), c);
  }
});

test('against the definition at 200 × 200', () => {
  for (const density of [0.01, 0.1, 0.5]) {
    const [a, b] = [1, 2].map((seed) => csrOf(randomGrid(200, 200, density, seed), 200)) as [Csr, Csr];
    sameBits(spgemm(a, b), csrOf(oracle(a, b), 200));
  }
});

test('min-plus is a step of Floyd and Warshall', () => {
  const n = 60;
  const grid = randomGrid(n, n, 0.08, 5).map((row, i) => row.map((x, j) => (i === j ? 0 : x && Math.abs(x) + 1)));
  const far = grid.map((row) => row.map((x) => x ?? Infinity));
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) far[i]![j] = Math.min(far[i]![j]!, far[i]![k]! + far[k]![j]!);
  let d = csrOf(grid, n);
  for (let length = 1; length < n; length *= 2) d = spgemm(d, d, { semiring: 'min-plus' });
  expect(gridOf(d).map((row) => row.map((x) => x ?? Infinity))).toEqual(far);
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(20000, 20000, 14, 5);
  setThreads(1);
  const one = spgemm(a, a);
  for (const count of [2, 3, 7]) {
    setThreads(count);
    for (const accumulator of accumulators) sameBits(spgemm(a, a, { accumulator }), one);
  }
});

test('at once and in two phases, any number of threads gives the same bits', () => {
  const [a, b] = [randomCsr(20000, 30000, 9, 5), randomCsr(30000, 25000, 9, 6)];
  setThreads(1);
  const one = spgemm(a, b);
  expect(one.indices.length).toBeLessThan(one.stats.flops / 2); // room for the products that met was left over
  expect(one.indices.buffer.byteLength).toBeGreaterThan(one.indices.byteLength);
  sameBits(spgemm(a, b, { plan: spgemmPlan(a, b) }), one);
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), one);
  }
});

test('a product that compresses where no sample looks is right, and keeps no room for all its products', () => {
  // Each row of a takes two rows of b: where the sample looks, two without a common column, elsewhere the same one twice.
  const rows = 50_000;
  const half = rows + 16;
  const step = Math.floor((16 * rows) / 64);
  const looked = new Uint8Array(rows);
  for (let i = 0, next = Math.floor(step / 2); i < rows; i++)
    if (16 * (i + 1) > next) [looked[i], next] = [1, 16 * (i + 1) + step];
  const a = {
    rows,
    cols: 2 * half,
    indptr: Uint32Array.from({ length: rows + 1 }, (_, i) => 2 * i),
    indices: Uint32Array.from(
      { length: 2 * rows },
      (_, p) => (p >> 1) + (p % 2 === 0 ? 0 : looked[p >> 1]! ? 7 : half),
    ),
    values: Float64Array.from({ length: 2 * rows }, (_, p) => (p % 13) - 6),
  };
  const b = {
    rows: 2 * half,
    cols: 8 * half,
    indptr: Uint32Array.from({ length: 2 * half + 1 }, (_, k) => 8 * k),
    indices: Uint32Array.from({ length: 16 * half }, (_, p) => p % (8 * half)),
    values: Float64Array.from({ length: 16 * half }, (_, p) => (p % 7) - 3),
  };
  const allocated: number[] = [];
  const original = sparse.spgemm.bind(sparse);
  sparse.spgemm = (...args) => {
    const [indptr, stats, allocate] = args.slice(-3) as [
      Uint32Array,
      Float64Array,
      (() => [Uint32Array, Real]) | undefined,
    ];
    const counted = () => {
      if (indptr.at(-1) === 0) allocated.push(stats[0]!); // room for all products: nothing has been counted
      return allocate!();
    };
    original(...([...args.slice(0, -1), allocate && counted] as typeof args));
  };
  try {
    const c = spgemm(a, b);
    expect(allocated).toEqual([16 * rows]);
    sameBits(c, spgemm(a, b, { accumulator: 'hash' }));
    expect(c.values.length).toBeLessThan(8.2 * rows);
    expect(c.values.buffer.byteLength).toBeLessThan(1.3 * c.values.byteLength + 64);
  } finally {
    sparse.spgemm = original;
  }
});

test('aliased factors, and the same in other memory', () => {
  const a = randomCsr(200, 200, 8, 9);
  const copy = { ...a, indptr: a.indptr.slice(), indices: a.indices.slice(), values: a.values.slice() };
  sameBits(spgemm(a, a), spgemm(a, copy));
});

test('one dense row, one dense column, rows without entries', () => {
  const n = 3000;
  const entries = Array.from({ length: n }, (_, j) => j);
  const row = fromCoo({ rows: n, cols: n, row: entries.map(() => 7), col: entries, value: entries });
  const column = transpose(row);
  const sum = entries.reduce((s, x) => s + x * x, 0);
  for (const accumulator of accumulators) {
    const inner = spgemm(row, column, { accumulator });
    expect([...inner.indices, ...inner.values]).toEqual([7, sum]);
    expect(inner.indptr[7]).toBe(0);
    expect(inner.indptr[8]).toBe(1);
    const outer = spgemm(column, row, { accumulator });
    expect(outer.indices.length).toBe(n * n);
    expect(outer.values[5 * n + 6]).toBe(30);
    expect(outer.values[n * n - 1]).toBe((n - 1) ** 2);
  }
});

test('NaN and infinity go where they belong', () => {
  const a = csrOf([[Infinity, 1, undefined]], 3);
  const b = csrOf(
    [
      [0, 1, undefined],
      [5, undefined, NaN],
      [1, 1, 1],
    ],
    3,
  );
  for (const accumulator of accumulators)
    expect(spgemm(a, b, { accumulator }).values).toEqual(Float64Array.of(NaN, Infinity, NaN));
});

test.each([256, 65536, 2 ** 20])('columns that are equal modulo %d do not slow the table down', (stride) => {
  const count = 4000;
  const cols = stride * count;
  const spread = (step: number): Csr =>
    fromCoo({
      rows: 1,
      cols,
      row: new Uint32Array(count),
      col: Uint32Array.from({ length: count }, (_, e) => (e * step) % cols),
      value: new Float64Array(count).fill(1),
    });
  const a = csrOf(
    Array.from({ length: 200 }, () => [1]),
    1,
  );
  const time = (b: Csr): number => {
    const start = performance.now();
    expect(spgemm(a, b, { accumulator: 'hash' }).indices.length).toBe(200 * count);
    return performance.now() - start;
  };
  time(spread(1));
  const fair = Math.min(time(spread(1)), time(spread(1)));
  // a table that took columns modulo its size would take thousands of probes for each
  expect(Math.min(time(spread(stride)), time(spread(stride)))).toBeLessThan(30 * fair + 20);
});

test('statistics', () => {
  const a = csrOf(
    [
      [1, 1, undefined],
      [undefined, undefined, undefined],
      [1, undefined, undefined],
    ],
    3,
  );
  const b = csrOf(
    [
      [1, 1, undefined, undefined],
      [1, undefined, undefined, 1],
      [1, 1, 1, 1],
    ],
    4,
  );
  expect(spgemm(a, b, { accumulator: 'hash' }).stats).toEqual({
    flops: 12,
    compressionRatio: 6 / 5,
    rowsPerAccumulator: { hash: 2, dense: 0, heap: 0, sort: 0, none: 1 },
  });
  for (const accumulator of ['dense', 'heap', 'sort'] as const)
    expect(spgemm(a, b, { accumulator }).stats.rowsPerAccumulator).toEqual({
      ...{ hash: 0, dense: 0, heap: 0, sort: 0, none: 1 },
      [accumulator]: 2,
    });
  // windows of few products over very many columns, by their number of rows to merge and of products
  const wide = randomCsr(100, 10000000, 3, 1);
  const chosen = (perRow: number, from: Csr) => spgemm(randomCsr(100, 100, perRow, 2), from).stats.rowsPerAccumulator;
  expect(chosen(2, wide).heap).toBe(100);
  expect(chosen(9, wide).sort).toBe(100);
  expect(chosen(200, randomCsr(100, 50000000, 9, 1)).hash).toBe(100);
});

test('a result of 2^32 entries or more is refused with its size, before anything is allocated', () => {
  const n = 70000;
  const column = fromCoo({
    rows: n,
    cols: 1,
    row: Uint32Array.from({ length: n }, (_, i) => i),
    col: new Uint32Array(n),
    value: new Float64Array(n),
  });
  const before = process.memoryUsage().arrayBuffers;
  expect(() => spgemm(column, transpose(column), { accumulator: 'dense' })).toThrow(
    expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringContaining('got 4900000000') }),
  );
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8);
});

test('shared memory', () => {
  const a = randomCsr(40, 40, 5, 2);
  const values = new Float64Array(new SharedArrayBuffer(a.values.byteLength));
  values.set(a.values);
  sameBits(spgemm({ ...a, values }, a), spgemm(a, a));
});

test('an abort is heard', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  raiseAbort(flag);
  const a = randomCsr(2000, 2000, 8, 2);
  expect(() => withCancelFlag(flag, () => spgemm(a, a))).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
});

describe('refusals', () => {
  const good = csrOf(randomGrid(8, 4, 1, 3), 4);
  test.each(malformed())('a factor that should %s', (text, bad) => {
    const message = expect.stringContaining(text);
    expect(() => spgemm(bad, good)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', function: 'spgemm', argument: 'a', message }),
    );
    expect(() => spgemm(transpose(good), transpose(good).rows === 4 ? { ...bad, rows: 4 } : bad)).toThrow(
      expect.objectContaining({ name: 'LapidaryError' }),
    );
    const four = csrOf(randomGrid(3, 4, 1, 5), 4);
    expect(() => spgemm(four, bad)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT', argument: 'b', message }));
  });

  const a = randomCsr(4, 5, 2, 1);
  const b = randomCsr(5, 3, 2, 1);
  test.each([
    ['ERR_SHAPE', () => spgemm(a, a)],
    ['ERR_DTYPE', () => spgemm(a, { ...b, values: Float32Array.from(b.values) } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { accumulator: 'tree' } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { acumulator: 'hash' } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { sorted: 1 } as never)],
    ['ERR_DTYPE', () => spgemm(a, 5 as never)],
    ['ERR_OPTION', () => spgemm(a, b, { semiring: 'plus-plus' } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { semiring: { add: 'plus' } } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { semiring: { add: 'first', multiply: 'times' } } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { semiring: 5 } as never)],
    ['ERR_SHAPE', () => spgemm(a, b, { mask: a })],
    ['ERR_DTYPE', () => spgemm(a, b, { mask: 1 } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { complement: 1 } as never)],
    [
      'ERR_FORMAT',
      () =>
        spgemm(a, b, { mask: { rows: 4, cols: 3, indptr: Uint32Array.of(0, 0, 0, 0, 1), indices: Uint32Array.of(3) } }),
    ],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('a second phase that was not preceded by the first is refused', () => {
    const factors = [
      a.rows,
      a.cols,
      a.indptr,
      a.indices,
      a.values,
      b.rows,
      b.cols,
      b.indptr,
      b.indices,
      b.values,
    ] as const;
    const { indptr, indices } = spgemm(a, b);
    const nnz = indices.length;
    const rest = [undefined, undefined, false] as const;
    // its own pattern as a mask changes nothing
    const masks: (readonly [Uint32Array | undefined, Uint32Array | undefined, boolean])[] = [
      rest,
      [indptr, indices, false],
    ];
    for (const [accumulator, mask] of [0, 1, 2, 3, 4].flatMap((kind) => masks.map((mask) => [kind, mask] as const)))
      for (const change of [1, -1, nnz]) {
        // one row longer or shorter than it should be, another made up for it
        const wrong = indptr.map((p, i) => (i === 0 || i === a.rows ? p : Math.min(nnz, Math.max(0, p + change))));
        expect(() =>
          sparse.spgemmFill(
            ...factors,
            ...mask,
            accumulator,
            0,
            0,
            true,
            wrong,
            new Uint32Array(nnz),
            new Float64Array(nnz),
          ),
        ).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      }
    const out = [true, indptr, new Uint32Array(nnz), new Float64Array(nnz)] as const;
    for (const [accumulator, add, multiply] of [
      [7, 0, 0],
      [0, 7, 0],
      [0, 0, 10],
    ] as const)
      expect(() => sparse.spgemmFill(...factors, ...rest, accumulator, add, multiply, ...out)).toThrow(
        expect.objectContaining({ code: 'ERR_RANGE' }),
      );
    expect(() =>
      sparse.spgemmFill(...factors, ...rest, 0, 0, 0, true, indptr, b.indices, new Float64Array(nnz)),
    ).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
  });
});

test('what gives the memory of the result may throw, lie, or take an argument away', () => {
  const a = randomCsr(50, 50, 9, 1);
  const indptr = new Uint32Array(51);
  const nnz = spgemm(a, a).indices.length;
  const product = (allocate: unknown, operand = a) => {
    const { indptr: begin, indices, values } = operand;
    const factor = [50, 50, begin, indices, values] as const;
    const rest = [undefined, undefined, false, 0, 0, 0, true, indptr, new Float64Array(7)] as const;
    return () => sparse.spgemm(...factor, ...factor, ...rest, allocate as never);
  };
  expect(product(() => [new Uint32Array(nnz), new Float64Array(nnz)])).not.toThrow();
  expect(product(() => { throw new RangeError('mine'); })).toThrow('mine'); // prettier-ignore
  const code = (name: string) => expect.objectContaining({ name: 'LapidaryError', code: name }) as Error;
  expect(product(5)).toThrow(code('ERR_DTYPE'));
  expect(product(() => 5)).toThrow(code('ERR_DTYPE'));
  expect(product(() => [])).toThrow(code('ERR_DTYPE'));
  expect(product(() => [new Uint32Array(nnz), new Float32Array(nnz)])).toThrow(code('ERR_DTYPE'));
  expect(product(() => [new Uint32Array(nnz), new Float64Array(nnz - 1)])).toThrow(code('ERR_SHAPE'));
  expect(product(() => [new Uint32Array(nnz - 1), new Float64Array(nnz - 1)])).toThrow(code('ERR_FORMAT'));
  const buffer = new ArrayBuffer(12 * nnz);
  expect(product(() => [new Uint32Array(buffer, 0, nnz), new Float64Array(buffer, 0, nnz)])).toThrow(code('ERR_ALIAS'));
  const lent = { ...a, indices: a.indices.slice() };
  const detach = () => (structuredClone(lent.indices, { transfer: [lent.indices.buffer] }), []);
  expect(product(() => (detach(), [new Uint32Array(nnz), new Float64Array(nnz)]), lent)).toThrow(code('ERR_SHAPE'));
});

test('rounding within its bound of a sum in any order', () => {
  const a = randomCsr(100, 3000, 40, 7);
  const b = randomCsr(3000, 80, 20, 8);
  const abs = (x: Csr): Csr => ({ ...x, values: x.values.map(Math.abs) });
  const scale = spgemm(abs(a), abs(b));
  const ones = uniform(80, 3);
  const left = spmv(spgemm(a, b), ones);
  const right = spmv(a, spmv(b, ones));
  const bound = spmv(scale, ones.map(Math.abs));
  left.forEach((x, i) => expect(Math.abs(x - right[i]!)).toBeLessThanOrEqual(200 * 2 ** -53 * bound[i]!));
});
