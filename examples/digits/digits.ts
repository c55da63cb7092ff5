/** Handwritten digits of the `mnist` package (10,000 images of MNIST) as rows, and how well clusters match them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dense, type Dense } from 'lapidary';

const require = createRequire(import.meta.url);
const pixels = 28 * 28;

/** The first `each` images of every digit, digit after digit: grey values 0 to 1, a row of 784 for each image. */
export function digits(each = Infinity): { x: Dense; labels: Uint8Array } {
  const images: { digit: number; image: number[] }[] = [];
  for (let digit = 0; digit < 10; digit++) {
    const file = require.resolve(`mnist/src/digits/${digit}.json`);
    const { data } = JSON.parse(readFileSync(file, 'utf8')) as { data: number[] };
    for (let i = 0; i < Math.min(each, Math.floor(data.length / pixels)); i++)
      images.push({ digit, image: data.slice(i * pixels, (i + 1) * pixels) });
  }
  const x = dense(images.length, pixels);
  images.forEach(({ image }, i) => x.data.set(image, i * pixels));
  return { x, labels: Uint8Array.from(images, ({ digit }) => digit) };
}

/** How often each cluster (row) meets each digit (column). */
export function meetings(clusters: Uint32Array, labels: Uint8Array): number[][] {
  const table = Array.from({ length: Math.max(...clusters) + 1 }, () => new Array<number>(10).fill(0));
  clusters.forEach((cluster, i) => table[cluster]![labels[i]!]!++);
  return table;
}

/** The share of images whose digit is the most frequent one of their cluster. */
export function purity(clusters: Uint32Array, labels: Uint8Array): number {
  return meetings(clusters, labels).reduce((sum, row) => sum + Math.max(...row), 0) / labels.length;
}
