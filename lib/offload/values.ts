/** How values travel: a deep copy over plain objects that decides for every typed array whether it is copied, moved or shared. */
import { types } from 'node:util';
import { filePath } from '../core/file-url.js';
import { asDense } from '../core/lookalikes.js';
import type { NumericArray } from '../core/index.js';
import { arrayTypeName, describe, typeOf, where, type Where } from '../core/validate.js';

type Replace = (value: object, path: string) => object | undefined;

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/**
 * `value` built anew, deep over arrays and objects. `replace` sees every object, arrays of numbers included, and answers
 * what stands for it or undefined to go on into it. One object stays one object. What cannot travel is refused by `at`.
 */
function rebuild(
  at: Where,
  path: string,
  value: unknown,
  replace: Replace,
  seen = new Map<object, unknown>(),
): unknown {
  if (typeof value === 'function' || typeof value === 'symbol')
    at.fail('ERR_DTYPE', path, 'a value that can be sent between threads', describe(value));
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const enter = <T>(result: T): T => (seen.set(value, result), result);

  const replaced = replace(value, path);
  if (replaced) return enter(replaced);
  if (ArrayBuffer.isView(value)) return enter(value);
  if (Array.isArray(value)) {
    const copy = enter<unknown[]>(new Array<unknown>(value.length)); // with its holes
    value.forEach((item, i) => (copy[i] = rebuild(at, `${path}[${i}]`, item, replace, seen)));
    return copy;
  }
  if (value instanceof URL) return filePath(at, path, value);
  // Only plain objects keep their meaning on the way, so matrices of other libraries become ours here.
  const object = isPlain(value) ? value : (asDense(value) ?? value);
  if (Object.prototype.toString.call(object) !== '[object Object]') return enter(value);
  const copy = enter<Record<string, unknown>>({});
  for (const [key, item] of Object.entries(object)) {
    const value = rebuild(at, `${path}.${key}`, item, replace, seen);
    // An assignment to a key '__proto__' would set the prototype, and nobody would see that there was such a key.
    Object.defineProperty(copy, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

const isTypedArray = (value: object): value is NumericArray => arrayTypeName(value) !== undefined;
const isShared = (array: NumericArray): boolean => types.isSharedArrayBuffer(array.buffer); // of any realm
const spansBuffer = (array: NumericArray): boolean => array.byteLength === array.buffer.byteLength;

function refuseDetached(at: Where, path: string, array: NumericArray): void {
  if (array.length > 0) return;
  try {
    array.indexOf(0); // every method of a detached array throws
  } catch {
    at.fail('ERR_DETACHED', path, 'an attached typed array', 'one whose buffer is detached');
  }
}

const noRoom = (at: Where, path: string, array: NumericArray): never =>
  at.fail(
    'ERR_OUT_OF_MEMORY',
    path,
    `memory for a copy of ${describe(array)}`,
    `no room for ${array.byteLength} bytes`,
  );

function copyOf(at: Where, path: string, array: NumericArray): NumericArray {
  refuseDetached(at, path, array);
  try {
    return new (typeOf(array) as unknown as new (from: NumericArray) => NumericArray)(array);
  } catch {
    return noRoom(at, path, array);
  }
}

function allocateShared(at: Where, path: string, array: NumericArray): NumericArray {
  try {
    return new (typeOf(array))(new SharedArrayBuffer(array.byteLength));
  } catch {
    return noRoom(at, path, array);
  }
}

/** What a call takes along: its arguments in memory of its own, and that memory. */
export interface Luggage {
  args: unknown[];
  transfer: ArrayBuffer[];
  /** true if some argument lies in shared memory */
  shared: boolean;
}

/**
 * The arguments in memory that belongs to the call: copied now, so that the caller may change his arrays while the call
 * waits; or moved, where a view spans its buffer. Shared arrays stay where they are.
 */
export function pack(name: string, args: unknown[], move: boolean): Luggage {
  const at = where(name);
  const moved = new Map<ArrayBufferLike, ArrayBuffer>(); // two views of one buffer move together
  const transfer: ArrayBuffer[] = [];
  let shared = false;
  const parts = new Map<object, NumericArray>(); // copies of views that do not move, though their buffer may
  const own = (array: NumericArray, path: string): NumericArray => {
    if (!move) return copyOf(at, path, array);
    const part = parts.get(array);
    if (part) return part;
    const { buffer } = array;
    if (!moved.has(buffer)) {
      moved.set(buffer, structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] }));
    }
    return new (typeOf(array))(moved.get(buffer)!);
  };
  const each = (replace: Replace): unknown[] => {
    const seen = new Map<object, unknown>(); // an array in two arguments stays one array
    return args.map((arg, i) => rebuild(at, `argument ${i}`, arg, replace, seen));
  };
  const prepare: Replace = (value, path) => {
    if (!isTypedArray(value)) return;
    refuseDetached(at, path, value);
    if (!isShared(value) && !spansBuffer(value)) parts.set(value, copyOf(at, path, value));
  };
  if (move) each(prepare); // before the first array is gone
  const packed = each((value, path) => {
    if (!isTypedArray(value)) return undefined;
    if (isShared(value)) {
      shared = true;
      return value;
    }
    const array = own(value, path);
    transfer.push(array.buffer as ArrayBuffer);
    return array;
  });
  return { args: packed, transfer: [...new Set(transfer)], shared };
}

