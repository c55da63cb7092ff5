/** The table that people read. It leads with ratios and shares: seconds of a shared machine mean little. */
import Table from 'cli-table3';
import type { Outcome, PeerOutcome, Timing } from './row.js';

const three = (x: number): string => (x >= 1000 ? Math.round(x).toString() : Number(x.toPrecision(3)).toString());

/** Seconds in the unit that leaves one to three digits before the point. */
export function duration(seconds: number): string {
  const units = [
    ['s', 1],
    ['ms', 1e-3],
    ['µs', 1e-6],
  ] as const;
  for (const [unit, size] of units) if (seconds >= size) return `${three(seconds / size)} ${unit}`;
  return `${three(seconds / 1e-9)} ns`;
}

const percent = (share: number): string => `${three(share * 100)} %`;

/** Median and the distance between quartiles as a share of it. */
const spread = ({ median, q1, q3 }: Timing): string => `${duration(median)} ±${percent((q3 - q1) / 2 / median)}`;

const ratioText = ({ ratio, ratioQ1, ratioQ3 }: PeerOutcome): string =>
  `${three(ratio!)}× (${three(ratioQ1!)}–${three(ratioQ3!)})`;

const head = ['shape', 'dtype', 'isa', 'thr', 'peer', 'ratio', 'verdict', 'share', 'roof', 'ours', 'peer', 'growth'];

/** The rows of one operation. */
export function table(outcomes: readonly Outcome[]): string {
  const style = { head: [], border: [], compact: true };
  const grid = new Table({ head, style });
  for (const outcome of outcomes) {
    const { shape, dtype, isa, threads, roof, growth } = outcome;
    const common = [shape, dtype, isa, threads];
    const share = roof ? percent(roof.share) : '';
    const under = roof ? `${roof.name}, ${three(roof.rate)} ${roof.unit}` : 'not measured';
    const grows = growth ? `${three(growth.factor)}× (n^${growth.exponent.toFixed(2)})` : '';
    const timed = outcome.peers.filter((peer) => peer.status === 'timed');
    const lines = timed.length > 0 ? timed : [undefined];
    lines.forEach((peer, i) => {
      const first = i === 0;
      const race = peer ? [peer.name, ratioText(peer), peer.verdict!] : ['', '', ''];
      const roofCells = first ? [share, under, spread(outcome.time)] : ['', '', ''];
      grid.push([...(first ? common : ['', '', '', '']), ...race, ...roofCells, peer ? spread(peer.time!) : '', first ? grows : '']); // prettier-ignore
    });
  }
  return [outcomes[0]?.operation ?? '', grid.toString(), ...notes(outcomes)].join('\n');
}

/** What does not fit a cell: missing and wrong peers, wrong answers, published figures; each said once. */
export function notes(outcomes: readonly Outcome[]): string[] {
  const lines = new Set<string>();
  for (const { shape, dtype, peers, published } of outcomes) {
    for (const { name, status, reason, wrongShare, threads } of peers) {
      if (status === 'missing') lines.add(`missing: ${name}: ${reason}`);
      if (status === 'wrong')
        lines.add(`WRONG: ${name} at ${shape} ${dtype}, ${threads ?? 1} thread(s), not timed: ${reason}`);
      if (wrongShare)
        lines.add(`${name} at ${shape} ${dtype}: ${percent(wrongShare)} of its answers are not finite where ours are`);
    }
    for (const { what, value, unit, source } of published ?? [])
      lines.add(`published: ${what}: ${value} ${unit} (${source})`);
  }
  return [...lines].map((line) => `  ${line}`);
}

/** Whether a run may be called good: a peer that disagrees with us is not a matter of speed. */
export const allRight = (outcomes: readonly Outcome[]): boolean =>
  outcomes.every(({ peers }) => peers.every(({ status }) => status !== 'wrong'));
