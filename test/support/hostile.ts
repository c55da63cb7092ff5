/**
 * Hostile arguments for everything. Starting from calls that work (recorded while the docstring examples run), each
 * argument, and in objects each field, is replaced by each of these; a call may only return or throw a LapidaryError.
 */
import { runInNewContext } from 'node:vm';
import { LapidaryError } from 'lapidary';
import { readText } from './repository.js';

type AnyArray = Float64Array | Uint8Array | Int32Array; // stands for all kinds

const isTypedArray = (value: unknown): value is AnyArray => ArrayBuffer.isView(value) && !(value instanceof DataView);

const kinds = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  BigInt64Array,
  BigUint64Array,
] as unknown as (new (length: number | ArrayBufferLike, offset?: number, count?: number) => AnyArray)[];

const constructorOf = (array: AnyArray) => kinds.find((kind) => kind.name === array.constructor.name) ?? kinds[0]!;

/** A copy of `array` between two guards; `intact` says whether they still are. */
interface Guarded {
  array: AnyArray;
  intact(): boolean;
}

const guardBytes = 128;

function guard(array: AnyArray): Guarded {
  const kind = constructorOf(array);
  const bytes = new Uint8Array(array.byteLength + 2 * guardBytes).fill(0xa5);
  bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), guardBytes);
  const rim = [bytes.subarray(0, guardBytes), bytes.subarray(guardBytes + array.byteLength)];
  return {
    array: new kind(bytes.buffer, guardBytes, array.length),
    intact: () => rim.every((side) => side.every((byte) => byte === 0xa5)),
  };
}

/** A deep copy whose typed arrays are guarded; functions are kept. */
export function guardedCopy(value: unknown, guards: Guarded[]): unknown {
  if (isTypedArray(value)) {
    const guarded = guard(value);
    guards.push(guarded);
    return guarded.array;
  }
  if (Array.isArray(value)) return value.map((element) => guardedCopy(element, guards));
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, guardedCopy(field, guards)]));
  return value;
}

/** A deep copy of plain data. */
export const copyOf = (value: unknown): unknown => guardedCopy(value, []);

/** Something to put in the place of a value; made anew for each call. */
export interface Hostile {
  name: string;
  make(): unknown;
}

const numbers = [NaN, -1, -0.5, 0, -0, 1, 0.5, 3, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1e308];

const always: Hostile[] = [
  ...[...numbers, Infinity, -Infinity].map((n) => ({ name: Object.is(n, -0) ? '-0' : String(n), make: () => n })),
  { name: 'undefined', make: () => undefined },
  { name: 'null', make: () => null },
  { name: 'true', make: () => true },
  { name: "''", make: () => '' },
  { name: "'abc'", make: () => 'abc' },
  { name: "'__proto__'", make: () => '__proto__' },
  { name: 'a bigint', make: () => 1n },
  { name: 'a symbol', make: () => Symbol('hostile') },
  { name: 'a function', make: () => () => undefined },
  { name: '{}', make: () => ({}) },
  { name: '[]', make: () => [] },
  { name: '[1, 2]', make: () => [1, 2] },
  { name: 'an object without a prototype', make: () => Object.create(null) as unknown },
  { name: 'a Date', make: () => new Date(0) },
  { name: 'an ArrayBuffer', make: () => new ArrayBuffer(8) },
  { name: 'a DataView', make: () => new DataView(new ArrayBuffer(8)) },
  { name: 'a Proxy of an object', make: () => new Proxy({}, {}) },
  { name: 'a Proxy of an array', make: () => new Proxy(new Float64Array(4), {}) },
  { name: 'an object of a prototype chain', make: () => Object.create({ rows: 2, cols: 2 }) as unknown },
  {
    name: 'lying sizes',
    make: () => ({ rows: 2 ** 40, cols: 2 ** 40, data: new Float64Array(4), length: 2 ** 40 }),
  },
  {
    name: 'sizes that change',
    make() {
      let reads = 0;
      return {
        get rows() {
          return reads++ % 2 ? 4096 : 2;
        },
        get cols() {
          return 2;
        },
        data: new Float64Array(4),
        indptr: new Uint32Array(3),
        indices: new Uint32Array(0),
        values: new Float64Array(0),
      };
    },
  },
  ...kinds.map((kind) => ({ name: `an empty ${kind.name}`, make: () => new kind(0) })),
];

function detached(array: AnyArray): AnyArray {
  const copy = array.slice();
  structuredClone(copy.buffer, { transfer: [copy.buffer] });
  return copy;
}

