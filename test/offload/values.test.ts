import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, test } from 'vitest';
import * as lapidary from 'lapidary';
import { dense, LapidaryError, type Dense } from 'lapidary';
import { offload, shared } from 'lapidary/offload';
import { oddPool, rejection, sharedWord, until } from '../support/offload.js';

const pool = oddPool(1);
const { odd } = pool;
afterAll(() => pool.close());

const row = (...values: number[]): Dense => dense(1, values.length, Float64Array.from(values));

/** True if both arrays lie in the same memory: what is written to one is read from the other. */
function sameMemory(a: Float64Array, b: Float64Array): boolean {
  const before = a[0]!;
  a[0] = before + 12345;
  const same = b[0] === before + 12345;
  a[0] = before;
  return same;
}

describe('the mirror', () => {
  test('has every function of every domain, and nothing else', async () => {
    const whole = offload({ threads: 1 });
    const functions = (namespace: object) =>
      Object.entries(namespace)
        .filter(([, value]) => typeof value === 'function')
        .map(([name]) => name);
    const domains = Object.entries(lapidary).filter(([, value]) => typeof value === 'object');
    expect(domains.map(([name]) => name)).toEqual(
      expect.arrayContaining(['gemm', 'graph', 'io', 'softmax', 'sparse', 'special']),
    );
    expect(Object.keys(whole).sort()).toEqual([...domains.map(([name]) => name), 'close'].sort());
    for (const [domain, namespace] of domains)
      expect(Object.keys(whole[domain as 'gemm']).sort()).toEqual(functions(namespace).sort());
    await whole.close();
  });

  test('refuses bad options', () => {
    expect(() => offload({ threads: 0 })).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
    expect(() => offload({ threads: NaN })).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
    expect(() => offload({ workers: 1 } as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });
});

describe('arguments', () => {
  test('arrive as they were: plain values, nested, special numbers', async () => {
    const args = [
      undefined,
      null,
      NaN,
      -0,
      10n ** 30n,
      'text',
      [1, [2, { deep: Float32Array.of(3) }]],
      { a: undefined, b: BigUint64Array.of(5n), c: new Map([[1, 2]]) },
      new Float64Array(0),
    ];
    expect(await odd.echo!(...args)).toEqual(args);
  });

  test('the same array twice stays one array', async () => {
    const x = row(1, 2);
    const [a, b] = (await odd.echo!(x, x)) as [Dense, Dense];
    expect(a).toBe(b);
  });

  test('are copied when the call is made: later changes do not matter, also while it waits', async () => {
    const word = sharedWord();
    const busy = odd.spin!(word, 50);
    const x = row(1, 2);
    const sum = odd.add!(x, x);
    x.data.fill(9);
    await until(word, 1);
    expect(((await sum) as Dense).data).toEqual(Float64Array.of(2, 4));
    expect(x.data).toEqual(Float64Array.of(9, 9));
    await busy;
  });

  test('of a view only the view travels', async () => {
    const big = new Float64Array(1000).map((_, i) => i);
    const [view] = (await odd.echo!(big.subarray(3, 5))) as [Float64Array];
    expect(view).toEqual(Float64Array.of(3, 4));
    expect(view.buffer.byteLength).toBe(16);
    const [bytes] = (await odd.echo!(Buffer.from('abc'))) as [Uint8Array];
    expect([...bytes]).toEqual([97, 98, 99]);
  });

  test('in shared memory stay where they are', async () => {
    const x = shared(row(1, 2, 3));
    const [y] = (await odd.echo!(x)) as [Dense];
    expect(y.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(sameMemory(x.data, y.data)).toBe(true);
  });

  test('move: true takes the memory away at once and needs no copy', async () => {
    const x = row(1, 2);
    const both = { floats: new Float64Array(2), words: new Uint32Array(0) };
    both.words = new Uint32Array(both.floats.buffer);
    const view = new Float64Array(10).subarray(2, 4);
    const promise = odd.echo!(x, both, view, { move: true });
    expect(x.data.length).toBe(0);
    expect(both.words.length).toBe(0);
    expect(view.length).toBe(2); // its buffer holds more than the view: copied
    const [moved, pair, copied, ...rest] = (await promise) as [Dense, typeof both, Float64Array];
    expect(moved.data).toEqual(Float64Array.of(1, 2));
    expect(sameMemory(pair.floats, new Float64Array(pair.words.buffer))).toBe(true);
    expect(copied.length).toBe(2);
    expect(rest).toEqual([]);
  });

  test('a view on a part of a buffer that moves is copied before', async () => {
    const whole = Float64Array.of(1, 2, 3);
    const part = whole.subarray(1);
    expect(await odd.echo!(whole, part, { move: true })).toEqual([Float64Array.of(1, 2, 3), Float64Array.of(2, 3)]);
    expect([whole.length, part.length]).toEqual([0, 0]);
  });

  test('of another realm are what they are there', async () => {
    const far = <T>(code: string): T => runInNewContext(code) as T;
    const out = { rows: 1, cols: 2, data: far<Float64Array>('new Float64Array(2)') };
    expect(await odd.add!(row(1, 2), row(3, 4), { out })).toBe(out);
    expect([...out.data]).toEqual([4, 6]);
    const moved = far<Float64Array>('new Float64Array(2)');
    await odd.echo!(moved, { move: true });
    expect(moved.length).toBe(0);
    const common = far<Float64Array>('new Float64Array(new SharedArrayBuffer(16))');
    const [same] = (await odd.echo!(common)) as [Float64Array];
    expect(sameMemory(common, same)).toBe(true);
  });

  test('keep their holes and odd keys', async () => {
    const sparse = new Array<number>(4);
    [sparse[0], sparse[2]] = [1, 2];
    const [holes, keys] = (await odd.echo!(sparse, JSON.parse('{"__proto__": {"a": 1}}'))) as [unknown[], object];
    expect(holes.length).toBe(4);
    expect(Object.keys(holes)).toEqual(['0', '2']);
    expect(Object.keys(keys)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(keys)).toBe(Object.prototype);
  });

  test('a refused call moves nothing', async () => {
    const x = row(1, 2);
    expect(await rejection(odd.echo!(x, () => 1, { move: true }))).toMatchObject({ code: 'ERR_DTYPE' });
    expect(x.data.length).toBe(2);
  });

  test('that cannot travel are refused by name', async () => {
    const detached = row(1);
    structuredClone(detached.data, { transfer: [detached.data.buffer as ArrayBuffer] });
    expect(await rejection(odd.echo!(1, { deep: detached }))).toMatchObject({
      code: 'ERR_DETACHED',
      function: 'echo',
      argument: 'argument 1.deep.data',
    });
    expect(await rejection(odd.echo!({ f: () => 1 }))).toMatchObject({ code: 'ERR_DTYPE', argument: 'argument 0.f' });
    expect(await rejection(odd.echo!(Symbol('s')))).toMatchObject({ code: 'ERR_DTYPE' });
    expect(await rejection(odd.echo!(new WeakMap()))).toMatchObject({ code: 'ERR_DTYPE' });
    expect(await rejection(odd.echo!(1, { move: 'yes' }))).toMatchObject({
      code: 'ERR_DTYPE',
      argument: 'options.move',
    });
    expect(await odd.echo!('still alive')).toEqual(['still alive']);
  });

  test('matrices of other libraries and file URLs keep their meaning', async () => {
    class Matrix {
      rows = 1;
      columns = 2;
      data = [Float64Array.of(1, 2)];
    }
    const [matrix, file] = (await odd.echo!(new Matrix(), new URL('file:///tmp/a%20b'))) as unknown[];
    expect(matrix).toEqual(row(1, 2));
    expect(file).toBe('/tmp/a b');
    for (const url of ['http://host/a', 'file://host/a', 'file:///a%2Fb'])
      expect(await rejection(odd.echo!(new URL(url)))).toMatchObject({ code: 'ERR_DTYPE', argument: 'argument 0' });
  });

  test('signal and move in an object of their own leave no trace', async () => {
    expect(await odd.echo!(1, { signal: new AbortController().signal })).toEqual([1]);
    expect(await odd.echo!(1, { signal: undefined, other: 2 })).toEqual([1, { other: 2 }]);
  });
});

describe('results', () => {
  test('large arrays are transferred, parts of a larger buffer are cut out', async () => {
    const part = (await odd.part!(100_000, 10, 20)) as Float64Array;
    expect([...part]).toEqual(Array.from({ length: 10 }, (_, i) => 10 + i));
    expect(part.buffer.byteLength).toBe(80);
    const most = (await odd.part!(100_000, 0, 90_000)) as Float64Array;
    expect(most.length).toBe(90_000);
    expect(most.buffer.byteLength).toBe(800_000);
    const { first, second } = (await odd.pieces!(50_000)) as { first: Float64Array; second: Float64Array };
    expect([first.length, second.length, second[0]]).toEqual([50_000, 50_000, 50_000]);
    expect(first.buffer).toBe(second.buffer);
    expect([...((await odd.pooled!()) as Uint8Array)]).toEqual([...Buffer.from('pooled')]);
    expect([...((await odd.pooled!()) as Uint8Array)]).toEqual([...Buffer.from('pooled')]);
  });

  test('promises of functions are awaited', async () => {
    expect(await odd.later!(5)).toBe(5);
  });

  test('a shared out is written in place and is the result', async () => {
    const out = shared(row(0, 0));
    const memory = out.data;
    const result = (await odd.add!(row(1, 2), row(3, 4), { out })) as Dense;
    expect(result).toBe(out);
    expect(result.data).toBe(memory);
    expect(memory).toEqual(Float64Array.of(4, 6));
  });

  test('any other out is filled when the call ends, and is the result; also in place', async () => {
    const out = row(0, 0);
    expect(await odd.add!(row(1, 2), row(3, 4), { out })).toBe(out);
    expect(out.data).toEqual(Float64Array.of(4, 6));
    expect(await odd.add!(out, row(1, 1), { out })).toBe(out);
    expect(out.data).toEqual(Float64Array.of(5, 7));
    const within = new Float64Array(4).subarray(1, 3);
    const view = dense(1, 2, within);
    expect(await odd.add!(row(1, 2), row(3, 4), { out: view })).toBe(view);
    expect([...new Float64Array(within.buffer)]).toEqual([0, 4, 6, 0]);
  });

  test('a moved out comes back in the result', async () => {
    const out = row(0, 0);
    const result = (await odd.add!(row(1, 2), row(3, 4), { out, move: true })) as Dense;
    expect(result.data).toEqual(Float64Array.of(4, 6));
    expect(out.data.length).toBe(0);
  });

  test('out that was detached meanwhile is an error', async () => {
    const out = row(0, 0);
    const promise = odd.add!(row(1, 2), row(3, 4), { out });
    structuredClone(out.data, { transfer: [out.data.buffer as ArrayBuffer] });
    expect(await rejection(promise)).toMatchObject({ code: 'ERR_DETACHED', argument: 'options.out' });
  });

  test('out that was resized meanwhile is an error', async () => {
    const Resizable = ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer & { resize(n: number): void };
    for (const bytes of [0, 8, 64]) {
      const buffer = new Resizable(16, { maxByteLength: 64 });
      const promise = odd.add!(row(1, 2), row(3, 4), { out: { rows: 1, cols: 2, data: new Float64Array(buffer) } });
      buffer.resize(bytes);
      expect(await rejection(promise)).toMatchObject({ code: 'ERR_SHAPE', argument: 'options.out' });
    }
  });

  test('out that cannot be filled is refused', async () => {
    class Matrix {
      rows = 1;
      columns = 2;
      data = [new Float64Array(2)];
    }
    for (const move of [false, true]) {
      const promise = odd.add!(row(1, 2), row(3, 4), { out: new Matrix(), move });
      expect(await rejection(promise)).toMatchObject({ code: 'ERR_DTYPE', argument: 'options.out' });
    }
  });
});

describe('errors of the worker', () => {
  test('LapidaryError with all its fields and causes', async () => {
    const error = await rejection(odd.lapidaryError!());
    expect(error).toBeInstanceOf(LapidaryError);
    expect(error).toMatchObject({
      code: 'ERR_SHAPE',
      function: 'f',
      argument: 'x',
      expected: 'this',
      got: 'that',
      message: 'f: x: expected this, got that',
    });
    expect(error.stack).toContain('offload-worker.mjs');
    expect(error.cause).toBeInstanceOf(RangeError);
    expect((error.cause as Error).message).toBe('why');
    expect(((error.cause as Error).cause as Error).message).toBe('root');
  });

  test('others as they are', async () => {
    const error = await rejection(odd.fileError!());
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ message: 'no such file', code: 'ENOENT', path: '/nowhere', errno: -2 });
    expect(await rejection(odd.throwString!())).toMatchObject({ message: 'a string' });
    expect(await rejection(odd.giveFunction!())).toMatchObject({ code: 'ERR_DTYPE' });
  });
});

describe('shared', () => {
  test('copies every typed array of a plain value, once', () => {
    const x = Float64Array.of(1, 2, 3, 4);
    const value = { a: x, list: [x, { deep: x.subarray(1, 3) }], big: BigUint64Array.of(7n), n: 1, s: 'x', none: null };
    const copy = shared(value);
    expect(copy).toEqual(value);
    expect(copy.a.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(copy.list[0]).toBe(copy.a);
    expect((copy.list[1] as { deep: Float64Array }).deep.buffer.byteLength).toBe(16);
    expect(copy.big.buffer).toBeInstanceOf(SharedArrayBuffer);
    x[0] = 9;
    expect(copy.a[0]).toBe(1);
  });

  test('leaves alone what is shared, and refuses what has no memory', () => {
    const once = shared(Float32Array.of(1));
    expect(shared(once)).toBe(once);
    const detached = new Float64Array(1);
    structuredClone(detached, { transfer: [detached.buffer] });
    expect(() => shared({ detached })).toThrow(
      expect.objectContaining({ code: 'ERR_DETACHED', argument: 'value.detached' }),
    );
  });
});
