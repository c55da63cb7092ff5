import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, philox, setThreads, type Csr, type Dense } from 'lapidary';
import { fastRP, type FastRPOptions } from 'lapidary/graph';
import { fromCoo } from 'lapidary/sparse';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/graph/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { graphologyOf, randomGraph, transitions } from '../support/graphs.js';

const failure = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, name: 'LapidaryError', ...(message && { message: expect.stringMatching(message) }) });
const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  core.failAllocation(-1);
});
const plain = { rowNormalize: false, standardize: false };

/** R as the header of native/graph/fast_rp.h defines it, by logarithms in place of a table. */
function projection(n: number, dimension: number, seed: number): number[][] {
  const s = Math.sqrt(n);
  return Array.from({ length: n }, (_, j) => {
    const row = new Array<number>(dimension).fill(0);
    const stream = philox(seed, j);
    for (let draw = 0, c = 0; ; draw++, c++) {
      const u = stream.uniform(2 * draw);
      c += s === 1 ? 0 : Math.floor(Math.log(u) / Math.log(1 - 1 / s));
      if (c >= dimension) return row;
      row[c] = Math.sqrt(s / dimension) * (stream.uint32(4 * draw + 2) & 1 ? -1 : 1);
    }
  });
}

/** FastRP in doubles, step by step as in the paper. */
function reference(a: Csr, options: Required<Omit<FastRPOptions, 'seed'>>, seed: number): number[][] {
  const { dimension, weights, beta, rowNormalize, standardize } = options;
  const n = a.rows;
  const s = transitions(a);
  const degree = Array.from({ length: n }, (_, i) =>
    a.values.subarray(a.indptr[i], a.indptr[i + 1]).reduce((x, w) => x + w, 0),
  );
  let u = projection(n, dimension, seed).map((row, j) =>
    row.map((x) => (degree[j]! > 0 || beta >= 0 ? x * degree[j]! ** beta : 0)),
  );
  const sum = u.map((row) => row.map(() => 0));
  for (const weight of weights) {
    u = s.map((row) => u[0]!.map((_, c) => row.reduce((t, p, j) => t + p * u[j]![c]!, 0)));
    u.forEach((row, i) => {
      const norm = rowNormalize ? Math.hypot(...row) || 1 : 1;
      row.forEach((x, c) => (sum[i]![c]! += (weight * x) / norm));
    });
  }
  if (!standardize) return sum;
  const present = sum.filter((_, i) => degree[i]! > 0);
  for (let c = 0; c < dimension; c++) {
    const mean = present.reduce((t, row) => t + row[c]!, 0) / present.length;
    const deviation = Math.sqrt(present.reduce((t, row) => t + (row[c]! - mean) ** 2, 0) / present.length);
    for (const row of present) row[c] = deviation > 1e-9 ? (row[c]! - mean) / deviation : 0;
  }
  return sum;
}

const rowsOf = (m: Dense<Float32Array>): number[][] =>
  Array.from({ length: m.rows }, (_, i) => [...m.data.subarray(i * m.cols, (i + 1) * m.cols)]);
function close(actual: number[][], expected: number[][], tolerance: number): void {
  const scale = Math.max(1e-30, ...expected.flat().map(Math.abs));
  actual.forEach((row, i) =>
    row.forEach((x, c) => expect(Math.abs(x - expected[i]![c]!), `${i},${c}`).toBeLessThan(tolerance * scale)),
  );
}

describeEachIsa('against the method in doubles', (isa) => {
  test.each<[number, number, FastRPOptions]>([
    [1, 3, {}],
    [2, 1, {}],
    [30, 16, {}],
    [60, 33, { weights: [1], beta: 0 }],
    [60, 130, { weights: [0.5, -2, 0, 3, 1, 0], beta: -1 }],
    [50, 40, { beta: 1, rowNormalize: false }],
    [50, 40, { standardize: false }],
    [50, 40, { weights: [1, 2, 3, 4, 5, 6], ...plain }],
  ])('%i nodes, dimension %i, %o', (n, dimension, given) => {
    const options = {
      weights: [0, 0, 1, 6.67],
      beta: -0.64,
      rowNormalize: true,
      standardize: true,
      ...given,
      dimension,
    };
    const a = randomGraph(n, 3, n, { undirected: true });
    for (const seed of [0, 7, 2 ** 40 + 1])
      withIsa(isa, () => close(rowsOf(fastRP(a, { ...options, seed })), reference(a, options, seed), 2e-5));
  });
});

