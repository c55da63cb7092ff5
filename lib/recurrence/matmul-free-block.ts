import { describe, where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { bitLinear, bitLinearOf, rmsNorm, type BitLinear } from './bit-linear.js';
import { boundsOf, mlgru } from './mlgru.js';
import { native } from './native.js';
import { fresh, sequenceLengths, shapedIf } from './sequences.js';

/** The weights of a MatMul-free block of width d, n channels of state and m hidden units. */
export interface MatmulFreeWeights {
  /** token mixer: n × d each, and n → d for `output` */
  forget: BitLinear;
  input: BitLinear;
  gate: BitLinear;
  output: BitLinear;
  /** channel mixer: 2m × d, first the rows of the gate, and d × m */
  up: BitLinear;
  down: BitLinear;
  /** gains of RMSNorm before the mixers (d each) and on the state (n); default 1 */
  tokenNorm?: Float32Array;
  channelNorm?: Float32Array;
  stateNorm?: Float32Array;
}

/** Options of {@link matmulFreeBlock}. */
export interface MatmulFreeBlockOptions {
  /** of the forget gates, one a channel; default 0 (the first layer). See {@link mlgruLowerBounds} */
  lowerBound?: Float32Array;
  /** sequences × n, the state before the first token of each sequence; default zeros */
  state?: Dense<Float32Array>;
  /** lengths of the sequences that lie one after another; default: all tokens are one */
  lengths?: Uint32Array;
  /** added to the mean of squares in the three RMSNorms of the block; default 1e-6 */
  epsilon?: number;
  /** tokens × d, takes the result; may be `x` itself */
  out?: Dense<Float32Array>;
}

/**
 * A block of the MatMul-free language model: `u = x + mixer(norm(x))`, `y = u + channels(norm(u))`, all weights ternary.
 *
 * Token mixer: `h` is {@link mlgru} of the layers `forget` and `input`; `output(norm(h) ⊙ g·σ(g))` with g of the layer
 * `gate`. Channel mixer: `down(a·σ(a) ⊙ b)`, a and b the two halves of `up`. Each layer is a BitLinear: RMSNorm (epsilon 1e-8),
 * `s = 127 / max(‖x‖∞, 1e-5)`, `q = clamp(rint(x·s), −128, 127)` a token with ties to even, and
 * `y = (q·tᵀ)/(s·s_w)` with an exact integer product.
 *
 * A stream that is cut anywhere and goes on from `state` has the bits of the whole. Deviation: where the authors' fused
 * code rounds halves away from zero, this follows their unfused code.
 * O(tokens · (4·n·d + 3·m·d)) additions of integers.
 *
 * @param x tokens × d, f32
 * @returns `out`: tokens × d; `state`: sequences × n
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_FORMAT, ERR_OPTION, ERR_RANGE, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Zhu, Zhang, Sifferman et al., Scalable MatMul-free Language Modeling (2024), sections 3.1 to 3.3, algorithm 1
 * @example
 * const layer = (rows, cols) => {
 *   const w = dense(rows, cols, new Float32Array(rows * cols).fill(1));
 *   return { w: gemm.packWeights(quant.quantize(w, { format: 'ternary' })) };
 * };
 * const [forget, input, gate, output, down] = Array.from({ length: 5 }, () => layer(2, 2));
 * const block = matmulFreeBlock(dense(1, 2, new Float32Array(2)), { forget, input, gate, output, up: layer(4, 2), down });
 * block.out.data // 0, 0
 */
export function matmulFreeBlock(
  x: Dense<Float32Array>,
  weights: MatmulFreeWeights,
  options?: MatmulFreeBlockOptions,
): { out: Dense<Float32Array>; state: Dense<Float32Array> } {
  const at = where('matmulFreeBlock');
  const tokens = at.dense('x', x, [Float32Array]);
  const { rows, cols: d } = tokens;
  const layers = layersOf(at, weights, d);
  const opts = at.options(options, ['lowerBound', 'state', 'lengths', 'epsilon', 'out']);
  const channels = layers.forget.w.rows;
  const epsilon = at.number('options.epsilon', opts.epsilon ?? 1e-6, { min: 0 });
  const lengths = sequenceLengths(at, opts.lengths, rows);
  if (opts.lowerBound !== undefined) boundsOf(at, opts.lowerBound, channels);
  shapedIf(at, 'options.state', opts.state, Float32Array, lengths.length, channels);
  const out = at.outDense('options.out', opts.out, Float32Array, rows, d);

  const mixed = rmsNorm(at, tokens, layers.tokenNorm, epsilon);
  const { out: h, state } = mlgru(bitLinear(mixed, layers.forget), bitLinear(mixed, layers.input), {
    lengths,
    ...(opts.lowerBound && { lowerBound: opts.lowerBound }),
    ...(opts.state && { state: opts.state }),
  });
  const gate = bitLinear(mixed, layers.gate);
  const read = fresh(at, Float32Array, rows, channels) as Dense<Float32Array>;
  // prettier-ignore
  native.gatedNorm(h.data, 0, channels, gate.data, 0, channels, layers.stateNorm, true, epsilon, read.data, rows, channels);
  const between = add(bitLinear(read, layers.output), tokens);

  const both = bitLinear(rmsNorm(at, between, layers.channelNorm, epsilon), layers.up);
  const hidden = both.cols / 2;
  const gated = fresh(at, Float32Array, rows, hidden) as Dense<Float32Array>;
  // prettier-ignore
  native.gatedNorm(both.data, hidden, 2 * hidden, both.data, 0, 2 * hidden, undefined, false, 0, gated.data, rows, hidden);
  const last = add(bitLinear(gated, layers.down), between);
  out.data.set(last.data);
  return { out, state };
}

type Layers = Record<'forget' | 'input' | 'gate' | 'output' | 'up' | 'down', BitLinear> &
  Record<'tokenNorm' | 'channelNorm' | 'stateNorm', Float32Array | undefined>;

function layersOf(at: Where, weights: unknown, d: number): Layers {
  if (typeof weights !== 'object' || weights === null)
    at.fail('ERR_DTYPE', 'weights', 'the weights of a block', describe(weights));
  const given = weights as MatmulFreeWeights;
  const layer = (name: keyof MatmulFreeWeights, cols: number, rows?: number) =>
    bitLinearOf(at, `weights.${name}`, given[name], cols, rows);
  const gain = (name: 'tokenNorm' | 'channelNorm' | 'stateNorm', length: number) =>
    given[name] === undefined ? undefined : at.array(`weights.${name}`, given[name], [Float32Array], length);
  const forget = layer('forget', d);
  const channels = forget.w.rows;
  const up = layer('up', d);
  if (up.w.rows % 2 !== 0) at.fail('ERR_SHAPE', 'weights.up.w', 'an even number of rows', `${up.w.rows}`);
  return {
    forget,
    input: layer('input', d, channels),
    gate: layer('gate', d, channels),
    output: layer('output', channels, d),
    up,
    down: layer('down', up.w.rows / 2, d),
    tokenNorm: gain('tokenNorm', d),
    channelNorm: gain('channelNorm', d),
    stateNorm: gain('stateNorm', channels),
  };
}

/** y + x, in y. */
function add(y: Dense<Float32Array>, { data }: Dense<Float32Array>): Dense<Float32Array> {
  for (let i = 0; i < data.length; i++) y.data[i]! += data[i]!;
  return y;
}
