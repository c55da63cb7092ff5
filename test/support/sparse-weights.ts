import type { GroupSparse } from 'lapidary/gemm';

/** Group-sparse weights as a matrix of doubles. */
export function expanded(w: GroupSparse): Float64Array {
  const out = new Float64Array(w.rows * w.cols);
  for (let i = 0; i < w.rows; i++)
    for (let g = w.indptr[i]!; g < w.indptr[i + 1]!; g++)
      for (let k = 0; k < w.groupSize; k++) {
        const j = w.groups[g]! * w.groupSize + k;
        if (j < w.cols) out[i * w.cols + j] = valueOf(w, g, k);
      }
  return out;
}

function valueOf({ values, scales, zeros, groupSize }: GroupSparse, g: number, k: number): number {
  if (!scales) return values[g * groupSize + k]!;
  if (!zeros) return scales[g]! * values[g * groupSize + k]!;
  const byte = values[g * Math.ceil(groupSize / 2) + (k >> 1)]!;
  return scales[g]! * (((byte >> (4 * (k % 2))) & 15) - zeros[g]!);
}
