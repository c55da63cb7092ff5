import { getEventListeners } from 'node:events';
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Iterated, Progress } from 'lapidary';
import { oddPool, rejection, sharedWord, sleep, until } from '../support/offload.js';

const pool = oddPool(1);
const { odd } = pool;
beforeAll(async () => void (await odd.count!())); // the thread runs
afterAll(() => pool.close());

describe('signal', () => {
  test('already aborted: rejects without touching the arguments', async () => {
    const x = new Float64Array(2);
    const before: number = await odd.count!();
    const error = await rejection(odd.count!(x, { signal: AbortSignal.abort('tired'), move: true }));
    expect(error).toMatchObject({ name: 'LapidaryError', code: 'ERR_ABORTED', function: 'count', cause: 'tired' });
    expect(x.length).toBe(2);
    expect(await odd.count!()).toBe(before + 1);
  });

  test('a queued call rejects at once and never runs', async () => {
    const before: number = await odd.count!();
    const word = sharedWord();
    const busy = odd.spin!(word, 150);
    await until(word, 1);
    const controllers = [new AbortController(), new AbortController()];
    const queued = controllers.map(({ signal }) => rejection(odd.count!({ signal })));
    const kept = odd.count!();
    const start = performance.now();
    controllers.forEach((c, i) => c.abort(i));
    expect((await Promise.all(queued)).map((e) => [e.code, e.cause])).toEqual([
      ['ERR_ABORTED', 0],
      ['ERR_ABORTED', 1],
    ]);
    expect(performance.now() - start).toBeLessThan(50);
    await busy;
    expect(await kept).toBe(before + 1);
  });

  test('a call that waits for its thread to start counts as queued', async () => {
    const cold = oddPool(1);
    const controller = new AbortController();
    const word = sharedWord();
    const promise = rejection(cold.odd.spin!(word, 5000, { signal: controller.signal }));
    controller.abort();
    const start = performance.now();
    expect(await promise).toMatchObject({ code: 'ERR_ABORTED' });
    expect(performance.now() - start).toBeLessThan(20);
    expect(await cold.odd.count!()).toBe(1);
    expect(word[0]).toBe(0);
    await cold.close();
  });

  test('a running call rejects and its thread serves the next within 50 ms', async () => {
    const word = sharedWord();
    const controller = new AbortController();
    const running = rejection(odd.spin!(word, 10_000, { signal: controller.signal }));
    await until(word, 1);
    const start = performance.now();
    controller.abort(new Error('client has gone'));
    const error = await running;
    await odd.count!();
    expect(performance.now() - start).toBeLessThan(50);
    expect(error.code).toBe('ERR_ABORTED');
    expect((error.cause as Error).message).toBe('client has gone');
  });

  test('with shared memory the promise waits until the worker has let go of it, else not', async () => {
    for (const shared of [true, false]) {
      const word = sharedWord();
      const controller = new AbortController();
      // without shared arguments nobody can see the word: the call just runs its time
      const running = rejection(odd.deaf!(shared ? word : new Int32Array(1), 100, { signal: controller.signal }));
      if (shared) await until(word, 1);
      else await sleep(30);
      const start = performance.now();
      controller.abort();
      expect(await running).toMatchObject({ code: 'ERR_ABORTED' });
      if (shared) expect(word[0]).toBe(2);
      else expect(performance.now() - start).toBeLessThan(40);
    }
    await odd.count!();
  });

  test('leaves no listener behind and many calls may share one', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => void warnings.push(warning);
    process.on('warning', listen);
    const { signal } = new AbortController();
    const calls = Array.from({ length: 50 }, () => odd.count!({ signal }));
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    await Promise.all(calls);
    await rejection(odd.throwString!({ signal }));
    await sleep(1);
    process.off('warning', listen);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    expect(warnings).toEqual([]);
  });

  test('must be one', async () => {
    expect(await rejection(odd.count!({ signal: 5 }))).toMatchObject({ code: 'ERR_DTYPE', argument: 'options.signal' });
  });

  test('AbortSignal.timeout', async () => {
    const error = await rejection(odd.spin!(undefined, 10_000, { signal: AbortSignal.timeout(20) }));
    expect((error.cause as DOMException).name).toBe('TimeoutError');
  });
});

describe('onProgress', () => {
  test('is called on this thread, in order, to the last iteration', async () => {
    const seen: Progress[] = [];
    const storage = new AsyncLocalStorage<string>();
    const contexts = new Set<string | undefined>();
    const result: Iterated = await storage.run('request 7', () =>
      odd.steps!({
        maxIterations: 40,
        pause: 5,
        onProgress: (p: Progress) => {
          seen.push(p);
          contexts.add(storage.getStore());
        },
      }),
    );
    expect(result).toMatchObject({ iterations: 40, converged: false });
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.length).toBeLessThanOrEqual(40);
    seen.forEach((p, i) => expect(p.iteration).toBeGreaterThan(seen[i - 1]?.iteration ?? 0));
    expect(seen.at(-1)).toEqual({ iteration: 40, residual: 1 / 40 });
    expect([...contexts]).toEqual(['request 7']);
  });

  test('a fast iteration cannot flood this thread', async () => {
    let calls = 0;
    const start = performance.now();
    await odd.steps!({ maxIterations: 300_000, onProgress: () => void calls++ });
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan((performance.now() - start) / 16 + 3);
  });

  test('the newest wins when this thread was busy, and nothing comes after the end', async () => {
    const seen: number[] = [];
    let settled = false;
    let late = 0;
    await odd.steps!({
      maxIterations: 60,
      pause: 5,
      onProgress: ({ iteration }: Progress) => {
        if (settled) late++;
        seen.push(iteration);
        if (seen.length > 1) return;
        const end = performance.now() + 150;
        while (performance.now() < end);
      },
    });
    settled = true;
    await sleep(50);
    expect(late).toBe(0);
    expect(seen[1]! - seen[0]!).toBeGreaterThan(8); // some eight reports were overtaken
  });

  test('returning false stops the iteration; the result is what there is', async () => {
    let calls = 0;
    const result: Iterated = await odd.steps!({ maxIterations: 1e9, onProgress: () => ++calls < 3 });
    expect(result.converged).toBe(false);
    expect(result.iterations).toBeLessThan(1e9);
    expect(calls).toBe(3);
  });

  test('an exception ends the call and is what it rejects with', async () => {
    const mine = new Error('mine');
    let calls = 0;
    const thrower = () => {
      calls++;
      throw mine;
    };
    const start = performance.now();
    expect(await rejection(odd.steps!({ maxIterations: 1e9, onProgress: thrower }))).toBe(mine);
    await odd.count!();
    expect(performance.now() - start).toBeLessThan(500);
    expect(calls).toBe(1);
    expect(await rejection(odd.steps!({ maxIterations: 1, onProgress: thrower }))).toBe(mine);
  });

  test('aborting from within it', async () => {
    const controller = new AbortController();
    const onProgress = () => controller.abort('enough');
    const error = await rejection(odd.steps!({ maxIterations: 1e9, onProgress, signal: controller.signal }));
    expect(error).toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
  });

  test('is checked like everywhere', async () => {
    expect(await rejection(odd.steps!({ onProgress: 5 }))).toMatchObject({
      code: 'ERR_DTYPE',
      argument: 'options.onProgress',
    });
  });
});
