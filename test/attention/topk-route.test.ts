import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { combineRoute, gatherRoute, topkRoute, type Route } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { uniform } from '../support/random.js';

const scoresOf = (rows: number[][]) => dense(rows.length, rows[0]?.length ?? 0, Float32Array.from(rows.flat()));

/** By sorting: score descending, then position ascending. */
function sorted(scores: number[], length: number, k: number, threshold = -Infinity): number[] {
  return scores
    .slice(0, length)
    .map((score, i) => ({ score, i }))
    .filter(({ score }) => score > threshold)
    .sort((a, b) => b.score - a.score || a.i - b.i)
    .slice(0, k)
    .map(({ i }) => i)
    .sort((a, b) => a - b);
}

const chosen = (route: Route, b: number) => [...route.indices.subarray(route.indptr[b], route.indptr[b + 1])];

const score = fc.oneof(
  fc.float({ noNaN: true }),
  fc.constantFrom(0, -0, 1, 1, -1, -Infinity, Infinity, 2 ** -149, -(2 ** -149), 2 ** 127, -(2 ** 127)),
);

describe('topkRoute', () => {
  it('chooses what sorting chooses, equal scores from the front', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }).chain((batch) =>
          fc.integer({ min: 1, max: 40 }).chain((tokens) =>
            fc.tuple(
              fc.array(fc.array(score, { minLength: tokens, maxLength: tokens }), {
                minLength: batch,
                maxLength: batch,
              }),
              fc.array(fc.integer({ min: 0, max: tokens }), { minLength: batch, maxLength: batch }),
            ),
          ),
        ),
        fc.integer({ min: 0, max: 45 }),
        score,
        ([rows, lengths], k, threshold) => {
          const scores = scoresOf(rows);
          const best = topkRoute(scores, { k, lengths: Uint32Array.from(lengths) });
          const above = topkRoute(scores, { threshold, lengths: Uint32Array.from(lengths) });
          rows.forEach((row, b) => {
            expect(chosen(best, b)).toEqual(sorted(row, lengths[b]!, k));
            expect(chosen(above, b)).toEqual(sorted(row, lengths[b]!, row.length, threshold));
          });
          for (const route of [best, above])
            rows.forEach((row, b) => {
              const weights = route.weights.subarray(route.indptr[b], route.indptr[b + 1]);
              expect(weights).toEqual(Float32Array.from(chosen(route, b), (i) => row[i]!));
            });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is right for many tokens and many equal scores, with any number of threads', () => {
    const before = getThreads();
    for (const [batch, tokens, k] of [
      [1, 100_000, 12_500],
      [7, 5000, 625],
      [300, 200, 25],
    ] as const) {
      const scores = dense(
        batch,
        tokens,
        Float32Array.from(uniform(batch * tokens, k), (x) => Math.round(50 * x)),
      );
      const routes = [1, 2, 3, 7].map((threads) => {
        setThreads(threads);
        return topkRoute(scores, { k });
      });
      setThreads(before);
      for (const route of routes) expect(route).toEqual(routes[0]);
      for (let b = 0; b < Math.min(batch, 7); b++)
        expect(chosen(routes[0]!, b)).toEqual(
          sorted([...scores.data.subarray(b * tokens, (b + 1) * tokens)], tokens, k),
        );
    }
  });

  it('does not choose by the future where a threshold decides', () => {
    const scores = Float32Array.from(uniform(64, 3));
    const whole = chosen(topkRoute(dense(1, 64, scores), { threshold: 0.1 }), 0);
    for (let n = 0; n <= 64; n++)
      expect(chosen(topkRoute(dense(1, n, scores.slice(0, n)), { threshold: 0.1 }), 0)).toEqual(
        whole.filter((i) => i < n),
      );
  });

  it('refuses what it cannot choose from', () => {
    const scores = scoresOf([[1, 2, 3]]);
    const refuse = (call: () => unknown, code: string, argument: string) => {
      expect(call).toThrow(expect.objectContaining({ code, argument }));
    };
    refuse(() => topkRoute(scoresOf([[1, NaN, 3]]), { k: 1 }), 'ERR_RANGE', 'scores');
    expect(topkRoute(scoresOf([[1, 2, NaN]]), { k: 2, lengths: Uint32Array.of(2) }).indices).toEqual(
      Uint32Array.of(0, 1),
    );
    refuse(() => topkRoute(scores, {}), 'ERR_OPTION', 'options.k');
    refuse(() => topkRoute(scores, { k: 1, threshold: 0 }), 'ERR_OPTION', 'options.k');
    refuse(() => topkRoute(scores, { k: -1 }), 'ERR_RANGE', 'options.k');
    refuse(() => topkRoute(scores, { k: 0.5 }), 'ERR_RANGE', 'options.k');
    refuse(() => topkRoute(scores, { threshold: NaN }), 'ERR_RANGE', 'options.threshold');
    refuse(() => topkRoute(scores, { k: 1, lengths: Uint32Array.of(4) }), 'ERR_RANGE', 'options.lengths');
    refuse(() => topkRoute(dense(1, 3, new Int32Array(3)) as never, { k: 1 }), 'ERR_DTYPE', 'scores.data');
    expect(topkRoute(dense(0, 3, new Float32Array(0)), { k: 1 }).indptr).toEqual(Uint32Array.of(0));
    expect(topkRoute(dense(2, 0, new Float32Array(0)), { k: 1 }).indptr).toEqual(Uint32Array.of(0, 0, 0));
  });
});

