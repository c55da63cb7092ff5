import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { LapidaryError } from 'lapidary';
import { offload } from 'lapidary/offload';
import { root } from '../support/repository.js';
import { oddPool, rejection, sharedWord, sleep, until } from '../support/offload.js';

const dist = new URL('../../dist/', import.meta.url).href;
const oddWorker = new URL('../support/offload-worker.mjs', import.meta.url).href;

/** Runs a module in a process of its own, where `pool` is an odd pool of one thread and `run` calls its functions. */
function inProcess(body: string, ...flags: string[]) {
  const head = `
    import { Pool } from '${dist}offload/pool.js';
    const pool = new Pool(1, new URL('${oddWorker}'));
    const run = (name, ...args) => pool.run('odd', name, args);
  `;
  const start = performance.now();
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', head + body], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { stdout: stdout.trim(), stderr, status, ms: performance.now() - start };
}

describe('a thread that dies', () => {
  test('process.exit or an uncaught exception rejects the call, and the pool serves on', async () => {
    const pool = oddPool(2);
    const others = Array.from({ length: 6 }, () => pool.odd.count!());
    const crashes = await Promise.all([
      rejection(pool.odd.exit!(3)),
      rejection(pool.odd.uncaught!()),
      rejection(pool.odd.exit!(0)),
    ]);
    for (const error of crashes) {
      expect(error).toBeInstanceOf(LapidaryError);
      expect(error).toMatchObject({ code: 'ERR_WORKER' });
    }
    expect(crashes[1].got).toBe('late');
    expect((await Promise.all(others)).length).toBe(6);
    expect(await pool.odd.echo!(1)).toEqual([1]);
    await pool.close();
  });

  test('terminated from outside, also when it has nothing to do', async () => {
    const workers: Worker[] = [];
    const collect = (worker: Worker) => void workers.push(worker);
    process.on('worker', collect);
    const pool = oddPool(1);
    const word = sharedWord();
    const running = rejection(pool.odd.spin!(word));
    const queued = pool.odd.count!();
    await until(word, 1);
    await workers[0]!.terminate();
    expect(await running).toMatchObject({ code: 'ERR_WORKER', function: 'spin' });
    expect(await queued).toBe(1);
    await workers[1]!.terminate();
    expect(await pool.odd.count!()).toBe(1);
    process.off('worker', collect);
    await pool.close();
    expect(workers.length).toBe(3);
  });

  test('out of memory', () => {
    const { stdout } = inProcess(
      `console.log(await run('memory').catch((e) => e.code + ' ' + e.cause.code), await run('count'));`,
      '--max-old-space-size=48',
    );
    expect(stdout).toBe('ERR_WORKER ERR_WORKER_OUT_OF_MEMORY 1');
  });

  test('while starting: every waiting call rejects, none hangs', async () => {
    const pool = oddPool(2, new URL('./no-such-worker.mjs', import.meta.url));
    for (let round = 0; round < 2; round++) {
      const errors = await Promise.all([1, 2, 3].map(() => rejection(pool.odd.count!())));
      for (const error of errors) expect(error).toMatchObject({ code: 'ERR_WORKER' });
    }
    await pool.close();
  });
});

describe('close', () => {
  test('waits for running and queued calls, refuses new ones, can be called again', async () => {
    const pool = oddPool(1);
    const done: string[] = [];
    const calls = [1, 2, 3].map(async (i) => {
      await pool.odd.spin!(undefined, 30);
      done.push(`call ${i}`);
    });
    const closing = pool.close().then(() => done.push('closed'));
    expect(await rejection(pool.odd.count!())).toMatchObject({ code: 'ERR_WORKER', got: 'one that is closed' });
    await pool.close();
    await Promise.all([closing, ...calls]);
    expect(done.slice(0, 3)).toEqual(['call 1', 'call 2', 'call 3']);
    expect(done).toContain('closed');
  });

  test('of a pool that never ran, and of one whose calls were aborted', async () => {
    await oddPool(4).close();
    const pool = oddPool(1);
    const controller = new AbortController();
    const calls = [1, 2, 3].map(() => rejection(pool.odd.spin!(undefined, 10_000, { signal: controller.signal })));
    const closing = pool.close();
    controller.abort();
    await Promise.all(calls);
    await closing;
  });

  test('await using', async () => {
    let pool!: ReturnType<typeof offload>;
    {
      await using scoped = offload({ threads: 1 });
      pool = scoped;
    }
    expect(pool[Symbol.asyncDispose]()).toBe(pool.close());
  });
});

