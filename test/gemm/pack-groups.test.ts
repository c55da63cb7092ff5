import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { groupPrune, matmul, nmPrune, packGroups, sparseLinear, type GroupSparse } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { expanded } from '../support/sparse-weights.js';

const threads = getThreads();
afterAll(() => setThreads(threads));
const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));
const pruned = (rows: number, cols: number, density: number, seed = 1) =>
  groupPrune(f32(rows, cols, seed), { density, storage: 'int4' });

/** Tokens as they are rounded: whole multiples of 1/127 of the largest of each 32 neighbours, and those steps. */
function rounded(x: Dense<Float32Array>) {
  const [values, steps] = [new Float64Array(x.data.length), new Float64Array(x.data.length)];
  for (let t = 0; t < x.rows; t++)
    for (let first = 0; first < x.cols; first += 32) {
      const block = x.data.subarray(t * x.cols + first, t * x.cols + Math.min(x.cols, first + 32));
      const step = Math.fround(block.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 127);
      block.forEach((v, k) => {
        const [exact, at] = [Math.fround(v / step), t * x.cols + first + k];
        const near = Math.round(exact);
        values[at] = step * (Math.abs(exact % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near);
        steps[at] = step;
      });
    }
  return { values, steps };
}

const shapes = [
  [1, 1, 1, 1],
  [1, 40, 100, 0.5],
  [2, 256, 48, 0.9],
  [3, 257, 129, 0.3],
  [5, 300, 1000, 0.5],
  [9, 520, 80, 0.01],
  [23, 70, 272, 1],
  [260, 20, 40, 0.5], // more tokens than pass over a panel together
] as const;

describeEachIsa('packGroups and sparseLinear', (isa) => {
  test.each(shapes)('%i tokens, %i × %i, density %d: sums of rounded tokens', (tokens, rows, cols, density) => {
    const [w, x] = [pruned(rows, cols, density), f32(tokens, cols, 2)];
    const y = withIsa(isa, () => sparseLinear(x, packGroups(w))).data;
    const [all, r] = [expanded(w), rounded(x)];
    for (let t = 0; t < tokens; t++)
      for (let i = 0; i < rows; i++) {
        let [sum, exact, size, off] = [0, 0, 0, 0];
        for (let j = 0; j < cols; j++) {
          const [v, k] = [all[i * cols + j]!, t * cols + j];
          sum += v * r.values[k]!;
          exact += v * x.data[k]!;
          size += Math.abs(v) * (Math.abs(x.data[k]!) + r.steps[k]! / 2);
          off += (Math.abs(v) * r.steps[k]!) / 2;
        }
        const bound = (cols / 16 + 4) * 2 ** -24 * size;
        expect(Math.abs(y[t * rows + i]! - sum)).toBeLessThanOrEqual(bound);
        expect(Math.abs(y[t * rows + i]! - exact)).toBeLessThanOrEqual(off * 1.0001 + bound);
      }
  });

  test('zero points count modulo 16', () => {
    const [w, x] = [pruned(40, 64, 0.5), f32(2, 64, 2)];
    const more = { ...w, zeros: w.zeros!.map((z) => z | 0xf0) };
    withIsa(isa, () => expect(sparseLinear(x, packGroups(more)).data).toEqual(sparseLinear(x, packGroups(w)).data));
  });

  test('whole numbers are exact', () => {
    const [tokens, rows, cols] = [11, 600, 330];
    const w = pruned(rows, cols, 0.4);
    w.scales!.fill(0.25); // of any codes
    const x = dense(tokens, cols, Float32Array.from(uniform(tokens * cols, 3, -127, 127), Math.round));
    for (let k = 0; k < x.data.length; k++) if ((k % cols) % 32 === 7) x.data[k] = 127;
    const want = matmul(x, dense(rows, cols, Float32Array.from(expanded(w))), { transposeB: true });
    expect(withIsa(isa, () => sparseLinear(x, packGroups(w)))).toEqual(want);
  });

  test('the same bits as on the reference, for any number of threads and tokens', () => {
    const [tokens, rows, cols] = [19, 700, 500];
    const [w, x] = [packGroups(pruned(rows, cols, 0.5)), f32(tokens, cols, 2)];
    const want = withIsa('portable', () => sparseLinear(x, w));
    for (const count of [1, 2, 3, 7]) {
      setThreads(count);
      expect(withIsa(isa, () => sparseLinear(x, w))).toEqual(want);
    }
    setThreads(threads);
    for (const t of [0, 7, 18]) {
      const alone = withIsa(isa, () => sparseLinear(dense(1, cols, x.data.slice(t * cols, (t + 1) * cols)), w));
      expect(alone.data).toEqual(want.data.subarray(t * rows, (t + 1) * rows));
    }
  });

  test('a token that is not finite has no numbers in its results, others do, and rows without groups are 0', () => {
    const w = pruned(300, 64, 0.5);
    const x = f32(3, 64, 2);
    x.data[5] = NaN;
    x.data[64 + 40] = -Infinity;
    const y = withIsa(isa, () => sparseLinear(x, packGroups(w)));
    expect(y.data.subarray(0, 600).every(Number.isNaN)).toBe(true);
    expect(y.data.subarray(600).every(Number.isFinite)).toBe(true);
    const none = withIsa(isa, () => sparseLinear(f32(2, 64, 2), packGroups(pruned(300, 64, 0))));
    expect(none.data).toEqual(new Float32Array(600));
  });
});

describe('arguments', () => {
  const w = pruned(300, 100, 0.5);
  const packed = packGroups(w);
  const x = f32(2, 100, 2);

  test('weights that cannot be packed are refused', () => {
    const whole = f32(4, 64, 1);
    expect(() => packGroups(groupPrune(whole, { density: 0.5 }))).toThrow(withCode('ERR_OPTION'));
    expect(() => packGroups(groupPrune(whole, { density: 0.5, storage: 'int8' }))).toThrow(withCode('ERR_OPTION'));
    expect(() => packGroups(groupPrune(whole, { density: 0.5, storage: 'int4', groupSize: 8 }))).toThrow(withCode('ERR_OPTION')); // prettier-ignore
    expect(() => packGroups(null as never)).toThrow(withCode('ERR_DTYPE'));
    const full = pruned(1, 48, 1);
    const odd = (...groups: number[]): GroupSparse => ({ ...full, groups: Uint32Array.from(groups) });
    expect(packGroups(odd(0, 1, 2)).starts).toEqual(Uint32Array.of(0, 3));
    for (const groups of [[0, 2, 1], [0, 1, 1], [0, 1, 3]] as const)
      expect(() => packGroups(odd(...groups))).toThrow('packGroups: w.groups: expected groups below 3 that ascend in each row'); // prettier-ignore
    expect(() => packGroups({ ...full, indptr: Uint32Array.of(0, 2) })).toThrow(withCode('ERR_FORMAT'));
    expect(packGroups(pruned(0, 0, 1)).codes).toHaveLength(0);
    expect(sparseLinear(f32(2, 0, 1), packGroups(pruned(3, 0, 1))).data).toEqual(new Float32Array(6));
  });

  test('packed weights that do not fit are refused', () => {
    const bad = (change: Partial<typeof packed>) => () => sparseLinear(x, { ...packed, ...change });
    const batches = packed.starts.at(-1)!;
    expect(bad({ layout: 2 as never })).toThrow(withCode('ERR_FORMAT'));
    expect(bad({ mask: packed.mask.with(0, packed.mask[0]! ^ 1).fill(0xffff, 0, 16) })).toThrow(withCode('ERR_FORMAT'));
    expect(bad({ starts: packed.starts.with(1, 1) })).toThrow(withCode('ERR_FORMAT'));
    expect(bad({ starts: packed.starts.with(0, 1) })).toThrow(withCode('ERR_FORMAT'));
    expect(bad({ starts: packed.starts.with(2, batches + 1) })).toThrow(withCode('ERR_SHAPE'));
    expect(bad({ codes: packed.codes.subarray(1) })).toThrow(withCode('ERR_SHAPE'));
    expect(bad({ cols: 101 })).toThrow(withCode('ERR_SHAPE'));
    // Bits for batches that are not there, in weights so large that threads share out the check.
    const [cols, starts, none] = [2 ** 20 + 16, Uint32Array.of(0, 0), new Uint8Array(0)];
    const large = { ...packed, rows: 1, cols, starts, codes: none, scales: new Float32Array(0), zeros: none };
    const mask = new Uint16Array(16 * Math.ceil(cols / 16));
    const far = dense(1, cols, new Float32Array(cols));
    expect(sparseLinear(far, { ...large, mask }).data).toEqual(new Float32Array(1));
    expect(() => sparseLinear(far, { ...large, mask: mask.with(mask.length - 16, 1) })).toThrow(withCode('ERR_FORMAT'));
    expect(() => sparseLinear(f32(2, 99, 1), packed)).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinear(dense(1, 100, new Float64Array(100)) as never, packed)).toThrow(withCode('ERR_DTYPE'));
    expect(sparseLinear(f32(0, 100, 1), packed).data).toHaveLength(0);
  });

  test('native functions check for themselves', () => {
    const { indptr, groups, values, scales, zeros } = w;
    const fill = (starts: Uint32Array, codes = packed.codes.slice()) => () =>
      native.groupPanelFill(indptr, groups, values as Uint8Array, scales!, zeros!, starts, codes, packed.scales.slice(), packed.zeros.slice(), 300, 100); // prettier-ignore
    expect(fill(packed.starts)).not.toThrow();
    expect(fill(packed.starts.with(1, 0))).toThrow(withCode('ERR_FORMAT'));
    expect(fill(packed.starts.with(1, 2 ** 32 - 1))).toThrow(withCode('ERR_FORMAT'));
    expect(fill(packed.starts, packed.codes.slice(1))).toThrow(withCode('ERR_SHAPE'));
    const wide = groups.with(0, 2 ** 32 - 1);
    expect(() => native.groupPanelFill(indptr, wide, values as Uint8Array, scales!, zeros!, packed.starts, packed.codes.slice(), packed.scales.slice(), packed.zeros.slice(), 300, 100)).toThrow(withCode('ERR_FORMAT')); // prettier-ignore
  });
});

test('weights in shared memory, of which what says where to read is copied', () => {
  const shared = <A extends Uint16Array | Uint32Array | Uint8Array>(
    from: A,
    type: new (b: SharedArrayBuffer) => A,
  ): A => {
    const to = new type(new SharedArrayBuffer(from.byteLength));
    to.set(from);
    return to;
  };
  const [w, x] = [packGroups(pruned(300, 400, 0.5)), f32(3, 400, 2)];
  const there = { ...w, mask: shared(w.mask, Uint16Array), starts: shared(w.starts, Uint32Array) };
  expect(sparseLinear(x, there).data).toEqual(sparseLinear(x, w).data);
  const nm = nmPrune(f32(40, 64, 3), { n: 2, m: 4 });
  const far = { ...nm, offsets: shared(nm.offsets, Uint8Array) };
  expect(sparseLinear(f32(3, 64, 4), far).data).toEqual(sparseLinear(f32(3, 64, 4), nm).data);
});
