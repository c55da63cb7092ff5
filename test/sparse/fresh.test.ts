/** Results whose memory is not cleared beforehand: kernels write all of them, and nothing of others stands beside them. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const program = `
  import { createHash } from 'node:crypto';
  const { dense, gemm, quant, setThreads, sparse } = await import('./dist/index.js');
  setThreads(2);
  const numbers = (length, of, type = Uint32Array) => {
    const array = new type(length);
    for (let i = 0; i < length; i++) array[i] = of(i);
    return array;
  };
  const whole = (length, type = Float64Array) => numbers(length, (i) => (i * 7919) % 17 - 8, type);
  // every third row is empty
  const random = (rows, cols, perRow, salt) => {
    const [row, col, value] = [Uint32Array, Uint32Array, Float64Array].map((type) => new type(rows * perRow));
    let n = 0;
    for (let i = 0; i < rows; i++)
      for (let e = 0; i % 3 && cols && e < perRow; e++, n++) {
        row[n] = i;
        col[n] = (i * 31 + e * e * salt + e) % cols;
        value[n] = 1 + (i + e) % 5;
      }
    return sparse.fromCoo({ rows, cols, row: row.slice(0, n), col: col.slice(0, n), value: value.slice(0, n) });
  };
  const tall = random(1_200_000, 50, 2, 7);
  const wide = sparse.transpose(tall);
  const empty = { ...random(200_000, 0, 0, 1) };
  const square = random(40_000, 40_000, 12, 7919);
  const panel = dense(50, 3, whole(150));
  const results = {
    spmv: () => [sparse.spmv(tall, whole(50))],
    spmvTransposed: () => [sparse.spmv(wide, whole(50), { transpose: true })],
    spmvNoColumns: () => [sparse.spmv(empty, whole(0))],
    spmvBatch: () => [sparse.spmv(tall, whole(100), { batch: 2 })],
    spmvFloat: () => [sparse.spmv({ ...tall, values: whole(tall.values.length, Float32Array) }, whole(50, Float32Array))],
    spmm: () => [sparse.spmm(tall, panel).data],
    spmmTransposedA: () => [sparse.spmm(wide, panel, { transposeA: true }).data],
    spmmTransposedB: () => [sparse.spmm(tall, dense(3, 50, whole(150)), { transposeB: true }).data],
    sddmm: () => [sparse.sddmm(tall, dense(1_200_000, 0, whole(0)), dense(50, 0, whole(0))).values],
    scale: () => [sparse.scale(tall, { factor: 3 }).values],
    spgemm: () => Object.values(sparse.spgemm(square, square)),
    spgemmUnsorted: () => Object.values(sparse.spgemm(square, square, { sorted: false })),
    spgemmMasked: () => Object.values(sparse.spgemm(square, square, { mask: sparse.add(square, sparse.spgemm(square, square)) })),
    spgemmNarrow: () => Object.values(sparse.spgemm(sparse.transpose(wide), random(50, 400, 9, 3))),
    add: () => Object.values(sparse.add(square, sparse.transpose(square))),
    extract: () => Object.values(sparse.extract(tall, { rows: numbers(900_000, (i) => i + 1) })),
    fromCoo: () => {
      const n = 1_000_000;
      const row = numbers(n, (i) => i % (n - n / 10));
      return Object.values(sparse.fromCoo({ rows: n, cols: 2, row, col: new Uint32Array(n).fill(1), value: whole(n) }));
    },
    packBytes: () => [gemm.packWeights(dense(3001, 2999, whole(3001 * 2999, Int8Array))).packed],
    packTernary: () => [gemm.packWeights(quant.quantize(dense(3001, 2999, whole(3001 * 2999, Float32Array)), { format: 'ternary' })).packed],
    packLookups: () => [gemm.packWeights(quant.quantize(dense(3001, 2999, whole(3001 * 2999, Float32Array)), { format: 'int2', groupSize: 64 })).packed],
  };
  const seen = {};
  for (const [name, result] of Object.entries(results)) {
    const hash = createHash('sha1');
    let beside = 0;
    for (const array of result().filter(ArrayBuffer.isView)) {
      const [begin, end] = [array.byteOffset, array.byteOffset + array.byteLength];
      const bytes = new Uint8Array(array.buffer);
      hash.update(bytes.subarray(begin, end));
      for (const rest of [bytes.subarray(0, begin), bytes.subarray(end)]) {
        beside += rest.length;
        if (!Buffer.alloc(rest.length).equals(rest)) console.error(name + ': ' + rest.length + ' bytes beside a result are not zeros');
      }
    }
    seen[name] = { sha1: hash.digest('hex'), beside };
  }
  console.log(JSON.stringify(seen));`;

// glibc fills what malloc gives with the complement of this byte; elsewhere the runs differ by chance only
const run = (perturb: string): Record<string, { sha1: string; beside: number }> => {
  const env = { ...process.env, MALLOC_PERTURB_: perturb };
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env });
  expect(child.stderr).toBe('');
  return JSON.parse(child.stdout) as Record<string, { sha1: string; beside: number }>;
};

it('results do not depend on what was in their memory, and lie in cleared memory', () => {
  const [one, other] = [run('165'), run('90')];
  for (const name of Object.keys(one))
    expect({ name, sha1: one[name]!.sha1 }).toEqual({ name, sha1: other[name]!.sha1 });
  // or the test is about nothing
  for (const name of ['spmv', 'spmm', 'scale', 'spgemm', 'spgemmMasked', 'fromCoo'])
    expect({ name, beside: one[name]!.beside > 0 }).toEqual({ name, beside: true });
});
