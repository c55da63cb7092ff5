/** The benches run, and what --json prints is what bench/README.md says. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Outcome } from '../../bench/harness/row.js';
import { benchFiles } from '../../bench/harness/select.js';

const root = new URL('../../', import.meta.url);

test('--quick --json runs every bench and prints documented rows', () => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'bench/main.ts', '--quick', '--json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  expect(run.stderr).not.toMatch(/Error/);
  const { schema, quick, machine, rows } = JSON.parse(run.stdout) as {
    schema: number;
    quick: boolean;
    machine: object;
    rows: Outcome[];
  };
  expect({ schema, quick }).toEqual({ schema: 1, quick: true });
  expect(Object.keys(machine)).toEqual(['cpu', 'cpus', 'isa', 'cacheBytes', 'node']);
  expect([...new Set(rows.map(({ operation }) => operation))]).toEqual(benchFiles().map(({ operation }) => operation));

  const documented = readFileSync(new URL('bench/README.md', root), 'utf8').split('## JSON')[1]!;
  for (const row of rows) {
    expect(row.time.median).toBeGreaterThan(0);
    for (const peer of row.peers) {
      expect(peer.status, `${row.operation} ${row.shape} ${peer.name}: ${peer.reason ?? ''}`).not.toBe('wrong');
      if (peer.status === 'missing') expect(peer.reason).toMatch(/; /);
      else expect(peer.ratio).toBeGreaterThan(0);
    }
    const fields = [row, row.time, row.roof ?? {}, ...row.peers, ...(row.published ?? [])].flatMap((part) => Object.keys(part)); // prettier-ignore
    for (const field of fields) expect(documented, field).toContain(`\`${field}\``);
  }
  expect(run.status).toBe(0);
}, 180_000); // a minute where every peer is installed
