/**
 * Index arrays in shared memory that another thread changes while a call runs. The native side asks for the result's
 * memory in the middle of a call: what is written then stands for what another thread writes.
 */
import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { fromCoo, hadamardProduct, spgemm, spmv, transpose } from 'lapidary/sparse';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/sparse/native.js';
import { operands } from '../../dist/sparse/spgemm-plan.js';
import { native as graph } from '../../dist/graph/native.js';
import { integers, randomCsr, shared } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  core.failAllocation(-1);
});

const inShared = (a: Csr): Csr => ({ ...a, indptr: shared(a.indptr), indices: shared(a.indices) });

test('an array that is given twice is copied once', () => {
  // The first call, on rows of 100 neighbours made by hand: scratch that another call left behind would do.
  const rows = 3000;
  const a = {
    rows,
    cols: rows + 100,
    indptr: shared(Uint32Array.from({ length: rows + 1 }, (_, i) => 100 * i)),
    indices: shared(Uint32Array.from({ length: 100 * rows }, (_, p) => Math.floor(p / 100) + (p % 100))),
    values: new Int32Array(100 * rows).fill(2),
  };
  const other = { ...a, indices: shared(a.indices) };
  const square = () => hadamardProduct(a, a).values.length;
  setThreads(1);
  square();
  square(); // what it takes is there from here on, and no more
  core.failAllocation(0);
  expect(square()).toBe(100 * rows);
  expect(() => hadamardProduct(a, other)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
});

test('arrays that begin at one place and end at others are two', () => {
  // One row of n entries: its pointers 0 and n are its first two columns as well.
  const n = 20000;
  const buffer = new SharedArrayBuffer(4 * n);
  const indices = new Uint32Array(buffer).map((_, p) => (p === 0 ? 0 : n + p - 1));
  new Uint32Array(buffer).set(indices);
  const a = { rows: 1, cols: 2 * n, indptr: new Uint32Array(buffer, 0, 2), indices: new Uint32Array(buffer) };
  const values = integers(n, 1);
  const x = integers(2 * n, 2);
  const alone = { ...a, indptr: Uint32Array.of(0, n), indices, values };
  expect(spmv({ ...a, values }, x)).toEqual(spmv(alone, x));
});

const bytes = (x: Uint32Array | Float64Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);

/** What another thread leaves: every entry in the last column, in rows of other lengths. */
function overwrite({ indptr, indices, cols }: Pick<Csr, 'indptr' | 'indices' | 'cols'>): void {
  indices.fill(cols - 1);
  indptr.fill(indices.length, 1);
}

/** Row i has the columns i … i + 6. */
const band: Csr = {
  rows: 3000,
  cols: 3006,
  indptr: Uint32Array.from({ length: 3001 }, (_, i) => 7 * i),
  indices: Uint32Array.from({ length: 21000 }, (_, p) => Math.floor(p / 7) + (p % 7)),
  values: new Float64Array(21000).fill(2),
};
const thin = randomCsr(4000, 200, 8, 5);
const cases: [string, Csr, Csr, boolean][] = [
  ['at once, in order', randomCsr(3000, 3000, 12, 1), randomCsr(3000, 60000, 12, 2), true],
  ['at once, in no order', randomCsr(3000, 3000, 12, 1), randomCsr(3000, 60000, 12, 2), false],
  ['in two phases', randomCsr(2000, 2000, 40, 3), randomCsr(2000, 2000, 40, 4), true],
  ['of rows that repeat', { ...band, cols: 3006 }, { ...transpose(band), rows: 3006 }, true],
  ['with a narrow factor', randomCsr(3000, 4000, 20, 6), thin, true],
  ['under a mask', randomCsr(2000, 2000, 40, 3), randomCsr(2000, 2000, 40, 4), true],
];

test.each(cases)('a product %s is that of the arrays as they were', (name, a, b, sorted) => {
  const mask = name === 'under a mask' ? randomCsr(a.rows, b.cols, 30, 7) : undefined;
  const expected = spgemm(a, b, { sorted, ...(mask && { mask }) });
  for (const which of ['a', 'b', 'both', 'mask'] as const) {
    const [left, right] = [which === 'a' || which === 'both' ? inShared(a) : a, which === 'b' || which === 'both' ? inShared(b) : b]; // prettier-ignore
    const allowed = mask && which === 'mask' ? inShared(mask) : mask;
    const counts = new Float64Array(7);
    const indptr = new Uint32Array(a.rows + 1);
    let indices = new Uint32Array(0);
    let values = new Float64Array(0);
    const plan = { mask: allowed ?? null, complement: false, accumulator: 'auto' } as const;
    native.spgemm(...operands(left, right, plan, [0, 0]), sorted, indptr, counts, () => {
      for (const m of [left, right, ...(allowed ? [allowed] : [])])
        if (m.indices.buffer instanceof SharedArrayBuffer) overwrite(m);
      indices = new Uint32Array(counts[0]!);
      values = new Float64Array(counts[0]!);
      return [indices, values];
    });
    const nnz = counts[0]!;
    expect(nnz).toBe(expected.indices.length);
    const pairs = [indptr, expected.indptr, indices.subarray(0, nnz), expected.indices, values.subarray(0, nnz), expected.values]; // prettier-ignore
    for (let k = 0; k < pairs.length; k += 2) expect(bytes(pairs[k]!).equals(bytes(pairs[k + 1]!))).toBe(true);
  }
});

test('edges are chosen from the arrays as they were', () => {
  const half = randomCsr(300, 300, 6, 8);
  const a = fromCoo({
    rows: 300,
    cols: 300,
    row: [...half.indices, ...transpose(half).indices],
    col: [...transpose(half).indices, ...half.indices],
    value: new Float64Array(2 * half.indices.length).fill(1),
  });
  const chosen = (of: Csr, meanwhile: () => void) => {
    const rows = new Uint32Array(of.rows + 1);
    let columns = new Uint32Array(0);
    graph.edges(of.rows, of.indptr, of.indices, 1, rows, () => {
      meanwhile();
      return [(columns = new Uint32Array(rows.at(-1)!))];
    });
    return { rows, columns };
  };
  const b = inShared(a);
  expect(chosen(b, () => overwrite(b))).toEqual(chosen(a, () => undefined));
});
