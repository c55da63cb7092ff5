/** One piece of work done twice, by lapidary and in plain JavaScript, timed side by side and compared. */
import type { Progress } from './progress.js';
import { bad, good, say, table, time } from './show.js';

export interface Race {
  what: string;
  ours: number;
  plain: number;
  /** how far the results are apart, and what is still agreement */
  difference: number;
  tolerance: number;
}

const budget = 500; // milliseconds for each side
const mostRuns = 7;

/**
 * Runs both in turns, up to seven times or for half a second each, and keeps the shortest time of each: the first runs of
 * plain JavaScript are interpreted, and those of neither side should pay for the other's garbage.
 */
export function race<A, B>(
  progress: Progress,
  what: string,
  ours: () => A,
  plain: () => B,
  difference: (a: A, b: B) => number,
  tolerance: number,
): { result: A; race: Race } {
  const best = { ours: Infinity, plain: Infinity };
  const spent = { ours: 0, plain: 0 };
  const run = <T>(side: 'ours' | 'plain', work: () => T): T => {
    const start = performance.now();
    const result = work();
    const took = performance.now() - start;
    best[side] = Math.min(best[side], took);
    spent[side] += took;
    return result;
  };
  return progress.during(what, () => {
    let [a, b] = [run('ours', ours), run('plain', plain)];
    for (let runs = 1; runs < mostRuns && Math.max(spent.ours, spent.plain) < budget; runs++)
      [a, b] = [run('ours', ours), run('plain', plain)];
    return { result: a, race: { what, ...best, difference: difference(a, b), tolerance } };
  });
}

const agrees = ({ difference, tolerance }: Race): boolean => difference <= tolerance;

/** Prints the times of some races. */
export function timings(races: readonly Race[]): void {
  say();
  table(
    [
      { head: 'step', rest: true },
      { head: 'lapidary', align: 'right' },
      { head: 'plain JavaScript', align: 'right' },
      { head: 'ratio', align: 'right' },
      { head: 'results' },
    ],
    races.map((one) => [
      one.what,
      time(one.ours),
      time(one.plain),
      `${(one.plain / one.ours).toPrecision(2)}×`,
      agrees(one) ? good(`agree (${apart(one)})`) : bad(`DIFFER (${apart(one)})`),
    ]),
  );
}

const apart = ({ difference, tolerance }: Race): string =>
  difference === 0
    ? 'equal'
    : `${difference.toExponential(0)} ${difference <= tolerance ? '≤' : '>'} ${tolerance.toExponential(0)}`;
