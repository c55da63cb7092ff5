import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/repository.js';

interface Report {
  made: number;
  failures: string[];
  unreached: string[];
}

/**
 * Runs a battery in a process of its own, so that a crash or a hang is a failed test that names the call. It prints to a
 * file: a pipe of a busy parent fills up and then refuses.
 */
function battery(script: string): Report {
  const path = join(mkdtempSync(join(tmpdir(), 'lapidary-battery-')), 'calls.txt');
  const file = openSync(path, 'w');
  const { stderr, status, signal } = spawnSync(process.execPath, ['--import', 'tsx', `test/binding/${script}`], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', file, 'pipe'],
    timeout: 150_000,
    killSignal: 'SIGKILL',
  });
  closeSync(file);
  const last = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1);
  if (status !== 0)
    throw new Error(`ended with ${status ?? signal}; the last call was ${last}\n${stderr.slice(-2000)}`);
  return JSON.parse(last!) as Report;
}

test('the addon refuses hostile arguments, whatever they are', { timeout: 160_000 }, () => {
  const { made, failures } = battery('hostile-native.ts');
  expect(failures).toEqual([]);
  expect(made).toBeGreaterThan(500);
});

test('public functions answer hostile arguments with a LapidaryError or a result', { timeout: 160_000 }, () => {
  const { made, failures, unreached } = battery('hostile-public.ts');
  expect(failures).toEqual([]);
  expect(made).toBeGreaterThan(100);
  expect(unreached, 'functions that no example calls').toEqual([]);
});
