/** Worker threads, a queue of calls, and what happens when one or the other ends early. */
import { Piscina } from 'piscina';
import { raiseAbort } from '../core/cancel.js';
import { LapidaryError } from '../core/errors.js';
import { Call } from './call.js';
import { Slot, type ProgressMessage, type Reply, type Task } from './protocol.js';

/** Boards of the pools that are open: a worker in the middle of a long kernel would hold up the end of the process. */
const boards = new Set<Slot[]>();
function stopAll(): void {
  for (const slots of boards) for (const slot of slots) raiseAbort(slot.flag);
}

function workerError(name: string, expected: string, got: string, cause?: unknown): LapidaryError {
  return new LapidaryError('ERR_WORKER', { function: name, expected, got }, cause === undefined ? {} : { cause });
}

/**
 * Hands calls to workers, one to each, oldest first. The queue is ours and not piscina's, because a call that waits here
 * can be taken back without a trace; piscina starts the threads, carries the messages, and notices when a thread dies.
 */
export class Pool {
  readonly #worker: URL;
  readonly #board: Int32Array;
  readonly #slots: Slot[];
  readonly #free: number[];
  readonly #queue = new Set<Call>();
  readonly #out = new Map<number, Call>();
  #piscina: Piscina<Task, Reply> | undefined;
  #lastError: unknown;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(threads: number, worker: URL) {
    this.#worker = worker;
    this.#board = new Int32Array(new SharedArrayBuffer(threads * Slot.words * Int32Array.BYTES_PER_ELEMENT));
    this.#slots = Array.from({ length: threads }, (_, i) => new Slot(this.#board, i));
    this.#free = this.#slots.map((_, i) => i).reverse();
    if (boards.size === 0) process.on('exit', stopAll);
    boards.add(this.#slots);
  }

  run = async (domain: string, name: string, args: unknown[]): Promise<unknown> => {
    if (this.#closing) throw workerError(name, 'an open pool', 'one that is closed');
    const call = new Call(domain, name, args, (queued) => this.#queue.delete(queued));
    this.#queue.add(call);
    this.#pump();
    return call.promise;
  };

  /** Calls made so far run to their end; then the threads end. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#out.size + this.#queue.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    await this.#piscina?.destroy();
    boards.delete(this.#slots);
    if (boards.size === 0) process.off('exit', stopAll);
  }

  #pump(): void {
    for (const call of this.#queue) {
      const slot = this.#free.pop();
      if (slot === undefined) return;
      this.#queue.delete(call);
      void this.#send(call, slot);
    }
    if (this.#out.size === 0) this.#drained?.();
  }

  async #send(call: Call, index: number): Promise<void> {
    const slot = this.#slots[index]!;
    slot.reset();
    call.slot = slot;
    this.#out.set(index, call);
    const { id, domain, name, luggage, reportsProgress } = call;
    const task: Task = { id, slot: index, domain, name, args: luggage.args, progress: reportsProgress };
    try {
      const reply = await this.#threads().run(task, { transferList: luggage.transfer });
      call.finish(reply);
    } catch (error) {
      call.fail(this.#explain(call, error));
    }
    this.#release(index, call);
  }

  /** The slot of a call that is no longer out serves the next. */
  #release(index: number, call: Call): void {
    if (this.#out.get(index) !== call) return;
    this.#out.delete(index);
    this.#free.push(index);
    this.#pump();
  }

  #explain(call: Call, error: unknown): LapidaryError {
    const { name, message } = error as Error;
    if (name !== 'DataCloneError')
      return workerError(call.name, 'a worker that lives to the end of the call', message, error);
    const details = { function: call.name, expected: 'arguments that can be sent between threads', got: message };
    return new LapidaryError('ERR_DTYPE', details, { cause: error });
  }

  #threads(): Piscina<Task, Reply> {
    if (this.#piscina) return this.#piscina;
    const piscina = new Piscina<Task, Reply>({
      filename: this.#worker.href,
      minThreads: 0,
      maxThreads: this.#slots.length,
      idleTimeout: Infinity, // a thread costs more to start than to keep
      workerData: this.#board,
      recordTiming: false,
    });
    piscina.on('message', (message: ProgressMessage) => {
      const call = message?.lapidary === 'progress' ? this.#out.get(message.slot) : undefined;
      if (call?.id === message.id) call.progress(message);
    });
    piscina.on('error', (error: unknown) => (this.#lastError = error));
    piscina.on('workerDestroy', () => setImmediate(() => this.#abandon(piscina)));
    return (this.#piscina = piscina);
  }

  /** Calls that wait for a thread which died while it was starting would wait for ever. */
  #abandon(piscina: Piscina): void {
    if (piscina !== this.#piscina || piscina.threads.length > 0 || this.#out.size === 0) return;
    this.#piscina = undefined;
    const message = this.#lastError instanceof Error ? this.#lastError.message : 'one that ended while it was starting';
    for (const [index, call] of [...this.#out]) {
      call.fail(workerError(call.name, 'a worker that starts', message, this.#lastError));
      this.#release(index, call);
    }
    void piscina.destroy();
  }
}
