/** Real inputs of real layers: texts run through the network, what goes into each layer kept. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dense, type Dense } from 'lapidary';
import { wordnetPath } from '../tour/wordnet.js';
import type { Probe } from './errors.js';
import { languageDetector, layerInputs } from './language-detector.js';
import { encode, layersOf, sentenceEncoder, tokenize } from './sentence-encoder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Rows with these numbers. */
const pick = ({ rows, cols, data }: Dense<Float32Array>, wanted: (i: number) => boolean) => {
  const kept = Array.from({ length: rows }, (_, i) => i).filter(wanted);
  const out = dense(kept.length, cols, new Float32Array(kept.length * cols));
  kept.forEach((i, k) => out.data.set(data.subarray(i * cols, (i + 1) * cols), k * cols));
  return out;
};

/** The three layers of the language detector on the sources and guides of this repository; every fourth file is for tests. */
export function detectorProbes(): Probe[] {
  const files = ['lib', 'native', 'test', 'bench', 'docs'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(ts|cc|h|md)$/.test(path) && !path.includes('node_modules'))
      .sort()
      .map((path) => join(root, folder, path)),
  );
  const network = languageDetector();
  const { deep } = layerInputs(
    network,
    files.map((path) => readFileSync(path)),
  );
  return network.layers.map((layer, k) => ({
    layer,
    calibration: pick(deep[k]!, (i) => i % 4 !== 3),
    test: pick(deep[k]!, (i) => i % 4 === 3),
  }));
}

/** The glosses of WordNet's nouns, every 50th. */
function glosses(count: number): string[] {
  const lines = readFileSync(join(wordnetPath(), 'data.noun'), 'utf8').split('\n');
  return lines
    .filter((line, k) => k % 50 === 0 && line.includes(' | '))
    .slice(0, count)
    .map((line) => line.split(' | ')[1]!.trim());
}

/** Four layers of the sentence encoder on 800 glosses; every fourth gloss is for tests. */
export function encoderProbes(): Probe[] {
  const encoder = sentenceEncoder();
  const layers = layersOf(encoder).filter(({ name }) => /^(qkv_transform_single 0|output_transform_single 1|conv1 1|conv2 1)$/.test(name)); // prettier-ignore
  const seen = layers.map(() => [[] as Float32Array[], [] as Float32Array[]] as const);
  glosses(800).forEach((text, k) => {
    encode(encoder, tokenize(encoder, text).slice(0, 128), (layer, input) => {
      const at = layers.indexOf(layer);
      if (at >= 0) seen[at]![k % 4 === 3 ? 1 : 0].push(input.data);
    });
  });
  const joined = (parts: Float32Array[], cols: number) => {
    const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    return dense(data.length / cols, cols, data);
  };
  return layers.map((layer, at) => ({
    layer,
    calibration: joined(seen[at]![0], layer.w.cols),
    test: joined(seen[at]![1], layer.w.cols),
  }));
}