test('directed, with edges to nodes that have none', () => {
  const a = randomGraph(60, 1, 3);
  expect(a.indices.some((j) => a.indptr[j] === a.indptr[j + 1])).toBe(true);
  for (const beta of [-0.64, 0, 0.5]) {
    const options = { dimension: 40, weights: [1, 2], beta, rowNormalize: true, standardize: true };
    close(rowsOf(fastRP(a, options)), reference(a, options, 0), 2e-5);
  }
});

describe('the projection', () => {
  const n = 10_000;
  const dimension = 64;
  const r = new Float32Array(n * dimension);
  native.sparseProjection(1, 0, new Float64Array(n).fill(1), dimension, r);

  test('has nonzeros of one size, half of each sign, 1/√n of all', () => {
    const size = Math.fround(Math.sqrt(Math.sqrt(n) / dimension));
    const used = r.filter((x) => x !== 0);
    expect(used.every((x) => Math.abs(x) === size)).toBe(true);
    const expected = r.length / Math.sqrt(n);
    expect(Math.abs(used.length - expected)).toBeLessThan(4 * Math.sqrt(expected));
    expect(Math.abs(used.filter((x) => x > 0).length - used.length / 2)).toBeLessThan(2 * Math.sqrt(used.length));
    for (let c = 0; c < dimension; c++) {
      let count = 0;
      for (let i = 0; i < n; i++) count += r[i * dimension + c] !== 0 ? 1 : 0;
      expect(Math.abs(count - Math.sqrt(n))).toBeLessThan(5 * n ** 0.25);
    }
  });

  test('preserves lengths on average: E‖xᵀR‖² = ‖x‖²', () => {
    const x = philox(3)
      .fill(new Float64Array(n))
      .map((u) => u - 0.5);
    const image = new Float64Array(dimension);
    for (let i = 0; i < n; i++) for (let c = 0; c < dimension; c++) image[c]! += x[i]! * r[i * dimension + c]!;
    const ratio = image.reduce((s, v) => s + v * v, 0) / x.reduce((s, v) => s + v * v, 0);
    expect(Math.abs(ratio - 1)).toBeLessThan(4 * Math.sqrt(2 / dimension)); // four standard deviations of a χ² mean
  });
});

