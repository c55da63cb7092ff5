/** The four steps of the tour. Each computes with lapidary and in plain JavaScript, prints what came out, and the times. */
import { philox, type Csr, type Dense } from 'lapidary';
import { matmul } from 'lapidary/gemm';
import { fastRP, personalizedPageRank } from 'lapidary/graph';
import { spgemm } from 'lapidary/sparse';
import { vmfFit } from 'lapidary/special';
import * as plain from './plain/index.js';
import type { Progress } from './progress.js';
import { race, timings, type Race } from './race.js';
import { count, dim, heading, say, sentence, table } from './show.js';
import { hyponyms, siblings, type WordNet } from './wordnet.js';

export interface Tour {
  net: WordNet;
  graph: Csr;
  word: string;
  /** the synsets of the word */
  senses: number[];
  progress: Progress;
}

const shown = 10;
const abbreviations = { noun: 'n.', verb: 'v.', adj: 'adj.', adv: 'adv.' };
const synsetColumns = [{ head: 'synset', share: 0.33 }, { head: '' }, { head: 'meaning', rest: true }];

/** A synset as cells of a table. */
const cells = ({ net }: Tour, id: number): [string, string, string] => {
  const { words, part, gloss } = net.synsets[id]!;
  return [words.join(', '), abbreviations[part], gloss];
};

/** The n positions with the largest scores above 0, the largest first. */
function largest(scores: ArrayLike<number>, n: number, without: ReadonlySet<number>): number[] {
  const top: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    if (!(scores[i]! > 0) || without.has(i)) continue;
    if (top.length === n && scores[i]! <= scores[top[n - 1]!]!) continue;
    let at = top.length;
    while (at > 0 && scores[top[at - 1]!]! < scores[i]!) at--;
    top.splice(at, 0, i);
    if (top.length > n) top.pop();
  }
  return top;
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) {
    const apart = Math.abs(a[i]! - b[i]!);
    if (!(apart <= most)) most = apart;
  }
  return most;
};

export function showSenses(tour: Tour): void {
  const { senses, word } = tour;
  heading(`${word}: ${senses.length} ${senses.length === 1 ? 'sense' : 'senses'}`);
  table(
    [{ head: '#', align: 'right' }, ...synsetColumns],
    senses.map((id, i) => [String(i + 1), ...cells(tour, id)]),
  );
}

/** The synsets that `a` leads to from the senses, with the sums of the values. */
function reached(a: Csr, senses: readonly number[]): Float64Array {
  const sums = new Float64Array(a.cols);
  for (const id of senses) for (let p = a.indptr[id]!; p < a.indptr[id + 1]!; p++) sums[a.indices[p]!]! += a.values[p]!;
  return sums;
}

export function twoHops(tour: Tour): { races: Race[]; near: number[] } {
  const { graph, senses, progress } = tour;
  const { result: squared, race: product } = race(
    progress,
    'SpGEMM A·A',
    () => spgemm(graph, graph),
    () => plain.spgemm(graph, graph),
    (a, b) =>
      Math.max(
        largestDifference(a.indptr, b.indptr),
        largestDifference(a.indices, b.indices),
        largestDifference(a.values, b.values),
      ),
    0,
  );
  heading('1. Two steps through WordNet');
  sentence('The square of the adjacency matrix counts the paths of two steps between any two synsets.');
  const entries = graph.values.length;
  table(
    [{ head: 'matrix' }, { head: 'synsets', align: 'right' }, { head: 'entries', align: 'right' }, { head: 'cost' }],
    [
      ['A', count(graph.rows), count(entries), `${count(entries / 2)} relations, both ways`],
      [
        'A·A',
        count(squared.rows),
        count(squared.values.length),
        `${count(squared.stats.flops)} flops, ${squared.stats.compressionRatio.toFixed(2)} products an entry`,
      ],
    ],
  );

  const own = new Set(senses);
  const [direct, paths] = [reached(graph, senses), reached(squared, senses)];
  const neighbours = new Set([...own, ...direct.keys()].filter((id) => own.has(id) || direct[id]! > 0));
  const near = [...paths.keys()].filter((id) => !own.has(id) && (paths[id]! > 0 || direct[id]! > 0));
  const distant = near.filter((id) => !neighbours.has(id)).length;
  say();
  if (near.length === 0) sentence(`WordNet relates no other synset to “${tour.word}”.`);
  else {
    sentence(
      `Synsets one step from “${tour.word}”: ${count(near.length - distant)}; two steps: ${count(distant)}` +
        (distant > 0 ? ', these by the most paths:' : '.'),
    );
    if (distant > 0)
      table(
        [{ head: 'paths', align: 'right' }, ...synsetColumns],
        largest(paths, shown, neighbours).map((id) => [String(paths[id]), ...cells(tour, id)]),
      );
  }
  timings([product]);
  return { races: [product], near };
}

