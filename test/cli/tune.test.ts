import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { bench } from '../../dist/cli/tune.js';
import { native } from '../../dist/core/native.js';
import { parseTuning } from '../../dist/core/tuning.js';
import { root } from '../support/repository.js';

afterEach(() => void vi.restoreAllMocks());
const plan = { sides: [8, 9, 10], counts: [1, 2], seconds: 0 };
const spoken = () => ({
  out: vi.spyOn(console, 'log').mockReturnValue(),
  err: vi.spyOn(console, 'error').mockReturnValue(),
});
const folder = () => mkdtempSync(join(tmpdir(), 'lapidary-bench-'));

test('bench --tune writes a table that processes take from then on', async () => {
  const say = spoken();
  const path = join(folder(), 'deep', 'tune.json');
  expect(await bench({ tune: true, out: path }, plan)).toBe(0);
  expect(say.out.mock.lastCall).toEqual([expect.stringContaining(`Written to ${path}`)]);
  expect(readdirSync(join(path, '..'))).toEqual(['tune.json']);
  expect(parseTuning(readFileSync(path, 'utf8'), native).reason).toBeUndefined();
  const info = spawnSync(process.execPath, [join(root, 'dist/cli.js'), 'info'], {
    encoding: 'utf8',
    env: { ...process.env, LAPIDARY_TUNE: path },
  });
  expect(info.stdout).toMatch(`measured here: ${path}`);
});

test('without --tune it writes nothing', async () => {
  const say = spoken();
  const path = join(folder(), 'tune.json');
  expect(await bench({ out: path }, plan)).toBe(0);
  expect(say.out.mock.lastCall).toEqual([expect.stringContaining('packed4 short, 10 × 10')]);
  expect(existsSync(path)).toBe(false);
});

test('a run that ends early leaves nothing behind', async () => {
  spoken();
  const place = folder();
  const interrupted = new Proxy(plan, { get: () => { throw new Error('interrupted'); } }); // prettier-ignore
  await expect(bench({ tune: true, out: join(place, 'tune.json') }, interrupted)).rejects.toThrow('interrupted');
  expect(readdirSync(place)).toEqual([]);
});

test('a place that cannot be written to is said before measuring, and a table that is there stays', async () => {
  const say = spoken();
  const file = join(folder(), 'file');
  writeFileSync(file, 'mine');
  const untouched = new Proxy(plan, { get: () => expect.unreachable('measured in vain') });
  for (const under of [file, join(file, 'folder'), '/proc/lapidary/folder']) {
    expect(await bench({ tune: true, out: join(under, 'tune.json') }, untouched)).toBe(1);
    expect(say.err.mock.lastCall).toEqual([expect.stringMatching(/tune\.json cannot be written: /)]);
  }
  expect(readFileSync(file, 'utf8')).toBe('mine');
  const empty = folder();
  expect(await bench({ tune: true, out: empty }, untouched)).toBe(1);
  expect(say.err.mock.lastCall).toEqual([expect.stringMatching(/cannot be written: it is a directory/)]);
  expect(existsSync(`${empty}.new`)).toBe(false);
});
