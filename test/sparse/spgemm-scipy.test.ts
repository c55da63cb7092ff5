import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Csr } from 'lapidary';
import { spgemm } from 'lapidary/sparse';
import { randomCsr } from '../support/sparse.js';

// Products too large for the dense oracle, against SciPy where there is one: whole numbers, so that its sums, which it
// adds in another order, are the same. None is negative: SciPy may or may not keep entries that cancel.
const program = `
import sys, json, numpy as np, scipy.sparse as sp
task = json.load(open('task.json'))
def read(name):
    m = task[name]
    parts = (np.fromfile(f'{name}.values', task['type']), np.fromfile(f'{name}.indices', 'u4'), np.fromfile(f'{name}.indptr', 'u4'))
    return sp.csr_matrix(parts, shape=(m['rows'], m['cols']))
c = read('a') @ read('b')
c.sort_indices()
c.indptr.astype('u4').tofile('c.indptr'); c.indices.astype('u4').tofile('c.indices'); c.data.tofile('c.values')
`;
const there = spawnSync('python3', ['-c', 'import scipy.sparse']).status === 0;
const parts = ['indptr', 'indices', 'values'] as const;

function inScipy(a: Csr, b: Csr, type: string): Buffer[] {
  const folder = mkdtempSync(join(tmpdir(), 'lapidary-scipy-'));
  try {
    const factors = { a, b };
    for (const [name, m] of Object.entries(factors))
      for (const part of parts) writeFileSync(join(folder, `${name}.${part}`), m[part]);
    const shape = ({ rows, cols }: Csr) => ({ rows, cols });
    writeFileSync(join(folder, 'task.json'), JSON.stringify({ type, a: shape(a), b: shape(b) }));
    const { status, stderr } = spawnSync('python3', ['-c', program], { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return parts.map((part) => readFileSync(join(folder, `c.${part}`)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rows of very unlike lengths: a few with hundreds of entries, many with some. */
const skewed = (rows: number, cols: number, seed: number): Csr => {
  const [long, short] = [randomCsr(rows / 50, cols, 400, seed), randomCsr(rows - rows / 50, cols, 8, seed + 1)];
  const indptr = new Uint32Array(rows + 1);
  indptr.set(long.indptr);
  for (let i = 0; i <= short.rows; i++) indptr[long.rows + i] = long.indices.length + short.indptr[i]!;
  const joined = [...long.indices, ...short.indices];
  return { rows, cols, indptr, indices: Uint32Array.from(joined), values: new Float64Array(joined.length) };
};

test.skipIf(!there).each([
  ['hardly any two products meet', randomCsr(8000, 8000, 12, 1), randomCsr(8000, 8000, 12, 2)],
  ['hubs', skewed(4000, 4000, 3), skewed(4000, 4000, 5)],
  ['a narrow factor', skewed(6000, 5000, 7), randomCsr(5000, 100, 9, 8)],
  ['crowded rows', randomCsr(700, 900, 200, 9), randomCsr(900, 1500, 150, 10)],
  ['very many columns', randomCsr(2000, 3000, 15, 11), randomCsr(3000, 40_000_000, 15, 12)],
])('as in SciPy: %s', (_, x, y) => {
  for (const [name, type] of [
    ['f8', Float64Array],
    ['f4', Float32Array],
    ['i4', Int32Array],
  ] as const) {
    const numbers = (m: Csr, step: number) => Float64Array.from(m.indices, (j, p) => 1 + ((j + step * p) % 9));
    const whole = (m: Csr, step: number) => ({ ...m, values: type.from(numbers(m, step)) }) as Csr;
    const [a, b] = [whole(x, 3), whole(y, 5)];
    const c = spgemm(a, b);
    inScipy(a, b, name).forEach((expected, part) => {
      const { buffer, byteOffset, byteLength } = c[parts[part]!];
      expect(Buffer.compare(Buffer.from(buffer, byteOffset, byteLength), expected), parts[part]).toBe(0);
    });
  }
});
