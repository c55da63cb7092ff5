/**
 * npm run bench -- <filter> [--json] [--quick]
 *
 * Runs the rows whose label (`gemm/matmul f32 512×512×512`) matches the filter; see bench/README.md.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { cpuInfo } from 'lapidary';
import { endPrograms } from './harness/programs.js';
import { allRight, table } from './harness/report.js';
import type { Outcome, Row } from './harness/row.js';
import { fullPlan, quickPlan, runRow } from './harness/run.js';
import { addGrowth, benchFiles, labelOf, matcher, publishedFor, rowsOf, type BenchFile } from './harness/select.js';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
  });
  const files = benchFiles();
  const filter = positionals.join(' ');
  if (!filter && !values.quick) return explain(files, 'which rows? `npm run bench -- .` runs all');

  const matches = matcher(filter);
  const chosen: { file: BenchFile; rows: Row[] }[] = [];
  for (const file of files) {
    const rows = (await rowsOf(file, values.quick)).filter((row) => matches(labelOf(file.operation, row)));
    if (rows.length > 0) chosen.push({ file, rows });
  }
  if (chosen.length === 0) return explain(files, `nothing matches '${filter}'`);

  const outcomes: Outcome[] = [];
  for (const { file, rows } of chosen) {
    const done = await runFile(file, rows, values.quick);
    outcomes.push(...done);
    if (!values.json) console.log(`\n${table(done)}`);
  }
  if (values.json)
    console.log(JSON.stringify({ schema: 1, quick: values.quick, machine: machine(), rows: outcomes }, null, 2));
  return allRight(outcomes) ? 0 : 1;
}

async function runFile({ operation }: BenchFile, rows: readonly Row[], quick: boolean): Promise<Outcome[]> {
  const done: { row: Row; outcome: Outcome }[] = [];
  const { cpus: usable } = cpuInfo();
  try {
    for (const row of rows)
      for (const threads of (row.threads ?? [1, 2]).filter((count) => count <= usable)) {
        progress(`${labelOf(operation, row)}, ${threads} thread(s)`);
        const outcome = await runRow(operation, row, threads, quick ? quickPlan : fullPlan);
        const published = publishedFor(operation, row.published);
        if (published.length > 0) outcome.published = published;
        done.push({ row, outcome });
      }
  } finally {
    progress('');
    await endPrograms();
  }
  if (!quick) addGrowth(done);
  return done.map(({ outcome }) => outcome);
}

/** The line at the bottom of a terminal that says what is being measured. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function machine() {
  const { isa, cpus: usable, cacheBytes } = cpuInfo();
  return { cpu: cpus()[0]?.model ?? 'unknown', cpus: usable, isa, cacheBytes, node: process.version };
}

function explain(files: readonly BenchFile[], problem: string): number {
  const list = files.map(({ operation }) => `  ${operation}`).join('\n');
  console.error(`bench: ${problem}\n\nThere are:\n${list}\n\nnpm run bench -- <filter> [--json] [--quick]`);
  return 2;
}

main().then(
  (code) => (process.exitCode = code),
  async (error: unknown) => {
    await endPrograms();
    console.error(error);
    process.exitCode = 1;
  },
);
