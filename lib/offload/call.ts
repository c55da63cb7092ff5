/** One offloaded call, from the moment it is made until its promise settles. */
import { AsyncResource } from 'node:async_hooks';
import type { IterativeOptions } from '../core/index.js';
import { raiseAbort, raiseStop } from '../core/cancel.js';
import { LapidaryError } from '../core/errors.js';
import { describe, typeOf, where, type Where } from '../core/validate.js';
import type { NumericArray } from '../core/index.js';
import type { OffloadOptions } from './mirror.js';
import { receiveError, type Reply, type Slot, type Step } from './protocol.js';
import { copyInto, objectsOf, outOf, pack, substitute, type Luggage } from './values.js';

type OnProgress = NonNullable<IterativeOptions['onProgress']>;
type CallOptions = OffloadOptions & Pick<IterativeOptions, 'onProgress'>;

/** Takes `signal`, `move` and `onProgress` out of the last argument, if that is an options object. */
function takeOptions(at: Where, args: unknown[]): { args: unknown[]; options: CallOptions } {
  const last = args.at(-1);
  if (typeof last !== 'object' || last === null || Array.isArray(last) || ArrayBuffer.isView(last))
    return { args, options: {} };
  const options = last as CallOptions;
  const { signal, move, onProgress, ...others } = options;
  if (signal !== undefined && !(typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function'))
    at.fail('ERR_DTYPE', 'options.signal', 'an AbortSignal', describe(signal));
  if (move !== undefined) at.boolean('options.move', move);
  if (!('signal' in options || 'move' in options || typeof onProgress === 'function')) return { args, options };
  const stay = typeof onProgress === 'function' || onProgress === undefined ? others : { ...others, onProgress };
  const dropped = Object.keys(stay).length === 0 && typeof onProgress !== 'function';
  return { args: dropped ? args.slice(0, -1) : [...args.slice(0, -1), stay], options };
}

/** The calls that hear each signal: one listener for all, since a hundred on one signal would make Node warn of a leak. */
const hearers = new WeakMap<AbortSignal, Set<() => void>>();

function onAbort(this: AbortSignal): void {
  for (const hear of [...(hearers.get(this) ?? [])]) hear();
}

function listen(signal: AbortSignal, hear: () => void): void {
  const set = hearers.get(signal) ?? new Set();
  if (set.size === 0) signal.addEventListener('abort', onAbort);
  hearers.set(signal, set.add(hear));
}

function unlisten(signal: AbortSignal, hear: () => void): void {
  const set = hearers.get(signal);
  if (set?.delete(hear) && set.size === 0) signal.removeEventListener('abort', onAbort);
}

/** A result may be a part of `out`, such as the beginning of arrays that have room for more: that part of the caller's. */
function partOf(arrays: readonly [theirs: NumericArray, own: NumericArray][], object: object): object | undefined {
  if (!ArrayBuffer.isView(object)) return undefined;
  const pair = arrays.find(([theirs]) => theirs.buffer === object.buffer);
  if (!pair) return undefined;
  const [theirs, own] = pair;
  const part = object as NumericArray;
  return new (typeOf(part))(own.buffer, own.byteOffset + part.byteOffset - theirs.byteOffset, part.length);
}

export class Call {
  static #count = 0;
  readonly id = ++Call.#count;
  readonly promise: Promise<unknown>;
  readonly luggage: Luggage;
  readonly reportsProgress: boolean;
  /** where the call stands in the board once it is out with a worker */
  slot: Slot | undefined;

  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: OnProgress | undefined;
  /** the caller's `out` that has to be filled when the result comes: one that was neither shared nor moved */
  readonly #out: unknown;
  readonly #takeBack: (call: Call) => void;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  #settled = false;
  #cancelled: { error: unknown } | undefined;
  #progressSeen = 0;
  #progressOver = false;

  /** @param takeBack removes the call from the queue, where it waits until it has a slot */
  constructor(
    readonly domain: string,
    readonly name: string,
    args: unknown[],
    takeBack: (call: Call) => void,
  ) {
    const taken = takeOptions(where(name), args);
    const { signal, move, onProgress } = taken.options;
    if (signal?.aborted) throw this.#aborted(signal);
    where(name).fillable('options.out', outOf(taken.args));
    this.luggage = pack(name, taken.args, move ?? false);
    this.promise = new Promise((resolve, reject) => ([this.#resolve, this.#reject] = [resolve, reject]));
    this.#out = move ? undefined : outOf(taken.args);
    this.#takeBack = takeBack;
    this.reportsProgress = typeof onProgress === 'function';
    if (this.reportsProgress) this.#onProgress = AsyncResource.bind(onProgress!);
    this.#signal = signal;
    if (signal) listen(signal, this.#onAbort);
  }

  readonly #onAbort = (): void => this.#cancel(this.#aborted(this.#signal!));

  #aborted(signal: AbortSignal): LapidaryError {
    const expected = 'to run to its end, but the call was aborted';
    return new LapidaryError('ERR_ABORTED', { function: this.name, expected }, { cause: signal.reason });
  }

  /**
   * Ends the call with this error. Where a worker is at work in shared memory the promise waits until it has stopped, so
   * that nobody touches the caller's memory after it settled.
   */
  #cancel(error: unknown): void {
    this.#cancelled ??= { error };
    this.#progressOver = true;
    if (!this.slot) {
      this.#takeBack(this);
    } else {
      raiseAbort(this.slot.flag);
      if (!this.slot.claim() && this.luggage.shared) return;
    }
    this.#settle(() => this.#reject(error));
  }

  /** A progress that the worker reported. The newest counts: a report that has been overtaken is passed over. */
  progress(step: Step): void {
    if (step.count === this.slot?.reported) this.#tell(step);
  }

  #tell({ count, progress }: Step): void {
    if (this.#progressOver || count <= this.#progressSeen) return;
    this.#progressSeen = count;
    try {
      if (this.#onProgress!(progress) !== false) return;
      this.#progressOver = true;
      raiseStop(this.slot!.flag);
    } catch (error) {
      this.#cancel(error);
    }
  }

  /** The worker has answered. */
  finish(reply: Reply): void {
    if (!this.#cancelled && !reply.error && reply.last) this.#tell(reply.last);
    if (this.#cancelled) this.fail(this.#cancelled.error);
    else if (reply.error) this.fail(receiveError(reply.error));
    else this.#settle(() => this.#resolve(this.#result(reply)));
  }

  /** The call came to nothing; if it was cancelled before, that is the reason. */
  fail(error: unknown): void {
    this.#settle(() => this.#reject(this.#cancelled ? this.#cancelled.error : error));
  }

  /** The value, with the caller's own `out` in the place of the worker's. */
  #result({ value, out }: Reply): unknown {
    if (!out || !this.#out) return value;
    const mine = objectsOf(this.#out);
    const replacements = new Map<object, object>();
    const arrays: [theirs: NumericArray, own: NumericArray][] = [];
    out.forEach((theirs, i) => {
      const own = mine[i]!;
      replacements.set(theirs, own);
      if (!ArrayBuffer.isView(theirs)) return;
      copyInto(where(this.name), own as NumericArray, theirs as NumericArray);
      arrays.push([theirs as NumericArray, own as NumericArray]);
    });
    return substitute(value, (object) => replacements.get(object) ?? partOf(arrays, object));
  }

  #settle(how: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#progressOver = true;
    if (this.#signal) unlisten(this.#signal, this.#onAbort);
    try {
      how();
    } catch (error) {
      this.#reject(error);
    }
  }
}
