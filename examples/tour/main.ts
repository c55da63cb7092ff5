/**
 * A tour of lapidary on real data: `npm start -- whale` reads WordNet, builds its graph, and answers for a word in four
 * steps, each timed beside a version in plain JavaScript.
 */
import { program } from 'commander';
import { cpuInfo, getThreads } from 'lapidary';
import { fromCoo } from 'lapidary/sparse';
import { Progress } from './progress.js';
import { timings } from './race.js';
import { bad, bold, count, heading, say, sentence, time } from './show.js';
import { concentration, nearest, related, showSenses, twoHops, type Tour } from './steps.js';
import { readWordNet, relations, sensesOf, suggestions, wordnetPath, type WordNet } from './wordnet.js';

program
  .name('npm start --')
  .description('What lapidary does with WordNet, for a word')
  .argument('[word...]', 'a word or several that belong together, in any case', ['whale'])
  .parse();

const word = (program.args.length > 0 ? program.args.join(' ') : 'whale').trim().replace(/[\s_]+/g, ' ');
const start = performance.now();
const progress = new Progress(7);
const net = progress.during('reading WordNet', () => readWordNet(wordnetPath()));
const senses = sensesOf(net, word);
if (senses.length > 0) show(net, senses);
else {
  console.error(bad(`WordNet has no word “${word}”.`));
  const others = suggestions(net, word);
  if (others.length > 0) console.error(`Did you mean ${others.map((other) => bold(other)).join(', ')}?`);
  process.exitCode = 1;
}

function show(net: WordNet, senses: number[]): void {
  const reading = performance.now() - start;
  const begin = performance.now();
  const graph = progress.during('building the graph', () => {
    const { row, col } = relations(net);
    const { length: n } = net.synsets;
    const graph = fromCoo<Float64Array>({ rows: n, cols: n, row, col, value: new Float64Array(row.length) });
    graph.values.fill(1); // related or not: repeated pointers count once
    return graph;
  });
  const building = performance.now() - begin;

  const { isa } = cpuInfo();
  const threads = getThreads();
  heading('lapidary');
  sentence(
    `WordNet: ${count(net.synsets.length)} synsets, ${count(net.senses.size)} words, ${count(net.target.length)} pointers, ` +
      `read in ${time(reading)}. Graph built in ${time(building)}. ` +
      `Instruction set ${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}.`,
  );
  const tour: Tour = { net, graph, word, senses, progress };
  showSenses(tour);
  const hops = twoHops(tour);
  const ranks = related(tour);
  const embeddings = nearest(tour);
  const fits = concentration(tour, embeddings.units, embeddings.close, hops.near);

  heading('All together: the shortest of up to seven runs of each');
  timings([...hops.races, ...ranks, ...embeddings.races, ...fits]);
  say(`The tour took ${time(performance.now() - start)}.`);
}
