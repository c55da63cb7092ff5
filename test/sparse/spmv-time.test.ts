/** What spmv may cost where rows are shifted copies of each other in runs too short to be of use. */
import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads } from 'lapidary';
import { spmv } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterEach(() => void setThreads(threads));

describeEachIsa('time of spmv', (isa) => {
  // To look for shifted rows must not cost more than the rows: where runs are short, and where rows are equally long.
  test.each([
    [1, 4],
    [1, 15],
    [2, 5],
    [4, 7],
    [7, 12],
  ])('rows of %i in runs of %i shifted ones cost about as much as any', (perRow, run) => {
    const [rows, cols] = [20000, 4096];
    const starts = uniform(rows, 3, 0, cols).map(Math.floor);
    const first = (i: number) => (starts[i - (i % run)]! % (cols - 8 * perRow - run)) + (i % run);
    const matrix = (order: (i: number) => number) => ({
      rows,
      cols,
      indptr: Uint32Array.from({ length: rows + 1 }, (_, i) => i * perRow),
      indices: Uint32Array.from({ length: rows * perRow }, (_, p) => first(order(Math.floor(p / perRow))) + 8 * (p % perRow)), // prettier-ignore
      values: new Float64Array(rows * perRow).fill(1),
    });
    const [inRuns, apart] = [matrix((i) => i), matrix((i) => (i * 7919) % rows)];
    const [x, out] = [uniform(cols, 1), new Float64Array(rows)];
    const time = (a: typeof inRuns) => {
      const begin = performance.now();
      for (let k = 0; k < 4; k++) spmv(a, x, { out });
      return performance.now() - begin;
    };
    setThreads(1);
    withIsa(isa, () => {
      // The least of some rounds: rounds are added until the bound holds, so that a busy machine cannot break it.
      let [least, leastApart] = [Infinity, Infinity];
      for (let round = 0; round < 60 && !(round > 2 && least < 3 * leastApart); round++) {
        least = Math.min(least, time(inRuns));
        leastApart = Math.min(leastApart, time(apart));
      }
      expect(least / leastApart).toBeLessThan(3);
    });
  });
});
