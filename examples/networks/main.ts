/**
 * Prints how much of the outputs of real layers each format and method loses.
 *
 *     npx tsx examples/networks/main.ts             the language detector, on sources of this repository
 *     npx tsx examples/networks/main.ts sentences   the sentence encoder, on glosses of WordNet: the table of docs/quant.md
 */
import { table } from './errors.js';
import { detectorProbes, encoderProbes } from './probes.js';

const sentences = process.argv[2] === 'sentences';
const probes = sentences ? encoderProbes() : detectorProbes();
for (const { layer, calibration, test } of probes)
  console.log(
    `${layer.name}: ${layer.w.rows} × ${layer.w.cols}, ${calibration.rows} inputs for calibration, ${test.rows} others`,
  );
console.log();
for (const line of table(probes)) console.log(line);
