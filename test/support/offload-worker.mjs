// A worker of an offload pool whose functions end, crash, count and answer oddly: what real ones must not do.
import { isMainThread } from 'node:worker_threads';
import { iterate } from '../../dist/core/iterate.js';
import { LapidaryError, dense } from '../../dist/index.js';
import { cancelState } from '../../dist/core/cancel.js';
import { where } from '../../dist/core/validate.js';
import { serve } from '../../dist/offload/serve.js';

let calls = 0;

export const odd = {
  echo: (...args) => args,
  add: (x, y, options = {}) => {
    const out = options.out ?? dense(x.rows, x.cols);
    for (let i = 0; i < x.data.length; i++) out.data[i] = x.data[i] + y.data[i];
    return out;
  },
  count: () => ++calls,
  exit: (code) => process.exit(code),
  thrown: () => {
    throw new Error('nobody catches this');
  },
  /** Rejects outside of any call: an uncaught exception in the thread. */
  uncaught: () =>
    new Promise(() =>
      setTimeout(() => {
        throw new Error('late');
      }, 1),
    ),
  memory: () => {
    const hoard = [];
    for (;;) hoard.push(new Array(1e5).fill({}).map((_, i) => ({ i })));
  },
  fileError: () => {
    throw Object.assign(new TypeError('no such file'), { code: 'ENOENT', path: '/nowhere', errno: -2 });
  },
  lapidaryError: () => {
    const details = { function: 'f', argument: 'x', expected: 'this', got: 'that' };
    throw new LapidaryError('ERR_SHAPE', details, { cause: new RangeError('why', { cause: new Error('root') }) });
  },
  throwString: () => {
    throw 'a string';
  },
  giveFunction: () => ({ f: () => 1 }),
  part: (n, from, to) => new Float64Array(n).map((_, i) => i).subarray(from, to),
  pieces: (n) => {
    const all = new Float64Array(2 * n).map((_, i) => i);
    return { first: all.subarray(0, n), second: all.subarray(n) };
  },
  pooled: () => Buffer.from('pooled'),
  later: async (x) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return x;
  },
  /** Turns until it is told to stop. */
  spin: (flags, ms = 10_000) => {
    if (flags) Atomics.store(flags, 0, 1);
    const end = performance.now() + ms;
    while (performance.now() < end)
      if (cancelState() === 'abort') where('spin').fail('ERR_ABORTED', undefined, 'to run to its end');
    return 'done';
  },
  /** Turns whatever it is told. */
  deaf: (flags, ms) => {
    Atomics.store(flags, 0, 1);
    const end = performance.now() + ms;
    while (performance.now() < end);
    Atomics.store(flags, 0, 2);
  },
  steps: (options = {}) => {
    const { pause = 0, ...rest } = options;
    return iterate(where('steps'), rest, { maxIterations: 100, tolerance: 0 }, (i) => {
      const end = performance.now() + pause;
      while (performance.now() < end);
      return 1 / i;
    });
  },
};

export default isMainThread ? undefined : serve({ odd });
