import { describe, expect, test } from 'vitest';
import { allRight, duration, notes, table } from '../../bench/harness/report.js';
import { MissingPeer } from '../../bench/harness/row.js';
import { compareNumbers, numbersOf, quickPlan, runRow, type Plan } from '../../bench/harness/run.js';
import { peerOf, rowWith } from './support.js';

const run = (peers: Parameters<typeof rowWith>[0], plan: Plan = quickPlan, threads = 1) =>
  runRow('a/b', rowWith(peers), threads, plan);

describe('peers', () => {
  test('a right one is timed and compared', async () => {
    const plan: Plan = { minTime: 1e-6, budget: 0, minRounds: 6, maxRounds: 6 };
    const outcome = await run([peerOf('right', [1, 2, 3 + 1e-12])], plan);
    const [peer] = outcome.peers;
    expect(peer).toMatchObject({ name: 'right', status: 'timed', version: 'right 1.0', threads: 1, verdict: 'faster' });
    expect(peer!.time).toEqual({ median: 1e-3, q1: 1e-3, q3: 1e-3, slices: 6 });
    expect(peer!.ratio).toBeGreaterThan(1);
    expect(outcome.time.slices).toBe(6);
    expect(allRight([outcome])).toBe(true);
  });

  test('a wrong one is not timed, fails the run and says where', async () => {
    const outcome = await run([peerOf('fast but wrong', [1, 2, 4])]);
    expect(outcome.peers[0]).toMatchObject({ status: 'wrong', reason: 'number 2 is 4 where ours is 3' });
    expect(outcome.peers[0]).not.toHaveProperty('time');
    expect(allRight([outcome])).toBe(false);
    expect(notes([outcome]).join()).toContain('WRONG: fast but wrong');
  });

  test.each([
    ['all zeros', [0, 0, 0]],
    ['nothing', []],
    ['NaN', [1, NaN, 3]],
  ])('a result of %s is wrong', async (_, result) => {
    expect((await run([peerOf('p', result)])).peers[0]!.status).toBe('wrong');
  });

  test('a missing one is reported with the reason and how to get it', async () => {
    const open = () => Promise.reject(new MissingPeer('libfast is not on this machine', 'apt-get install libfast'));
    const outcome = await run([peerOf('libfast', [], { open }), peerOf('right', [1, 2, 3])]);
    expect(outcome.peers.map(({ status }) => status)).toEqual(['missing', 'timed']);
    expect(notes([outcome])).toEqual(['  missing: libfast: libfast is not on this machine; apt-get install libfast']);
    expect(allRight([outcome])).toBe(true);
  });

  test('wrong answers that are allowed for are counted, others are not', async () => {
    const mayFail = { mayFail: true };
    const outcome = await run([peerOf('some', [1, Infinity, 3], mayFail), peerOf('worse', [1, Infinity, 4], mayFail)]);
    expect(outcome.peers[0]).toMatchObject({ status: 'timed', wrongShare: 1 / 3 });
    expect(outcome.peers[1]!.status).toBe('wrong');
    expect(notes([outcome]).join()).toContain('33.3 % of its answers are not finite');
  });

  test('with several threads, one thread of lapidary joins and single-threaded peers stay out', async () => {
    const outcome = await run([peerOf('single', [1, 2, 3]), peerOf('many', [1, 2, 3], { threads: 'same' })], quickPlan, 2); // prettier-ignore
    expect(outcome.peers.map(({ name, threads }) => [name, threads])).toEqual([
      ['many', 2],
      ['lapidary, 1 thread', 1],
    ]);
  });
});

test('the order rotates, so that nobody always comes after the same one', async () => {
  const order: string[] = [];
  const peer = (name: string) =>
    peerOf(name, [1, 2, 3], {
      open: () => ({ result: () => [1, 2, 3], sample: () => order.push(name) }),
    });
  await run([peer('a'), peer('b')], { minTime: 1e-6, budget: 0, minRounds: 3, maxRounds: 3 });
  expect(order.join('')).toBe('ab' + 'ab' + 'ba' + 'ab'); // starting with ours, ours, a, b, ours
});

test('a row whose result changes while it is timed is an error', async () => {
  let calls = 0;
  const row = { ...rowWith([]), setup: () => ({ ours: () => Float64Array.of(calls++) }) };
  await expect(runRow('a/b', row, 1, quickPlan)).rejects.toThrow(/result changed/);
});

describe('comparison', () => {
  const peer = { tolerance: 1e-6 };
  test('is relative to the largest number, or to each', () => {
    expect(compareNumbers([1e6, 1], [1e6, 1.5], peer).difference).toBeUndefined();
    expect(compareNumbers([1e6, 1], [1e6, 1.5], { ...peer, scale: 'each' }).difference).toBeDefined();
  });
  test('the same infinities and NaNs agree', () => {
    expect(compareNumbers([1, NaN, -Infinity], [1, NaN, -Infinity], peer).difference).toBeUndefined();
  });
  test('zeros of ours prove nothing', () => {
    expect(compareNumbers([0, 0], [0, 0], peer).difference).toContain('nothing to compare');
  });
  test('reads Dense, Csr, arrays and numbers', () => {
    expect(numbersOf({ data: [1] })).toEqual([1]);
    expect(numbersOf({ indptr: [], values: [2] })).toEqual([2]);
    expect(numbersOf(3)).toEqual([3]);
    expect(() => numbersOf({})).toThrow(/output/);
  });
});

test('the table leads with ratio and share', async () => {
  const outcome = await run([peerOf('right', [1, 2, 3])]);
  const lines = table([outcome]).split('\n');
  expect(lines[0]).toBe('a/b');
  const heads = lines[2]!.split('│').map((cell) => cell.trim());
  expect(heads.indexOf('ratio')).toBeLessThan(heads.indexOf('ours'));
  expect(heads.indexOf('share')).toBeLessThan(heads.indexOf('ours'));
  expect(table([outcome])).toContain('right');
});

test('durations have a unit', () => {
  expect([2, 0.0015, 12e-6, 3.2e-7].map(duration)).toEqual(['2 s', '1.5 ms', '12 µs', '320 ns']);
});
