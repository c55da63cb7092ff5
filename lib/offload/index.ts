/** lapidary/offload: any function of the package on worker threads. */
import * as lapidary from '../index.js';
import { cpuInfo } from '../core/cpu.js';
import { where } from '../core/validate.js';
import { mirror, type Domains } from './mirror.js';
import { Pool } from './pool.js';

export type { Domains, Mirror, Offloaded, OffloadOptions } from './mirror.js';
export { shared } from './values.js';

export interface PoolOptions {
  /** worker threads, from 1 to 256; the default is the number of CPUs the process may use */
  threads?: number;
}

/** The domains of the root package, every function returning a promise. */
export interface OffloadPool extends Domains {
  /**
   * Waits for the calls made so far, running and queued, then ends the threads. Later calls reject with ERR_WORKER. To
   * end sooner, abort the calls.
   */
  close(): Promise<void>;
  /** `await using pool = offload()` closes the pool at the end of its block */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Worker threads that run the functions of the package: `pool.sparse.spgemm(a, b, { signal })` is a promise of what
 * `sparse.spgemm(a, b)` returns, or of the error it throws.
 *
 * Arguments are copied when the call is made; arrays in shared memory ({@link shared}) are used where they lie, and
 * `move: true` gives the others away. Results are transferred. `signal` aborts a call, running ones within milliseconds;
 * `onProgress` of iterations is called on this thread. Threads start with the first calls that need them and keep no
 * process alive.
 *
 * @throws LapidaryError ERR_RANGE, ERR_DTYPE, ERR_OPTION
 * @example
 * const pool = offload({ threads: 1 });
 * const { data } = await pool.gemm.matmul(identity(2), dense(2, 1, Float64Array.of(3, 4)));
 * await pool.close();
 * data // 3, 4
 */
export function offload(options: PoolOptions = {}): OffloadPool {
  const at = where('offload');
  const { threads = cpuInfo().cpus } = at.options(options, ['threads']);
  const pool = new Pool(
    at.integer('options.threads', threads, { min: 1, max: 256 }),
    new URL('./worker.js', import.meta.url),
  );
  const close = () => pool.close();
  const domains = mirror(lapidary, pool.run) as unknown as Domains;
  return Object.freeze({ ...domains, close, [Symbol.asyncDispose]: close });
}
