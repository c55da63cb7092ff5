import { expect, test } from 'vitest';
import type { Csr } from 'lapidary';
import { spgemm, spgemmPlan } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { sameBits, sameForAnyThreads } from '../support/sparse.js';

const types = [Float64Array, Float32Array, Int32Array] as const;

/** Row i has columns i·1 + o for all offsets o, without those that fall outside; value(p) for the p-th entry. */
function shifted(rows: number, cols: number, offsets: readonly number[], value: (p: number) => number): Csr {
  const indptr = new Uint32Array(rows + 1);
  const indices: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (const o of offsets) if (i + o >= 0 && i + o < cols) indices.push(i + o);
    indptr[i + 1] = indices.length;
  }
  return {
    rows,
    cols,
    indptr,
    indices: Uint32Array.from(indices),
    values: Float64Array.from(indices, (_, p) => value(p)),
  };
}

const whole = (p: number) => ((p * 7) % 23) - 11;
const broken = (p: number) => (p % 97 === 5 ? Infinity : p % 89 === 7 ? NaN : p % 13 === 3 ? -0 : whole(p) / 3);
const asType = (m: Csr, type: (typeof types)[number]) => ({ ...m, values: type.from(m.values) as Float64Array });
/** With one NaN for all: hash and dense rows may multiply in another order of operands. */
const oneNaN = (c: Csr): Csr => ({ ...c, values: c.values.map((x) => (Number.isNaN(x) ? NaN : x)) });

/** Neighbours of points of a grid with these sides, within `reach` along one axis or along all together. */
function grid(sides: readonly number[], reach: number, value: (p: number) => number): Csr {
  const n = sides.reduce((x, y) => x * y, 1);
  const indptr = new Uint32Array(n + 1);
  const indices: number[] = [];
  const steps = sides.reduce<number[][]>((all) => all.flatMap((s) => [-1, 0, 1].map((d) => [d, ...s])), [[]]);
  for (let i = 0; i < n; i++) {
    const row: number[] = [];
    for (const step of steps.filter((s) => s.filter((d) => d !== 0).length <= reach)) {
      let [rest, stride, target, inside] = [i, 1, i, true];
      for (const [axis, side] of sides.entries()) {
        const place = (rest % side) + step[axis]!;
        inside &&= place >= 0 && place < side;
        target += step[axis]! * stride;
        rest = Math.floor(rest / side);
        stride *= side;
      }
      if (inside) row.push(target);
    }
    indices.push(...row.sort((x, y) => x - y));
    indptr[i + 1] = indices.length;
  }
  return {
    rows: n,
    cols: n,
    indptr,
    indices: Uint32Array.from(indices),
    values: Float64Array.from(indices, (_, p) => value(p)),
  };
}

