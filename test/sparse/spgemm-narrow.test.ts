import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { spgemm, spgemmPlan, type SpgemmValues } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { csrOf, randomCsr, sameBits } from '../support/sparse.js';
import { oracle } from '../support/spgemm.js';

// A matrix of few columns on the right: its rows go as whole words, sums lie in an array over all columns, and what the
// counting found is kept for the filling.
const threads = getThreads();
afterEach(() => setThreads(threads));

const whole = <A extends SpgemmValues>(a: Csr, type: { from(values: Float64Array, f: (x: number) => number): A }) =>
  ({ ...a, values: type.from(a.values, (v) => Math.round(9 * v)) }) as Csr<A>;

/** Rows of `perRow` entries, but every seventh empty, every ninth full, and rows of each length up to 40. */
function uneven(rows: number, cols: number, perRow: number, seed: number): Csr {
  const parts = Array.from({ length: rows }, (_, k) =>
    randomCsr(1, cols, k % 7 === 3 ? 0 : k % 9 === 4 ? 8 * cols : k % 5 === 1 ? k % 41 : perRow, seed + k),
  );
  const indptr = new Uint32Array(rows + 1);
  parts.forEach((part, k) => (indptr[k + 1] = indptr[k]! + part.indices.length));
  const all = <K extends 'indices' | 'values'>(key: K) => parts.flatMap((part) => [...part[key]]);
  return { rows, cols, indptr, indices: Uint32Array.from(all('indices')), values: Float64Array.from(all('values')) };
}

describeEachIsa('spgemm', (isa) => {
  test('few columns: every number of words and around it, rows of every length, all value types', () => {
    for (const cols of [1, 2, 63, 64, 65, 128, 129, 192, 250, 256, 320, 511, 512, 513, 640]) {
      const [a, b] = [uneven(60, 80, 14, cols), uneven(80, cols, 9, cols + 1)];
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const [x, y] = [whole(a, type as never), whole(b, type as never)] as [Csr, Csr];
        const expected = csrOf(oracle(x, y), cols, type as never);
        withIsa(isa, () => {
          sameBits(spgemm(x, y), expected);
          sameBits(spgemm(x, y, { plan: spgemmPlan(x, y) }), expected);
          sameBits(spgemm(x, y, { accumulator: 'dense' }), expected);
        });
      }
    }
  });

  test('few columns: sums in ascending order of k, NaN, infinities and zeros of both signs, other operators, masks', () => {
    for (const cols of [100, 300]) {
      const [a, b] = [uneven(90, 400, 60, cols), uneven(400, cols, 12, cols + 1)];
      [NaN, Infinity, -Infinity, -0, 0].forEach((x, e) => {
        a.values[97 * e + 11] = x;
        b.values[89 * e + 5] = x;
      });
      const mask = randomCsr(90, cols, 20, 5);
      for (const type of [Float64Array, Float32Array]) {
        const of = (x: Csr) => ({ ...x, values: type.from(x.values) }) as Csr;
        const [x, y] = [of(a), of(b)];
        withIsa(isa, () => {
          for (const semiring of ['plus-times', 'min-plus', 'plus-pair'] as const)
            for (const options of [{}, { mask }, { mask, complement: true }]) {
              const c = spgemm(x, y, { semiring, ...options });
              const other = spgemm(x, y, { semiring, ...options, accumulator: 'hash' });
              expect(c.indptr).toEqual(other.indptr);
              expect(c.indices).toEqual(other.indices);
              expect(c.values).toEqual(other.values); // zeros by their sign, NaN by being one
            }
        });
      }
    }
  });

  test('few columns: rows that repeat the one before, and those that come again, across the parts of a product', () => {
    // Lines of up to 400 rows, each shifted by one against the one before, cut short by empty rows; then rows unlike any
    // other, whose products are worth having the rows of b as words.
    const [rows, line] = [33_000, 400];
    const band = (n: number, cols: number, at: (i: number) => number[]): Csr => {
      const columns = Array.from({ length: n }, (_, i) => at(i));
      const indptr = new Uint32Array(n + 1);
      columns.forEach((row, i) => (indptr[i + 1] = indptr[i]! + row.length));
      const indices = Uint32Array.from(columns.flat());
      return { rows: n, cols, indptr, indices, values: Float64Array.from(indices, (j, p) => ((5 * j + p) % 9) - 4) };
    };
    const a = band(
      rows,
      line + 30,
      (i) => 
      i % 237 === 5 ? [] : i < 30_000 ? [0, 1, 3, 8, 21].map((d) => (i % line) + d) : [7, 90, 180].map((d) => (i * i + d * i) % (d + 90)).sort((x, y) => x - y).filter((x, e, all) => x !== all[e - 1]), // prettier-ignore
    );
    // 70 products a row: more than 8 for each word of the row's bits, from where on bits would be kept if none repeated
    const b = band(line + 30, line + 80, (k) => [0, 2, 3, 7, 9, 11, 14, 19, 20, 25, 33, 40, 44, 47].map((d) => k + d));
    withIsa(isa, () => sameBits(spgemm(a, b), spgemm(a, b, { accumulator: 'hash' })));
  });
});

test('few columns: the same bits for any number of threads', () => {
  const [a, b] = [randomCsr(30000, 20000, 40, 3), randomCsr(20000, 200, 9, 4)];
  setThreads(1);
  const one = spgemm(a, b);
  sameBits(one, spgemm(a, b, { accumulator: 'hash' }));
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), one);
  }
});