export function related(tour: Tour): Race[] {
  const { graph, senses, progress } = tour;
  const options = { alpha: 0.15, tolerance: 1e-10 };
  const { result, race: rank } = race(
    progress,
    'PageRank',
    () => personalizedPageRank(graph, senses, options),
    () => plain.personalizedPageRank(graph, senses, options),
    (a, b) => largestDifference(a.scores, b),
    1e-9,
  );
  heading('2. Most related, by personalised PageRank');
  sentence(
    `The share of time that a walker spends at a synset who follows relations at random and goes back to “${tour.word}” ` +
      `with probability ${options.alpha} at each step (${result.iterations} iterations).`,
  );
  const found = largest(result.scores, shown, new Set(senses));
  if (found.length === 0) sentence('The walker finds nothing: no relation leads away.');
  else
    table(
      [{ head: 'share', align: 'right' }, ...synsetColumns],
      found.map((id) => [`${(100 * result.scores[id]!).toFixed(2)} %`, ...cells(tour, id)]),
    );
  timings([rank]);
  return [rank];
}

/** The rows of these nodes, each scaled to length 1. */
function directions(x: Dense<Float32Array>, ids: ArrayLike<number>): Dense<Float32Array> {
  const { cols } = x;
  const data = new Float32Array(ids.length * cols);
  for (let i = 0; i < ids.length; i++) {
    const row = x.data.subarray(ids[i]! * cols, (ids[i]! + 1) * cols);
    let squares = 0;
    for (let c = 0; c < cols; c++) squares += row[c]! * row[c]!;
    const factor = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let c = 0; c < cols; c++) data[i * cols + c] = factor * row[c]!;
  }
  return { rows: ids.length, cols, data };
}

export function nearest(tour: Tour): { races: Race[]; units: Dense<Float32Array>; close: number[] } {
  const { graph, senses, progress } = tour;
  const options = { dimension: 256, weights: [1, 1, 1, 1], beta: -0.64, seed: 1 };
  const { result: embedding, race: projection } = race(
    progress,
    'FastRP',
    () => fastRP(graph, options),
    () => plain.fastRP(graph, options),
    (a, b) => largestDifference(a.data, b.data),
    1e-3,
  );
  const units = directions(
    embedding,
    Uint32Array.from({ length: graph.rows }, (_, i) => i),
  );
  const queries = directions(embedding, senses);
  const { result: cosines, race: product } = race(
    progress,
    'matmul U·Eᵀ',
    () => matmul(queries, units, { transposeB: true }),
    () => plain.similarities(queries, units),
    (a, b) => largestDifference(a.data, b.data),
    1e-5,
  );
  heading('3. Nearest, by FastRP embeddings');
  sentence(
    `Each synset as ${options.dimension} numbers, made of random projections of its neighbourhood up to ` +
      `${options.weights.length} steps; the cosine with the nearest sense (#).`,
  );
  const best = new Float32Array(graph.rows);
  const sense = new Uint32Array(graph.rows);
  for (let s = 0; s < senses.length; s++)
    for (let i = 0; i < graph.rows; i++) {
      const cosine = cosines.data[s * graph.rows + i]!;
      if (cosine <= best[i]!) continue;
      best[i] = cosine;
      sense[i] = s;
    }
  const close = largest(best, 100, new Set(senses));
  if (close.length === 0) sentence('A synset without relations has no embedding.');
  else
    table(
      [{ head: 'cosine', align: 'right' }, { head: 'to #', align: 'right' }, ...synsetColumns],
      close.slice(0, shown).map((id) => [best[id]!.toFixed(3), String(sense[id]! + 1), ...cells(tour, id)]),
    );
  timings([projection, product]);
  return { races: [projection, product], units, close };
}

