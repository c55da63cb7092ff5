/** Finds the bench files and the rows that a filter names. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Bench, Outcome, Published, Row } from './row.js';
import { exponent } from './statistics.js';

const folder = new URL('../', import.meta.url);

export interface BenchFile {
  /** domain/algorithm */
  operation: string;
  url: URL;
}

/** All bench files, in order of their names. */
export function benchFiles(from: URL = folder): BenchFile[] {
  return readdirSync(from, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: domain }) =>
      readdirSync(new URL(`${domain}/`, from))
        .filter((file) => file.endsWith('.bench.ts'))
        .map((file) => ({
          operation: `${domain}/${publicName(file.slice(0, -'.bench.ts'.length))}`,
          url: new URL(`${domain}/${file}`, from),
        })),
    )
    .sort((a, b) => (a.operation < b.operation ? -1 : 1));
}

/** `log-bessel-i` → `logBesselI` */
const publicName = (file: string): string => file.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** What a filter is matched against: `gemm/matmul f32 512×512×512`. */
export const labelOf = (operation: string, { dtype, shape }: Pick<Row, 'dtype' | 'shape'>): string =>
  `${operation} ${dtype} ${shape}`;

/** A filter is a regular expression without regard to case; what is none is taken literally. */
export function matcher(filter: string): (label: string) => boolean {
  const literal = filter.toLowerCase();
  try {
    const expression = new RegExp(filter, 'i');
    return (label) => expression.test(label) || label.toLowerCase().includes(literal);
  } catch {
    return (label) => label.toLowerCase().includes(literal);
  }
}

export async function rowsOf(file: BenchFile, quick: boolean): Promise<Row[]> {
  const { default: bench } = (await import(file.url.href)) as { default: Bench };
  return bench({ quick });
}

/** Fills in `growth`: each row against the next smaller one of its series. */
export function addGrowth(outcomes: readonly { row: Row; outcome: Outcome }[]): void {
  for (const { row, outcome } of outcomes) {
    if (row.size === undefined) continue;
    const smaller = outcomes
      .filter(
        (other) =>
          other.outcome.operation === outcome.operation &&
          other.outcome.threads === outcome.threads &&
          other.row.dtype === row.dtype &&
          other.row.family === row.family &&
          (other.row.size ?? Infinity) < row.size!,
      )
      .sort((a, b) => b.row.size! - a.row.size!)[0];
    if (!smaller) continue;
    const [cost, previous] = [outcome.time.median, smaller.outcome.time.median];
    const from = smaller.row.size!;
    outcome.growth = { from, factor: cost / previous, exponent: exponent(row.size, cost, from, previous) };
  }
}

/** The figures of bench/reference/<domain>.json that a row names. */
export function publishedFor(operation: string, keys: readonly string[] = []): Published[] {
  if (keys.length === 0) return [];
  const [domain] = operation.split('/');
  const file = new URL(`reference/${domain}.json`, folder);
  if (!existsSync(file)) throw new Error(`${operation} names figures, but ${fileURLToPath(file)} is not there`);
  const figures = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Published>;
  return keys.map((key) => {
    const figure = figures[key];
    if (!figure) throw new Error(`${fileURLToPath(file)} has no figure ${key}`);
    return figure;
  });
}
