import { philox, type Csr } from 'lapidary';
import { fromCoo } from 'lapidary/sparse';

/** A random graph of n nodes with about `degree` edges each, positive random weights; the last node has no edges. */
export function randomGraph(n: number, degree: number, seed: number, { undirected = false } = {}): Csr {
  const u = philox(seed).fill(new Float64Array(3 * n * degree));
  const [row, col, value]: [number[], number[], number[]] = [[], [], []];
  for (let e = 0; e < n * degree; e++) {
    const i = Math.floor(u[3 * e]! * (n - 1));
    const j = Math.floor(u[3 * e + 1]! * (n - 1));
    const weight = 0.1 + u[3 * e + 2]!;
    row.push(i);
    col.push(j);
    value.push(weight);
    if (!undirected || i === j) continue;
    row.push(j);
    col.push(i);
    value.push(weight);
  }
  return fromCoo<Float64Array>({ rows: n, cols: n, row, col, value });
}

/** P = D⁻¹A as rows of numbers; a row of zeros where there are no edges. */
export function transitions(a: Csr): number[][] {
  return Array.from({ length: a.rows }, (_, i) => {
    const out = new Array<number>(a.cols).fill(0);
    let degree = 0;
    for (let k = a.indptr[i]!; k < a.indptr[i + 1]!; k++) degree += a.values[k]!;
    for (let k = a.indptr[i]!; k < a.indptr[i + 1]!; k++) out[a.indices[k]!] = degree > 0 ? a.values[k]! / degree : 0;
    return out;
  });
}

/** Renumbers the nodes: node i becomes `order[i]`. */
export function renumbered(a: Csr, order: readonly number[]): Csr {
  const [row, col]: [number[], number[]] = [[], []];
  for (let i = 0; i < a.rows; i++)
    for (let k = a.indptr[i]!; k < a.indptr[i + 1]!; k++) {
      row.push(order[i]!);
      col.push(order[a.indices[k]!]!);
    }
  return fromCoo<Float64Array>({ rows: a.rows, cols: a.cols, row, col, value: a.values });
}

/** The graph as graphology has it, with nodes named by letters and numbers. */
export function graphologyOf(a: Csr, { undirected = false } = {}) {
  const edges: [number, number, number][] = [];
  for (let i = 0; i < a.rows; i++)
    for (let k = a.indptr[i]!; k < a.indptr[i + 1]!; k++)
      if (!undirected || i <= a.indices[k]!) edges.push([i, a.indices[k]!, a.values[k]!]);
  type Visit = (e: string, x: { weight?: unknown }, s: string, t: string, sx: object, tx: object, u: boolean) => void;
  return {
    order: a.rows,
    size: edges.length,
    nodes: () => Array.from({ length: a.rows }, (_, i) => `n${i}`),
    forEachEdge: (visit: Visit) =>
      edges.forEach(([i, j, weight], e) => visit(`e${e}`, { weight }, `n${i}`, `n${j}`, {}, {}, undirected)),
  };
}

/** p = α·(I − (1 − α)·(P + d·rᵀ)ᵀ)⁻¹·r by Gaussian elimination; d marks the rows without edges. */
export function solved(a: Csr, restart: Float64Array, alpha: number): Float64Array {
  const n = a.rows;
  const p = transitions(a);
  const m = Array.from({ length: n }, (_, i) =>
    Float64Array.from({ length: n + 1 }, (_, j) => {
      if (j === n) return alpha * restart[i]!;
      const step = p[j]!.some((x) => x > 0) ? p[j]![i]! : restart[i]!;
      return (i === j ? 1 : 0) - (1 - alpha) * step;
    }),
  );
  for (let k = 0; k < n; k++) {
    const pivot = m.reduce((best, row, i) => (i >= k && Math.abs(row[k]!) > Math.abs(m[best]![k]!) ? i : best), k);
    [m[k], m[pivot]] = [m[pivot]!, m[k]!];
    for (let i = 0; i < n; i++) {
      if (i === k || m[i]![k] === 0) continue;
      const factor = m[i]![k]! / m[k]![k]!;
      for (let j = k; j <= n; j++) m[i]![j]! -= factor * m[k]![j]!;
    }
  }
  return Float64Array.from(m, (row, i) => row[n]! / row[i]!);
}