describe('what FastRP is', () => {
  const a = randomGraph(80, 3, 4, { undirected: true });

  test('linear in the weights', () => {
    const run = (...weights: number[]) => rowsOf(fastRP(a, { dimension: 24, weights, standardize: false }));
    const [one, two, both] = [run(1, 0), run(0, 1), run(2, -3)];
    close(
      both,
      one.map((row, i) => row.map((x, c) => 2 * x - 3 * two[i]![c]!)),
      1e-5,
    );
  });

  test('columns have mean 0 and variance 1 over the nodes with edges, the others rows of zeros', () => {
    const m = fastRP(a, { dimension: 40 });
    const degree = Array.from({ length: 80 }, (_, i) => a.indptr[i + 1]! - a.indptr[i]!);
    const present = rowsOf(m).filter((_, i) => degree[i]! > 0);
    expect(present.length).toBeLessThan(80);
    rowsOf(m).forEach((row, i) => degree[i] === 0 && expect(row.every((x) => x === 0)).toBe(true));
    for (let c = 0; c < 40; c++) {
      const mean = present.reduce((t, row) => t + row[c]!, 0) / present.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(present.reduce((t, row) => t + row[c]! ** 2, 0) / present.length).toBeCloseTo(1, 4);
    }
  });

  test('rows have length Σ weights at most, and exactly w with one weight', () => {
    const lengths = rowsOf(fastRP(a, { dimension: 64, weights: [0, 2.5], standardize: false })).map((row) =>
      Math.hypot(...row),
    );
    for (const length of lengths) expect(length === 0 || Math.abs(length - 2.5) < 1e-5).toBe(true);
    expect(lengths.filter((length) => length > 0).length).toBeGreaterThan(40);
  });

  test('in a regular graph beta has no effect', () => {
    const n = 64;
    const ring = fromCoo<Float64Array>({
      rows: n,
      cols: n,
      row: Array.from({ length: 2 * n }, (_, e) => e >> 1),
      col: Array.from({ length: 2 * n }, (_, e) => ((e >> 1) + (e & 1 ? 1 : n - 1)) % n),
      value: new Float64Array(2 * n).fill(1),
    });
    close(rowsOf(fastRP(ring, { beta: -1, dimension: 32 })), rowsOf(fastRP(ring, { beta: 0.5, dimension: 32 })), 1e-5);
  });

  test('a component depends on its own edges alone', () => {
    // Nodes 0 … 29 are one component; what the others look like does not reach them before the standardisation.
    const build = (seed: number): Csr => {
      const [left, right] = [
        randomGraph(30, 3, 1, { undirected: true }),
        randomGraph(30, 3, seed, { undirected: true }),
      ];
      const rowsIn = (g: Csr) => Array.from(g.indices, (_, k) => g.indptr.findIndex((end) => end > k) - 1);
      return fromCoo<Float64Array>({
        rows: 60,
        cols: 60,
        row: [...rowsIn(left), ...rowsIn(right).map((i) => i + 30)],
        col: [...left.indices, ...Array.from(right.indices, (j) => j + 30)],
        value: [...left.values, ...right.values],
      });
    };
    const [x, y] = [2, 3].map((seed) => fastRP(build(seed), { dimension: 20, standardize: false }).data);
    expect(x!.subarray(0, 600)).toEqual(y!.subarray(0, 600));
    expect(x!.subarray(600)).not.toEqual(y!.subarray(600));
  });

  test('linear in R: permuting nodes and the rows of R permutes the result', () => {
    // With one step and every node's neighbour being its image, row i of the result is row order[i] of L·R.
    const n = 25;
    const order = Array.from({ length: n }, (_, i) => (3 * i + 2) % n);
    const moved = fromCoo<Float64Array>({
      rows: n,
      cols: n,
      row: Array.from({ length: n }, (_, i) => i),
      col: order,
      value: new Float64Array(n).fill(5),
    });
    const options = { dimension: 12, weights: [1], beta: 0, seed: 9, ...plain };
    close(
      rowsOf(fastRP(moved, options)),
      order.map((j) => projection(n, 12, 9)[j]!),
      1e-6,
    );
  });

  test('weights by their ratio; f32 and graphology; seeds', () => {
    const base = fastRP(a, { dimension: 32 });
    close(rowsOf(fastRP({ ...a, values: a.values.map((w) => w * 1024) }, { dimension: 32 })), rowsOf(base), 1e-4);
    expect(fastRP({ ...a, values: Float32Array.from(a.values) }, { dimension: 32 }).data.every(Number.isFinite)).toBe(
      true,
    );
    expect(fastRP(graphologyOf(a, { undirected: true }), { dimension: 32 })).toEqual(base);
    expect(fastRP(a, { dimension: 32, seed: 0 })).toEqual(base);
    expect(fastRP(a, { dimension: 32, seed: 1 })).not.toEqual(base);
    expect(fastRP(a, { dimension: 32, seed: 2 ** 32 })).not.toEqual(base);
  });

  test('the same bits with any number of threads', () => {
    const large = randomGraph(5_000, 4, 1);
    const runs = [1, 2, 3, 7].map((n) => {
      setThreads(n);
      return fastRP(large, { dimension: 150 }).data;
    });
    for (const run of runs) expect(Buffer.compare(Buffer.from(run.buffer), Buffer.from(runs[0]!.buffer))).toBe(0);
  });

  test('never NaN or infinity: no edges, zero weights, sinks, one node, extreme weights', () => {
    const finite = (graph: Csr, options: FastRPOptions = {}): Float32Array => {
      const { data } = fastRP(graph, { dimension: 17, ...options });
      expect(data.every(Number.isFinite)).toBe(true);
      return data;
    };
    const empty = (n: number): Csr => fromCoo<Float64Array>({ rows: n, cols: n, row: [], col: [], value: [] });
    expect(finite(empty(0))).toHaveLength(0);
    for (const n of [1, 5])
      for (const beta of [-1, 0, 1]) expect(finite(empty(n), { beta }).every((x) => x === 0)).toBe(true);
    const zero = fromCoo<Float64Array>({ rows: 3, cols: 3, row: [0, 1], col: [1, 2], value: [0, 1] });
    finite(zero, { beta: -1 });
    finite(zero, { beta: -1, weights: [1] });
    finite(fromCoo<Float64Array>({ rows: 2, cols: 2, row: [0, 1], col: [1, 0], value: [1e-30, 1e-30] }), { beta: -1 });
    finite(fromCoo<Float64Array>({ rows: 2, cols: 2, row: [0, 0], col: [0, 1], value: [1e-40, 1e15] }), { beta: -1 });
    expect(finite(a, { weights: [0, 0] }).every((x) => x === 0)).toBe(true);
    const tiny = fromCoo<Float64Array>({ rows: 2, cols: 2, row: [0, 1], col: [1, 0], value: [1, 1e-200] });
    expect(() => finite(tiny, { beta: -1 })).toThrow(failure('ERR_RANGE', /degree 1e-200/));

    // Lengths of rows and weights from one end of the floats to the other: their quotients are none.
    const pair = (w: number) => fromCoo<Float64Array>({ rows: 2, cols: 2, row: [0, 1], col: [1, 0], value: [w, w] });
    const length = (data: Float32Array) => Math.hypot(...data.subarray(0, 17));
    for (const w of [1e-29, 1, 1e29])
      for (const beta of [-1, 1])
        for (const weight of [1e30, 1e-30]) {
          const data = finite(pair(w), { beta, weights: [weight], standardize: false });
          expect(length(data) / weight).toBeCloseTo(1, 5);
          finite(pair(w), { beta, weights: [weight, weight] });
        }
    const plain = { rowNormalize: false, beta: 1 };
    finite(pair(1e29), { ...plain, weights: [1e8, -1e8] });
    expect(() => finite(pair(1e29), { ...plain, weights: [1e30] })).toThrow(failure('ERR_RANGE', /options\.weights/));
  });
});