describeEachIsa('spgemm', (isa) => {
  test('runs of rows of every length, whose products leave gaps or not, within one matrix and over two', () => {
    const shapes: [rows: number, a: number[], b: number[]][] = [];
    for (let rows = 1; rows < 140; rows += rows < 20 ? 1 : 7) shapes.push([rows, [0, 1, 2], [0, 1, 5]]);
    for (let n = 1; n < 20; n++) {
      const some = Array.from({ length: n }, (_, e) => 3 * (e >> 1) + (e % 2));
      shapes.push([71, some, [0, 2, 3, 4, 9, 30]], [71, [0, 1, 3, 8], some]); // 1 … 19 entries in a row, in groups and alone
    }
    shapes.push([200, [0, 64, 65, 130, 131, 132], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 40]]); // groups that overlap, and do not
    shapes.push([90, Array.from({ length: 60 }, (_, e) => 2 * e), Array.from({ length: 60 }, (_, e) => e)]); // too large for a tile
    for (const [rows, first, second] of shapes) {
      const inner = rows + first.at(-1)!;
      const [x, y] = [
        shifted(rows, inner, first, broken),
        shifted(inner, inner + second.at(-1)!, second, (p) => broken(3 * p + 1)),
      ];
      const square = shifted(
        rows,
        rows,
        [...first, ...first.filter((o) => o > 0).map((o) => -o)].sort((p, q) => p - q),
        broken,
      );
      const other = { ...square, values: square.values.map((v, p) => v + p) }; // the same pattern, not the same values
      for (const type of types) {
        for (const [a, b] of [
          [x, y],
          [square, square],
          [square, other],
        ] as const) {
          const [left, right] = [asType(a, type), a === b ? undefined : asType(b, type)];
          withIsa(isa, () => {
            const c = spgemm(left, right ?? left);
            sameBits(oneNaN(c), oneNaN(spgemm(left, right ?? left, { accumulator: 'hash' })));
          });
        }
      }
    }
  });

  test('patterns that come again, at the ends of lines and planes', () => {
    for (const [sides, reach] of [
      [[40, 30], 1],
      [[24, 9, 8], 1],
      [[23, 6, 7], 3],
      [[7, 5, 4, 5], 1],
    ] as const) {
      const a = grid(sides, reach, broken);
      for (const type of types) {
        const x = asType(a, type);
        withIsa(isa, () => {
          for (const semiring of ['plus-times', 'max-times'] as const)
            sameBits(oneNaN(spgemm(x, x, { semiring })), oneNaN(spgemm(x, x, { semiring, accumulator: 'hash' })));
        });
      }
    }
  });

  test('rows of A that are alike name rows of B that are not, though as long', () => {
    // Lines of 16 rows of B; in every third, the entries of one row lie elsewhere.
    const n = 16 * 60;
    const a = shifted(n, n + 2, [0, 2], whole);
    const even = shifted(n + 2, n + 8, [0, 1, 3], whole);
    for (const odd of [0, 1, 2, 7, 15]) {
      const indices = even.indices.slice();
      for (let k = odd; k < n; k += 16) {
        const p = even.indptr[k]!;
        indices[p + 2] = k + (k % 48 === odd ? 4 : 5); // after k and k + 1
      }
      const b = { ...even, indices };
      withIsa(isa, () => {
        sameBits(spgemm(a, b), spgemm(a, b, { accumulator: 'hash' }));
        sameBits(spgemm(a, b, { plan: spgemmPlan(a, b) }), spgemm(a, b, { accumulator: 'hash' }));
      });
    }
  });
});

test('patterns that come again: any number of threads gives the same bits, over parts that cut runs', () => {
  const a = grid([30, 30, 30], 3, (p) => Math.sin(p));
  sameForAnyThreads(() => spgemm(a, a));
  sameBits(spgemm(a, a), spgemm(a, a, { accumulator: 'hash' }));
  const band = shifted(40000, 40000, [-9, -4, -3, -2, -1, 0, 1, 2, 3, 4, 9], (p) => Math.cos(p));
  sameForAnyThreads(() => spgemm(band, band));
  sameBits(spgemm(band, band), spgemm(band, band, { accumulator: 'hash' }));
});

test('a plan that gives a row which comes again another length is refused', () => {
  const a = grid([20, 12], 1, whole);
  const plan = spgemmPlan(a, a);
  for (const i of [20, 21, 39, 40, 41, 59, 100, 119]) {
    const indptr = plan.indptr.slice();
    indptr[i + 1]!--; // and one more entry in the row after it
    expect(() => spgemm(a, a, { plan: { ...plan, indptr } })).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  }
});

test('a plan that gives a row within a run another length is refused', () => {
  const a = shifted(300, 310, [0, 1, 2, 5], whole);
  const b = shifted(310, 330, [0, 3], whole);
  const plan = spgemmPlan(a, b);
  for (const i of [3, 17, 64, 150, 298])
    for (const more of [1, -1]) {
      const indptr = plan.indptr.slice();
      indptr[i + 1]! += more;
      expect(() => spgemm(a, b, { plan: { ...plan, indptr } })).toThrow(
        expect.objectContaining({ code: 'ERR_FORMAT' }),
      );
    }
});

