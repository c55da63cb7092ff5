/** Triangles by a masked product. The peer makes the whole product L·L with the same package and masks it afterwards. */
import { graph, sparse, type Csr } from 'lapidary';
import { bytesOf, erdosRenyi, rmat, undirected } from '../harness/data.js';
import { synchronous } from '../harness/contender.js';
import type { Bench, Row } from '../harness/row.js';

/** Each edge once, from the end of lower degree. */
function oriented(a: Csr): Csr {
  const degree = (i: number) => a.indptr[i + 1]! - a.indptr[i]!;
  const [row, col]: [number[], number[]] = [[], []];
  for (let i = 0; i < a.rows; i++)
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) {
      const j = a.indices[p]!;
      if (degree(i) < degree(j) || (degree(i) === degree(j) && i < j)) {
        row.push(i);
        col.push(j);
      }
    }
  return sparse.fromCoo<Float64Array>({ rows: a.rows, cols: a.rows, row, col, value: row.map(() => 1) });
}

/** Σ of the product where L has an entry: rows of both are sorted. */
function masked(l: Csr): number {
  const c = sparse.spgemm(l, l, { semiring: 'plus-pair' });
  let sum = 0;
  for (let i = 0; i < l.rows; i++)
    for (let p = l.indptr[i]!, q = c.indptr[i]!; p < l.indptr[i + 1]! && q < c.indptr[i + 1]!;) {
      const [x, y] = [l.indices[p]!, c.indices[q]!];
      if (x === y) sum += c.values[q]!;
      if (x <= y) p++;
      if (y <= x) q++;
    }
  return sum;
}

const bench: Bench = ({ quick }) =>
  (quick ? [8] : [14, 16]).flatMap((scale) =>
    (
      [
        ['ER', erdosRenyi],
        ['R-MAT', rmat],
      ] as const
    ).map(([family, make]): Row => ({
      shape: `${family} scale ${scale}`,
      dtype: 'f64',
      family,
      size: 2 ** scale,
      setup() {
        const a = undirected(make(scale));
        const l = oriented(a);
        return {
          ours: () => graph.triangleCount(a),
          output: (count) => [count as number],
          bytes: bytesOf(a),
          peers: [
            {
              name: 'product, then mask',
              threads: 'same',
              tolerance: 0,
              open: (_, minTime) =>
                synchronous(
                  () => masked(l),
                  (count) => [count],
                  minTime,
                ),
            },
          ],
        };
      },
    })),
  );
export default bench;
