/** What the calling thread and its workers say to each other. */
import type { Progress } from '../core/index.js';
import { LapidaryError, type ErrorCode } from '../core/errors.js';

/** One call. `out` of the options is written in the worker's memory and comes home in {@link Reply.out}. */
export interface Task {
  id: number;
  slot: number;
  domain: string;
  name: string;
  args: unknown[];
  /** the last argument is the options of an iteration whose progress is wanted */
  progress: boolean;
}

export interface Reply {
  value?: unknown;
  /** the objects of `options.out` in the order of objectsOf; those in `value` are the same */
  out?: object[];
  /** what onProgress was last told */
  last?: Step;
  error?: SentError;
}

/** The `count`-th progress of a call. */
export interface Step {
  count: number;
  progress: Progress;
}

export interface ProgressMessage extends Step {
  lapidary: 'progress';
  id: number;
  slot: number;
}

/**
 * The board: a few words of shared memory for each call that is out. The worker that takes the call finds the cancel flag
 * there, claims it (so that a call aborted before it begins never runs), and notes which progress it reported last.
 */
export class Slot {
  static readonly words = 4;
  /** what lib/core/cancel.ts watches */
  readonly flag: Int32Array;
  readonly #phase: Int32Array;
  readonly #count: Int32Array;

  constructor(board: Int32Array, index: number) {
    const word = (i: number) => board.subarray(index * Slot.words + i, index * Slot.words + i + 1);
    [this.flag, this.#phase, this.#count] = [word(0), word(1), word(2)];
  }

  reset(): void {
    for (const word of [this.flag, this.#phase, this.#count]) Atomics.store(word, 0, 0);
  }

  /** True for the first who asks: the worker that begins the call or the caller who takes it back. */
  claim(): boolean {
    return Atomics.compareExchange(this.#phase, 0, 0, 1) === 0;
  }

  get reported(): number {
    return Atomics.load(this.#count, 0);
  }

  set reported(count: number) {
    Atomics.store(this.#count, 0, count);
  }
}

/** An error on its way between threads, where classes and most properties would be lost. */
export interface SentError {
  name: string;
  message: string;
  stack: string | undefined;
  properties: Record<string, unknown>;
  cause?: SentError;
}

const builtin = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

export function sendError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined, properties: {} };
  const travels = ([, value]: [string, unknown]) => typeof value !== 'object' && typeof value !== 'function';
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    properties: Object.fromEntries(Object.entries(error).filter(travels)),
    ...(error.cause !== undefined && { cause: sendError(error.cause) }),
  };
}

export function receiveError({ name, message, stack, properties, cause }: SentError): Error {
  const options = cause && { cause: receiveError(cause) };
  let error: Error;
  if (name === 'LapidaryError') {
    const { code, function: fn, argument, expected, got } = properties as Record<string, string>;
    const details = { function: fn!, expected: expected!, ...(argument && { argument }), ...(got && { got }) };
    error = new LapidaryError(code as ErrorCode, details, options);
  } else {
    const known = name in builtin ? builtin[name as keyof typeof builtin] : Error;
    error = Object.assign(new known(message, options), properties);
    if (error.name !== name) error.name = name;
  }
  if (stack) error.stack = stack;
  return error;
}
