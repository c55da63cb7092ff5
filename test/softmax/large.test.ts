import { expect, it } from 'vitest';
import { cpuInfo, dense } from 'lapidary';
import { softmax } from 'lapidary/softmax';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const cols = 527; // 512 and more begin at a line with AVX-512, and 527 leave a part of one at either end
const cache = Math.min(cpuInfo().cacheBytes.l3, 2 ** 27);
const rows = 2 * Math.ceil(cache / (4 * cols)) + 2; // a half of them is larger than the last-level cache
const x = dense(
  rows,
  cols,
  Float32Array.from({ length: rows * cols }, (_, i) => ((i * 7919) % 1013) / 50),
);
x.data.set(uniform(cols, 1), (rows - 1) * cols);

describeEachIsa('softmax of results that no cache holds', (isa) => {
  it.each(['two-pass', 'three-pass-recompute', 'online', 'three-pass-reload'] as const)(
    '%s: every row has the bits that it has alone',
    (algorithm) =>
      withIsa(isa, () => {
        const around = new Float32Array(rows * cols + 6).fill(-1);
        const y = around.subarray(3, -3);
        softmax(x, { algorithm, out: dense(rows, cols, y) });
        expect([...around.subarray(0, 3), ...around.subarray(-3)]).toEqual([-1, -1, -1, -1, -1, -1]);
        for (let i = 0; i < rows; i++) {
          const alone = softmax(dense(1, cols, x.data.subarray(i * cols, (i + 1) * cols)), { algorithm }).data;
          const bytes = new Uint8Array(y.buffer, y.byteOffset + 4 * i * cols, 4 * cols);
          if (Buffer.compare(bytes, new Uint8Array(alone.buffer)) !== 0) expect.fail(`row ${i}`);
        }
      }),
  );
});
