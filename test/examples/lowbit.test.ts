import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { detect, languageDetector, layerInputs } from '../../examples/networks/language-detector.js';
import { errorsOf, formats, inFormat } from '../../examples/lowbit/layers.js';
import { filesOf } from '../support/repository.js';

const texts = filesOf('lib/core', /\.ts$/).map((path) => readFileSync(path));

// What docs/lowbit.md says of the first layer: halving the step for each bit, and what ternary keeps.
test('each bit less doubles the error of a real layer', () => {
  const network = languageDetector();
  const { deep } = layerInputs(network, texts);
  const reports = errorsOf(network.layers[0]!, deep[0]!);
  expect(reports.map(({ format }) => format)).toEqual([...formats]);
  const [int8, int4, int3, int2, ternary] = reports as [(typeof reports)[0], ...typeof reports];
  expect(int8.weights).toBeLessThan(0.02);
  expect(int4!.weights / int8.weights).toBeGreaterThan(5);
  expect(int3!.weights / int4!.weights).toBeGreaterThan(1.7);
  expect(int2!.weights / int3!.weights).toBeGreaterThan(1.5);
  expect(ternary!.weights).toBeLessThan(1);
  // rounding x to 8 bits adds less than a per cent
  for (const { weights, result } of reports) expect(result).toBeLessThan(weights + 0.01);
  expect(ternary!.bits).toBeLessThan(2.1);
});

test('the detector keeps its answers in four bits', () => {
  const network = languageDetector();
  const wanted = detect(network, texts);
  const small = {
    ...network,
    layers: network.layers.map((layer) => inFormat(layer, 'int4')),
    wide: inFormat(network.wide, 'int4'),
  };
  const same = detect(small, texts).filter((language, i) => language === wanted[i]).length;
  expect(same / texts.length).toBeGreaterThan(0.8);
});
