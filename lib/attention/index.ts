export { decodeAttention, type DecodeAttentionOptions, type KvCache } from './decode-attention.js';
export { topkRoute, gatherRoute, combineRoute, type Route, type TopkRouteOptions } from './topk-route.js';
export { attention, type Attended, type AttentionOptions } from './attention.js';
export { attentionBackward, type AttentionBackwardOptions, type AttentionGradient } from './attention-backward.js';
export { lmulAttention, type LmulAttentionOptions } from './lmul-attention.js';
export { blockAttention, type BlockAttended, type BlockAttentionOptions } from './block-attention.js';
export type { AttentionMasking, HeadOptions } from './inputs.js';
export { planAttentionTiles, type AttentionTiles, type AttentionTilesProblem } from './plan-attention-tiles.js';
export {
  alibiSlopes,
  lightningAttention,
  type LightningAttentionOptions,
  type LightningAttentionResult,
  type LightningAttentionSharedOptions,
} from './lightning-attention.js';
export {
  lightningAttentionBackward,
  type LightningAttentionBackwardOptions,
  type LightningAttentionGradients,
} from './lightning-attention-backward.js';
export {
  localLinearAttention,
  type LocalLinearAttentionOptions,
  type LocalLinearAttentionResult,
  type LocalLinearAttentionSharedOptions,
} from './local-linear-attention.js';
export { localLinearAttentionBackward, type LocalLinearAttentionGradients } from './local-linear-attention-backward.js';
export { tensorAttention, type TensorAttentionOptions, type TensorAttentionResult } from './tensor-attention.js';
export { rope, type RopeOptions, type RotaryOptions } from './rope.js';
export { shiftRope, type ShiftRopeOptions } from './shift-rope.js';
