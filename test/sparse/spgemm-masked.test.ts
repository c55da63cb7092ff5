import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { spgemm, spgemmPlan, type SpgemmOptions } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { once } from '../support/once.js';
import { randomCsr, sameBits } from '../support/sparse.js';

// Under a mask a product is made in one phase, group by group; with a plan, or under a forced accumulator, in two. Whole
// numbers make sums exact, so that products masked afterwards are an oracle too.
const threads = getThreads();
afterEach(() => setThreads(threads));

const whole = (a: Csr, type: { from(values: Float64Array, f: (x: number) => number): never }): Csr => ({
  ...a,
  values: type.from(a.values, (v) => Math.round(9 * v) - 4),
});

/** Rows of 0 to `most` entries: a third is short, every eleventh empty. */
function uneven(rows: number, cols: number, most: number, seed: number): Csr {
  const parts = Array.from({ length: rows }, (_, i) =>
    randomCsr(1, cols, i % 11 === 5 ? 0 : i % 3 === 0 ? 2 : (i * 37) % most, seed + i),
  );
  const indptr = new Uint32Array(rows + 1);
  parts.forEach((part, i) => (indptr[i + 1] = indptr[i]! + part.indices.length));
  const all = (key: 'indices' | 'values') => parts.flatMap((part) => [...part[key]]);
  return { rows, cols, indptr, indices: Uint32Array.from(all('indices')), values: Float64Array.from(all('values')) };
}

/** Where c has entries that the mask has, or that it has not. */
function placesOf(c: Csr, mask: Csr, complement: boolean): { indptr: Uint32Array; places: Uint32Array } {
  const [indptr, places] = [new Uint32Array(c.rows + 1), [] as number[]];
  for (let i = 0; i < c.rows; i++) {
    const allowed = new Set(mask.indices.subarray(mask.indptr[i], mask.indptr[i + 1]));
    for (let p = c.indptr[i]!; p < c.indptr[i + 1]!; p++) if (allowed.has(c.indices[p]!) !== complement) places.push(p);
    indptr[i + 1] = places.length;
  }
  return { indptr, places: Uint32Array.from(places) };
}

/** The entries of c in these places. */
function kept(c: Csr, { indptr, places }: ReturnType<typeof placesOf>): Csr {
  const [indices, values] = [new Uint32Array(places.length), c.values.slice(0, places.length)];
  for (let e = 0; e < places.length; e++) {
    indices[e] = c.indices[places[e]!]!;
    values[e] = c.values[places[e]!]!;
  }
  return { ...c, indptr, indices, values };
}

const semirings = ['plus-times', 'plus-pair', 'min-plus', 'any-pair'] as const;

/** Factors, masks, and where the product has entries that they have and have not: the same for all types and operators. */
const inOnePhase = once(() => {
  const [a, b] = [uneven(300, 500, 60, 1), uneven(500, 700, 690, 1000)];
  const c = spgemm(a, b, { accumulator: 'hash' });
  const masks = [uneven(300, 700, 500, 5), randomCsr(300, 700, 5000, 6), randomCsr(300, 700, 0, 7)].map((mask) => ({
    mask,
    within: placesOf(c, mask, false),
    without: placesOf(c, mask, true),
  }));
  return { a, b, masks };
});

describeEachIsa('spgemm', (isa) => {
  test('masked in one phase: the entries of the whole product, all value types and operators', () => {
    const { a, b, masks } = inOnePhase();
    expect(masks[1]!.mask.indices.length).toBeGreaterThan(200_000);
    for (const type of [Float64Array, Float32Array, Int32Array]) {
      const [x, y] = [whole(a, type as never), whole(b, type as never)];
      withIsa(isa, () => {
        for (const semiring of semirings) {
          const all = spgemm(x, y, { semiring, accumulator: 'hash' });
          for (const { mask, within, without } of masks) {
            const expected = kept(all, within);
            const c = spgemm(x, y, { semiring, mask });
            sameBits(c, expected);
            expect(c.stats.flops).toBe(all.stats.flops);
            sameBits(spgemm(x, y, { semiring, plan: spgemmPlan(x, y, { mask }) }), expected);
            sameBits(spgemm(x, y, { semiring, mask, complement: true }), kept(all, without));
          }
        }
      });
    }
  });

  test('masked in one phase: any number of threads gives the same bits, NaN, infinities and zeros of both signs', () => {
    const [a, b, mask] = [uneven(900, 600, 80, 2), uneven(600, 3000, 900, 2000), uneven(900, 3000, 700, 9)];
    [NaN, Infinity, -Infinity, -0, 0].forEach((x, e) => {
      a.values[971 * e + 11] = x;
      b.values[893 * e + 5] = x;
    });
    withIsa(isa, () => {
      setThreads(1);
      const two = spgemm(a, b, { plan: spgemmPlan(a, b, { mask }) });
      const one = spgemm(a, b, { mask });
      sameBits(one, two);
      for (const n of [2, 3, 7]) {
        setThreads(n);
        sameBits(spgemm(a, b, { mask }), one);
      }
    });
  });

  test('masked: few products over very many columns, rows in reach of few, complements', () => {
    const wide = 1 << 20;
    const [a, b] = [randomCsr(400, 300, 12, 3), randomCsr(300, wide, 12, 4)];
    const c = spgemm(a, b);
    const every: Csr = { ...c, indptr: c.indptr.slice(), indices: c.indices.slice() };
    const mask = randomCsr(400, wide, 0, 1);
    withIsa(isa, () => {
      for (const options of [{ mask: every }, { mask, complement: true }] as SpgemmOptions[])
        sameBits(spgemm(a, b, options), c);
      expect(spgemm(a, b, { mask }).indices).toHaveLength(0);
      expect(spgemm(a, b, { mask: every, complement: true }).indices).toHaveLength(0);
    });
  });
});
