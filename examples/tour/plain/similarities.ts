import type { Dense } from 'lapidary';

/** a·bᵀ of two row-major f32 matrices: a dot product for each pair of rows, four sums at a time to hide their latency. */
export function similarities(a: Dense<Float32Array>, b: Dense<Float32Array>): Dense<Float32Array> {
  const k = a.cols;
  const out = new Float32Array(a.rows * b.rows);
  for (let j = 0; j < b.rows; j++)
    for (let i = 0; i < a.rows; i++) {
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      const [x, y] = [i * k, j * k];
      let c = 0;
      for (; c + 4 <= k; c += 4) {
        s0 += a.data[x + c]! * b.data[y + c]!;
        s1 += a.data[x + c + 1]! * b.data[y + c + 1]!;
        s2 += a.data[x + c + 2]! * b.data[y + c + 2]!;
        s3 += a.data[x + c + 3]! * b.data[y + c + 3]!;
      }
      for (; c < k; c++) s0 += a.data[x + c]! * b.data[y + c]!;
      out[i * b.rows + j] = s0 + s1 + (s2 + s3);
    }
  return { rows: a.rows, cols: b.rows, data: out };
}
