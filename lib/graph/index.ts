export { fastRP, type FastRPOptions } from './fast-rp.js';
export type { Graph, GraphologyGraph } from './graph.js';
export { pageRank, type PageRankOptions, type PageRankResult } from './page-rank.js';
export { personalizedPageRank, type Seeds } from './personalized-page-rank.js';
