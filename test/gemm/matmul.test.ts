import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { cpuInfo, dense, getThreads, identity, setThreads, type Dense, type Real } from 'lapidary';
import { matmul, type MatmulOptions } from 'lapidary/gemm';
import { withCancelFlag, raiseAbort } from '../../dist/core/cancel.js';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { root } from '../support/repository.js';

const types = [Float64Array, Float32Array] as const;
const unit = (data: Real) => (data instanceof Float32Array ? 2 ** -24 : 2 ** -53);

function matrix(type: (typeof types)[number], rows: number, cols: number, seed: number): Dense<Real> {
  return { rows, cols, data: type.from(uniform(rows * cols, seed)) };
}

/** Error-free product and sum (Knuth's TwoSum, Dekker's TwoProduct by splitting), so that the oracle's own error is O(u²). */
function dot(n: number, x: (p: number) => number, y: (p: number) => number): [sum: number, size: number] {
  let sum = 0;
  let rest = 0;
  let size = 0;
  const split = (a: number): [number, number] => {
    const c = 134217729 * a;
    const hi = c - (c - a);
    return [hi, a - hi];
  };
  for (let p = 0; p < n; p++) {
    const a = x(p);
    const b = y(p);
    const product = a * b;
    const [ah, al] = split(a);
    const [bh, bl] = split(b);
    rest += al * bl - (product - ah * bh - al * bh - ah * bl);
    const next = sum + product;
    const z = next - sum;
    rest += sum - (next - z) + (product - z);
    sum = next;
    size += Math.abs(product);
  }
  return [sum + rest, size];
}

/** Largest |c − c_ref| / (γ_{k+2}·(|alpha|·Σ|a||b| + |beta·c₀|)) over all elements: at most 1 if the product is right. */
function worst(
  a: Dense<Real>,
  b: Dense<Real>,
  c: Dense<Real>,
  options: MatmulOptions<Real> = {},
  before?: Real,
): number {
  const { transposeA = false, transposeB = false, alpha = 1, beta = 0 } = options;
  const k = transposeA ? a.rows : a.cols;
  const u = unit(c.data);
  const gamma = ((k + 2) * u) / (1 - (k + 2) * u);
  let most = 0;
  for (let i = 0; i < c.rows; i++)
    for (let j = 0; j < c.cols; j++) {
      const [sum, size] = dot(
        k,
        (p) => a.data[transposeA ? p * a.cols + i : i * a.cols + p]!,
        (p) => b.data[transposeB ? j * b.cols + p : p * b.cols + j]!,
      );
      const added = beta === 0 ? 0 : beta * before![i * c.cols + j]!;
      const error = Math.abs(c.data[i * c.cols + j]! - (alpha * sum + added));
      const bound = gamma * (Math.abs(alpha) * size + Math.abs(added)) + 2 ** -1000;
      most = Math.max(most, Number.isNaN(error) ? Infinity : error / bound);
    }
  return most;
}

const threads = getThreads();
afterAll(() => setThreads(threads));

