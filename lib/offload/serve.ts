/** The worker's side: runs one call after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { IterativeOptions, Progress } from '../core/index.js';
import { withCancelFlag } from '../core/cancel.js';
import type { Namespaces } from './mirror.js';
import { sendError, Slot, type ProgressMessage, type Reply, type Step, type Task } from './protocol.js';
import { objectsOf, outOf, packResult } from './values.js';

/** Milliseconds between two reports: a screen's frame. Iterations in between are not reported, save the last. */
const interval = 16;

/** What piscina calls with each task of a pool whose functions are those of `namespaces`. */
export function serve(namespaces: Namespaces): (task: Task) => Promise<unknown> {
  const board = workerData as Int32Array;

  return async (task) => {
    const slot = new Slot(board, task.slot);
    if (!slot.claim()) return {} satisfies Reply;
    try {
      const { args } = task;
      const reporter = task.progress ? new Reporter(task, slot) : undefined;
      if (reporter) (args.at(-1) as IterativeOptions).onProgress = (progress) => reporter.report(progress);
      const call = (namespaces[task.domain] as Record<string, (...args: unknown[]) => unknown>)[task.name]!;
      const value = await withCancelFlag(slot.flag, () => call(...args));
      const out = outOf(args);
      const home = packResult(task.name, out ? { value, out: objectsOf(out) } : { value });
      const reply: Reply = { ...(home.value as Reply), ...(reporter?.last && { last: reporter.last }) };
      return move({ [transferableSymbol]: home.transfer, [valueSymbol]: reply });
    } catch (error) {
      return { error: sendError(error) } satisfies Reply;
    }
  };
}

/** Tells the calling thread how far an iteration is. */
class Reporter {
  last: Step | undefined;
  #time = -Infinity;

  constructor(
    readonly task: Task,
    readonly slot: Slot,
  ) {}

  report(progress: Progress): void {
    this.last = { count: (this.last?.count ?? 0) + 1, progress };
    const now = performance.now();
    if (now - this.#time < interval) return;
    this.#time = now;
    this.slot.reported = this.last.count;
    const { id, slot } = this.task;
    parentPort!.postMessage({ lapidary: 'progress', id, slot, ...this.last } satisfies ProgressMessage);
  }
}
