import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Csr, type Dense } from 'lapidary';
import { groupPrune, matmul, sparseLinear, type GroupSparse, type LowRank } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { expanded } from '../support/sparse-weights.js';

const threads = getThreads();
afterAll(() => setThreads(threads));
const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));

function close(y: Dense<Float32Array>, x: Dense<Float32Array>, w: Float64Array, slack = 3) {
  const rows = y.cols;
  for (let t = 0; t < x.rows; t++)
    for (let i = 0; i < rows; i++) {
      let [sum, size] = [0, 0];
      for (let j = 0; j < x.cols; j++) {
        const term = x.data[t * x.cols + j]! * w[i * x.cols + j]!;
        sum += term;
        size += Math.abs(term);
      }
      expect(Math.abs(y.data[t * rows + i]! - sum)).toBeLessThanOrEqual((x.cols + slack) * 2 ** -24 * size * 1.001);
    }
}

/** A random Csr with about this share of entries. */
function randomCsr(rows: number, cols: number, share: number, seed: number): Csr<Float32Array> {
  const u = uniform(rows * cols, seed, 0, 1);
  const [indptr, indices] = [new Uint32Array(rows + 1), [] as number[]];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) if (u[i * cols + j]! < share) indices.push(j);
    indptr[i + 1] = indices.length;
  }
  const values = Float32Array.from(uniform(indices.length, seed + 1));
  return { rows, cols, indptr, indices: Uint32Array.from(indices), values };
}
const asGroups = (a: Csr<Float32Array>): GroupSparse => ({
  format: 'group-sparse',
  rows: a.rows,
  cols: a.cols,
  groupSize: 1,
  indptr: a.indptr,
  groups: a.indices,
  values: a.values,
});

describeEachIsa('sparseLinear', (isa) => {
  test.each([1, 3, 8, 16, 20, 32, 64])('groups of %i, f32, int8 and int4', (groupSize) => {
    for (const [tokens, rows, cols] of [
      [1, 1, 1],
      [1, 40, 100],
      [3, 7, 129],
      [10, 33, 64],
    ] as const)
      for (const storage of ['f32', 'int8', 'int4'] as const) {
        const w = groupPrune(f32(rows, cols, 1), { groupSize, density: 0.5, storage });
        const x = f32(tokens, cols, 2);
        close(
          withIsa(isa, () => sparseLinear(x, w)),
          x,
          expanded(w),
          8,
        );
      }
  });

  test('a Csr: the unstructured case', () => {
    for (const share of [0, 0.01, 0.3, 1]) {
      const w = randomCsr(60, 150, share, 3);
      const x = f32(4, 150, 4);
      close(
        withIsa(isa, () => sparseLinear(x, w)),
        x,
        expanded(asGroups(w)),
      );
    }
  });

  test('one full row among empty ones: the same bits for 1, 2, 3 and 7 threads, and right where parts meet', () => {
    // Whole numbers, whose sums are exact: of so many terms the bound says nothing.
    const whole = (rows: number, n: number, seed: number) => dense(rows, n, Float32Array.from(uniform(rows * n, seed, -3, 3), Math.round)); // prettier-ignore
    for (const groupSize of [1, 16]) {
      const cols = ((70_000 * groupSize) / 16) * (groupSize === 1 ? 16 : 1);
      const full = whole(1, cols, 5);
      const count = Math.ceil(cols / groupSize);
      const groups = Uint32Array.from({ length: count }, (_, g) => g);
      const values = new Float32Array(count * groupSize);
      values.set(full.data);
      const indptr = Uint32Array.of(0, 0, 3, count - 2, count - 2, count, count);
      const w: GroupSparse = { format: 'group-sparse', rows: 6, cols, groupSize, indptr, groups, values };
      const x = whole(5, cols, 6);
      const runs = [1, 2, 3, 7].map((threadCount) => {
        setThreads(threadCount);
        return withIsa(isa, () => sparseLinear(x, w));
      });
      setThreads(threads);
      for (const run of runs) expect(run).toEqual(runs[0]);
      expect(runs[0]).toEqual(matmul(x, dense(6, cols, Float32Array.from(expanded(w))), { transposeB: true }));
    }
  });

  test('more tokens than are laid out at a time: each as it is alone', () => {
    for (const storage of ['int8', 'int4'] as const) {
      const [tokens, rows, cols] = [600, 5, 256];
      const w = groupPrune(f32(rows, cols, 1), { groupSize: 1, density: 0.5, storage });
      const x = f32(tokens, cols, 2);
      const all = withIsa(isa, () => sparseLinear(x, w));
      close(all, x, expanded(w), 8);
      for (const t of [0, 255, 256, 599]) {
        const alone = withIsa(isa, () => sparseLinear(dense(1, cols, x.data.slice(t * cols, (t + 1) * cols)), w));
        expect(alone.data).toEqual(all.data.subarray(t * rows, (t + 1) * rows));
      }
    }
  });

  test('tokens that share the reading of groups: each as it is alone', () => {
    for (const storage of ['f32', 'int8', 'int4'] as const) {
      const [tokens, rows, cols] = [7, 9, 500];
      const w = groupPrune(f32(rows, cols, 1), { groupSize: 16, density: 0.4, storage });
      const x = f32(tokens, cols, 2);
      const all = withIsa(isa, () => sparseLinear(x, w));
      for (let t = 0; t < tokens; t++) {
        const alone = withIsa(isa, () => sparseLinear(dense(1, cols, x.data.slice(t * cols, (t + 1) * cols)), w));
        expect(alone.data).toEqual(all.data.subarray(t * rows, (t + 1) * rows));
      }
    }
  });

  test('sparse plus low rank (SLTrain) and blocks that share one projection (Block-LoRA)', () => {
    for (const [rank, blocks] of [
      [0, 1],
      [1, 1],
      [8, 1],
      [8, 4],
      [6, 3],
    ] as const)
      for (const base of ['csr', 'dense', 'groups'] as const) {
        const [rows, cols] = [45, 70];
        const csr = randomCsr(rows, cols, 0.03, 7);
        const full = f32(rows, cols, 8);
        const pruned = groupPrune(full, { density: 0.4 });
        const w = base === 'csr' ? csr : base === 'dense' ? full : pruned;
        const width = rank / blocks;
        const lowRank: LowRank = { down: f32(width, cols, 9), up: f32(rows, rank, 10), scale: -0.5, blocks };
        const x = f32(6, cols, 11);
        const sum = base === 'dense' ? Float64Array.from(full.data) : expanded(base === 'csr' ? asGroups(csr) : pruned);
        for (let i = 0; i < rows; i++)
          for (let r = 0; r < rank; r++)
            for (let j = 0; j < cols; j++)
              sum[i * cols + j]! -= 0.5 * lowRank.up.data[i * rank + r]! * lowRank.down.data[(r % Math.max(width, 1)) * cols + j]!; // prettier-ignore
        const y = withIsa(isa, () => sparseLinear(x, w, { lowRank }));
        const want = matmul(dense(6, cols, Float64Array.from(x.data)), dense(rows, cols, sum), { transposeB: true });
        y.data.forEach((v, k) => expect(Math.abs(v - want.data[k]!)).toBeLessThan(2e-5));
      }
  });
});

