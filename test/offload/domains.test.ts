import { afterAll, describe, expect, test } from 'vitest';
import { dense, gemm, graph, io, sparse, special, type Csr, type Dense } from 'lapidary';
import { offload, shared } from 'lapidary/offload';
import { uniform } from '../support/random.js';
import { rejection, sleep } from '../support/offload.js';

const pool = offload({ threads: 1 });
afterAll(() => pool.close());

/** n × n with `degree` entries in each row, spread over the columns. */
function scattered(n: number, degree: number): Csr {
  const indptr = Uint32Array.from({ length: n + 1 }, (_, i) => i * degree);
  const step = Math.floor(n / degree);
  const indices = Uint32Array.from({ length: n * degree }, (_, k) => (k % degree) * step + (((k / degree) | 0) % step));
  return { rows: n, cols: n, indptr, indices, values: uniform(n * degree, 1, 0, 1) };
}

describe('functions of the domains give the same through the pool', () => {
  test('sparse', async () => {
    const a = scattered(50, 5);
    const x = uniform(50, 2);
    expect(await pool.sparse.spmv(a, x)).toEqual(sparse.spmv(a, x));
    expect(await pool.sparse.spmv(shared(a), shared(x))).toEqual(sparse.spmv(a, x));
    expect(await pool.sparse.transpose(a)).toEqual(sparse.transpose(a));
    const out = shared(new Float64Array(50));
    expect(await pool.sparse.spmv(a, x, { out })).toBe(out);
    expect([...out]).toEqual([...sparse.spmv(a, x)]);
  });

  test('a result that is the beginning of `out` is that of yours, in memory of your own and shared', async () => {
    const a = scattered(50, 5);
    const c = sparse.spgemm(a, a);
    const nnz = c.indices.length;
    for (const length of [nnz, nnz + 7, 3 * nnz]) {
      const buffer = new ArrayBuffer(12 * length + 24);
      const mine = { indices: new Uint32Array(buffer, 4, length), values: new Float64Array(buffer, 16 + 4 * length - (4 * length) % 8, length) }; // prettier-ignore
      for (const out of [mine, shared(mine)]) {
        const d = await pool.sparse.spgemm(a, a, { out });
        expect(d).toEqual(c);
        for (const part of ['indices', 'values'] as const) {
          expect(d[part].buffer).toBe(out[part].buffer);
          expect(d[part].byteOffset).toBe(out[part].byteOffset);
        }
      }
    }
    const moved = { indices: new Uint32Array(nnz + 7), values: new Float64Array(nnz + 7) };
    expect(await pool.sparse.spgemm(a, a, { out: moved, move: true })).toEqual(c);
  });

  test('special: overloads, by number and by array', async () => {
    expect(await pool.special.logBesselI(2, 3)).toBe(special.logBesselI(2, 3));
    expect(await pool.special.logBesselI(2, Float64Array.of(3, 4))).toEqual(
      special.logBesselI(2, Float64Array.of(3, 4)),
    );
  });

  test('io', async () => {
    const a = dense(2, 3, uniform(6, 3));
    const bytes = await pool.io.writeNpy(a);
    expect(bytes).toEqual(io.writeNpy(a));
    expect(await pool.io.readNpy(bytes, { move: true })).toEqual(a);
    expect(bytes.length).toBe(0);
  });

  test('errors too', async () => {
    const a = scattered(50, 5);
    const error = await rejection(pool.sparse.spmv(a, new Float64Array(3)));
    expect(() => sparse.spmv(a, new Float64Array(3))).toThrow(error.message);
    expect(error).toMatchObject({ code: 'ERR_SHAPE', function: 'spmv', argument: 'x' });
    expect(await rejection(pool.sparse.spmv(a, new Float64Array(50), { uot: 1 } as never))).toMatchObject({
      code: 'ERR_OPTION',
      argument: 'options.uot',
    });
  });
});

describe('iterations', () => {
  const ring = scattered(20_000, 10);

  test('report their progress and can be stopped', async () => {
    const seen: number[] = [];
    const options = { tolerance: 0, maxIterations: 30 };
    const result = await pool.graph.pageRank(ring, { ...options, onProgress: (p) => void seen.push(p.iteration) });
    expect(result).toEqual(graph.pageRank(ring, options));
    expect(seen.at(-1)).toBe(30);
    const stopped = await pool.graph.pageRank(ring, { ...options, maxIterations: 1e6, onProgress: () => false });
    expect(stopped.iterations).toBeLessThan(1e6);
    expect(stopped.converged).toBe(false);
  });

  test('abort', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const running = rejection(pool.graph.pageRank(ring, { tolerance: 0, maxIterations: 1e9, signal }));
    await sleep(100);
    const start = performance.now();
    controller.abort();
    expect(await running).toMatchObject({ code: 'ERR_ABORTED' });
    await pool.special.logBesselI(2, 3);
    expect(performance.now() - start).toBeLessThan(50);
  });
});

describe('a product of 8192 × 4096 × 4096', () => {
  const [m, n] = [8192, 4096]; // 275 GFLOP of f32: two cores of 250 GFLOPS take longer than the aborts wait
  const numbers = uniform(m * n, 5);
  const operands = { f32: dense(m, n, Float32Array.from(numbers)), f64: dense(m, n, numbers) };
  /** The matrix, and its first n rows. */
  const factors = (type: 'f32' | 'f64') => {
    const a = shared<Dense | Dense<Float32Array>>(operands[type]) as Dense;
    return [a, { ...a, rows: n, data: a.data.subarray(0, n * n) }] as const;
  };

  test.each(['f64', 'f32'] as const)('%s stops within 50 ms of the abort, and the worker is free', async (type) => {
    const [a, b] = factors(type);
    const took: number[] = [];
    for (const delay of [20, 60, 150, 300]) {
      const controller = new AbortController();
      const running = rejection(pool.gemm.matmul(a, b, { signal: controller.signal }));
      await sleep(delay);
      const start = performance.now();
      controller.abort('no longer wanted');
      expect(await running).toMatchObject({ code: 'ERR_ABORTED', function: 'matmul', cause: 'no longer wanted' });
      await pool.special.logBesselI(2, 3); // the one worker answers
      took.push(performance.now() - start);
    }
    expect(Math.max(...took)).toBeLessThan(50);
  });

  test('would have taken longer', async () => {
    const [a, b] = factors('f32');
    const start = performance.now();
    await pool.gemm.matmul(a, b);
    expect(performance.now() - start).toBeGreaterThan(400);
  });

  test('results keep their type and bits', async () => {
    const [a, b] = [dense(30, 40, uniform(1200, 1)), dense(40, 20, uniform(800, 2))];
    expect(await pool.gemm.matmul(a, b)).toEqual(gemm.matmul(a, b));
    const out = shared(dense(30, 20));
    expect(await pool.gemm.matmul(shared(a), shared(b), { out })).toBe(out);
    expect([...out.data]).toEqual([...gemm.matmul(a, b).data]);
  });
});
