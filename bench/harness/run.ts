/** Runs one row: sets up, verifies the peers, then times all of them in turns. */
import { setTimeout as pause } from 'node:timers/promises';
import { cpuInfo, setThreads } from 'lapidary';
import { synchronous } from './contender.js';
import { limitsOf, tightest, type Limit } from './roof.js';
import { MissingPeer, type Contender, type Outcome, type Peer, type PeerOutcome, type Row, type Work } from './row.js';
import { pairedRatio, timing, verdict } from './statistics.js';

export interface Plan {
  /** seconds that one slice lasts at least */
  minTime: number;
  /** seconds that the rounds of one row may take together; at least `minRounds` are made */
  budget: number;
  minRounds: number;
  maxRounds: number;
}

export const fullPlan: Plan = { minTime: 0.01, budget: 2.5, minRounds: 3, maxRounds: 25 };
export const quickPlan: Plan = { minTime: 1e-6, budget: 0, minRounds: 1, maxRounds: 1 };

/** Threads of a peer that waits busily after its work would take time from the next slice. */
const settleMilliseconds = 30;

/** The numbers of a result: itself, its `data` (Dense) or its `values` (Csr). */
export function numbersOf(result: unknown): ArrayLike<number> {
  if (ArrayBuffer.isView(result)) return result as unknown as ArrayLike<number>;
  if (typeof result === 'number') return [result];
  const { data, values } = result as { data?: ArrayLike<number>; values?: ArrayLike<number> };
  const numbers = data ?? values;
  if (!numbers) throw new Error('a result without data or values needs `output` in its row');
  return numbers;
}

export interface Comparison {
  /** why the two are not the same, or undefined */
  difference?: string;
  /** share of theirs that are not finite where ours are */
  wrongShare: number;
}

/** Compares a peer's numbers with ours. */
export function compareNumbers(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  { tolerance, scale = 'largest', mayFail = false }: Pick<Peer, 'tolerance' | 'scale' | 'mayFail'>,
): Comparison {
  if (ours.length !== theirs.length)
    return { difference: `${theirs.length} numbers where ours are ${ours.length}`, wrongShare: 1 };
  let largest = 0;
  for (let i = 0; i < ours.length; i++) if (Number.isFinite(ours[i])) largest = Math.max(largest, Math.abs(ours[i]!));
  if (largest === 0)
    return { difference: 'our result is empty, zero or not finite: nothing to compare', wrongShare: 0 };
  let failures = 0;
  let worst = 0;
  let where = -1;
  for (let i = 0; i < ours.length; i++) {
    const [a, b] = [ours[i]!, theirs[i]!];
    if (Object.is(a, b)) continue;
    if (!Number.isFinite(b) && Number.isFinite(a)) {
      failures++;
      if (mayFail) continue;
    }
    const error = Math.abs(a - b) / (scale === 'each' ? Math.max(Math.abs(a), 1) : largest);
    if (!(error <= worst)) [worst, where] = [Number.isNaN(error) ? Infinity : error, i];
  }
  const wrongShare = failures / ours.length;
  if (worst <= tolerance) return { wrongShare };
  return { difference: `number ${where} is ${theirs[where]} where ours is ${ours[where]}`, wrongShare };
}

interface Racer {
  contender: Contender;
  outcome: PeerOutcome;
  /** threads that it runs with */
  threads: number;
  slices: number[];
}

/** Runs a row with one thread count. `operation` is domain/algorithm. */
export async function runRow(operation: string, row: Row, threads: number, plan: Plan): Promise<Outcome> {
  setThreads(threads);
  const work = await row.setup();
  const output = work.output ?? numbersOf;
  // Our result is copied: a row may give its memory as `out`, which later calls fill again.
  const expected = Float64Array.from(output(work.ours()));
  const ours = synchronous(work.ours, output, plan.minTime);
  const outcomes: PeerOutcome[] = [];
  const racers: Racer[] = [];
  try {
    for (const peer of peersOf(work, threads)) {
      const { outcome, racer } = await enter(peer, expected, threads, plan);
      outcomes.push(outcome);
      if (racer) racers.push(racer);
    }
    const limits = await openLimits(work, threads, plan.minTime);
    const { mine, rates } = await race(ours, racers, limits, threads, plan);
    const after = compareNumbers(expected, output(ours.last()), { tolerance: 0 });
    if (after.difference) throw new Error(`our result changed while it was timed: ${after.difference}`);
    for (const racer of racers) judge(racer, mine);
    const roof = tightest(limits, rates, mine);
    const { shape, dtype, size } = row;
    return {
      ...{ operation, shape, dtype, isa: cpuInfo().isa, threads, time: timing(mine), peers: outcomes },
      ...(roof && { roof }),
      ...(size !== undefined && { size }),
    };
  } finally {
    for (const { contender } of racers) contender.close?.();
    setThreads(threads);
  }
}

