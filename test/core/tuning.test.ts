import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { dense, gemm, getThreads, setThreads, type Dense } from 'lapidary';
import { native } from '../../dist/core/native.js';
import {
  anyCount,
  cellsPerOperation,
  machineOf,
  mostFew,
  parseTuning,
  tuningPath,
  type TuningFile,
} from '../../dist/core/tuning.js';
import { counts as measured, crossover, measure, operations } from '../../dist/cli/tune.js';
import { root } from '../support/repository.js';

const names = native.tuningNames();
const read = () => {
  const cells = new Uint16Array(2 * cellsPerOperation * names.length);
  native.readTuning(cells);
  return cells;
};
const nine = (value: number) => Array<number>(cellsPerOperation).fill(value);
const file = (crossovers: TuningFile['crossovers'], change: object = {}) =>
  JSON.stringify({ format: 'lapidary-tune-1', ...machineOf(native), crossovers, ...change });

afterEach(() => native.setTuning(null));

test('what is set is read, and null brings the defaults back', () => {
  const defaults = read();
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: mostFew }), fc.constant(anyCount)), {
        minLength: defaults.length,
        maxLength: defaults.length,
      }),
      (values) => {
        const cells = Uint16Array.from(values, (value, i) => (i % 2 === 1 && value === anyCount ? 0 : value));
        native.setTuning(cells);
        expect(read()).toEqual(cells);
      },
    ),
    { numRuns: 20 },
  );
  native.setTuning(null);
  expect(read()).toEqual(defaults);
});

test('counts beyond the limit are refused whole', () => {
  const before = read();
  const cells = read();
  for (const [place, value] of [
    [0, mostFew + 1],
    [cells.length - 1, mostFew + 1],
    [1, anyCount],
  ] as const) {
    const wrong = cells.map((cell, i) => (i === place ? value : cell === 0 ? 1 : cell));
    expect(() => native.setTuning(wrong)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
    expect(read()).toEqual(before);
  }
});

test('crossings are looked for at each of the first few counts', () => {
  expect(measured.slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
});

describe('each way gives the product, for any number of threads the same bits', () => {
  const whole = (rows: number, cols: number, step: number) =>
    Float64Array.from({ length: rows * cols }, (_, i) => ((i * step) % 17) - 8);
  const threads = getThreads();
  afterEach(() => setThreads(threads));

  const ways = [
    ['dots', () => mostFew],
    ['flat', (i: number) => (i % 2 === 1 ? mostFew : 0)],
    ['blocked', () => 0],
  ] as const;
  test.each(ways)('%s', (_, value) => {
    native.setTuning(read().map((_, i) => value(i)));
    for (const [m, n, k] of [
      [3, 300, 530],
      [19, 37, 2100],
      [520, 5, 70],
    ] as const) {
      const [a, b] = [whole(m, k, 7), whole(k, n, 5)];
      const turned = Float64Array.from({ length: n * k }, (_, i) => b[(i % k) * n + Math.floor(i / k)]!);
      const want = new Float64Array(m * n);
      for (let i = 0; i < m; i++)
        for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) want[i * n + j]! += a[i * k + p]! * b[p * n + j]!;
      const halves = (x: Float64Array) =>
        Uint16Array.from(new Uint32Array(Float32Array.from(x).buffer), (w) => w >>> 16);
      const kinds = [
        (rows: number, cols: number, x: Float64Array) => dense(rows, cols, x),
        (rows: number, cols: number, x: Float64Array) => dense(rows, cols, Float32Array.from(x)),
        (rows: number, cols: number, x: Float64Array) => ({ ...dense(rows, cols, halves(x)), dtype: 'bf16' as const }),
        (rows: number, cols: number, x: Float64Array) => dense(rows, cols, Int8Array.from(x)),
      ] as unknown as ((rows: number, cols: number, x: Float64Array) => Dense)[];
      for (const kind of kinds)
        for (const count of [1, 3]) {
          setThreads(count);
          expect(Float64Array.from(gemm.matmul(kind(m, k, a), kind(k, n, b)).data)).toEqual(want);
          const got = gemm.matmul(kind(m, k, a), kind(n, k, turned), { transposeB: true });
          expect(Float64Array.from(got.data)).toEqual(want);
        }
    }
  });
});

describe('a file', () => {
  test('for this machine sets what it names and keeps the rest', () => {
    const { cells, reason } = parseTuning(file({ f32: { dots: nine(0), flat: nine(24) } }), native);
    expect(reason).toBeUndefined();
    const first = 2 * cellsPerOperation * names.indexOf('f32');
    const expected = read();
    for (let i = 0; i < cellsPerOperation; i++) expected.set([0, 24], first + 2 * i);
    expect(cells).toEqual(expected);
  });

  test.each([
    ['no JSON', '{', /not JSON/],
    ['null', 'null', /not a table/],
    ['a list', '[]', /not a table/],
    ['another version', file({}, { format: 'lapidary-tune-2' }), /another version/],
    ['another processor', file({}, { cpu: 'Z80' }), /another machine \(cpu Z80\)/],
    ['another instruction set', file({}, { isa: 'mmx' }), /another machine \(isa mmx\)/],
    ['other caches', file({}, { cacheBytes: { l1d: 1, l2: 2, l3: 3 } }), /other caches \(l1d\)/],
    ['no caches', file({}, { cacheBytes: null }), /other caches/],
    ['no crossovers', file({}), /no crossovers/],
    ['crossovers null', file({}, { crossovers: null }), /no crossovers/],
    ['an unknown operation', file({ f8: { dots: nine(0), flat: nine(0) } }), /unknown operation 'f8'/],
    ['a row null', file({}, { crossovers: { f32: null } }), /'f32' has no 9 numbers dots/],
    ['too few cells', file({ f32: { dots: [1], flat: nine(0) } }), /'f32' has no 9 numbers dots/],
    ['a fraction', file({ f32: { dots: nine(0), flat: nine(1.5) } }), /a count in flat/],
    ['too many', file({ f32: { dots: nine(257), flat: nine(0) } }), /a count in dots/],
    ['any number flat', file({ f32: { dots: nine(0), flat: nine(anyCount) } }), /a count in flat/],
    ['text', file({}, { crossovers: { f32: { dots: Array(9).fill('1'), flat: nine(0) } } }), /a count in dots/],
  ])('with %s is refused', (_, text, reason) => {
    const got = parseTuning(text, native);
    expect(got.cells).toBeUndefined();
    expect(got.reason).toMatch(reason);
  });

  test('is looked for where the user says, else in the folder for caches', () => {
    expect(tuningPath({ LAPIDARY_TUNE: '/a/b.json' })).toBe('/a/b.json');
    expect(tuningPath({ LAPIDARY_TUNE: '' })).toBeUndefined();
    expect(tuningPath({ XDG_CACHE_HOME: '/cache' })).toBe('/cache/lapidary/tune.json');
    expect(tuningPath({})).toMatch(/\.cache\/lapidary\/tune\.json$/);
  });

  test('is loaded when the package is, also in a worker, and a bad one changes nothing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lapidary-tune-'));
    const [good, bad] = [join(folder, 'good.json'), join(folder, 'bad.json')];
    writeFileSync(good, file({ [names.at(-1)!]: { dots: nine(77), flat: nine(0) } }));
    writeFileSync(bad, 'x');
    const program = `
      import { isMainThread, Worker } from 'node:worker_threads';
      import '${root}dist/index.js';
      const { native } = await import('${root}dist/core/native.js');
      const { tuningStatus } = await import('${root}dist/core/tuning.js');
      const cells = new Uint16Array(${2 * cellsPerOperation * names.length});
      native.readTuning(cells);
      console.log(JSON.stringify([tuningStatus.source, cells.at(-2)]));
      if (isMainThread) new Worker(new URL(import.meta.url));`;
    const path = join(folder, 'program.mjs');
    writeFileSync(path, program);
    const run = (tune: string) =>
      spawnSync(process.execPath, [path], { encoding: 'utf8', env: { ...process.env, LAPIDARY_TUNE: tune } }).stdout;
    const initial = read().at(-2)!;
    expect(run(good)).toBe('["file",77]\n["shared",77]\n');
    expect(run(bad)).toBe(`["ignored",${initial}]\n["shared",${initial}]\n`);
    expect(run(join(folder, 'none.json'))).toBe(`["ignored",${initial}]\n["shared",${initial}]\n`);
    expect(run('')).toBe(`["defaults",${initial}]\n["shared",${initial}]\n`);
  });
});