describe('the process', () => {
  test('ends by itself when a pool is idle and was never closed', () => {
    const { stdout, status } = inProcess(`console.log(await run('count'));`);
    expect([stdout, status]).toEqual(['1', 0]);
  });

  test('lives until a call has ended', () => {
    const { stdout } = inProcess(`run('spin', undefined, 200).then(console.log);`);
    expect(stdout).toBe('done');
  });

  test('process.exit stops what runs in a thread', () => {
    const { status, ms } = inProcess(`
      await run('count');
      run('spin', undefined, 15_000).catch(() => {});
      setTimeout(() => process.exit(5), 50);
    `);
    expect(status).toBe(5);
    expect(ms).toBeLessThan(5000);
  });

  test.each(['the main thread', 'a worker thread'])('process.exit of %s in the middle of kernels', (thread) => {
    const busy = `
      import('lapidary').then(async ({ dense }) => {
        const { offload, shared } = await import('lapidary/offload');
        const a = shared(dense(3000, 3000));
        const pool = offload({ threads: 2 });
        for (let i = 0; i < 3; i++) pool.gemm.matmul(a, a).catch(() => {});
        setTimeout(() => process.exit(3), 400);
      });`;
    const nested = `
      const worker = new (require('node:worker_threads').Worker)(${JSON.stringify(busy)}, { eval: true });
      worker.on('exit', (code) => process.exit(code));`;
    const program = thread === 'the main thread' ? busy : nested;
    const { status, signal, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' });
    expect([status, signal, stderr]).toEqual([3, null, '']);
  });

  test('prints no warning', () => {
    expect(inProcess(`await run('count'); await pool.close();`).stderr).toBe('');
  });

  test('pools work inside a worker thread', async () => {
    const worker = new Worker(
      `import('${dist}offload/pool.js').then(async ({ Pool }) => {
        const pool = new Pool(2, new URL('${oddWorker}'));
        const sums = await Promise.all([1, 2, 3].map((x) => pool.run('odd', 'echo', [Float64Array.of(x)])));
        require('node:worker_threads').parentPort.postMessage(sums.map(([x]) => x[0]));
        await pool.close();
      })`,
      { eval: true },
    );
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    expect(await new Promise((resolve) => worker.once('message', resolve))).toEqual([1, 2, 3]);
    expect(await exit).toBe(0);
  });
});

describe('load', () => {
  test('many pools, many calls, and the event loop turns', async () => {
    const pools = [1, 2, 3, 4, 5].map(() => oddPool(1));
    await Promise.all(pools.map((pool) => pool.odd.count!()));
    let longest = 0;
    let turns = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      turns++;
    }, 1);
    // 100 calls of 10 ms: a second of work, half a second on two CPUs
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => pools[i % 5]!.odd.spin!(undefined, 10, new Float64Array(10_000))),
    );
    clearInterval(timer);
    await Promise.all(pools.map((pool) => pool.close()));
    expect(turns).toBeGreaterThan(10);
    expect(longest).toBeLessThan(200);
  });

  test('ten thousand calls leave nothing behind', async () => {
    const pool = oddPool(2);
    const many = async (n: number) => {
      for (let i = 0; i < n; i += 20)
        await Promise.all(
          Array.from({ length: 20 }, (_, j) =>
            j % 4
              ? pool.odd.part!(8192, 0, 8192)
              : pool.odd.steps!({
                  maxIterations: 2,
                  onProgress: () => undefined,
                  signal: new AbortController().signal,
                }),
          ),
        );
    };
    await many(3000);
    const before = process.memoryUsage().rss;
    await many(10_000);
    await sleep(10);
    // 7500 results of 64 KB are 490 MB. The collector may lag behind: what is left behind would grow with more calls.
    const grown = () => process.memoryUsage().rss - before;
    for (let round = 0; round < 10 && grown() >= 60e6; round++) await many(500);
    expect(grown()).toBeLessThan(60e6);
    await pool.close();
  });
});
