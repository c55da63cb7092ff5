/** The roof of a row: how fast this machine could do its operations or move its bytes, measured beside it. */
import { cpuInfo } from 'lapidary';
import { roofProcess } from './programs.js';
import { median } from './statistics.js';
import type { Roof, Work } from './row.js';

/** What the roof program can run on this machine, widest last. */
function widths(): string[] {
  const { supported } = cpuInfo();
  return ['portable', 'avx2', 'avx512'].filter((isa) => supported.includes(isa));
}

const fastest = new Map<string, Promise<string>>();

/** The instruction set with the highest FMA peak: the widest is not always that (half-rate 512-bit units, clocks). */
function fastestIsa(dtype: string, minTime: number): Promise<string> {
  let found = fastest.get(dtype);
  if (!found) fastest.set(dtype, (found = search()));
  return found;

  async function search(): Promise<string> {
    let best = { isa: 'portable', rate: 0 };
    for (const isa of widths()) {
      const program = await roofProcess('search', 1);
      const flops = await program.prepare({ operation: 'fma', parameters: { dtype, isa, threads: 1 } });
      const rate = flops / (await program.batch(minTime));
      if (rate > best.rate) best = { isa, rate };
    }
    return best.isa;
  }
}

/** One limit, timed in turns with the functions under it. */
export interface Limit {
  name: string;
  bound: 'flops' | 'bytes';
  /** flops or bytes of one call of the row */
  amount: number;
  /** one slice: flops or bytes a second */
  rate(): Promise<number>;
}

const sizeName = (bytes: number): string =>
  bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toPrecision(3)} KiB` : `${(bytes / 2 ** 20).toPrecision(3)} MiB`;

/** The limits of a row with these threads. */
export async function limitsOf(work: Work, threads: number, minTime: number): Promise<Limit[]> {
  const limits: Limit[] = [];
  const add = async (name: string, bound: Limit['bound'], amount: number, operation: string, parameters: object) => {
    const program = await roofProcess(operation, threads);
    const units = await program.prepare({ operation, parameters: { threads, ...parameters } });
    limits.push({ name, bound, amount, rate: async () => units / (await program.batch(minTime)) });
  };
  const dtype = work.peak ?? 'f64';
  if (work.flops) {
    const isa = await fastestIsa(dtype, minTime);
    await add(`${dtype} FMA peak`, 'flops', work.flops, 'fma', { dtype, isa });
  }
  if (work.bytes) {
    // an array below the first cache says nothing more; one far beyond the last is memory whatever its size
    const bytes = Math.round(Math.min(Math.max(work.footprint ?? work.bytes, 2 ** 14), 2 ** 28));
    await add(`read of ${sizeName(bytes)}`, 'bytes', work.bytes, 'read', { bytes, isa: widths().at(-1)! });
  }
  return limits;
}

/** The limit that leaves the least room, from rates and our times of the same rounds. */
export function tightest(
  limits: readonly Limit[],
  rates: readonly number[][],
  ours: readonly number[],
): Roof | undefined {
  const roofs = limits.map(({ name, bound, amount }, i): Roof => {
    const share = median(ours.map((seconds, round) => amount / rates[i]![round]! / seconds));
    const unit = bound === 'flops' ? 'GFLOPS' : 'GB/s';
    return { bound, name, rate: median(rates[i]!) / 1e9, unit, share };
  });
  return roofs.sort((a, b) => b.share - a.share)[0];
}
