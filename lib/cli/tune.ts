import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Dense, NumericArray } from '../core/values.js';
import { anyCount, type TuningFile, type TuningNative } from '../core/tuning.js';
import { listing } from './info.js';

type Gemm = typeof import('../gemm/index.js');
type Call = () => unknown;

/** What one operation of native/gemm/tuning.h is measured with. */
interface Operation {
  /** its ways besides blocked */
  ways: readonly ('dots' | 'flat')[];
  /** a product of `few` vectors with the large operand of across × k values */
  make(gemm: Gemm, few: number, across: number, k: number): Call;
}

const ones = <A extends NumericArray>(array: A): A => array.fill(1) as A;
const matrix = <A extends NumericArray>(rows: number, cols: number, make: (length: number) => A): Dense<A> => ({
  rows,
  cols,
  data: ones(make(rows * cols)),
});

type Kind = 'f32' | 'f64' | 'half' | 'int8';

/**
 * few × k times across × k transposed, few × k times k × across, or across × k times few columns, of which those of f32 and f64
 * lie transposed: straight ones are left where they lie.
 */
function product(kind: Kind, layout: 'straight' | 'transposed' | 'narrow'): Operation['make'] {
  return (gemm, few, across, k) => {
    const wide = (rows: number, cols: number) => {
      if (kind === 'f64') return matrix(rows, cols, (n) => new Float64Array(n));
      if (kind === 'f32') return matrix(rows, cols, (n) => new Float32Array(n));
      if (kind === 'int8') return matrix(rows, cols, (n) => new Int8Array(n));
      return { ...matrix(rows, cols, (n) => new Uint16Array(n)), dtype: 'bf16' as const };
    };
    const thin = (rows: number, cols: number) =>
      kind === 'f64'
        ? matrix(rows, cols, (n) => new Float64Array(n))
        : kind === 'int8'
          ? matrix(rows, cols, (n) => new Uint8Array(n))
          : matrix(rows, cols, (n) => new Float32Array(n));
    const narrow = layout === 'narrow';
    const transposeB = layout === 'transposed' || (narrow && (kind === 'f32' || kind === 'f64'));
    const [a, b] = narrow
      ? [wide(across, k), transposeB ? thin(few, k) : thin(k, few)]
      : [thin(few, k), layout === 'transposed' ? wide(across, k) : wide(k, across)];
    const type = kind === 'f64' ? Float64Array : kind === 'int8' ? Int32Array : Float32Array;
    const [m, n] = narrow ? [across, few] : [few, across];
    const options = { transposeB, out: { rows: m, cols: n, data: new type(m * n) } };
    return () => gemm.matmul(a as Dense, b as Dense, options as object);
  };
}

/** few tokens against packed weights of across × k, of which columns of a group share scales: dots are lookups. */
const packed =
  (format: 'bipolar1' | 'int2' | 'int3' | 'int4' | 'ternary', group = Infinity): Operation['make'] =>
  (gemm, few, across, k) => {
    const bits = format === 'ternary' ? 2 : Number(format.at(-1));
    const groupSize = Math.min(group, k);
    const codes = new Uint8Array(across * Math.ceil((k * bits) / 8));
    const scales = ones(new Float32Array(across * Math.ceil(k / groupSize)));
    const w = gemm.packWeights({ layout: 1, format, rows: across, cols: k, groupSize, bits, codes, scales });
    const x = gemm.quantizeActivations(matrix(few, k, (n) => new Float32Array(n)));
    const out = matrix(few, across, (n) => new Float32Array(n));
    return () => gemm.linear(x, w, { out });
  };

