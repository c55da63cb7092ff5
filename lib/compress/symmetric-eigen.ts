/** Eigenvalues and eigenvectors of a small dense symmetric matrix. */

/**
 * Eigenpairs of the symmetric n × n matrix `a`, which is overwritten: values as they come, eigenvector k in row k of
 * `vectors`. Householder's reduction to tridiagonal form, then QL steps with implicit shifts; some 9·n³ operations.
 *
 * @source Dubrulle, Martin & Wilkinson, The Implicit QL Algorithm (Numerische Mathematik 12, 1968); Golub & Van Loan, Matrix
 * Computations (4th ed., 2013), algorithms 8.3.1 and 8.3.3
 */
export function symmetricEigen(a: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n); // beside[i] couples i and i + 1
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const reflectors = tridiagonalize(a, n, diagonal, beside);

  // rows of `vectors` become those of (H_1 · H_2 · …)ᵀ: the last reflector first
  for (let k = n - 3; k >= 0; k--) {
    const v = reflectors[k];
    if (!v) continue;
    for (let i = k + 1; i < n; i++) {
      const row = vectors.subarray(i * n + k + 1, (i + 1) * n);
      let dot = 0;
      for (let j = 0; j < row.length; j++) dot += row[j]! * v[j]!;
      for (let j = 0; j < row.length; j++) row[j]! -= 2 * dot * v[j]!;
    }
  }
  for (let lo = 0; lo < n; lo++) diagonalize(lo, n, diagonal, beside, vectors);
  return { values: diagonal, vectors };
}

/** Qᵀ·A·Q tridiagonal, Q the product of reflectors 1 − 2·v·vᵀ on the places behind k; undefined where none was needed. */
function tridiagonalize(a: Float64Array, n: number, diagonal: Float64Array, beside: Float64Array) {
  const reflectors: (Float64Array | undefined)[] = [];
  for (let k = 0; k + 2 < n; k++) {
    const m = n - k - 1;
    const v = Float64Array.from({ length: m }, (_, i) => a[(k + 1 + i) * n + k]!);
    const length = Math.hypot(...norms(v));
    beside[k] = v[0]! > 0 ? -length : length;
    v[0]! -= beside[k]!;
    const size = Math.hypot(...norms(v));
    if (length === 0 || size === 0) {
      reflectors.push(undefined);
      continue;
    }
    for (let i = 0; i < m; i++) v[i]! /= size;
    // B ← (1 − 2vvᵀ)·B·(1 − 2vvᵀ) = B − 2·(v·wᵀ + w·vᵀ), w = B·v − (vᵀBv)·v
    const w = new Float64Array(m);
    let energy = 0;
    for (let i = 0; i < m; i++) {
      const row = a.subarray((k + 1 + i) * n + k + 1, (k + 2 + i) * n);
      let dot = 0;
      for (let j = 0; j < m; j++) dot += row[j]! * v[j]!;
      w[i] = dot;
      energy += dot * v[i]!;
    }
    for (let i = 0; i < m; i++) w[i]! -= energy * v[i]!;
    for (let i = 0; i < m; i++) {
      const row = a.subarray((k + 1 + i) * n + k + 1, (k + 2 + i) * n);
      const [x, y] = [2 * v[i]!, 2 * w[i]!];
      for (let j = 0; j < m; j++) row[j]! -= x * w[j]! + y * v[j]!;
    }
    reflectors.push(v);
  }
  if (n > 1) beside[n - 2] = a[(n - 1) * n + n - 2]!;
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i]!;
  return reflectors;
}

/** The norms of pieces, few enough to be arguments. */
function norms(v: Float64Array): number[] {
  const pieces: number[] = [];
  for (let i = 0; i < v.length; i += 1000) pieces.push(Math.hypot(...v.subarray(i, i + 1000)));
  return pieces;
}

/** QL steps until beside[lo] has gone; diagonal[lo] is an eigenvalue then. */
function diagonalize(lo: number, n: number, d: Float64Array, e: Float64Array, vectors: Float64Array): void {
  for (;;) {
    let hi = lo;
    while (hi + 1 < n && Math.abs(e[hi]!) > Number.EPSILON * (Math.abs(d[hi]!) + Math.abs(d[hi + 1]!))) hi++;
    if (hi === lo) return;
    const slope = (d[lo + 1]! - d[lo]!) / (2 * e[lo]!);
    const root = Math.hypot(slope, 1);
    let g = d[hi]! - d[lo]! + e[lo]! / (slope + (slope < 0 ? -root : root));
    let [sine, cosine, shift] = [1, 1, 0];
    let split = false;
    for (let i = hi - 1; i >= lo; i--) {
      const [f, b] = [sine * e[i]!, cosine * e[i]!];
      const r = Math.hypot(f, g);
      e[i + 1] = r;
      if (r === 0) {
        // the matrix falls apart here: start again with what is left
        d[i + 1]! -= shift;
        e[hi] = 0;
        split = true;
        break;
      }
      sine = f / r;
      cosine = g / r;
      g = d[i + 1]! - shift;
      const turn = (d[i]! - g) * sine + 2 * cosine * b;
      shift = sine * turn;
      d[i + 1] = g + shift;
      g = cosine * turn - b;
      const [upper, lower] = [vectors.subarray((i + 1) * n, (i + 2) * n), vectors.subarray(i * n, (i + 1) * n)];
      for (let k = 0; k < n; k++) {
        const [x, y] = [lower[k]!, upper[k]!];
        upper[k] = sine * x + cosine * y;
        lower[k] = cosine * x - sine * y;
      }
    }
    if (split) continue;
    d[lo]! -= shift;
    e[lo] = g;
    e[hi] = 0;
  }
}
