import type { Csr } from 'lapidary';

/**
 * Personalised PageRank by power iteration on a symmetric graph: p ← α·r + (1 − α)·(A·D⁻¹·p + dangling·r), r uniform on
 * the seeds, until the L1 change is at most `tolerance`.
 */
export function personalizedPageRank(
  graph: Csr,
  seeds: readonly number[],
  { alpha, tolerance }: { alpha: number; tolerance: number },
): Float64Array {
  const { rows: n, indptr, indices, values } = graph;
  const inverseDegree = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let degree = 0;
    for (let p = indptr[i]!; p < indptr[i + 1]!; p++) degree += values[p]!;
    inverseDegree[i] = degree > 0 ? 1 / degree : 0;
  }
  const restart = new Float64Array(n);
  for (const seed of seeds) restart[seed]! += 1 / seeds.length;

  let scores = restart.slice();
  let next = new Float64Array(n);
  const share = new Float64Array(n);
  for (let iteration = 0; iteration < 1000; iteration++) {
    let dangling = 0;
    for (let i = 0; i < n; i++) {
      share[i] = scores[i]! * inverseDegree[i]!;
      if (inverseDegree[i] === 0) dangling += scores[i]!;
    }
    let change = 0;
    for (let i = 0; i < n; i++) {
      let incoming = 0;
      for (let p = indptr[i]!; p < indptr[i + 1]!; p++) incoming += values[p]! * share[indices[p]!]!;
      const score = alpha * restart[i]! + (1 - alpha) * (incoming + dangling * restart[i]!);
      change += Math.abs(score - scores[i]!);
      next[i] = score;
    }
    [scores, next] = [next, scores];
    if (change <= tolerance) break;
  }
  return scores;
}
