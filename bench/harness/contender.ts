/** What runs in this process, timed by the `benchmark` package: it finds the number of calls a slice needs and times them. */
import Benchmark from 'benchmark';
import type { Contender } from './row.js';

/** `maxTime` below zero makes one run of Benchmark exactly `minSamples` samples: the rounds are ours to order. */
const oneSample = { minSamples: 1, maxTime: -1, initCount: 1, delay: 0 };

/** @types/benchmark lacks the property that keeps the number of calls found in an earlier slice */
type Resumable = Benchmark & { initCount: number };

/**
 * A synchronous call. Benchmark makes one untimed call before each slice, which brings the caches back to this contender.
 * The last result is kept in reach, so that no engine may leave out the work that makes it.
 */
export function synchronous<T>(
  call: () => T,
  numbers: (result: T) => ArrayLike<number>,
  minTime: number,
): Contender & { last(): T | undefined } {
  let last: T | undefined;
  const bench = new Benchmark('slice', () => void (last = call()), { ...oneSample, minTime }) as Resumable;
  return {
    last: () => last,
    result: () => numbers(call()),
    sample() {
      bench.run();
      return finish(bench);
    },
  };
}

/** A call that gives a promise; what it costs to wait for that is part of the library's cost. */
export function asynchronous<T>(
  call: () => Promise<T>,
  numbers: (result: T) => ArrayLike<number>,
  minTime: number,
): Contender {
  let failure: Error | undefined;
  let last: T | undefined;
  const body = (deferred: Deferred): void => {
    call()
      .then((value) => (last = value))
      .catch((error: unknown) => (failure = error as Error))
      .finally(() => deferred.resolve());
  };
  const bench = new Benchmark('slice', body, {
    ...oneSample,
    defer: true,
    minTime,
  }) as Resumable;
  return {
    result: async () => numbers(await call()),
    async sample() {
      await call();
      await new Promise<void>((resolve) => {
        bench.off('complete');
        bench.on('complete', () => resolve());
        bench.run({ async: true });
      });
      if (failure !== undefined) throw failure;
      if (last === undefined) throw new Error('the call gave no result');
      return finish(bench);
    },
  };
}

interface Deferred {
  resolve(): void;
}

function finish(bench: Resumable): number {
  const failure = bench.error as Error | undefined;
  if (failure) throw failure;
  bench.initCount = bench.count; // the next slice need not search again
  return bench.stats.mean;
}
