import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LapidaryError } from '../core/errors.js';
import { listing, tuningLine } from './info.js';
import { missingTools } from './tools.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

function libc(): string {
  if (process.platform !== 'linux') return 'not Linux';
  const report = process.report as unknown as {
    excludeNetwork: boolean;
    getReport(): { header: { glibcVersionRuntime?: string } };
  };
  report.excludeNetwork = true;
  const { glibcVersionRuntime } = report.getReport().header;
  return glibcVersionRuntime ? `glibc ${glibcVersionRuntime}` : 'musl';
}

/** `lapidary doctor`: returns the exit status, 0 if the addon loads and computes. */
export async function doctor(): Promise<number> {
  const ownBuild = existsSync(`${root}build/Release/lapidary.node`);
  const rows: [string, string][] = [
    ['platform', `${process.platform}-${process.arch}, ${libc()}`],
    ['Node', process.version],
    ['package', root],
    ['own build', ownBuild ? 'there (build/Release/lapidary.node), preferred when it loads' : 'none'],
  ];
  let problem = '';
  try {
    const { addonSource } = await import('../core/load.js');
    const { tuningStatus } = await import('../core/tuning.js');
    const { cpuInfo, getThreads, philox } = await import('../core/index.js');
    const { isa, supported, cpus } = cpuInfo();
    const widest = supported.at(-1);
    const lowered = isa === widest ? '' : `, lowered from ${widest} by LAPIDARY_ISA=${process.env.LAPIDARY_ISA}`;
    rows.push(['loaded', addonSource]);
    rows.push(['instruction set', isa + lowered]);
    rows.push(['tuning', tuningLine(tuningStatus)]);
    rows.push(['threads', `${getThreads()} of ${cpus} usable CPUs`]);
    const generator = philox(1);
    if (generator.fill(new Float64Array(1))[0] !== generator.uniform(0)) problem = 'the addon computes wrong numbers';
    if (2e-310 * Number('0.5') === 0) problem = 'something in this process flushes small numbers to zero';
  } catch (error) {
    if (!(error instanceof LapidaryError)) throw error;
    rows.push(['loaded', 'nothing']);
    problem = error.message;
  }
  const missing = missingTools();
  rows.push(['to build here', missing.length === 0 ? 'everything is there' : `missing: ${missing.join('; ')}`]);
  console.log(listing(rows));
  console.log(problem ? `\nProblem: ${problem}` : '\nAll is well.');
  return problem ? 1 : 0;
}