describe('arguments', () => {
  const a = randomGraph(10, 2, 1);

  test.each<[FastRPOptions | Record<string, unknown>, string]>([
    [{ dimension: 0 }, 'ERR_RANGE'],
    [{ dimension: NaN }, 'ERR_RANGE'],
    [{ dimension: 2 ** 53 }, 'ERR_RANGE'],
    [{ dimension: '8' }, 'ERR_DTYPE'],
    [{ weights: [] }, 'ERR_DTYPE'],
    [{ weights: 1 }, 'ERR_DTYPE'],
    [{ weights: new Array<number>(2) }, 'ERR_DTYPE'],
    [{ weights: [NaN] }, 'ERR_RANGE'],
    [{ weights: [Infinity] }, 'ERR_RANGE'],
    [{ beta: -2 }, 'ERR_RANGE'],
    [{ beta: NaN }, 'ERR_RANGE'],
    [{ rowNormalize: 1 }, 'ERR_DTYPE'],
    [{ seed: -1 }, 'ERR_RANGE'],
    [{ dim: 8 }, 'ERR_OPTION'],
  ])('%o', (options, code) => {
    expect(() => fastRP(a, options as FastRPOptions)).toThrow(failure(code, /^fastRP: options/));
  });

  test('graphs', () => {
    expect(() => fastRP({ ...a, values: a.values.with(0, -1) })).toThrow(failure('ERR_RANGE', /^fastRP: graph/));
    expect(() => fastRP({ ...a, indices: a.indices.with(0, 10) })).toThrow(failure('ERR_FORMAT', /^fastRP: graph/));
    expect(() => fastRP(fromCoo<Float64Array>({ rows: 1, cols: 2, row: [], col: [], value: [] }))).toThrow(
      failure('ERR_SHAPE'),
    );
  });

  test('failing allocations are errors, until there is memory', () => {
    let failed = 0;
    for (let nth = 0; ; nth++) {
      core.failAllocation(nth);
      try {
        fastRP(a, { dimension: 9 });
        break;
      } catch (error) {
        failed++;
        expect(error).toEqual(failure('ERR_OUT_OF_MEMORY'));
      }
    }
    expect(failed).toBeLessThan(50);
  });

  test('the binding refuses what lib never passes', () => {
    const x = new Float32Array(4);
    expect(() => native.addRows(x, 2, 2, 1, true, x)).toThrow(failure('ERR_ALIAS'));
    expect(() => native.addRows(x, 2 ** 30, 2 ** 30, 1, true, new Float32Array(4))).toThrow(failure('ERR_RANGE'));
    expect(() => native.sparseProjection(0, 0, new Float64Array(2), 3, x)).toThrow(failure('ERR_SHAPE'));
    expect(() => native.standardizeColumns(new Float64Array(2), 3, x)).toThrow(failure('ERR_SHAPE'));
  });
});
