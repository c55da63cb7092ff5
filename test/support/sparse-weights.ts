import type { GroupSparse } from 'lapidary/gemm';

/** Group-sparse weights as a matrix of doubles. */
export function expanded(w: GroupSparse): Float64Array {
  const out = new Float64Array(w.rows * w.cols);
  for (let i = 0; i < w.rows; i++)
    for (let g = w.indptr[i]!; g < w.indptr[i + 1]!; g++)
      for (let k = 0; k < w.groupSize; k++) {
        const j = w.groups[g]! * w.groupSize + k;
        if (j < w.cols) out[i * w.cols + j] = w.values[g * w.groupSize + k]! * (w.scales ? w.scales[g]! : 1);
      }
  return out;
}
