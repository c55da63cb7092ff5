export { fastRP, type FastRPOptions } from './fast-rp.js';
export type { Graph, GraphologyGraph } from './graph.js';
export { jaccardSimilarity, type JaccardSimilarityOptions } from './jaccard-similarity.js';
export { kTruss } from './k-truss.js';
export { pageRank, type PageRankOptions, type PageRankResult } from './page-rank.js';
export { personalizedPageRank, type Seeds } from './personalized-page-rank.js';
export { triangleCount } from './triangle-count.js';
