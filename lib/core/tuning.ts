/**
 * The user's table of crossover points (native/gemm/tuning.h), which `lapidary bench --tune` measures and writes. It is
 * read when the package is loaded; a file that does not fit this machine or is malformed changes nothing, and `lapidary
 * info` and `doctor` say why.
 */
import { readFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { join } from 'node:path';
import type { CpuInfo } from './native.js';

/** What native/binding/tuning.cc offers, and the machine it runs on. */
export interface TuningNative {
  cpuInfo(): CpuInfo;
  /** operations, in the order of the cells */
  tuningNames(): string[];
  /** pairs (dots, flat), `cellsPerOperation` for each operation */
  readTuning(out: Uint16Array): void;
  /** null: the defaults again */
  setTuning(values: Uint16Array | null): void;
  /** 1 to the first environment of the process that asks */
  claimTuning(): number;
}

export const cellsPerOperation = 9;
/** Largest `dots` and `flat`; `anyCount` for `dots` stands for any number. */
export const mostFew = 256;
export const anyCount = 65535;

/** The file, which is JSON. */
export interface TuningFile {
  format: 'lapidary-tune-1';
  /** the machine that it was measured on; on another it is ignored */
  cpu: string;
  isa: string;
  cacheBytes: CpuInfo['cacheBytes'];
  /** by operation, `cellsPerOperation` numbers each; an operation that is missing keeps its defaults */
  crossovers: Record<string, { dots: number[]; flat: number[] }>;
}

/** Where the table comes from, for `lapidary info` and `doctor`. */
export interface TuningStatus {
  /** `shared`: another environment of this process has looked for a file */
  source: 'defaults' | 'file' | 'ignored' | 'shared';
  path?: string;
  /** why the file is ignored */
  reason?: string;
}

export let tuningStatus: TuningStatus = { source: 'defaults' };

/** `$LAPIDARY_TUNE` (empty: no file), or lapidary/tune.json in the user's folder for caches. */
export function tuningPath(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env.LAPIDARY_TUNE;
  if (named !== undefined) return named === '' ? undefined : named;
  const { XDG_CACHE_HOME: caches = '' } = env;
  return join(caches === '' ? join(homedir(), '.cache') : caches, 'lapidary', 'tune.json');
}

/** The machine as a file names it. */
export function machineOf(native: TuningNative): Pick<TuningFile, 'cpu' | 'isa' | 'cacheBytes'> {
  const { isa, cacheBytes } = native.cpuInfo();
  return { cpu: cpus()[0]?.model ?? 'unknown', isa, cacheBytes };
}

/** Reads the file, if there is one, into the native table. Never throws: a bad file is a matter for `doctor`. */
export function loadTuning(native: TuningNative): void {
  if (native.claimTuning() === 0) {
    tuningStatus = { source: 'shared' };
    return;
  }
  const path = tuningPath();
  if (path === undefined) return;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || process.env.LAPIDARY_TUNE !== undefined)
      tuningStatus = { source: 'ignored', path, reason: `it cannot be read (${code ?? String(error)})` };
    return;
  }
  const { cells, reason } = parseTuning(text, native);
  if (cells) native.setTuning(cells);
  tuningStatus = reason === undefined ? { source: 'file', path } : { source: 'ignored', path, reason };
}

/** The cells of a file for this machine, or why they cannot be used. */
export function parseTuning(
  text: string,
  native: TuningNative,
): { cells: Uint16Array; reason?: undefined } | { cells?: undefined; reason: string } {
  let file: Partial<TuningFile> | null;
  try {
    file = JSON.parse(text) as Partial<TuningFile> | null;
  } catch {
    return { reason: 'it is not JSON' };
  }
  if (typeof file !== 'object' || file?.format !== 'lapidary-tune-1')
    return { reason: 'it is not a table of `lapidary bench --tune`, or of another version' };
  const here = machineOf(native);
  for (const key of ['cpu', 'isa'] as const)
    if (file[key] !== here[key]) return { reason: `it was measured on another machine (${key} ${String(file[key])})` };
  for (const level of ['l1d', 'l2', 'l3'] as const)
    if (file.cacheBytes?.[level] !== here.cacheBytes[level])
      return { reason: `it was measured on a machine with other caches (${level})` };
  const names = native.tuningNames();
  const cells = new Uint16Array(2 * cellsPerOperation * names.length);
  native.readTuning(cells);
  const given = Object.entries(file.crossovers ?? {}) as [string, Partial<Record<'dots' | 'flat', unknown>> | null][];
  if (given.length === 0) return { reason: 'it has no crossovers' };
  for (const [name, row] of given) {
    const first = 2 * cellsPerOperation * names.indexOf(name);
    if (first < 0) return { reason: `it has an unknown operation '${name}'` };
    for (const [offset, way] of ['dots', 'flat'].entries()) {
      const counts: unknown = row?.[way as 'dots' | 'flat'];
      if (!Array.isArray(counts) || counts.length !== cellsPerOperation)
        return { reason: `'${name}' has no ${cellsPerOperation} numbers ${way}` };
      for (const [i, count] of (counts as unknown[]).entries()) {
        const fits = Number.isInteger(count) && (count as number) >= 0 && (count as number) <= mostFew;
        if (!fits && !(way === 'dots' && count === anyCount))
          return { reason: `'${name}' has a count in ${way} that is no whole number up to ${mostFew}` };
        cells[first + 2 * i + offset] = count as number;
      }
    }
  }
  return { cells };
}