/** One line for each operation; a test compares the names with those of the native table. */
export const operations: Record<string, Operation> = {
  f32: { ways: ['flat'], make: product('f32', 'straight') },
  'f32 transposed': { ways: ['dots', 'flat'], make: product('f32', 'transposed') },
  'f32 narrow': { ways: ['dots', 'flat'], make: product('f32', 'narrow') },
  f64: { ways: ['flat'], make: product('f64', 'straight') },
  'f64 transposed': { ways: ['flat'], make: product('f64', 'transposed') },
  'f64 narrow': { ways: ['flat'], make: product('f64', 'narrow') },
  half: { ways: ['flat'], make: product('half', 'straight') },
  'half transposed': { ways: ['dots', 'flat'], make: product('half', 'transposed') },
  'half narrow': { ways: ['dots'], make: product('half', 'narrow') },
  int8: { ways: ['flat'], make: product('int8', 'straight') },
  'int8 transposed': { ways: ['dots', 'flat'], make: product('int8', 'transposed') },
  'int8 narrow': { ways: ['dots'], make: product('int8', 'narrow') },
  packed1: { ways: ['dots'], make: packed('bipolar1') },
  packed2: { ways: ['dots'], make: packed('int2') },
  packed3: { ways: ['dots'], make: packed('int3') },
  packed4: { ways: ['dots'], make: packed('int4') },
  'packed ternary': { ways: ['dots'], make: packed('ternary') },
  'packed1 short': { ways: ['dots'], make: packed('bipolar1', 32) },
  'packed2 short': { ways: ['dots'], make: packed('int2', 32) },
  'packed3 short': { ways: ['dots'], make: packed('int3', 32) },
  'packed4 short': { ways: ['dots'], make: packed('int4', 32) },
};

/** One side of each class of kTunedSides. */
const sides = [256, 1024, 4096] as const;
/** How many vectors are tried. */
export const counts = [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96] as const;

export interface Measure {
  sides: readonly number[];
  counts: readonly number[];
  /** seconds that each time is measured for */
  seconds: number;
}
const full: Measure = { sides, counts, seconds: 0.02 };

/** Seconds of each way for one size, the best of interleaved rounds; `force` selects a way. */
function timesOf(call: Call, ways: readonly string[], force: (way: string) => void, seconds: number): number[] {
  const best = ways.map(() => Infinity);
  const end = performance.now() + seconds * 1000 * ways.length;
  do {
    for (const [i, way] of ways.entries()) {
      force(way);
      call(); // brings the caches to this way
      let repeats = 1;
      for (;;) {
        const start = performance.now();
        for (let r = 0; r < repeats; r++) call();
        const time = (performance.now() - start) / 1000;
        if (time > 2e-4) {
          best[i] = Math.min(best[i]!, time / repeats);
          break;
        }
        repeats *= 4;
      }
    }
  } while (performance.now() < end);
  return best;
}

/** Share of the time below which a difference is taken for noise, in the mean over all counts. */
const noise = 0.03;

/**
 * The pair (dots, flat) with the least product of times over all counts: a single slow slice moves it little. Where that is
 * hardly less than with the pair `usual`, it is this one: many ways take the same time, and which is the fastest is chance.
 * `times[i]` are those of count i by way, blocked last. Dots that win up to the last count do so for any number.
 */
export function crossover(
  ways: readonly string[],
  tried: readonly number[],
  times: readonly (readonly number[])[],
  usual: { dots: number; flat: number },
): { dots: number; flat: number } {
  const cost = ({ dots, flat }: { dots: number; flat: number }) =>
    tried.reduce((sum, count, i) => {
      const at = ways.indexOf(count <= dots ? 'dots' : count <= flat ? 'flat' : 'blocked');
      return sum + Math.log(times[i]![at < 0 ? ways.length : at]!);
    }, 0);
  let best = { dots: 0, flat: 0 };
  const limits = [0, ...tried];
  for (const dots of ways.includes('dots') ? limits : [0])
    for (const flat of ways.includes('flat') ? limits.filter((limit) => limit >= dots) : [dots])
      if (cost({ dots, flat }) < cost(best)) best = { dots, flat };
  if (cost(usual) - cost(best) <= noise * tried.length) return usual;
  return { dots: best.dots === tried.at(-1) ? anyCount : best.dots, flat: best.flat };
}

