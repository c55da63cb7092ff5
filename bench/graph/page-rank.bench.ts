/** PageRank: a product with the transition matrix in each iteration. */
import { graph } from 'lapidary';
import { pageRankRows } from './power-iteration.js';

export default pageRankRows('pageRank', (a, options) => graph.pageRank(a, options));
