export { decodeAttention, type DecodeAttentionOptions, type KvCache } from './decode-attention.js';
export { topkRoute, gatherRoute, combineRoute, type Route, type TopkRouteOptions } from './topk-route.js';