/** Measures every operation, beside the built-in table; the native one is what it was afterwards. */
export function measure(
  native: TuningNative,
  gemm: Gemm,
  { sides, counts, seconds }: Measure,
  report: (text: string) => void = () => undefined,
): TuningFile['crossovers'] {
  const names = native.tuningNames();
  const before = new Uint16Array(2 * sides.length ** 2 * names.length);
  native.readTuning(before);
  native.setTuning(null);
  const usual = new Uint16Array(before.length);
  native.readTuning(usual);
  const most = counts.at(-1)!;
  const force = (way: string) =>
    native.setTuning(before.map((_, i) => (way === 'dots' || (way === 'flat' && i % 2 === 1) ? most : 0)));
  const crossovers: TuningFile['crossovers'] = {};
  try {
    for (const [index, name] of names.entries()) {
      const { ways, make } = operations[name]!;
      const row = { dots: [] as number[], flat: [] as number[] };
      for (const across of sides)
        for (const k of sides) {
          report(`${name}, ${across} × ${k}`);
          const times: number[][] = [];
          for (const count of counts) {
            times.push(timesOf(make(gemm, count, across, k), [...ways, 'blocked'], force, seconds));
            // Twice far behind: more vectors will not help the other ways.
            const behind = (by: number[]) => Math.min(...by.slice(0, -1)) > 1.15 * by.at(-1)!;
            if (times.length > 1 && times.slice(-2).every(behind)) break;
          }
          const cell = 2 * (index * sides.length ** 2 + row.dots.length);
          const builtIn = { dots: usual[cell]!, flat: usual[cell + 1]! };
          const { dots, flat } = crossover(ways, counts.slice(0, times.length), times, builtIn);
          row.dots.push(dots);
          row.flat.push(flat);
        }
      crossovers[name] = row;
    }
  } finally {
    native.setTuning(before);
  }
  return crossovers;
}

/** Makes the folder and those above it that are missing. Not with `recursive`: in /proc Node then tries for ever. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path);
}

/** `lapidary bench`: measures where the ways to a product cross; with `tune` writes them down. Returns the exit status. */
export async function bench({ tune = false, out }: { tune?: boolean; out?: string }, plan = full): Promise<number> {
  // Loaded here and not above: where the addon is missing, the command says so instead of failing at import.
  const { native } = await import('../core/native.js');
  const { machineOf, tuningPath } = await import('../core/tuning.js');
  const gemm = await import('../gemm/index.js');
  const path = out ?? tuningPath() ?? tuningPath({})!;
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  const write = (text: string) => {
    try {
      makeFolder(dirname(path));
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error('it is a directory');
      writeFileSync(`${path}.new`, text);
      if (text === '') rmSync(`${path}.new`);
      else renameSync(`${path}.new`, path); // whole or not at all: other processes may be starting
      return true;
    } catch (error) {
      console.error(`lapidary bench: ${path} cannot be written: ${(error as Error).message}`);
      return false;
    }
  };
  if (tune && !write('')) return 1; // said before the minutes that follow
  const crossovers = measure(native, gemm, plan, progress);
  progress('');
  console.log(
    listing(
      Object.entries(crossovers).flatMap(([name, { dots, flat }]) =>
        plan.sides.flatMap((across, i) =>
          plan.sides.map((k, j): [string, string] => {
            const cell = i * plan.sides.length + j;
            return [`${name}, ${across} × ${k}`, `dots up to ${dots[cell]}, flat up to ${flat[cell]}`];
          }),
        ),
      ),
    ),
  );
  if (!tune) return 0;
  const content: TuningFile = { format: 'lapidary-tune-1', ...machineOf(native), crossovers };
  if (!write(`${JSON.stringify(content, null, 1)}\n`)) return 1;
  console.log(`\nWritten to ${path}; processes that start from now on use it.`);
  return 0;
}