describeEachIsa('matmul', (isa) => {
  // Tiles and their edges, one row, one column, long and short k, more than one block of k.
  const shapes = [
    [1, 1, 1], [4, 4, 4], [1, 9, 33], [9, 1, 33], [3, 2, 1], [14, 32, 5], [15, 33, 17], [6, 16, 64], [7, 17, 65],
    [13, 31, 100], [29, 65, 127], [28, 64, 401], [5, 3, 2000], [70, 97, 129], [2, 200, 3], [150, 2, 7],
  ] as const; // prettier-ignore

  test.each(types)('%o: every shape and transposition is within the standard bound', (type) => {
    for (const [m, n, k] of shapes)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const a = transposeA ? matrix(type, k, m, 1) : matrix(type, m, k, 1);
          const b = transposeB ? matrix(type, n, k, 2) : matrix(type, k, n, 2);
          const c = withIsa(isa, () => matmul(a, b, { transposeA, transposeB }));
          expect([c.rows, c.cols, c.data.constructor]).toEqual([m, n, type]);
          expect(worst(a, b, c, { transposeA, transposeB }), `${m} × ${n} × ${k}`).toBeLessThanOrEqual(1);
        }
  });

  test.each(types)('%o: alpha and beta', (type) => {
    for (const [m, n, k] of [
      [5, 7, 3],
      [1, 40, 20],
      [40, 1, 20],
      [61, 67, 259],
    ] as const)
      // prettier-ignore
      for (const alpha of [0, 1, -0.5])
        for (const beta of [0, 1, 2.25])
          for (const transposeB of [false, true]) {
            const a = matrix(type, m, k, 3);
            const b = transposeB ? matrix(type, n, k, 4) : matrix(type, k, n, 4);
            const out = matrix(type, m, n, 5);
            const before = out.data.slice();
            const c = withIsa(isa, () => matmul(a, b, { alpha, beta, out, transposeB }));
            expect(c.data).toBe(out.data);
            expect(worst(a, b, c, { alpha, beta, transposeB }, before)).toBeLessThanOrEqual(1);
          }
  });

  test('factors of 32-bit products that 32 bits do not hold are refused, the least and the largest that they hold taken', () => {
    const one = dense(1, 1, Float32Array.of(1));
    const half = { rows: 1, cols: 1, data: Uint16Array.of(0x3f80), dtype: 'bf16' } as const;
    for (const b of [one, half])
      for (const value of [2 ** -150, -(2 ** -150), 1e-300, 2 ** 128, -1e300]) {
        expect(() => matmul(one, b, { alpha: value }), `alpha ${value}`).toThrow(withCode('ERR_RANGE'));
        const out = dense(1, 1, new Float32Array(1));
        expect(() => matmul(one, b, { beta: value, out }), `beta ${value}`).toThrow(withCode('ERR_RANGE'));
      }
    for (const value of [2 ** -149, -0, 3.4028234663852886e38, -Infinity])
      expect(matmul(one, one, { alpha: value }).data[0]).toBe(value + 0);
    const wide = dense(1, 1, Float64Array.of(1));
    expect(matmul(wide, wide, { alpha: 1e-300 }).data[0]).toBe(1e-300);
  }); // prettier-ignore

  test.each(types)('%o: beta = 0 ignores what out holds; alpha = 0 and k = 0 ignore a and b', (type) => {
    for (const [m, n, k] of [
      [5, 7, 3],
      [1, 40, 20],
      [40, 1, 20],
      [61, 67, 259],
      [300, 300, 5],
      [17, 18, 4100], // k in pieces
    ] as const) {
      // prettier-ignore
      const out = { rows: m, cols: n, data: new type(m * n).fill(NaN) } as Dense<Real>;
      const a = matrix(type, m, k, 6);
      const b = matrix(type, k, n, 7);
      withIsa(isa, () => matmul<Real>(a, b, { out }));
      expect(worst(a, b, out)).toBeLessThanOrEqual(1);
      const nans = { rows: m, cols: k, data: new type(m * k).fill(NaN) } as Dense<Real>;
      withIsa(isa, () =>
        matmul<Real>(nans, b, { alpha: 0, beta: 2, out: { rows: m, cols: n, data: out.data.fill(3) } }),
      );
      expect(out.data.every((x) => x === 6)).toBe(true);
      const none = { rows: m, cols: 0, data: new type(0) } as Dense<Real>;
      const noRows = { rows: 0, cols: n, data: new type(0) } as Dense<Real>;
      for (const [left, right, alpha] of [[none, noRows, 1], [nans, b, 0]] as const) {
        out.data.fill(NaN);
        withIsa(isa, () => matmul<Real>(left, right, { alpha, out }));
        expect(out.data.every((x) => x === 0)).toBe(true);
      } // prettier-ignore
    }
  });

  test.each(types)('%o: NaN and infinity come through at every place of a tile, and only there', (type) => {
    for (const [m, n, k] of [
      [15, 33, 9],
      [30, 65, 300],
      [1, 37, 20],
      [37, 1, 20],
    ] as const)
      // prettier-ignore
      for (const value of [NaN, Infinity])
        for (const transposeB of [false, true])
          for (let i = 0; i < m; i++) {
            const a = { rows: m, cols: k, data: new type(m * k).fill(1) } as Dense<Real>;
            const ones = new type(k * n).fill(1);
            const b = (transposeB ? { rows: n, cols: k, data: ones } : { rows: k, cols: n, data: ones }) as Dense<Real>;
            a.data[i * k + (i % k)] = value;
            const c = withIsa(isa, () => matmul(a, b, { transposeB }));
            const wrong = c.data.findIndex((x, at) => !Object.is(x, Math.floor(at / n) === i ? value : k));
            expect(wrong).toBe(-1);
          }
  });

  test('infinity times zero and infinity minus infinity are NaN; denormals and overflow are exact', () => {
    withIsa(isa, () => {
      expect(matmul(dense(1, 2, Float64Array.of(Infinity, 1)), dense(2, 1, Float64Array.of(0, 1))).data[0]).toBeNaN();
      const both = matmul(
        dense(2, 2, Float64Array.of(Infinity, -Infinity, 1, 1)),
        dense(2, 2, new Float64Array(4).fill(1)),
      );
      expect([...both.data]).toEqual([NaN, NaN, 2, 2]);
      const tiny = matmul(dense(2, 2, Float64Array.of(5e-324, 0, 0, 2e-310)), identity(2));
      expect([...tiny.data]).toEqual([5e-324, 0, 0, 2e-310]);
      expect(matmul(dense(2, 1, Float64Array.of(1e200, 1)), dense(1, 2, Float64Array.of(1e200, 1))).data[0]).toBe(
        Infinity,
      );
    });
  });

  test.each([...types, Int8Array])('%o: C in pieces has the bits of one thread, whichever sides are cut', (type) => {
    const bytes = type === Int8Array;
    const random = (rows: number, cols: number, seed: number) =>
      bytes
        ? dense(rows, cols, Int8Array.from(uniform(rows * cols, seed, -128, 128), Math.floor))
        : matrix(type as (typeof types)[number], rows, cols, seed);
    for (const [m, n, k] of [
      [700, 1100, 40], // shallow: rows
      [300, 2100, 150], // columns, twice as many as threads
      [1310, 270, 150], // rows, then columns
      [260, 260, 520], // too small for 7
    ] as const) {
      const [a, b, c] = [random(m, k, 1), random(k, n, 2), random(m, n, 3)];
      const run = (threadCount: number) => {
        setThreads(threadCount);
        const data = bytes ? Int32Array.from(c.data as Int8Array) : c.data.slice();
        return withIsa(
          isa,
          () => matmul(a as Dense<Real>, b as Dense<Real>, { beta: 2, out: dense(m, n, data as Real) }).data,
        );
      };
      const one = run(1);
      for (const threadCount of [2, 3, 5, 7])
        expect(Buffer.compare(Buffer.from(run(threadCount).buffer), Buffer.from(one.buffer)), `${m}×${n}×${k}, ${threadCount}`).toBe(0); // prettier-ignore
      setThreads(threads);
    }
  });

  test.each(types)('%o: a large C of shallow k, few columns and a small C of deep k, exactly', (type) => {
    const whole = (rows: number, cols: number, seed: number): Dense<Real> =>
      dense(rows, cols, type.from(uniform(rows * cols, seed, -9, 9).map(Math.round)));
    for (const [m, n, k] of [
      [301, 701, 9], // along the rows of C
      [601, 501, 33], // and packed, where b lies transposed
      [203, 3, 517], // dots of f32
      [17, 18, 4100], // k in pieces, the last one shorter
      [2, 5, 110_001],
    ] as const)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const [a, b, before] = [whole(m, k, 1), whole(k, n, 2), whole(m, n, 3)];
          const turned = (x: Dense<Real>) => dense(x.cols, x.rows, x.data.map((_, at) => x.data[(at % x.rows) * x.cols + Math.floor(at / x.rows)]!) as Real); // prettier-ignore
          const out = dense(m, n, before.data.slice());
          const [left, right] = [transposeA ? turned(a) : a, transposeB ? turned(b) : b];
          withIsa(isa, () => matmul(left, right, { transposeA, transposeB, alpha: 2, beta: -3, out }));
          const exact = before.data.map((x) => -3 * x);
          for (let i = 0; i < m; i++)
            for (let p = 0; p < k; p++)
              for (let j = 0, x = 2 * a.data[i * k + p]!; j < n; j++) exact[i * n + j]! += x * b.data[p * n + j]!;
          const wrong = out.data.findIndex((x, at) => x !== exact[at]);
          expect(wrong, `${m} × ${n} × ${k}, ${transposeA}, ${transposeB}`).toBe(-1);
        }
  });

  test.each(types)('%o: the same bits for 1, 2, 3 and 7 threads', (type) => {
    for (const [m, n, k, transposeA, transposeB] of [
      [257, 263, 300, false, false],
      [257, 263, 300, true, true],
      [127, 129, 131, false, false], // from where they lie, rows for threads
      [40, 700, 61, false, false], // the same, columns
      [131, 127, 129, true, true],
      [999, 20, 61, false, false],
      [999, 20, 61, false, true],
      [301, 701, 9, false, false], // along the rows of C
      [601, 501, 33, false, true],
      [203, 3, 2600, false, false], // few columns
      [17, 18, 4100, false, false], // k in pieces
      [2, 5, 110_001, false, true],
      [37, 513, 1000, false, false], // flat
      [8, 1000, 1100, false, false],
      [1, 1100, 1100, false, false],
      [1100, 1, 1100, false, false],
      [1100, 1, 1100, true, false],
    ] as const) {
      // prettier-ignore
      const a = transposeA ? matrix(type, k, m, 8) : matrix(type, m, k, 8);
      const b = transposeB ? matrix(type, n, k, 9) : matrix(type, k, n, 9);
      const results = [1, 2, 3, 7].map((count) => {
        setThreads(count);
        return withIsa(isa, () => matmul(a, b, { transposeA, transposeB }).data);
      });
      setThreads(threads);
      for (const result of results.slice(1))
        expect(Buffer.compare(Buffer.from(result.buffer), Buffer.from(results[0]!.buffer))).toBe(0);
    }
  });

  test('properties: (ab)ᵀ = bᵀaᵀ, identity, exact on small integers, distributes over blocks of k', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(size, size, size, fc.integer({ min: 0, max: 1e6 }), (m, n, k, seed) => {
        const whole = (rows: number, cols: number, s: number): Dense => ({
          rows,
          cols,
          data: uniform(rows * cols, s, -9, 9).map(Math.round),
        });
        const a = whole(m, k, seed);
        const b = whole(k, n, seed + 1);
        withIsa(isa, () => {
          const c = matmul(a, b);
          const exact = new Float64Array(m * n);
          for (let i = 0; i < m; i++)
            for (let p = 0; p < k; p++)
              for (let j = 0; j < n; j++) exact[i * n + j]! += a.data[i * k + p]! * b.data[p * n + j]!;
          expect(c.data.every((x, at) => x === exact[at])).toBe(true);
          const turned = matmul(b, a, { transposeA: true, transposeB: true });
          expect(turned.data.every((x, at) => x === c.data[(at % m) * n + Math.floor(at / m)])).toBe(true);
          expect(matmul(a, identity(k)).data.every((x, at) => x === a.data[at])).toBe(true);
          // the last row and the last column again, each as a product of its own
          const row = matmul({ rows: 1, cols: k, data: a.data.subarray((m - 1) * k) }, b).data;
          expect(row.every((x, j) => x === c.data[(m - 1) * n + j])).toBe(true);
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('sizes that take several blocks', () => {
  test('a product of 1031 × 1033 × 1039 is right at sampled elements', () => {
    const a = matrix(Float32Array, 1031, 1039, 10);
    const b = matrix(Float32Array, 1039, 1033, 11);
    const c = matmul(a, b);
    for (let s = 0; s < 500; s++) {
      const i = s < 250 ? (s * 37) % 1031 : 1030 - (s % 3);
      const j = s < 250 ? (s * 61) % 1033 : 1032 - (s % 5);
      const row = dense(1, 1039, a.data.subarray(i * 1039, (i + 1) * 1039));
      const col = dense(
        1039,
        1,
        Float32Array.from({ length: 1039 }, (_, p) => b.data[p * 1033 + j]!),
      );
      expect(worst(row, col, dense(1, 1, c.data.subarray(i * 1033 + j, i * 1033 + j + 1)))).toBeLessThanOrEqual(1);
    }
  });

  test('a tall k = 1 product and a long inner product', () => {
    const tall = matmul(dense(100_000, 1, new Float64Array(100_000).fill(2)), dense(1, 3, Float64Array.of(1, 2, 3)));
    expect(tall.data.subarray(-3)).toEqual(Float64Array.of(2, 4, 6));
    expect(tall.data.reduce((x, y) => x + y)).toBe(1_200_000);
    const n = 300_000;
    const long = matmul(dense(2, n, new Float64Array(2 * n).fill(1)), dense(n, 2, new Float64Array(2 * n).fill(3)));
    expect([...long.data]).toEqual([3 * n, 3 * n, 3 * n, 3 * n]);
  });

  test('a tall and a wide product take no more scratch space than is said', () => {
    // in a process of its own, whose peak nothing else has raised
    const script = `
      import { dense, setThreads } from 'lapidary';
      import { matmul } from 'lapidary/gemm';
      const full = (rows, cols) => dense(rows, cols, new Float32Array(rows * cols).fill(1));
      const [tall, few, left, wide] = [full(40_000, 512), full(512, 96), full(96, 512), full(512, 40_000)];
      const [a, b] = [full(40_000, 96), full(96, 40_000)];
      matmul(few, left, { out: full(512, 512) });
      const grown = [1, 2, 4].map((count) => {
        setThreads(count);
        const before = process.resourceUsage().maxRSS;
        matmul(tall, few, { out: a });
        matmul(left, wide, { out: b });
        return process.resourceUsage().maxRSS - before;
      });
      console.log(JSON.stringify({ grown, right: [a, b].every((c) => c.data.every((v) => v === 512)) }));
    `;
    const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    const { grown, right } = JSON.parse(ran.stdout) as { grown: number[]; right: boolean };
    expect(right).toBe(true);
    expect(grown.reduce((sum, more) => sum + more)).toBeLessThan(20 * 1024); // in KiB: 16 MiB, and stacks of threads
  });

  test('an abort ends a long product', () => {
    const n = 4096;
    const a = dense(n, n, new Float32Array(n * n));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    const start = performance.now();
    expect(() => withCancelFlag(flag, () => matmul(a, a))).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
    expect(performance.now() - start).toBeLessThan(500); // the product takes over a second; most of this is its result
  });

  test('failed allocations are ERR_OUT_OF_MEMORY until there are enough', () => {
    const a = matrix(Float64Array, 700, 700, 12); // larger than what this thread's arena may hold already
    const wanted = matmul(a, a).data;
    const live = core.liveAllocations();
    let n = 0;
    for (; ; n++) {
      core.failAllocation(n);
      try {
        const huge = matrix(Float64Array, 5, 5, 1);
        expect(matmul(huge, huge).rows).toBe(5); // tiny products take no scratch space
        expect(matmul(a, a).data).toEqual(wanted);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
      } finally {
        core.failAllocation(-1);
      }
    }
    expect(n).toBeLessThan(10);
    expect(core.liveAllocations() - live).toBeLessThan(10);
  });
});

describe('arguments', () => {
  const a = dense(2, 3);

  test('shapes', () => {
    expect(() => matmul(a, a)).toThrow(withCode('ERR_SHAPE'));
    expect(() => matmul(a, a)).toThrow(/2 × 3 and b of 2 × 3/);
    expect(() => matmul(a, a, { transposeA: true, transposeB: true })).toThrow(/2 × 3 transposed/);
    expect(() => matmul(a, dense(3, 2), { out: dense(2, 3) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => matmul({ rows: 2, cols: 4, data: a.data }, dense(4, 1))).toThrow(withCode('ERR_SHAPE'));
    expect(() => matmul({ rows: 2 ** 53, cols: 4, data: a.data }, a)).toThrow(withCode('ERR_RANGE'));
    expect(() => matmul({ rows: NaN, cols: 4, data: a.data }, a)).toThrow(withCode('ERR_RANGE'));
    expect(matmul(dense(0, 3), dense(3, 2))).toEqual(dense(0, 2));
    expect(matmul(dense(2, 0), dense(0, 2))).toEqual(dense(2, 2));
    expect(matmul(dense(0, 0), dense(0, 0))).toEqual(dense(0, 0));
  });

  test('types', () => {
    const f32 = dense(3, 2, new Float32Array(6));
    expect(() => matmul(a, f32 as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => matmul(f32, a as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => matmul(a, dense(3, 2), { out: dense(2, 2, new Float32Array(4)) as never })).toThrow(
      withCode('ERR_DTYPE'),
    );
    expect(() => matmul(dense(2, 2, new Int32Array(4)) as never, a)).toThrow(withCode('ERR_DTYPE'));
    expect(() => matmul(null as never, a)).toThrow(withCode('ERR_DTYPE'));
    expect(() => matmul(a, dense(3, 2), { alpha: '1' as never })).toThrow(withCode('ERR_DTYPE'));
    expect(() => matmul(a, dense(3, 2), { transposeA: 1 as never })).toThrow(/^matmul: options\.transposeA/);
    expect(() => matmul(a, dense(3, 2), { transposeB: 1 as never })).toThrow(/^matmul: options\.transposeB/);
    expect(() => matmul(a, dense(3, 2), { alpha: NaN })).toThrow(withCode('ERR_RANGE'));
  });

  test('options', () => {
    expect(() => matmul(a, dense(3, 2), { transposeC: true } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => matmul(a, dense(3, 2), { beta: 1 })).toThrow(withCode('ERR_OPTION'));
  });

  test('an output that overlaps an input is refused; one input twice is fine', () => {
    const memory = new Float64Array(12);
    const x = dense(2, 2, memory.subarray(0, 4));
    expect(() => matmul(x, identity(2), { out: x })).toThrow(withCode('ERR_ALIAS'));
    expect(() => matmul(identity(2), x, { out: dense(2, 2, memory.subarray(3, 7)) })).toThrow(withCode('ERR_ALIAS'));
    expect(matmul(x, x, { out: dense(2, 2, memory.subarray(4, 8)) }).data).toEqual(new Float64Array(4));
  });

  test('detached, resized and shared memory', () => {
    const gone = dense(2, 2);
    structuredClone(gone.data, { transfer: [gone.data.buffer as ArrayBuffer] });
    expect(() => matmul(gone, identity(2))).toThrow(withCode('ERR_DETACHED'));
    const growing = new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(32, { maxByteLength: 64 });
    const tracking = new Float64Array(growing);
    expect(matmul(dense(2, 2, tracking), identity(2)).data).toEqual(new Float64Array(4));
    const held = dense(2, 2, tracking);
    (growing as ArrayBuffer & { resize(n: number): void }).resize(16);
    expect(() => matmul(held, identity(2))).toThrow(withCode('ERR_SHAPE'));
    const shared = dense(2, 2, new Float64Array(new SharedArrayBuffer(32)).fill(2));
    expect(matmul(shared, identity(2)).data).toEqual(Float64Array.of(2, 2, 2, 2));
  });

  test('views that are aligned to their element only', () => {
    const bytes = new ArrayBuffer(4 * 500 + 4);
    const x = dense(20, 25, new Float32Array(bytes, 4).fill(1));
    const c = matmul(x, x, { transposeB: true, out: dense(20, 20, new Float32Array(new ArrayBuffer(1604), 4)) });
    expect(c.data.every((v) => v === 25)).toBe(true);
  });

  test('the native side refuses what does not fit when TypeScript is bypassed', () => {
    const x = new Float64Array(4);
    const call =
      (...args: unknown[]) =>
      () =>
        (native.matmul as (...args: unknown[]) => void)(...args);
    expect(call(x, x, new Float64Array(4), 3, 2, 2, false, false, 1, 0, 1)).toThrow(withCode('ERR_SHAPE'));
    expect(call(x, x, new Float64Array(4), 2 ** 40, 2 ** 40, 2 ** 40, false, false, 1, 0, 1)).toThrow(
      withCode('ERR_RANGE'),
    );
    expect(call(x, new Float32Array(4), new Float64Array(4), 2, 2, 2, false, false, 1, 0, 1)).toThrow(
      withCode('ERR_DTYPE'),
    );
    expect(call(x, x, new Int32Array(4), 2, 2, 2, false, false, 1, 0, 1)).toThrow(withCode('ERR_DTYPE'));
    expect(call(x, x, x, 2, 2, 2, false, false, 1, 0, 1)).toThrow(withCode('ERR_ALIAS'));
    expect(call(x)).toThrow(withCode('ERR_DTYPE'));
    expect(call()).toThrow(withCode('ERR_DTYPE'));
  });
});

test('a 4 × 4 product costs a few microseconds at most, call and result included', () => {
  const a = matrix(Float64Array, 4, 4, 20);
  let best = Infinity;
  for (let round = 0; round < 30; round++) {
    const start = performance.now();
    for (let i = 0; i < 5000; i++) matmul(a, a);
    best = Math.min(best, (performance.now() - start) / 5);
  }
  console.log(`4 × 4 product: ${best.toFixed(2)} µs [${cpuInfo().isa}]`);
  expect(best).toBeLessThan(5); // 1 µs on a quiet machine
});
