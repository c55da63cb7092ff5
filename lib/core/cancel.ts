/**
 * The flag that stops work in this thread. It lies in shared memory: the thread that offloaded a call raises it, kernels
 * look at it between blocks and iterations between steps.
 */
import { native } from './native.js';

const abort = 1;
const stop = 2;

let current: Int32Array | undefined;

/** Raises `flag` so that the call which watches it throws ERR_ABORTED. */
export const raiseAbort = (flag: Int32Array): void => void Atomics.store(flag, 0, abort);

/** Raises `flag` so that an iteration which watches it ends early, as when `onProgress` returns false. */
export const raiseStop = (flag: Int32Array): void => void Atomics.compareExchange(flag, 0, 0, stop);

/** Runs `call` with this flag watched by kernels and iterations of this thread. */
export function withCancelFlag<T>(flag: Int32Array, call: () => T): T {
  current = flag;
  native.setCancelFlag(flag);
  try {
    return call();
  } finally {
    current = undefined;
    native.setCancelFlag(null);
  }
}

/** What the flag of the running call says. */
export function cancelState(): 'run' | 'abort' | 'stop' {
  if (!current) return 'run';
  const value = Atomics.load(current, 0);
  return value === abort ? 'abort' : value === stop ? 'stop' : 'run';
}
