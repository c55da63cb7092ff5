/** What the benches of attention share: operands, operations, and ONNX Runtime's operator. */
import { dense, type Dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { onnxRuntime } from '../harness/peers.js';
import type { Peer } from '../harness/row.js';

export interface Heads {
  n: number;
  heads: number;
  d: number;
}

export const operands = ({ n, heads, d }: Heads): Record<'q' | 'k' | 'v', Dense<Float32Array>> => {
  const of = (seed: number) => dense(n, heads * d, uniformF32(n * heads * d, seed, -1, 1));
  return { q: of(1), k: of(2), v: of(3) };
};

/** Logits that n tokens have causally, all heads together. */
export const causalLogits = ({ n, heads }: Heads): number => (heads * n * (n + 1)) / 2;

/** The contrib operator MultiHeadAttention, causal. */
export function onnxAttention({ n, heads, d }: Heads, { q, k, v }: ReturnType<typeof operands>): Peer {
  const dims = [1, n, heads * d];
  const attributes = { num_heads: heads, unidirectional: 1 };
  const input = (name: string, { data }: Dense<Float32Array>) => ({ name, dims, data });
  return onnxRuntime(
    { operator: 'com.microsoft.MultiHeadAttention', attributes, output: { name: 'out', dims } },
    [input('q', q), input('k', k), input('v', v)],
    { tolerance: 1e-5 },
  );
}