describeEachIsa('rows that repeat, ', (isa) => {
  const equalsHash = (a: Csr, b: Csr) =>
    withIsa(isa, () => sameBits(spgemm(a, b), spgemm(a, b, { accumulator: 'hash' })));

  test('factors of other patterns whose values are one array', () => {
    const values = Float64Array.from({ length: 2000 }, (_, p) => whole(p));
    for (const [of_a, of_b] of [
      [
        [0, 1, 2],
        [0, 1],
      ],
      [[0, 1, 2, 5], [0]],
      [
        [0, 1],
        [0, 1, 2],
      ],
      [
        [0, 3],
        [0, 1, 2, 3],
      ],
    ] as const)
      for (const from of [0, 1, 64]) {
        const [a, b] = [shifted(300, 310, of_a, whole), shifted(310, 330, of_b, whole)];
        equalsHash(
          { ...a, values: values.subarray(0, a.indices.length) },
          { ...b, values: values.subarray(from, from + b.indices.length) },
        );
      }
  });

  test.each([4096, 4097, 30_000])('rows of %i entries that are alike, nearly all for empty rows of b', (n) => {
    const full = (k: number) => (k >= n - 4 || k < 2 ? 8 : 0);
    const indptr = new Uint32Array(n + 1);
    for (let k = 0; k < n; k++) indptr[k + 1] = indptr[k]! + full(k);
    const indices = Uint32Array.from({ length: indptr[n]! }, (_, p) => p);
    const b = { rows: n, cols: 64, indptr, indices, values: Float64Array.from(indices, (_, p) => p + 1) };
    const rows = 20;
    const a = {
      rows,
      cols: n,
      indptr: Uint32Array.from({ length: rows + 1 }, (_, i) => i * n),
      indices: Uint32Array.from({ length: rows * n }, (_, p) => p % n),
      values: Float64Array.from({ length: rows * n }, (_, p) => whole(p)),
    };
    equalsHash(a, b);
  });

  test('rows of more entries with gaps between them than there are groups of a tile', () => {
    for (const entries of [127, 128, 129, 300, 1100]) {
      const offsets = Array.from({ length: entries }, (_, e) => 2 * e);
      equalsHash(shifted(40, 2300, offsets, whole), shifted(2300, 2400, [0], whole));
    }
  });

  test('short runs that begin and end anywhere in the parts of a product', () => {
    const near = Array.from({ length: 10 }, (_, e) => e);
    const [n, indices, indptr] = [24_000, [] as number[], [0]];
    for (let i = 0; i < n; i++) {
      for (const o of near) indices.push(i + (Math.floor(i / 5) % 2) * o + o);
      indptr.push(indices.length);
    }
    const values = Float64Array.from(indices, (_, p) => whole(p));
    const a = { rows: n, cols: n + 20, indptr: Uint32Array.from(indptr), indices: Uint32Array.from(indices), values };
    equalsHash(a, shifted(n + 20, n + 40, near, whole));
  });

  test('rows that are alike only where columns go round at 2³²', () => {
    const [cols, n, step] = [2 ** 32 - 1, 6000, 5120];
    const [of_a, of_b] = [new Map<number, number[]>(), new Map<number, number[]>()];
    for (const [from, to] of [
      [0, 250],
      [5000, 5100],
    ] as const)
      // prettier-ignore
      for (let k = from; k < to; k++) {
        of_a.set(k, [k]);
        of_b.set(
          k,
          Array.from({ length: 8 }, (_, q) => k + q),
        );
      }
    for (const [k, row] of [
      [300, [0]],
      [302, [cols - 1]],
      [300 + step, [step]],
      [302 + step, [step - 2]],
    ] as const)
      // prettier-ignore
      of_b.set(k, [...row]);
    for (const i of [300, 300 + step]) of_a.set(i, [i, i + 2]);
    const csr = (width: number, rows: Map<number, number[]>): Csr => {
      const indptr = new Uint32Array(n + 1);
      const indices: number[] = [];
      for (let k = 0; k < n; k++) {
        indices.push(...(rows.get(k) ?? []));
        indptr[k + 1] = indices.length;
      }
      return { rows: n, cols: width, indptr, indices: Uint32Array.from(indices), values: Float64Array.from(indices, (_, p) => whole(p)) }; // prettier-ignore
    };
    const c = withIsa(isa, () => spgemm(csr(n, of_a), csr(cols, of_b)));
    const i = 300 + step;
    expect([...c.indices.subarray(c.indptr[i], c.indptr[i + 1])]).toEqual([step - 2, step]);
  });
});
