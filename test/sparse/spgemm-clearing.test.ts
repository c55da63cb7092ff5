/**
 * What is cleared for a row is what the row has used. A product that clears an array over all columns for each row is right,
 * and a hundred times slower as soon as one row reaches far: only its time shows it.
 */
import { expect, test } from 'vitest';
import type { Csr } from 'lapidary';
import { fromCoo, spgemm } from 'lapidary/sparse';
import { uniform } from '../support/random.js';

/**
 * Six entries of each row in the block of 16 that it belongs to, which makes its product crowded; with `far`, every
 * thousandth row has the last column too.
 */
function blocks(n: number, far: boolean): Csr {
  const draw = uniform(6 * n, 3, 0, 16);
  const [row, col]: [number[], number[]] = [[], []];
  for (let i = 0; i < n; i++) {
    for (let e = 0; e < 6; e++) {
      row.push(i);
      col.push(i - (i % 16) + Math.floor(draw[6 * i + e]!));
    }
    if (far && i % 1000 === 500) {
      row.push(i);
      col.push(n - 1);
    }
  }
  return fromCoo({ rows: n, cols: n, row, col, value: uniform(row.length, 4) });
}

test.each(['auto', 'dense', 'hash'] as const)(
  'a few rows that reach far make no other row slower (%s)',
  (accumulator) => {
    const time = (a: Csr) => {
      const start = performance.now();
      spgemm(a, a, { accumulator });
      return performance.now() - start;
    };
    const [near, far] = [blocks(2 ** 17, false), blocks(2 ** 17, true)];
    let ratio = Infinity; // a hundred and more if a row clears what is as wide as the farthest
    for (let run = 0; run < 5; run++) {
      const alone = time(near);
      ratio = Math.min(ratio, time(far) / alone);
    }
    expect(ratio).toBeLessThan(12);
  },
);
