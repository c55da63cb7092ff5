import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../bench/harness/row.js';
import { addGrowth, benchFiles, labelOf, matcher, publishedFor, rowsOf } from '../../bench/harness/select.js';
import { rowWith } from './support.js';

const root = new URL('../../', import.meta.url);

describe('filter', () => {
  const label = labelOf('special/logBesselI', { dtype: 'f64', shape: 'large: v, x in [100, 1000]' });
  test.each(['logbesseli', 'special', 'special/.*f64', 'LARGE', 'x in [100, 1000]', '.'])('%s matches', (filter) =>
    expect(matcher(filter)(label)).toBe(true),
  );
  test.each(['logBesselK', 'f32', '^large', '[1, '])('%s does not match', (filter) =>
    expect(matcher(filter)('gemm/matmul f64 8×8')).toBe(false),
  );
});

test('every bench file gives rows, few when quick, and names figures that are there', async () => {
  const files = benchFiles();
  expect(files.length).toBeGreaterThan(10);
  for (const file of files) {
    const [quick, full] = [await rowsOf(file, true), await rowsOf(file, false)];
    expect(quick.length, file.operation).toBeGreaterThan(0);
    expect(full.length, file.operation).toBeGreaterThanOrEqual(quick.length);
    const labels = full.map((row) => labelOf(file.operation, row));
    expect(new Set(labels).size, `${file.operation} has two rows with one label`).toBe(labels.length);
    for (const row of full) publishedFor(file.operation, row.published);
  }
});

test('published figures have a value, a unit and a source', () => {
  for (const name of readdirSync(new URL('bench/reference/', root))) {
    const figures = JSON.parse(readFileSync(new URL(`bench/reference/${name}`, root), 'utf8')) as object;
    for (const figure of Object.values(figures) as unknown[])
      expect(figure).toEqual({
        what: expect.any(String),
        value: expect.any(Number),
        unit: expect.any(String),
        source: expect.stringMatching(/\d{4}/),
      });
  }
  expect(() => publishedFor('softmax/softmax', ['no such figure'])).toThrow(/no figure/);
});

test('growth compares with the next smaller size of the same series only', () => {
  const entry = (size: number, family: string, threads: number, median: number) => ({
    row: rowWith([], { size, family }),
    outcome: { operation: 'a/b', threads, time: { median, q1: 0, q3: 0, slices: 1 } } as Outcome,
  });
  const entries = [entry(4, 'x', 1, 8), entry(2, 'x', 1, 1), entry(3, 'y', 1, 5), entry(2, 'x', 2, 4), entry(8, 'x', 1, 16)]; // prettier-ignore
  addGrowth(entries);
  expect(entries.map(({ outcome }) => outcome.growth)).toEqual([
    { from: 2, factor: 8, exponent: 3 },
    undefined,
    undefined,
    undefined,
    { from: 4, factor: 2, exponent: 1 },
  ]);
});

test('an unknown filter says what exists', () => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'bench/main.ts', 'no such row'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(run.status).toBe(2);
  expect(run.stderr).toContain("nothing matches 'no such row'");
  for (const { operation } of benchFiles()) expect(run.stderr).toContain(operation);
});
