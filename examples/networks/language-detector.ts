/**
 * guesslang, the network with which Visual Studio Code tells programming languages apart, from the npm package
 * @vscode/vscode-languagedetection: 5000 buckets of pairs of bytes, a mean of embeddings (70), ReLU layers of 512 and 32
 * and 54 languages, plus a linear layer straight from the buckets. Its weights are stored as bytes.
 */
import { dense, gemm, type Dense } from 'lapidary';
import { packageFile, Tensors, type Layer } from './tfjs.js';

const buckets = 5000;
/** The network looks at this many bytes of a text. */
const longest = 10_000;

export interface LanguageDetector {
  /** short names such as `ts`, `py`, `cpp`: one for each output */
  languages: string[];
  /** [5000, 70] */
  embedding: Dense<Float32Array>;
  /** the three layers of the deep part, in order; ReLU after all but the last */
  layers: Layer[];
  /** the wide part, [54, 5000] */
  wide: Layer;
}

export function languageDetector(): LanguageDetector {
  const tensors = new Tensors(packageFile('@vscode/vscode-languagedetection', 'model/model.json'));
  return {
    languages: tensors.strings('head/predictions/class_string_lookup/Const'),
    embedding: tensors.matrix('embedding_weights'),
    layers: ['dnn/hiddenlayer_0', 'dnn/hiddenlayer_1', 'dnn/logits'].map((name) =>
      tensors.layer(name.slice(4), `${name}/kernel`, `${name}/bias`),
    ),
    wide: tensors.layer('wide', 'linear_model/content/weights', 'linear_model/bias_weights'),
  };
}

/** FarmHash's Fingerprint64 of three bytes, modulo the buckets: what TensorFlow calls StringToHashBucketFast. */
function bucketOf(first: number, middle: number, last: number): number {
  const [k0, k2, mask] = [0xc3a5c85c97cb3127n, 0x9ae16a3b2f90404fn, (1n << 64n) - 1n];
  const y = BigInt(first + (middle << 8));
  const z = BigInt(3 + (last << 2));
  const mixed = ((y * k2) & mask) ^ ((z * k0) & mask);
  return Number((((mixed ^ (mixed >> 47n)) * k2) & mask) % BigInt(buckets));
}

let table: Uint16Array | undefined;

/** How often each bucket occurs in a text: pairs of neighbouring bytes, hashed with a space between them. */
export function bucketCounts(text: Uint8Array): Float32Array {
  table ??= Uint16Array.from({ length: 2 ** 16 }, (_, pair) => bucketOf(pair >> 8, 0x20, pair & 255));
  const counts = new Float32Array(buckets);
  for (let i = 0; i + 1 < Math.min(text.length, longest + 1); i++) counts[table[text[i]! * 256 + text[i + 1]!]!]!++;
  return counts;
}

const relu = (x: Dense<Float32Array>, { w, bias }: Layer) => gemm.linear(x, w, { bias, activation: 'relu' });

/** What goes into each layer, for these texts: rows are texts. `wide` is the input of the wide part. */
export function layerInputs(network: LanguageDetector, texts: readonly Uint8Array[]) {
  const wide = dense(texts.length, buckets, new Float32Array(texts.length * buckets));
  texts.forEach((text, i) => wide.data.set(bucketCounts(text), i * buckets));
  const shares = dense(wide.rows, buckets, wide.data.slice());
  for (let i = 0; i < texts.length; i++) {
    const row = shares.data.subarray(i * buckets, (i + 1) * buckets);
    const total = row.reduce((sum, count) => sum + count, 0);
    row.forEach((count, j) => (row[j] = count / Math.max(1, total)));
  }
  const deep = [gemm.matmul(shares, network.embedding)];
  deep.push(relu(deep[0]!, network.layers[0]!));
  deep.push(relu(deep[1]!, network.layers[1]!));
  return { deep, wide };
}

/** The language of each text. */
export function detect(network: LanguageDetector, texts: readonly Uint8Array[]): string[] {
  const { deep, wide } = layerInputs(network, texts);
  const logits = network.layers[2]!;
  const scores = gemm.linear(deep[2]!, logits.w, { bias: logits.bias });
  const linear = gemm.linear(wide, network.wide.w, { bias: network.wide.bias });
  return texts.map((_, i) => {
    const row = scores.data.subarray(i * scores.cols, (i + 1) * scores.cols).map((s, j) => s + linear.data[i * scores.cols + j]!); // prettier-ignore
    return network.languages[row.indexOf(Math.max(...row))]!;
  });
}
