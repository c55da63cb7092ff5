import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { logBesselI } from '../../examples/tour/plain/von-mises-fisher.js';
import {
  hypernyms,
  hyponyms,
  readWordNet,
  relations,
  sensesOf,
  siblings,
  suggestions,
  wordnetPath,
} from '../../examples/tour/wordnet.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

function tour(...words: string[]) {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'examples/tour/main.ts', ...words],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, COLUMNS: '120', NO_COLOR: '1' },
    },
  );
  return { status, stdout, stderr, seconds: (performance.now() - start) / 1000 };
}

/** The text between two headings. */
const section = (stdout: string, from: string, to: string): string =>
  stdout.slice(stdout.indexOf(from), stdout.indexOf(to));

describe('WordNet', () => {
  const net = readWordNet(wordnetPath());
  const names = (ids: number[]) => ids.map((id) => net.synsets[id]!.words[0]!);

  it('is read whole', () => {
    expect(net.synsets.length).toBe(117_791); // WordNet 3.1; 3.0 had 117,659
    expect(net.symbol.length).toBe(net.target.length);
    expect(net.first.at(-1)).toBe(net.target.length);
    for (const { words, part } of net.synsets) expect(words.length > 0 && words.every((w) => w) && part).toBeTruthy();
  });

  it('finds words in any case, of several parts, with several senses in their order', () => {
    expect(sensesOf(net, 'WHALE')).toEqual(sensesOf(net, 'whale'));
    expect(sensesOf(net, 'whale').map((id) => net.synsets[id]!.part)).toEqual(['noun', 'noun', 'verb']);
    expect(sensesOf(net, ' Sperm   whale ')).toEqual(sensesOf(net, 'sperm_whale'));
    expect(net.synsets[sensesOf(net, 'sperm whale')[0]!]!.words).toContain('cachalot');
    expect(sensesOf(net, 'quickly').map((id) => net.synsets[id]!.part)).toEqual(['adv', 'adv', 'adv']);
    expect(net.synsets[sensesOf(net, 'galore')[0]!]!.words).toEqual(['galore']); // galore(ip) in the file
    expect(sensesOf(net, 'constructor')).toHaveLength(1);
    expect(sensesOf(net, '')).toEqual([]);
  });

  it('knows the hierarchy', () => {
    const [, whale] = sensesOf(net, 'whale') as [number, number];
    expect(names(hypernyms(net, whale))).toEqual(['cetacean']);
    expect(names(hyponyms(net, [whale]))).toEqual(expect.arrayContaining(['baleen whale', 'narwhal', 'killer whale']));
    expect(hyponyms(net, sensesOf(net, 'sperm whale'))).toEqual([]);
    expect(names(siblings(net, sensesOf(net, 'sperm whale')))).toContain('pygmy sperm whale');
    const instances = hyponyms(net, sensesOf(net, 'physicist'));
    expect(instances.flatMap((id) => net.synsets[id]!.words)).toContain('Einstein');
  });

  it('becomes a symmetric list of relations without loops', () => {
    const { row, col } = relations(net);
    const code = (i: number, j: number) => i * net.synsets.length + j;
    const entries = new Set(Array.from(row, (i, e) => code(i, col[e]!)));
    expect(row.every((i, e) => i !== col[e] && entries.has(code(col[e]!, i)))).toBe(true);
  });

  it.each([
    ['wahle', 'whale'],
    ['whales', 'whale'],
    ['sperm whail', 'sperm whale'],
    ['phylosophy', 'philosophy'],
    ['accomodate', 'accommodate'],
    ['mathem', 'mathematical'],
  ])('suggests for %s: %s', (wrong, right) => expect(suggestions(net, wrong)).toContain(right));

  it('suggests something for anything, and no more than it is asked for', () => {
    expect(suggestions(net, 'xqzvwjk').length).toBeGreaterThan(0);
    expect(suggestions(net, 'a', 3)).toHaveLength(3);
    expect(suggestions(net, '  ')).toEqual([]);
  });
});

describe('the log-Bessel function in plain JavaScript', () => {
  it.each([
    // I_½(x) = √(2/πx)·sinh x
    [0.5, 1e-3],
    [0.5, 1],
    [0.5, 30],
    [0.5, 600],
  ])('has the closed form at v = %f, x = %f', (v, x) => {
    const expected = 0.5 * Math.log(2 / (Math.PI * x)) + (x < 20 ? Math.log(Math.sinh(x)) : x - Math.LN2);
    expect(Math.abs(logBesselI(v, x) - expected)).toBeLessThan(1e-12 * Math.max(1, Math.abs(expected)));
  });
});

describe('the tour', { timeout: 120_000 }, () => {
  it('shows a whale in four steps that agree with plain JavaScript', () => {
    const { status, stdout, stderr, seconds } = tour('whale');
    expect(stderr).not.toMatch(/Error|\bat /);
    expect(status).toBe(0);
    expect(seconds).toBeLessThan(60);
    expect(stdout).toContain('117,791 synsets');
    expect(section(stdout, '1. ', '2. ')).toMatch(/A·A .*flops/);
    expect(section(stdout, '2. ', '3. ')).toMatch(/baleen whale|toothed whale|cetacean/);
    expect(section(stdout, '3. ', '4. ')).toMatch(/whaler|narwhal|cetacean/);
    expect(section(stdout, '4. ', 'All together')).toMatch(/hyponyms of whale +│ +\d+\.\d/);
    const table = stdout.slice(stdout.indexOf('All together'));
    for (const row of ['SpGEMM', 'PageRank', 'FastRP', 'matmul', 'vMF fit'])
      expect(table).toMatch(new RegExp(`│ ${row}.*(ms|µs| s) .*agree \\(`));
    expect(stdout).not.toContain('DIFFER');
    expect(stdout.split('\n').every((line) => line.length <= 120)).toBe(true);
    expect(stderr.match(/^\[\d\/7\] /gm)).toHaveLength(7); // a line for each piece of work where there is no terminal
  });

  it.each([
    [['Sperm', 'whale'], 'has no hyponyms'],
    [['QUICKLY'], 'has no hyponyms'],
  ])('manages %j, which has no hyponyms', (words, text) => {
    const { status, stdout, seconds } = tour(...words);
    expect(status).toBe(0);
    expect(seconds).toBeLessThan(60);
    expect(stdout).toContain(text);
    expect(stdout).toMatch(/vMF fit.*agree/);
    expect(stdout).not.toContain('DIFFER');
  });

  it('says so where a word has no relations at all', () => {
    const { status, stdout } = tour('lie', 'dormant');
    expect(status).toBe(0);
    expect(stdout).toContain('WordNet relates no other synset to “lie dormant”.');
    expect(stdout).toContain('A synset without relations has no embedding.');
    expect(stdout).not.toMatch(/NaN|undefined|DIFFER/);
  });

  it('suggests words for one that is unknown', () => {
    const { status, stdout, stderr } = tour('wahle');
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('no word “wahle”');
    expect(stderr).toMatch(/Did you mean .*\bwhale\b/);
    expect(stderr).not.toMatch(/\bat .*\.(ts|js)/);
  });
});