describe('measuring', () => {
  test('knows every operation of the native table', () => {
    expect(Object.keys(operations)).toEqual(names);
  });

  const counts = [2, 4, 8, 16, 32];
  const none = { dots: 0, flat: 0 };

  test('finds the crossover in spite of a slow slice', () => {
    const times = counts.map((m) => [2 * m, 12 + m, 26 + m / 4]);
    times[1]![0] = 18; // disturbed: more than flat
    const [flat, both] = [times.map(([, a, b]) => [a!, b!]), ['dots', 'flat']];
    expect(crossover(both, counts, times, none)).toEqual({ dots: 8, flat: 16 });
    expect(crossover(['flat'], counts, flat, none)).toEqual({ dots: 0, flat: 16 });
    const blocked = crossover(['dots'], counts, counts.map(() => [2, 1]), { dots: 8, flat: 8 }); // prettier-ignore
    expect(blocked).toEqual(none);
    const dots = crossover(['dots'], counts, counts.map(() => [1, 2]), none); // prettier-ignore
    expect(dots).toEqual({ dots: anyCount, flat: 32 });
  });

  test('keeps the usual pair where another is hardly better', () => {
    const even = counts.map((m) => [1, 1 + (m % 3) / 100, 1.01]);
    for (const usual of [none, { dots: 4, flat: 24 }, { dots: anyCount, flat: 16 }, { dots: 0, flat: 48 }])
      expect(crossover(['dots', 'flat'], counts, even, usual)).toBe(usual);
    const slower = counts.map(() => [1.04, 1]);
    expect(crossover(['dots'], counts, slower, { dots: 48, flat: 48 })).toEqual(none);
    expect(crossover(['dots'], counts, slower, { dots: 4, flat: 48 })).toEqual({ dots: 4, flat: 48 }); // 0.016 in the mean
  });

  test('gives a table that a file can hold, and leaves the native one as it was', () => {
    const before = read();
    const crossovers = measure(native, gemm, { sides: [8, 9, 10], counts: [2, 3], seconds: 0 });
    expect(read()).toEqual(before);
    expect(parseTuning(file(crossovers), native).reason).toBeUndefined();
  });

  test('starts from the built-in table, not from that of a user', () => {
    const before = read();
    const row = { dots: nine(3), flat: nine(3) };
    native.setTuning(parseTuning(file(Object.fromEntries(names.map((name) => [name, row]))), native).cells!);
    const few = { sides: [8, 9, 10], counts: [], seconds: 0 }; // nothing tried: nothing better
    const found = parseTuning(file(measure(native, gemm, few)), native).cells;
    expect(read()).not.toEqual(before);
    native.setTuning(null);
    expect(found).toEqual(read());
    native.setTuning(before);
  });
});
