import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { digits, purity } from '../../examples/digits/digits.js';

test('the digits are 28 × 28 pixels from 0 to 1, in order', () => {
  const { x, labels } = digits(20);
  expect([x.rows, x.cols]).toEqual([200, 784]);
  expect(labels.every((label, i) => label === Math.floor(i / 20))).toBe(true);
  expect(x.data.every((grey) => grey >= 0 && grey <= 1)).toBe(true);
});

test('purity counts the most frequent digit of each cluster', () => {
  expect(purity(Uint32Array.of(0, 0, 0, 2, 2), Uint8Array.of(7, 7, 1, 3, 4))).toBe(3 / 5);
});

test('the example shows ten clusters', { timeout: 60_000 }, () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'examples/digits/main.ts'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).not.toMatch(/Error/);
  expect(status).toBe(0);
  expect(stdout.match(/^ *\d+ {2}0\.\d{3}/gm)).toHaveLength(10);
  expect(Number(/purity (0\.\d+)/.exec(stdout)?.[1])).toBeGreaterThan(0.5);
});
