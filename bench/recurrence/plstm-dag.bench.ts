/** pLSTM on trees whose edges lead to the root, 4 heads of 64, forward and backward: nodes a second must not fall as the tree grows. */
import { dense, recurrence } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const heads = 4;
const d = 64;

/** A complete binary tree: node n > 0 leads to its parent (n − 1) / 2; edge n − 1 leaves node n. */
function tree(nodes: number): recurrence.PlstmGraph {
  const parent = (n: number) => Math.floor((n - 1) / 2);
  const pairs = Array.from({ length: nodes - 1 }, (_, e) => e).filter((e) => parent(e + 1) > 0);
  return {
    from: Uint32Array.from({ length: nodes - 1 }, (_, e) => e + 1),
    to: Uint32Array.from({ length: nodes - 1 }, (_, e) => parent(e + 1)),
    first: Uint32Array.from(pairs),
    second: Uint32Array.from(pairs, (e) => parent(e + 1) - 1),
  };
}

const bench: Bench = ({ quick }) =>
  (quick ? [15] : [255, 1023, 4095]).flatMap((nodes) =>
    [false, true].map((backward) => ({
      shape: `tree of ${nodes}×${heads}×${d}${backward ? ' backward' : ''}`,
      dtype: 'f32',
      size: nodes,
      family: backward ? 'backward' : 'forward',
      setup() {
        const graph = tree(nodes);
        const matrix = (rows: number, cols: number, seed: number) => dense(rows, cols, uniformF32(rows * cols, seed));
        const [q, k, v] = [1, 2, 3].map((seed) => matrix(nodes, heads * d, seed)) as [M, M, M];
        const gates = {
          source: matrix(nodes - 1, heads, 4),
          transition: matrix(graph.first.length, heads, 5),
          mark: matrix(nodes - 1, heads, 6),
        };
        return {
          ours: () =>
            backward
              ? recurrence.plstmDagBackward(v, q, k, v, gates, graph, { heads }).dq
              : recurrence.plstmDag(q, k, v, gates, graph, { heads }).out,
          // an edge out, its transition, two marks and their sum; backward: 10 for the gradients, and the states once more
          flops: 2 * (backward ? 15 : 5) * nodes * heads * d * d,
          peak: 'f32' as const,
        };
      },
    })),
  );
export default bench;

type M = ReturnType<typeof dense<Float32Array>>;
