import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Csr, type Dense } from 'lapidary';
import { sparseLinear, sparseLinearGradient, type LowRank } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));
const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));
const whole = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -4, 4), Math.round));

function sparse(rows: number, cols: number, share: number, make = f32): Csr<Float32Array> {
  const u = uniform(rows * cols, 3, 0, 1);
  const [indptr, indices] = [new Uint32Array(rows + 1), [] as number[]];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) if (u[i * cols + j]! < share) indices.push(j);
    indptr[i + 1] = indices.length;
  }
  return { rows, cols, indptr, indices: Uint32Array.from(indices), values: make(1, indices.length, 4).data };
}
const lowRank = (rows: number, cols: number, width: number, blocks: number, make = f32): LowRank => ({
  down: make(width, cols, 5),
  up: make(rows, width * blocks, 6),
  blocks,
  scale: 0.5,
});

/** Gradients term by term. */
function wanted(x: Dense<Float32Array>, dy: Dense<Float32Array>, w: Csr<Float32Array>, low?: LowRank) {
  const { rows, cols } = w;
  const all = new Float64Array(rows * cols);
  const [width, blocks, scale] = low ? [low.down.rows, low.blocks!, low.scale!] : [0, 1, 0];
  const sum = (i: number, r: number) => {
    let s = 0;
    for (let b = 0; b < blocks; b++) s += low!.up.data[i * width * blocks + b * width + r]!;
    return s;
  };
  const dw = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      for (let t = 0; t < x.rows; t++) dw[i * cols + j]! += dy.data[t * rows + i]! * x.data[t * cols + j]!;
      for (let r = 0; r < width; r++) all[i * cols + j]! += scale * sum(i, r) * low!.down.data[r * cols + j]!;
    }
  const values: number[] = [];
  for (let i = 0; i < rows; i++)
    for (let p = w.indptr[i]!; p < w.indptr[i + 1]!; p++) {
      all[i * cols + w.indices[p]!]! += w.values[p]!;
      values.push(dw[i * cols + w.indices[p]!]!);
    }
  const dx = new Float64Array(x.rows * cols);
  for (let t = 0; t < x.rows; t++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) dx[t * cols + j]! += dy.data[t * rows + i]! * all[i * cols + j]!;
  const [down, up] = [new Float64Array(width * cols), new Float64Array(rows * width * blocks)];
  for (let i = 0; i < rows; i++)
    for (let r = 0; r < width; r++)
      for (let j = 0; j < cols; j++) {
        down[r * cols + j]! += scale * sum(i, r) * dw[i * cols + j]!;
        for (let b = 0; b < blocks; b++)
          up[i * width * blocks + b * width + r]! += scale * low!.down.data[r * cols + j]! * dw[i * cols + j]!;
      }
  return { values, dx, down, up };
}

describeEachIsa('sparseLinearGradient', (isa) => {
  test.each([
    [1, 1, 1, 0, 1],
    [5, 7, 30, 0, 1],
    [16, 20, 9, 3, 1],
    [37, 12, 25, 2, 3],
    [20, 60, 4, 0, 1], // rows without entries
    [3, 250, 160, 0, 1], // more entries than one part has
  ] as const)(
    '%i tokens, %i × %i, rank %i in %i blocks: whole numbers exactly',
    (tokens, rows, cols, width, blocks) => {
      const w = sparse(rows, cols, 0.3, whole);
      const low = width > 0 ? lowRank(rows, cols, width, blocks, whole) : undefined;
      const [x, dy] = [whole(tokens, cols, 1), whole(tokens, rows, 2)];
      const got = withIsa(isa, () => sparseLinearGradient(x, dy, w, low && { lowRank: low }));
      const want = wanted(x, dy, w, low);
      expect([...got.values]).toEqual(want.values.map((v) => v + 0));
      expect([...got.x.data].map((v) => v + 0)).toEqual([...want.dx].map((v) => v + 0));
      if (!low) return void expect(got.down ?? got.up).toBeUndefined();
      expect([...got.down!.data].map((v) => v + 0)).toEqual([...want.down].map((v) => v + 0));
      expect([...got.up!.data].map((v) => v + 0)).toEqual([...want.up].map((v) => v + 0));
    },
  );

  test('differences of the layer', () => {
    const [tokens, rows, cols] = [6, 9, 14];
    const [w, low] = [sparse(rows, cols, 0.4), lowRank(rows, cols, 2, 2)];
    const [x, dy] = [f32(tokens, cols, 1), f32(tokens, rows, 2)];
    const loss = () => {
      const y = withIsa(isa, () => sparseLinear(x, w, { lowRank: low }));
      return y.data.reduce((sum, v, k) => sum + v * dy.data[k]!, 0);
    };
    const got = withIsa(isa, () => sparseLinearGradient(x, dy, w, { lowRank: low }));
    const parts = [[x.data, got.x.data], [w.values, got.values], [low.down.data, got.down!.data], [low.up.data, got.up!.data]] as const; // prettier-ignore
    for (const [at, gradient] of parts)
      for (let k = 0; k < at.length; k += 3) {
        const [before, h] = [at[k]!, 2 ** -4]; // y is linear in each of them, so that only rounding is left
        at[k] = before + h;
        const up = loss();
        at[k] = before - h;
        const down = loss();
        at[k] = before;
        expect(Math.abs((up - down) / (2 * h) - gradient[k]!)).toBeLessThan(1e-4);
      }
  });

  test('the same bits for any number of threads', () => {
    const [tokens, rows, cols] = [50, 120, 200];
    const [w, low] = [sparse(rows, cols, 0.5), lowRank(rows, cols, 4, 1)];
    const [x, dy] = [f32(tokens, cols, 1), f32(tokens, rows, 2)];
    const [one, ...others] = [1, 2, 3, 7].map((count) => {
      setThreads(count);
      return withIsa(isa, () => sparseLinearGradient(x, dy, w, { lowRank: low }));
    });
    setThreads(threads);
    for (const other of others) expect(other).toEqual(one);
  });
});

describe('arguments', () => {
  const [w, x, dy] = [sparse(6, 10, 0.5), f32(3, 10, 1), f32(3, 6, 2)];

  test('what does not fit is refused', () => {
    expect(() => sparseLinearGradient(f32(3, 9, 1), dy, w)).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinearGradient(x, f32(2, 6, 1), w)).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinearGradient(x, dy, w, { lowRank: lowRank(6, 9, 1, 1) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinearGradient(x, dy, { ...w, indices: w.indices.with(0, 10) })).toThrow(withCode('ERR_FORMAT'));
    expect(() => sparseLinearGradient(x, dy, { ...w, indices: w.indices.with(0, w.indices[1]!) })).toThrow(withCode('ERR_FORMAT')); // prettier-ignore
    expect(sparseLinearGradient(f32(0, 10, 1), f32(0, 6, 1), w).values).toEqual(new Float32Array(w.values.length));
  });

  test('the native function checks for itself', () => {
    const call = (indices: Uint32Array, length: number) => () =>
      native.csrGradient(x.data, dy.data, w.indptr, indices, w.values, new Float32Array(length), new Float32Array(30), 3, 6, 10); // prettier-ignore
    expect(call(w.indices, w.values.length)).not.toThrow();
    expect(call(w.indices, 1)).toThrow(withCode('ERR_SHAPE'));
    expect(call(w.indices.with(0, 2 ** 32 - 1), w.values.length)).toThrow(withCode('ERR_FORMAT'));
  });
});
