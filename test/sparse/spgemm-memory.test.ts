/** What a product takes beyond its factors and its result, in processes of their own: nothing else has raised their peak. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { root } from '../support/repository.js';

const program = `
  import { readFileSync, writeFileSync } from 'node:fs';
  import { setThreads } from 'lapidary';
  import { spgemm } from 'lapidary/sparse';
  setThreads(Number(process.argv[2]));
  const random = (n, perRow) => {
    const width = n / perRow; // one entry in each so many columns
    const indptr = Uint32Array.from({ length: n + 1 }, (_, i) => i * perRow);
    const draw = (p) => Math.imul(Math.imul(p ^ (p >>> 7), 0x9e3779b1) ^ (p * 31), 0x85ebca6b) >>> 9;
    const indices = Uint32Array.from({ length: n * perRow }, (_, p) => (p % perRow) * width + (draw(p + 1) % width));
    return { rows: n, cols: n, indptr, indices, values: new Float64Array(n * perRow).fill(1) };
  };
  const grid = (k) => {
    const n = k ** 3;
    const [indptr, indices] = [new Uint32Array(n + 1), new Uint32Array(7 * n)];
    let p = 0;
    for (let i = 0; i < n; i++) {
      const inside = [i >= k * k, i % (k * k) >= k, i % k > 0, true, i % k < k - 1, i % (k * k) < k * k - k, i < n - k * k];
      [-k * k, -k, -1, 0, 1, k, k * k].forEach((step, e) => inside[e] && (indices[p++] = i + step));
      indptr[i + 1] = p;
    }
    return { rows: n, cols: n, indptr, indices: indices.subarray(0, p), values: new Float64Array(p).fill(1) };
  };
  const a = { random, grid }[process.argv[3]](...process.argv.slice(4).map(Number));
  const one = { rows: 1, cols: 1, indptr: Uint32Array.of(0, 1), indices: Uint32Array.of(0), values: Float64Array.of(2) };
  spgemm(one, one); // what the first product loads
  await new Promise((done) => setTimeout(done, 50)); // for memory that V8 is about to free
  const peak = () => 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  peak();
  writeFileSync('/proc/self/clear_refs', '5'); // the peak is what there is
  const before = peak();
  const c = spgemm(a, a);
  const grown = peak() - before;
  console.log(JSON.stringify({ grown, result: c.indptr.byteLength + c.indices.byteLength + c.values.byteLength }));
`;

test.skipIf(!existsSync('/proc/self/clear_refs')).each([
  [1, 'random', 4096, 16], // room for all products is in huge pages
  [2, 'random', 4096, 16],
  [2, 'random', 512, 16],
  [1, 'grid', 16], // patterns come again
  [2, 'grid', 16],
  [2, 'grid', 36],
])('beyond factors and result a product takes a quarter of the result: %s thread(s), %s %s', (...of) => {
  // The least of three, since V8 frees when it likes; 256 KiB for code and for what the system counts by and by.
  const over = [1, 2, 3].map(() => {
    const options = ['--input-type=module', '-', ...of.map(String)];
    const ran = spawnSync(process.execPath, options, { cwd: root, encoding: 'utf8', input: program });
    expect(ran.stderr).toBe('');
    const { grown, result } = JSON.parse(ran.stdout) as { grown: number; result: number };
    return grown - 1.25 * result;
  });
  expect(Math.min(...over)).toBeLessThan(2 ** 18);
});
