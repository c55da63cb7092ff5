import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import 'lapidary';
import { root } from '../support/repository.js';

const addonPath = join(root, 'build/Release/lapidary.node');
const node = (program: string, args: string[] = []) =>
  spawnSync(process.execPath, [...args, '--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });

/** Keeps the native side busy for seconds, on both threads of a worker: numbers of a generator. */
const work = `import { philox } from 'lapidary'; const out = new Float64Array(2 ** 20);`;
const forever = `for (let i = 0; ; i++) philox(1).fill(out);`;

function inWorker(code: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads'); import('lapidary').then((lapidary) => { ${code} });`,
      { eval: true },
    );
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

test('denormals survive the addon, in the main thread and in workers', async () => {
  expect(2e-310 * Number('0.5')).not.toBe(0);
  expect(await inWorker(`parentPort.postMessage(2e-310 * Number('0.5'))`)).toBe(1e-310);
});

test('twenty workers load it at once', async () => {
  const all = Array.from({ length: 20 }, () =>
    inWorker(`parentPort.postMessage(lapidary.philox(5).fill(new Float64Array(3))[2])`),
  );
  expect(new Set(await Promise.all(all)).size).toBe(1);
});

test('a second copy of the addon lives beside the first', () => {
  const copy = join(mkdtempSync(join(tmpdir(), 'lapidary-copy-')), 'copy.node');
  copyFileSync(addonPath, copy);
  const program = `
    import { createRequire } from 'node:module';
    import { philox } from 'lapidary';
    const copy = createRequire(import.meta.url)(process.argv[1]);
    const out = new Float64Array(4);
    copy.core.philoxUniform(1, 0, 0, 0, 0, out);
    if (out[3] !== philox(1).uniform(3)) throw new Error('differ');
    try { copy.core.philoxUniform(-1, 0, 0, 0, 0, out); } catch (error) { console.log(error.code); }`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program, '--', copy], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('ERR_RANGE\n');
  expect(status).toBe(0);
});

test('an old copy of the addon can be opened twice under one name', () => {
  const require = createRequire(import.meta.url);
  expect(require(addonPath)).toBe(require(addonPath));
});

describe('the end of the process in the middle of native work', () => {
  const busyWorker = `
    import { Worker } from 'node:worker_threads';
    ${work} philox(1).fill(out);
    const busy = new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(
      `import { parentPort } from 'node:worker_threads';
       const { philox } = await import('LAPIDARY');
       const out = new Float64Array(2 ** 20); parentPort.postMessage(1); ${forever}`,
    )}.replace('LAPIDARY', import.meta.resolve('lapidary')))));
    await new Promise((started) => busy.once('message', started));
    await new Promise((later) => setTimeout(later, 50));
    const begun = performance.now();`;

  test.each([
    ['process.exit', `process.exit(7);`, 7, null],
    ['an uncaught error', `throw new Error('on purpose');`, 1, null],
    [
      'SIGTERM',
      `process.kill(process.pid, 'SIGTERM'); await new Promise(() => setTimeout(() => {}, 1e4));`,
      null,
      'SIGTERM',
    ],
  ])('%s ends it at once', (name, ending, status, signal) => {
    const begun = performance.now();
    const result = node(busyWorker + ending);
    expect([result.status, result.signal], result.stderr).toEqual([status, signal]);
    expect(performance.now() - begun).toBeLessThan(10_000);
    if (name !== 'an uncaught error') expect(result.stderr).toBe('');
  });

  test('worker.terminate returns within moments, again and again', () => {
    const { status, stderr, stdout } = node(`${busyWorker}
      await busy.terminate();
      console.log(performance.now() - begun);
      philox(1).fill(out);`);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(Number(stdout)).toBeLessThan(1000);
  });
});

test('native scratch memory does not grow with calls or workers', async () => {
  const { native } = await import('../../dist/core/native.js');
  await inWorker('parentPort.postMessage(1)');
  const before = native.liveAllocations();
  for (let i = 0; i < 5; i++) await inWorker('parentPort.postMessage(lapidary.cpuInfo().cpus)');
  expect(native.liveAllocations()).toBeLessThanOrEqual(before);
});
