/** FastRP embeddings: sparse times dense, four times; and how the cost grows with the dimension. */
import { graph, sparse } from 'lapidary';
import { csrTask, graphs } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const weights = [0, 0, 1, 6.67];
const beta = -0.64;

/**
 * The random matrix that fastRP draws for n nodes: on a graph of loops alone, of weight 1, the first step is the matrix
 * itself. SciPy gets the same, so that the two results can be compared number by number.
 */
function projection(n: number, dimension: number): Float32Array {
  const nodes = Uint32Array.from({ length: n }, (_, i) => i);
  const loops = sparse.fromCoo({ rows: n, cols: n, row: nodes, col: nodes, value: new Float64Array(n).fill(1) });
  const plainSum = { weights: [1], beta: 0, rowNormalize: false, standardize: false };
  return graph.fastRP(loops, { dimension, ...plainSum }).data;
}

const bench: Bench = ({ quick }) =>
  graphs(quick).flatMap(({ name, family, n, make }) =>
    (quick ? [16] : [64, 256]).map((dimension) => ({
      shape: `${name}, dimension ${dimension}`,
      dtype: 'f32',
      family: `${family} ${dimension}`,
      size: n,
      published: ['fastrp-blogcatalog-512'],
      setup() {
        const a = make();
        const { arrays, parameters } = csrTask(a);
        const r = projection(n, dimension);
        const edges = a.indices.length;
        const matrix = 4 * n * dimension;
        return {
          ours: () => graph.fastRP(a, { dimension, weights, beta }),
          flops: 2 * edges * dimension * weights.length,
          peak: 'f32' as const,
          bytes: weights.length * (8 * edges + 2 * matrix),
          footprint: 8 * edges + 2 * matrix,
          peers: [
            scipy(
              {
                operation: 'fastRP',
                parameters: { ...parameters, weights: weights.join(','), beta },
                arrays: { ...arrays, r },
              },
              { tolerance: 1e-3 },
            ),
          ],
        };
      },
    })),
  );
export default bench;