/** The peers of a row; with several threads, lapidary on one thread shows what the others bring. */
function peersOf(work: Work, threads: number): Peer[] {
  const peers = (work.peers ?? []).filter((peer) => threads === 1 || peer.threads === 'same');
  if (threads === 1) return peers;
  const alone: Peer = {
    name: 'lapidary, 1 thread',
    threads: 1,
    tolerance: 0,
    open(_, minTime) {
      const contender = synchronous(work.ours, work.output ?? numbersOf, minTime);
      const withOne = <T>(body: () => T): T => {
        setThreads(1);
        try {
          return body();
        } finally {
          setThreads(threads);
        }
      };
      return { ...contender, result: () => withOne(contender.result), sample: () => withOne(contender.sample) };
    },
  };
  return [...peers, alone];
}

/** Opens a peer and compares its result with ours; only one that is right may race. */
async function enter(
  peer: Peer,
  expected: ArrayLike<number>,
  threads: number,
  plan: Plan,
): Promise<{ outcome: PeerOutcome; racer?: Racer }> {
  const name = peer.name;
  let contender: Contender | undefined;
  try {
    contender = await peer.open(threads, plan.minTime);
    const { difference, wrongShare } = compareNumbers(expected, await contender.result(), peer);
    const used = peer.threads === 'same' ? threads : 1;
    const outcome: PeerOutcome = { name, status: 'timed', threads: used };
    if (contender.version) outcome.version = contender.version;
    if (peer.mayFail) outcome.wrongShare = wrongShare;
    if (!difference) return { outcome, racer: { contender, outcome, threads: used, slices: [] } };
    contender.close?.();
    return { outcome: { ...outcome, status: 'wrong', reason: difference } };
  } catch (error) {
    contender?.close?.();
    if (error instanceof MissingPeer) return { outcome: { name, status: 'missing', reason: error.message } };
    return { outcome: { name, status: 'wrong', reason: (error as Error).message } };
  }
}

async function openLimits(work: Work, threads: number, minTime: number): Promise<Limit[]> {
  try {
    return await limitsOf(work, threads, minTime);
  } catch (error) {
    if (error instanceof MissingPeer) return []; // the row is shown without its roof
    throw error;
  }
}

/**
 * Rounds of one slice each: ours, the peers and the limits, starting one further each round, so that nobody always comes
 * after the same one. The first round is not counted: it finds the number of calls a slice needs, and what a round takes.
 */
async function race(
  ours: Contender,
  racers: readonly Racer[],
  limits: readonly Limit[],
  threads: number,
  plan: Plan,
): Promise<{ mine: number[]; rates: number[][] }> {
  const mine: number[] = [];
  const rates = limits.map((): number[] => []);
  const turns = [
    async () => void mine.push(await ours.sample()),
    ...racers.map((racer) => async () => {
      racer.slices.push(await racer.contender.sample());
      if (racer.threads > 1 && plan !== quickPlan) await pause(settleMilliseconds);
    }),
    ...limits.map((limit, i) => async () => void rates[i]!.push(await limit.rate())),
  ];
  const round = async (first: number) => {
    for (let i = 0; i < turns.length; i++) await turns[(first + i) % turns.length]!();
  };
  setThreads(threads);
  let rounds = plan.minRounds;
  if (plan.maxRounds > 1) {
    const start = performance.now();
    await round(0);
    const cost = (performance.now() - start) / 1000;
    rounds = Math.min(plan.maxRounds, Math.max(plan.minRounds, Math.floor(plan.budget / cost)));
    for (const sample of [mine, ...rates, ...racers.map((racer) => racer.slices)]) sample.length = 0;
  }
  for (let i = 0; i < rounds; i++) await round(i + 1);
  return { mine, rates };
}

function judge({ outcome, slices }: Racer, mine: readonly number[]): void {
  const { ratio, q1, q3 } = pairedRatio(slices, mine);
  Object.assign(outcome, { time: timing(slices), ratio, ratioQ1: q1, ratioQ3: q3, verdict: verdict(mine, slices) });
}