/** A view whose buffer has shrunk below it, or a length-tracking one that became shorter. */
function shrunk(array: AnyArray, tracking: boolean): AnyArray {
  const bytes = Math.max(array.byteLength, 8);
  const Resizable = ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer & { resize(n: number): void };
  const buffer = new Resizable(bytes, { maxByteLength: 2 * bytes });
  const view = tracking ? new (constructorOf(array))(buffer) : new (constructorOf(array))(buffer, 0, array.length);
  buffer.resize(tracking ? bytes / 2 - ((bytes / 2) % 8) : 0);
  return view;
}

function shared(array: AnyArray): AnyArray {
  const copy = new (constructorOf(array))(new SharedArrayBuffer(array.byteLength));
  (copy as { set(from: unknown): void }).set(array);
  return copy;
}

const fill = (array: AnyArray, byte: number): AnyArray => {
  const copy = array.slice();
  new Uint8Array(copy.buffer).fill(byte);
  return copy;
};

function ofArray(array: AnyArray): Hostile[] {
  const kind = constructorOf(array);
  const n = array.length;
  const make = (name: string, body: () => unknown): Hostile => ({ name, make: body });
  class Subclass extends Float64Array {
    override get length() {
      return 2 ** 40;
    }
  }
  return [
    make('one element more', () => new kind(n + 1)),
    make('one element less', () => new kind(Math.max(0, n - 1))),
    make('a detached array', () => detached(array)),
    make('a view of a shrunk buffer', () => shrunk(array, false)),
    make('a tracking view of a shrunk buffer', () => shrunk(array, true)),
    make('an array in shared memory', () => shared(array)),
    make('all bits set', () => fill(array, 0xff)),
    make('all bytes 0x7f', () => fill(array, 0x7f)),
    make('all zeros', () => fill(array, 0)),
    make('reversed', () => array.slice().reverse()),
    make('a large array', () => new kind(1 << 16)),
    make('a Proxy of it', () => new Proxy(array.slice(), {})),
    make('a plain copy', () => Array.from(array as Iterable<unknown>)),
    make('an array of another realm', () => runInNewContext(`new ${kind.name}(${n})`) as unknown),
    make('a subclass that lies about its length', () => new Subclass(n)),
    make('an array that hides its length', () => Object.defineProperty(array.slice(), 'length', { value: 2 ** 40 })),
    make('an array that hides its kind', () => Object.setPrototypeOf(array.slice(), Uint8Array.prototype) as unknown),
    ...kinds.map((other) => make(`a ${other.name} of this length`, () => new other(n))),
  ];
}

export const hostileFor = (value: unknown): Hostile[] =>
  isTypedArray(value) ? [...ofArray(value), ...always] : always;

/** Where in the arguments something can be replaced: [0], [1, 'data'], … */
export function places(value: unknown, depth = 0): (string | number)[][] {
  if (isTypedArray(value) || typeof value !== 'object' || value === null || depth > 3) return [];
  return Object.keys(value)
    .slice(0, 24)
    .flatMap((key) => {
      const step = Array.isArray(value) ? Number(key) : key;
      const inner = places((value as Record<string, unknown>)[key], depth + 1);
      return [[step], ...inner.map((rest) => [step, ...rest])];
    });
}

export function at(value: unknown, place: (string | number)[]): unknown {
  return place.reduce<unknown>((inside, step) => (inside as Record<string | number, unknown>)[step], value);
}

export function replace(value: unknown, place: (string | number)[], by: unknown): void {
  const holder = at(value, place.slice(0, -1)) as Record<string | number, unknown>;
  holder[place.at(-1)!] = by;
}

/** What is wrong with how a call ended, or undefined. */
export function complaint(error: unknown, codes: Set<string>): string | undefined {
  if (error instanceof LapidaryError) {
    if (!codes.has(error.code)) return `unknown code ${error.code}`;
    if (error.code === 'ERR_INTERNAL') return error.message;
    return error.function && error.expected ? undefined : 'an error that does not say what was expected';
  }
  return error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' | ') : String(error);
}

/** The codes that lib/core/errors.ts declares. */
export const errorCodes = new Set(
  [...readText('lib/core/errors.ts').matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map((match) => match[1]!),
);

/** Calls that work: `record` wraps a function so that it keeps a copy of the arguments of its first few calls. */
export class Recorder {
  readonly calls = new Map<string, unknown[][]>();

  wrap<F extends (...args: never[]) => unknown>(name: string, fn: F, limit = 3): F {
    const kept: unknown[][] = [];
    this.calls.set(name, kept);
    return ((...args: never[]) => {
      if (kept.length < limit) kept.push(copyOf(args) as unknown[]);
      return fn(...args);
    }) as F;
  }
}