describe('gatherRoute and combineRoute', () => {
  it('apply a block to the chosen tokens and leave the others as they are', () => {
    const before = getThreads();
    for (const [batch, tokens, cols, k] of [
      [3, 20, 7, 4],
      [2, 300, 260, 37],
      [4, 5, 1, 5],
      [2, 3, 0, 2],
    ] as const)
      for (const threads of [1, 3]) {
        setThreads(threads);
        const x = dense(batch * tokens, cols, Float32Array.from(uniform(batch * tokens * cols, 1)));
        const route = topkRoute(dense(batch, tokens, Float32Array.from(uniform(batch * tokens, 2))), { k });
        const y = gatherRoute(x, route);
        const block = { ...y, data: y.data.map((v) => 2 * v + 1) };
        const want = x.data.slice();
        route.indices.forEach((token, i) => {
          const row = Math.floor(i / k) * tokens + token;
          for (let j = 0; j < cols; j++) {
            expect(y.data[i * cols + j]).toBe(x.data[row * cols + j]);
            want[row * cols + j] = Math.fround(want[row * cols + j]! + Math.fround(route.weights[i]! * block.data[i * cols + j]!)); // prettier-ignore
          }
        });
        expect(combineRoute(x, block, route).data).toEqual(want);
        expect(combineRoute(x, block, route, x)).toBe(x);
        expect(x.data).toEqual(want);
      }
    setThreads(before);
  });

  it('with k of all tokens scale the whole block by the scores', () => {
    const x = dense(4, 2, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const route = topkRoute(dense(1, 4, Float32Array.of(0.5, 2, 0, -1)), { k: 4 });
    expect(combineRoute(x, gatherRoute(x, route), route).data).toEqual(Float32Array.of(1.5, 3, 9, 12, 5, 6, 0, 0));
  });

  it('refuse a route that is none, and shapes that do not fit', () => {
    const route = topkRoute(scoresOf([[1, 3, 2], [4, 5, 6]]), { k: 2 }); // prettier-ignore
    const x = dense(6, 2, new Float32Array(12));
    const y = dense(4, 2, new Float32Array(8));
    const broken: Partial<Route>[] = [
      { indices: Uint32Array.of(2, 1, 1, 2) },
      { indices: Uint32Array.of(1, 1, 1, 2) },
      { indices: Uint32Array.of(1, 3, 1, 2) },
      { indptr: Uint32Array.of(1, 2, 4) },
      { indptr: Uint32Array.of(0, 5, 4) },
    ];
    for (const part of broken) {
      expect(() => gatherRoute(x, { ...route, ...part })).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      expect(() => combineRoute(x, y, { ...route, ...part })).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
    }
    const refuse = (call: () => unknown, code: string, argument?: string) => {
      expect(call).toThrow(expect.objectContaining({ code, ...(argument && { argument }) }));
    };
    refuse(() => gatherRoute(dense(5, 2, new Float32Array(10)), route), 'ERR_SHAPE', 'x.rows');
    refuse(() => combineRoute(x, dense(3, 2, new Float32Array(6)), route), 'ERR_SHAPE', 'y.rows');
    refuse(() => combineRoute(x, dense(4, 1, new Float32Array(4)), route), 'ERR_SHAPE', 'y.cols');
    refuse(() => gatherRoute(x, null as never), 'ERR_DTYPE', 'route');
    refuse(() => combineRoute(x, y, route, dense(4, 3, x.data)), 'ERR_SHAPE', 'out');
    const memory = new Float32Array(20);
    refuse(() => combineRoute(dense(6, 2, memory.subarray(0, 12)), y, route, dense(6, 2, memory.subarray(2, 14))), 'ERR_ALIAS'); // prettier-ignore
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    for (const call of [
      (): unknown => topkRoute(scoresOf([[1]]), { k: 1 }),
      (): unknown => gatherRoute(x, route),
      (): unknown => combineRoute(x, y, route),
    ])
      expect(() => withCancelFlag(flag, call)).toThrow(/aborted/);
  });
});
