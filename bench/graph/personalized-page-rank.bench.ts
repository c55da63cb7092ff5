/** Personalised PageRank from three nodes. */
import { graph } from 'lapidary';
import { pageRankRows, seeds } from './power-iteration.js';

export default pageRankRows('personalizedPageRank', (a, options) => graph.personalizedPageRank(a, [...seeds], options));
