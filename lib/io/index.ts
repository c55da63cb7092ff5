export { readMatrixMarket } from './read-matrix-market.js';
export { readNpy } from './read-npy.js';
export type { Source } from './source.js';
export { writeMatrixMarket, type WriteMatrixMarketOptions } from './write-matrix-market.js';
export { writeNpy } from './write-npy.js';
