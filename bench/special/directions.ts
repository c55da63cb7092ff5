import { uniform } from '../harness/data.js';

/** n unit vectors of p dimensions around the first axis, row by row. */
export function directions(n: number, p: number): Float64Array {
  const x = uniform(n * p, 1);
  for (let i = 0; i < n; i++) {
    const row = x.subarray(i * p, (i + 1) * p);
    row[0]! += Math.sqrt(p);
    const length = Math.hypot(...row);
    for (let j = 0; j < p; j++) row[j]! /= length;
  }
  return x;
}
