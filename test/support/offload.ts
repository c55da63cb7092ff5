import { mirror } from '../../dist/offload/mirror.js';
import { Pool } from '../../dist/offload/pool.js';
import type { OffloadOptions } from 'lapidary/offload';

// The worker is plain JavaScript: threads load it without a compiler.
const worker = new URL('./offload-worker.mjs', import.meta.url);
const { odd } = (await import(worker.href)) as { odd: Record<string, unknown> };

type Any = (...args: unknown[]) => Promise<never>;
export interface OddPool {
  odd: Record<string, Any>;
  close(): Promise<void>;
}

/** A pool whose functions are the odd ones of offload-worker.mjs. */
export function oddPool(threads: number, file: URL = worker): OddPool {
  const pool = new Pool(threads, file);
  return { odd: mirror({ odd }, pool.run).odd as Record<string, Any>, close: () => pool.close() };
}

/** What the promise rejected with; fails if it did not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const value = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (value === undefined) throw new Error('it did not reject');
  return value as Error & Record<string, unknown>;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a worker has written `value` to this shared word. */
export async function until(word: Int32Array, value: number): Promise<void> {
  while (Atomics.load(word, 0) !== value) await sleep(1);
}

export const sharedWord = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

export type { OffloadOptions };
