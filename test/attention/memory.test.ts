/** Where operands lie, when a call is stopped, and what it leaves behind: the same for all functions of the domain. */
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { dense, getThreads, setThreads, type Dense, type NumericArray } from 'lapidary';
import * as attention from 'lapidary/attention';
import { withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { random, type Matrix } from '../support/linear-attention.js';

type Make = (m: Matrix) => Matrix;
const tokens = 41;
const [x, y, z] = [random(tokens, 12, 1, 0.5), random(tokens, 12, 2, 0.5), random(tokens, 12, 3)];

/** Small calls of every function on operands made by `m`. */
const calls: Record<string, (m: Make) => object> = {
  attention: (m) => attention.attention(m(x), m(y), m(z), { heads: 3, causal: true, returnLse: true }),
  attentionBackward: (m) => attention.attentionBackward(m(x), m(y), m(z), m(z), { heads: 3, causal: true }),
  blockAttention: (m) => attention.blockAttention(m(x), m(y), m(z), { heads: 3, blocks: [5, 20, 10, 6] }),
  decodeAttention: (m) => attention.decodeAttention(m(random(1, 12, 4)), m(y), m(z), { heads: 3 }),
  topkRoute: (m) => attention.topkRoute(m(x), { k: 5 }),
  lightningAttention: (m) => attention.lightningAttention(m(x), m(y), m(z), { heads: 3, state: m(random(12, 4, 5)) }),
  lightningAttentionBackward: (m) => attention.lightningAttentionBackward(m(x), m(y), m(z), m(z), { heads: 3 }),
  localLinearAttention: (m) => attention.localLinearAttention(m(x), m(y), m(z), { heads: 3 }),
  'localLinearAttention by cg': (m) => attention.localLinearAttention(m(x), m(y), m(z), { heads: 3, solver: 'cg' }),
  localLinearAttentionBackward: (m) => attention.localLinearAttentionBackward(m(x), m(y), m(z), m(z), { heads: 3 }),
  tensorAttention: (m) => attention.tensorAttention(m(x), m(y), m(y), m(z), m(z), { heads: 3 }),
  'tensorAttention by a polynomial': (m) =>
    attention.tensorAttention(m(x), m(y), m(y), m(z), m(z), { heads: 3, method: 'polynomial' }),
  rope: (m) => attention.rope(m(x), { heads: 3 }),
  shiftRope: (m) => attention.shiftRope(m(x), { heads: 3, delta: 5 }),
};

/** All arrays of a result, one after another. */
function arraysOf(result: object): NumericArray[] {
  return Object.values(result).flatMap((value: unknown) => {
    if (ArrayBuffer.isView(value)) return [value as NumericArray];
    return typeof value === 'object' && value !== null ? arraysOf(value) : [];
  });
}
const bytes = (result: object) => arraysOf(result).map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength));

describe.each(Object.entries(calls))('%s', (_, call) => {
  it('gives the same bits on shared memory that begins anywhere', () => {
    const shared: Make = ({ rows, cols, data }) => {
      const copy = new Float32Array(new SharedArrayBuffer(4 * data.length + 8), 4, data.length);
      copy.set(data);
      return { rows, cols, data: copy };
    };
    const expected = bytes(call((m) => m));
    expect(expected.length).toBeGreaterThan(0);
    bytes(call(shared)).forEach((b, i) => expect(b.equals(expected[i]!)).toBe(true));
  });

  it('leaves no memory behind', () => {
    const threads = getThreads();
    setThreads(1); // others begin to keep scratch memory whenever they first take part
    for (let i = 0; i < 20; i++) call((m) => m);
    const before = native.liveAllocations();
    for (let i = 0; i < 200; i++) call((m) => m);
    expect(native.liveAllocations()).toBe(before);
    setThreads(threads);
  });
});

describe('a flag that another thread raises during the call', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { parentPort, workerData: flag } = require('node:worker_threads');
     parentPort.on('message', () => {
       parentPort.postMessage('begun');
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
       Atomics.store(flag, 0, 1);
     });`,
    { eval: true, workerData: flag },
  );
  afterAll(() => worker.terminate());

  const wide = (rows: number, cols = 64): Dense<Float32Array> => dense(rows, cols, new Float32Array(rows * cols).fill(0.1)); // prettier-ignore
  const [long, middle, short] = [wide(40_000), wide(4000), wide(1500)];
  it.each<[string, () => unknown]>([
    ['attention', () => attention.attention(long, long, long)],
    ['attentionBackward', () => attention.attentionBackward(long, long, long, long)],
    ['lightningAttention', () => attention.lightningAttention(wide(400_000), wide(400_000), wide(400_000), { block: 1024 })], // prettier-ignore
    ['localLinearAttention', () => attention.localLinearAttention(middle, middle, middle)],
    ['localLinearAttentionBackward', () => attention.localLinearAttentionBackward(middle, middle, middle, middle)],
    ['tensorAttention', () => attention.tensorAttention(short, short, short, short, short)],
  ])('stops %s', async (_, call) => {
    flag[0] = 0;
    await new Promise((begun) => {
      worker.once('message', begun);
      worker.postMessage('go');
    });
    const start = performance.now();
    expect(() => withCancelFlag(flag, call)).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
    expect(performance.now() - start).toBeLessThan(2000); // on a busy machine, too
  });
});
