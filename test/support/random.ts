import { philox } from 'lapidary';

/** n numbers uniform on [low, high), the same for the same seed. */
export function uniform(n: number, seed: number, low = -1, high = 1): Float64Array {
  return philox(seed)
    .fill(new Float64Array(n))
    .map((u) => low + (high - low) * u);
}
