import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { cpuInfo, getThreads, setThreads } from 'lapidary';

const cpus = getThreads();
afterEach(() => setThreads(cpus));

test('the widest supported instruction set is in use', () => {
  const { isa, supported, cpus, cacheBytes } = cpuInfo();
  expect(supported[0]).toBe('portable');
  expect(supported.at(-1)).toBe(isa);
  expect(cpus).toBeGreaterThanOrEqual(1);
  expect(cacheBytes.l1d).toBeGreaterThanOrEqual(8 << 10);
});

test('threads: default, bounds, process-wide', async () => {
  expect(cpus).toBe(cpuInfo().cpus);
  setThreads(3);
  expect(getThreads()).toBe(3);
  for (const n of [0, -1, 257, 1.5, NaN])
    expect(() => setThreads(n)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  expect(getThreads()).toBe(3);
  const seen = await new Promise((resolve) => {
    const script = `import('lapidary').then((l) => require('node:worker_threads').parentPort.postMessage(l.getThreads()))`;
    new Worker(script, { eval: true }).on('message', resolve);
  });
  expect(seen).toBe(3);
});

test('the CPU affinity of the process is respected', () => {
  const run = spawnSync('taskset', ['-c', '0', process.execPath, '-p', `require('lapidary').getThreads()`], {
    encoding: 'utf8',
  });
  if (run.error) return void expect((run.error as NodeJS.ErrnoException).code).toBe('ENOENT'); // no taskset on this system
  expect(run.stdout.trim()).toBe('1');
});

test('LAPIDARY_ISA lowers, never raises, and ignores nonsense', () => {
  const isaWith = (value: string): string =>
    spawnSync(process.execPath, ['-p', `require('lapidary').cpuInfo().isa`], {
      encoding: 'utf8',
      env: { ...process.env, LAPIDARY_ISA: value },
    }).stdout.trim();
  const { supported, isa } = cpuInfo();
  for (const name of supported) expect(isaWith(name)).toBe(name);
  expect(isaWith(supported.includes('neon') ? 'avx2' : 'neon')).toBe(isa);
  expect(isaWith('AVX-9000')).toBe(isa);
});