describe('arguments', () => {
  const w = groupPrune(f32(10, 40, 1), { density: 0.5 });
  const x = f32(2, 40, 2);
  const lowRank = { down: f32(3, 40, 3), up: f32(10, 3, 4) };

  test('what does not fit is refused', () => {
    expect(() => sparseLinear(f32(2, 41, 1), w)).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinear(x, {} as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => sparseLinear(x, { ...w, values: w.values.subarray(1) })).toThrow(withCode('ERR_SHAPE'));
    const said = (indptr: Uint32Array, groups: Uint32Array) => {
      try {
        sparseLinear(x, { ...w, indptr, groups });
      } catch (error) {
        expect(error).toEqual(withCode('ERR_FORMAT'));
        return (error as Error).message;
      }
      return 'nothing';
    };
    const row3 = w.indptr[3]!;
    const csr = { ...randomCsr(4, 40, 0.5, 1) };
    csr.indices = csr.indices.with(0, 40);
    expect(() => sparseLinear(x, csr)).toThrow('sparseLinear: w: expected columns below 40, got column 40 in row 0 (position 0)'); // prettier-ignore
    expect(said(w.indptr.map((p) => p + 1), w.groups)).toBe('sparseLinear: w: expected indptr to begin with 0, got indptr[0] = 1'); // prettier-ignore
    expect(said(w.indptr.with(3, 2 ** 32 - 1), w.groups)).toMatch(/^sparseLinear: w: expected indptr .*, got indptr\[3\] = 4294967295/); // prettier-ignore
    expect(said(w.indptr, w.groups.with(row3, 3))).toBe('sparseLinear: w.groups: expected groups below 3, got 3 in row 3'); // prettier-ignore
    expect(() => sparseLinear(x, w, { lowRank: { ...lowRank, blocks: 2 } })).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinear(x, w, { lowRank: { ...lowRank, up: f32(9, 3, 1) } })).toThrow(withCode('ERR_SHAPE'));
    const up = dense(10, 3, new Float32Array(30));
    expect(() => sparseLinear(x, w, { lowRank: { ...lowRank, up }, out: dense(2, 10, up.data.subarray(5, 25)) })).toThrow(withCode('ERR_ALIAS')); // prettier-ignore
    expect(() => sparseLinear(x, w, { rank: 1 } as never)).toThrow(withCode('ERR_OPTION'));
    const wide = { rows: 1, cols: 2 ** 31, indptr: Uint32Array.of(0, 1), indices: Uint32Array.of(5), values: Float32Array.of(1) }; // prettier-ignore
    expect(() => sparseLinear({ rows: 0, cols: 2 ** 31, data: new Float32Array(0) }, wide)).toThrow('sparseLinear: w: expected fewer than 2^31 columns, got 2147483648'); // prettier-ignore
    expect(sparseLinear({ rows: 0, cols: 2 ** 31 - 1, data: new Float32Array(0) }, { ...wide, cols: 2 ** 31 - 1 }).cols).toBe(1); // prettier-ignore
    expect(() => groupPrune(x, { density: 2 })).toThrow(withCode('ERR_RANGE'));
    expect(() => groupPrune(x, { density: 0.5, importance: new Float32Array(40).fill(-1) })).toThrow(
      withCode('ERR_RANGE'),
    );
    expect(sparseLinear(f32(0, 40, 1), w, { lowRank }).data.length).toBe(0);
  });

  test('native functions check for themselves', () => {
    const y = new Float32Array(20);
    const call = (indptr: Uint32Array, groups: Uint32Array, size: number) => () =>
      native.sparseLinear(x.data, indptr, groups, w.values, null, null, y, 2, 10, 40, size);
    expect(call(w.indptr, w.groups, 0)).toThrow(withCode('ERR_RANGE'));
    expect(call(w.indptr, w.groups, 15)).toThrow(withCode('ERR_SHAPE'));
    expect(call(w.indptr.subarray(1), w.groups, 16)).toThrow(withCode('ERR_SHAPE'));
    expect(call(w.indptr.slice().reverse(), w.groups, 16)).toThrow(withCode('ERR_FORMAT'));
  });
});
