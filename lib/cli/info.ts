import Table from 'cli-table3';
import { LapidaryError } from '../core/errors.js';
import type { TuningStatus } from '../core/tuning.js';

const kib = (bytes: number): string => (bytes >= 1 << 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`);

/** A table of names and values without lines. */
export function listing(rows: readonly (readonly [string, string])[]): string {
  const table = new Table({
    chars: {
      ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '' },
      ...{
        'bottom-right': '',
        left: '',
        'left-mid': '',
        mid: '',
        'mid-mid': '',
        right: '',
        'right-mid': '',
        middle: ' ',
      },
    },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** Where the crossover points of the products come from, in a line. */
export function tuningLine({ source, path, reason }: TuningStatus): string {
  if (source === 'file') return `measured here: ${path}`;
  return source === 'ignored' ? `defaults; ${path} is ignored: ${reason}` : 'defaults';
}

/** `lapidary info`: returns the exit status. */
export async function info({ json = false }): Promise<number> {
  // Loaded here and not above: where the addon is missing, the command says so instead of failing at import.
  let core: typeof import('../core/index.js');
  let source: string;
  let tuning: TuningStatus;
  try {
    core = await import('../core/index.js');
    source = (await import('../core/load.js')).addonSource;
    tuning = (await import('../core/tuning.js')).tuningStatus;
  } catch (error) {
    if (!(error instanceof LapidaryError)) throw error;
    console.error(error.message);
    return 1;
  }
  const cpu = core.cpuInfo();
  const facts = {
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    binary: source,
    threads: core.getThreads(),
    tuning,
    ...cpu,
  };
  if (json) {
    console.log(JSON.stringify(facts, null, 2));
    return 0;
  }
  const features = Object.entries(cpu.features).flatMap(([name, present]) => (present ? [name] : []));
  console.log(
    listing([
      ['platform', `${facts.platform}, Node ${facts.node}`],
      ['binary', source],
      ['instruction set', `${cpu.isa} (of ${cpu.supported.join(', ')})`],
      ['features', features.join(' ') || 'none'],
      ['threads', `${facts.threads} (usable CPUs: ${cpu.cpus})`],
      ['tuning', tuningLine(tuning)],
      ['caches', `L1d ${kib(cpu.cacheBytes.l1d)}, L2 ${kib(cpu.cacheBytes.l2)}, L3 ${kib(cpu.cacheBytes.l3)}`],
    ]),
  );
  return 0;
}
