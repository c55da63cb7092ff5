export { attention, type Attended, type AttentionOptions } from './attention.js';
export { attentionBackward, type AttentionBackwardOptions, type AttentionGradient } from './attention-backward.js';
export { blockAttention, type BlockAttended, type BlockAttentionOptions } from './block-attention.js';
export type { AttentionMasking, HeadOptions } from './inputs.js';
export { planAttentionTiles, type AttentionTiles, type AttentionTilesProblem } from './plan-attention-tiles.js';
