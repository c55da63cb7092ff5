import { native, type CpuInfo } from './native.js';
import { where } from './validate.js';

export type { CpuInfo };

/**
 * The processor's instruction sets, caches and usable CPUs, and the instruction set lapidary runs.
 *
 * @example cpuInfo().supported[0] // 'portable'
 */
export function cpuInfo(): CpuInfo {
  return native.cpuInfo();
}

/**
 * Sets how many threads one call may use, the calling one included; for the whole process, worker threads too. The
 * default is the number of CPUs the process may use. Results never depend on it.
 *
 * @param n from 1 to 256
 * @throws LapidaryError ERR_RANGE
 * @example setThreads(1)
 */
export function setThreads(n: number): void {
  native.setThreads(where('setThreads').integer('n', n, { min: 1, max: 256 }));
}

/**
 * The number of threads one call may use.
 *
 * @example getThreads() >= 1 // true
 */
export function getThreads(): number {
  return native.getThreads();
}
