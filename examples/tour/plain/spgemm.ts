import type { Csr } from 'lapidary';

/**
 * A·B by Gustavson's algorithm (1978) with a dense accumulator: one pass to count, one to compute, columns sorted at the
 * end of each row.
 */
export function spgemm(a: Csr, b: Csr): Csr {
  const { rows } = a;
  const { cols } = b;
  const seen = new Int32Array(cols).fill(-1);
  const indptr = new Uint32Array(rows + 1);
  for (let i = 0; i < rows; i++) {
    let count = 0;
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) {
      const k = a.indices[p]!;
      for (let q = b.indptr[k]!; q < b.indptr[k + 1]!; q++) {
        const j = b.indices[q]!;
        if (seen[j] !== i) {
          seen[j] = i;
          count++;
        }
      }
    }
    indptr[i + 1] = indptr[i]! + count;
  }

  const indices = new Uint32Array(indptr[rows]!);
  const values = new Float64Array(indptr[rows]!);
  const sum = new Float64Array(cols);
  seen.fill(-1);
  for (let i = 0; i < rows; i++) {
    let end = indptr[i]!;
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) {
      const k = a.indices[p]!;
      const factor = a.values[p]!;
      for (let q = b.indptr[k]!; q < b.indptr[k + 1]!; q++) {
        const j = b.indices[q]!;
        if (seen[j] === i) {
          sum[j]! += factor * b.values[q]!;
        } else {
          seen[j] = i;
          sum[j] = factor * b.values[q]!;
          indices[end++] = j;
        }
      }
    }
    indices.subarray(indptr[i], end).sort();
    for (let p = indptr[i]!; p < end; p++) values[p] = sum[indices[p]!]!;
  }
  return { rows, cols, indptr, indices, values };
}
