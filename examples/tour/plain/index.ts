/** The steps of the tour as a good JavaScript programmer would write them, without native code. */
export { fastRP } from './fast-rp.js';
export { personalizedPageRank } from './page-rank.js';
export { similarities } from './similarities.js';
export { spgemm } from './spgemm.js';
export { vmfFit } from './von-mises-fisher.js';