/**
 * A result ready to go home: its buffers are transferred. A view on a small part of its buffer (an upper bound that was
 * trimmed, a pooled Buffer) is copied out instead, so that the rest does not travel; not where it travels anyway.
 */
export function packResult(name: string, value: unknown): { value: unknown; transfer: ArrayBuffer[] } {
  const at = where(name);
  const viewed = new Map<ArrayBufferLike, number>();
  const whole = new Set<ArrayBufferLike>(); // goes home whatever else views it
  const add = (array: object): undefined => {
    if (!isTypedArray(array) || isShared(array)) return;
    viewed.set(array.buffer, (viewed.get(array.buffer) ?? 0) + array.byteLength);
    if (spansBuffer(array)) whole.add(array.buffer);
  };
  rebuild(at, 'result', value, add);
  const travels = (buffer: ArrayBufferLike): boolean =>
    buffer.byteLength > Buffer.poolSize && 2 * viewed.get(buffer)! >= buffer.byteLength;
  const transfer = [...viewed.keys()].filter(travels) as ArrayBuffer[];
  const packed = rebuild(at, 'result', value, (array) => {
    if (!isTypedArray(array) || isShared(array) || whole.has(array.buffer) || travels(array.buffer)) return undefined;
    return copyOf(at, 'result', array);
  });
  return { value: packed, transfer };
}

/** `options.out` of a call. */
export function outOf(args: unknown[]): unknown {
  const options = args.at(-1);
  return typeof options === 'object' && options !== null && 'out' in options ? options.out : undefined;
}

/** Fills the caller's `out` from the worker's copy; shared memory has been written already. */
export function copyInto(at: Where, own: NumericArray, theirs: NumericArray): void {
  if (isShared(own)) return;
  refuseDetached(at, 'options.out', own);
  if (own.length !== theirs.length)
    at.fail('ERR_SHAPE', 'options.out', `${describe(theirs)} as it was when the call was made`, describe(own));
  own.set(theirs);
}

/** The objects of a value in a fixed order, arrays of numbers included: the same for a value and its copy. */
export function objectsOf(value: unknown): object[] {
  const objects: object[] = [];
  rebuild(where('offload'), 'out', value, (object) => void objects.push(object));
  return objects;
}

/** `value` with some of its objects replaced. */
export function substitute(value: unknown, replacement: (object: object) => object | undefined): unknown {
  return rebuild(where('offload'), 'result', value, replacement);
}

/**
 * The value with its typed arrays copied to SharedArrayBuffers, deep over plain objects and arrays. Offloaded calls use
 * shared arrays where they lie, as inputs and as `out`, from any number of threads at once. What is shared already stays
 * as it is.
 *
 * Nobody guards shared memory: do not write to it while a call reads or writes it.
 *
 * @throws LapidaryError ERR_OUT_OF_MEMORY, ERR_DETACHED, ERR_DTYPE for functions
 * @example shared(dense(1, 2)).data.buffer instanceof SharedArrayBuffer // true
 */
export function shared<T>(value: T): T {
  const at = where('shared');
  return rebuild(at, 'value', value, (array, path) => {
    if (!isTypedArray(array) || isShared(array)) return undefined;
    const copy = allocateShared(at, path, array);
    refuseDetached(at, path, array);
    copy.set(array);
    return copy;
  }) as T;
}
