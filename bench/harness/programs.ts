/** The programs of bench/CMakeLists.txt, built on demand, and the processes that run for a row. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { External } from './external.js';
import { MissingPeer } from './row.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const build = `${root}build/bench`;

let built: string | undefined;

/** Builds what can be built; gives the compiler's complaint, or nothing. CMake does it again only where sources changed. */
function buildPrograms(): string {
  if (built !== undefined) return built;
  for (const args of [
    ['-S', `${root}bench`, '-B', build],
    ['--build', build],
  ]) {
    const run = spawnSync('cmake', args, { encoding: 'utf8' });
    if (run.status !== 0) return (built = `${run.error?.message ?? ''}${run.stderr ?? ''}`.trim().split('\n').at(-1)!);
  }
  return (built = '');
}

/** The path of a built program. */
function program(name: string, how: string): string {
  const complaint = buildPrograms();
  const path = `${build}/${name}`;
  if (complaint)
    throw new MissingPeer(`bench/CMakeLists.txt does not build (${complaint})`, 'install cmake and a compiler');
  if (!existsSync(path)) throw new MissingPeer(`${name} is not on this machine`, how);
  return path;
}

const running = new Map<string, Promise<External>>();

/** The process for this program, thread count and kind of task; one that runs already is used again. */
function processFor(key: string, start: () => Promise<External>): Promise<External> {
  let found = running.get(key);
  if (!found) running.set(key, (found = start()));
  return found;
}

/** Ends all of them; called when a bench file is done, since they hold its data. */
export async function endPrograms(): Promise<void> {
  for (const external of running.values()) (await external.catch(() => undefined))?.end();
  running.clear();
}

export function openblasProcess(operation: string, threads: number): Promise<External> {
  const path = program('openblas', 'apt-get install libopenblas-dev');
  return processFor(`openblas ${operation} ${threads}`, () => External.start(path, [], threads));
}

export function besselProcess(library: 'boost' | 'std', operation: string): Promise<External> {
  const how = library === 'boost' ? 'apt-get install libboost-math-dev' : 'install cmake and a C++ compiler';
  const path = program(`bessel_${library}`, how);
  return processFor(`bessel ${library} ${operation}`, () => External.start(path, [], 1));
}

export function scipyProcess(operation: string, threads: number): Promise<External> {
  const script = `${root}bench/peers/scipy_peer.py`;
  return processFor(`scipy ${operation} ${threads}`, async () => {
    try {
      return await External.start('python3', [script], threads);
    } catch (error) {
      const reason = (error as Error).message.split('\n')[0]!;
      throw new MissingPeer(reason, 'python3 -m pip install scipy (1.11 or later)');
    }
  });
}

export function roofProcess(task: string, threads: number): Promise<External> {
  const path = program('roof', 'install cmake and a C++ compiler');
  return processFor(`roof ${task} ${threads}`, () => External.start(path, [], threads));
}