/** The rows of these nodes that are not zero, as doubles. */
function points(units: Dense<Float32Array>, ids: readonly number[]): { ids: number[]; x: Dense } {
  const { cols, data } = units;
  const present = ids.filter((id) => data.subarray(id * cols, (id + 1) * cols).some((v) => v !== 0));
  const x = new Float64Array(present.length * cols);
  present.forEach((id, i) => x.set(data.subarray(id * cols, (id + 1) * cols), i * cols));
  return { ids: present, x: { rows: present.length, cols, data: x } };
}

/** True if the directions differ enough for a concentration: leaves below one synset have one and the same embedding. */
function spread({ rows, cols, data }: Dense): boolean {
  if (rows < 3) return false;
  let squares = 0;
  for (let c = 0; c < cols; c++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += data[i * cols + c]!;
    squares += (sum / rows) ** 2;
  }
  return 1 - squares > 1e-6;
}

export function concentration(tour: Tour, units: Dense<Float32Array>, close: number[], near: number[]): Race[] {
  const { net, senses, word, progress } = tour;
  heading('4. How close together: a von Mises-Fisher fit');
  const groups: [name: string, ids: number[]][] = [
    ['hyponyms', hyponyms(net, senses)],
    ['siblings', siblings(net, senses)],
    ['nearest neighbours', close.slice(0, 30)],
    ['synsets within two steps', near],
  ];
  const candidates = groups.map(([name, ids]) => ({ name, all: ids.length, ...points(units, ids) }));
  const chosen = candidates.find(({ x }) => spread(x));
  if (candidates[0]!.all === 0) sentence(`“${word}” has no hyponyms.`);
  else if (chosen !== candidates[0]) sentence(`The hyponyms of “${word}” are too few or too alike for a fit.`);
  if (!chosen) {
    sentence('Nothing near it is spread enough to fit a distribution.');
    return [];
  }
  sentence(
    `The ${count(chosen.ids.length)} ${chosen.name} of “${word}”, as points on the unit sphere of ${units.cols} dimensions: ` +
      'mean direction μ and concentration κ, by maximum likelihood (log-Bessel functions).',
  );
  const { result: fit, race: fitting } = race(
    progress,
    'vMF fit',
    () => vmfFit(chosen.x),
    () => plain.vmfFit(chosen.x),
    (a, b) =>
      Math.max(
        largestDifference(a.mu, b.mu),
        Math.abs(a.kappa / b.kappa - 1),
        Math.abs(a.logLikelihood / b.logLikelihood - 1),
      ),
    1e-9,
  );
  const draws = philox(1).fill(new Float64Array(1000));
  const others = vmfFit(
    points(
      units,
      Array.from(draws, (u) => Math.floor(u * units.rows)),
    ).x,
  );
  table(
    [
      { head: 'points' },
      { head: 'κ', align: 'right' },
      { head: 'log-likelihood a point', align: 'right' },
      { head: 'iterations', align: 'right' },
    ],
    [
      [
        `${chosen.name} of ${word}`,
        fit.kappa.toFixed(1),
        (fit.logLikelihood / chosen.x.rows).toFixed(2),
        `${fit.iterations}`,
      ],
      [
        '1,000 synsets at random',
        others.kappa.toFixed(1),
        (others.logLikelihood / 1000).toFixed(2),
        `${others.iterations}`,
      ],
    ],
  );
  const { rows, cols, data } = chosen.x;
  const typical = Array.from({ length: rows }, (_, i) =>
    fit.mu.reduce((sum, m, c) => sum + m * data[i * cols + c]!, 0),
  );
  const order = typical.map((_, i) => i).sort((a, b) => typical[b]! - typical[a]!);
  const ends = rows <= 8 ? order : [...order.slice(0, 5), -1, ...order.slice(-3)];
  say();
  sentence(
    `${chosen.name[0]!.toUpperCase()}${chosen.name.slice(1)}, from the most to the least typical, by the cosine with μ:`,
  );
  table(
    [{ head: 'cosine', align: 'right' }, ...synsetColumns],
    ends.map((i) =>
      i < 0 ? ['', dim(`… ${rows - 8} more`), '', ''] : [typical[i]!.toFixed(3), ...cells(tour, chosen.ids[i]!)],
    ),
  );
  timings([fitting]);
  return [fitting];
}
