/**
 * Writes native/special/tables.h: the logarithms of Debye's expansions, a table for logarithms, and polynomials for K_m
 * with |m| ≤ ½, from their definitions in exact or 250-bit arithmetic, rounded once to f64. Run it with
 * `npx tsx tools/special-tables.ts` after a change here; test/special/coefficients.test.ts proves that the header is what
 * this program writes.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  add,
  bits,
  coshMinusOne,
  debyePolynomials,
  literal,
  logOfQuotient,
  naturalLogOf2,
  nearest,
  one,
  pi,
  ratio,
  times,
  type Ratio,
} from './special-coefficients.js';

const debyeLogTerms = 20;
/** Degrees of polynomials for (log(1 + f) − f + f²/2) / f³ on |f| ≤ 1/16, which leave 2^-61 and 2^-55 of the logarithm. */
const [logTailDegree, shortTailDegree] = [9, 7];
/** Borders in x of the polynomials for K, and what their truncation may leave out. */
export const kBorders = [0.125, 0.25, 0.5, 1, 1.625, 2.75, 5, 10, 23];
const kTolerance = one >> 57n;

// ---- exact ------------------------------------------------------------------------------------------------------

/** d_1 … d_K: log(1 + Σ u_k y^k) = Σ d_k y^k, so k d_k = k u_k − Σ_{j<k} j d_j u_{k−j}; as polynomials in t² like u_k. */
export function debyeLogPolynomials(count: number): Ratio[][] {
  const u = debyePolynomials(count);
  const d: Ratio[][] = [];
  for (let k = 1; k <= count; k++) {
    const sum = u[k - 1]!.map((c) => times(c, ratio(BigInt(k), 1n)));
    for (let j = 1; j < k; j++)
      d[j - 1]!.forEach((a, m) =>
        u[k - j - 1]!.forEach((b, n) => {
          sum[m + n] = add(sum[m + n]!, times(times(a, b), ratio(BigInt(-j), 1n)));
        }),
      );
    d.push(sum.map((c) => times(c, ratio(1n, BigInt(k)))));
  }
  return d;
}

/** T_0 … T_n, coefficients of ascending powers. */
function chebyshev(n: number): bigint[][] {
  const all = [[1n], [0n, 1n]];
  for (let k = 2; k <= n; k++)
    all.push(Array.from({ length: k + 1 }, (_, i) => 2n * (all[k - 1]![i - 1] ?? 0n) - (all[k - 2]![i] ?? 0n)));
  return all;
}

/** Σ_{k≥3} (−1)^{k+1} f^{k−3} / k, economised on |f| ≤ 1/16: its last powers replaced by Chebyshev's, one after the other. */
export function logTail(degree: number): Ratio[] {
  const c: Ratio[] = Array.from({ length: 30 }, (_, k) => ratio(k % 2 ? -1n : 1n, BigInt(k + 3)));
  const t = chebyshev(c.length);
  while (c.length > degree + 1) {
    const n = c.length - 1;
    const top = c.pop()!;
    for (let i = 0; i < n; i++)
      // f^n = 16^−n y^n, y^n = (T_n − …) / 2^{n−1}
      c[i] = add(c[i]!, times(top, ratio(-t[n]![i]!, 2n ** BigInt(n - 1) * 16n ** BigInt(n - i))));
  }
  return c;
}

// ---- fixed point with 250 bits ----------------------------------------------------------------------------------

const ln2 = naturalLogOf2();
const product = (a: bigint, b: bigint): bigint => (a * b) >> bits;
const fixed = (a: number): bigint => BigInt(a * 2 ** 60) << (bits - 60n);

/** e^−z for z ≥ 0. */
function expOfMinus(z: bigint): bigint {
  const n = z / ln2;
  const y = (z - n * ln2) >> 8n;
  let sum = one;
  for (let k = 1n, term = one; term !== 0n; k++) sum += term = -product(term, y) / k;
  for (let i = 0; i < 8; i++) sum = product(sum, sum);
  return sum >> n;
}

function rootOf(a: bigint): bigint {
  const square = a << bits;
  let root = one << 8n;
  for (let next = (root + square / root) / 2n; next < root; next = (root + square / root) / 2n) root = next;
  return root;
}

/**
 * For each eighth of [1, 2) a number L near log of its middle, a multiple of 2^−20, for which e^−L is an f64 to 2^−63 of
 * itself: the product with e^−L then takes L from the logarithm without error that counts.
 */
export function logCells(): { inverse: Ratio; log: Ratio }[] {
  return Array.from({ length: 8 }, (_, i) => {
    const middle = one + ((one * BigInt(2 * i + 1)) >> 4n);
    const log = logOfQuotient(((middle - one) << bits) / (middle + one));
    for (let j = 0n; ; j++)
      for (const near of [j, -j - 1n]) {
        const exact = ((log >> (bits - 20n)) + near) << (bits - 20n);
        const inverse = expOfMinus(exact);
        const rest = add([inverse, one], [-BigInt(nearest([inverse, one]) * 2 ** 54), 1n << 54n]);
        const gap = rest[0] < 0n ? -rest[0] : rest[0];
        if (gap << 63n < rest[1] >> 1n) return { inverse: [inverse, one], log: [exact, one] };
      }
  });
}

/** The polynomial through the points, ascending powers (Newton's divided differences). */
function through(at: readonly bigint[], values: readonly bigint[]): bigint[] {
  const difference = [...values];
  for (let level = 1; level < at.length; level++)
    for (let i = at.length - 1; i >= level; i--)
      difference[i] = ((difference[i]! - difference[i - 1]!) << bits) / (at[i]! - at[i - level]!);
  let out: bigint[] = [];
  for (let i = at.length - 1; i >= 0; i--)
    out = [difference[i]!, ...out].map((c, k) => c - (k < out.length ? product(at[i]!, out[k]!) : 0n));
  return out;
}

/** Powers into Chebyshev polynomials: x^n = 2^{1−n} Σ binomial(n, i) T_{n−2i}, and back. */
function inChebyshev(powers: readonly bigint[]): bigint[] {
  const t = chebyshev(powers.length);
  const rest = [...powers];
  const out = powers.map(() => 0n);
  for (let n = powers.length - 1; n >= 0; n--) {
    out[n] = n ? rest[n]! >> BigInt(n - 1) : rest[0]!;
    t[n]!.forEach((c, i) => (rest[i]! -= c * out[n]!));
  }
  return out;
}
function inPowers(series: readonly bigint[]): bigint[] {
  const t = chebyshev(series.length);
  return series.map((_, i) => series.reduce((sum, c, n) => sum + c * (t[n]![i] ?? 0n), 0n));
}

const columns = (rows: bigint[][]): bigint[][] => rows[0]!.map((_, j) => rows.map((row) => row[j]!));

/** Of each row, how many coefficients remain if the smallest ones, up to kTolerance together, are left out. */
function lengths(rows: bigint[][]): number[] {
  const size = (a: bigint): bigint => (a < 0n ? -a : a);
  const all = rows.flatMap((row, j) => row.map((c, i) => ({ c: size(c), i, j })));
  all.sort((a, b) => (a.c < b.c ? -1 : a.c > b.c ? 1 : 0));
  let sum = 0n;
  const kept = all.filter(({ c }) => (sum += c) > kTolerance);
  return rows.map((_, j) => kept.reduce((most, e) => (e.j === j ? Math.max(most, e.i + 1) : most), 0));
}

export interface KCell {
  scale: number;
  shift: number;
  /** rows[j] = [for K, for −K'], each the coefficients of a^i b^j */
  rows: [bigint[], bigint[]][];
}

/**
 * √(2x/π) e^x K_m(x) and √(2x/π) e^x (−K_m'(x)) as polynomials in a = 8m² − 1 and b = scale/x + shift on a range of x,
 * by interpolation at Chebyshev's points (moved by 2^−60 at most). The values: the trapezoidal rule with step ⅛ on
 * ∫ exp(−x (cosh t − 1)) cosh mt dt and cosh t times that, wrong by e^−79.
 */
export function kCells(): KCell[] {
  const orders = 10;
  const points = 26;
  const node = (k: number, n: number): bigint => fixed(Math.cos((Math.PI * (2 * k + 1)) / (2 * n)));
  const atA = Array.from({ length: orders }, (_, k) => node(k, orders));
  const atB = Array.from({ length: points }, (_, k) => node(k, points));
  const nodes = 62;
  const fall = Array.from({ length: nodes }, (_, j) => coshMinusOne(ratio(BigInt(j), 8n))[0]);
  const orderAt = atA.map((a) => rootOf((one + a) >> 3n));
  const rise = orderAt.map((m) => fall.map((_, j) => coshMinusOne([m * BigInt(j), one * 8n])[0] + one));
  const half = pi() / 2n;
  return kBorders.slice(1).map((to, cell) => {
    const from = kBorders[cell]!;
    const scale = (2 * from * to) / (to - from);
    const shift = -scale * 0.5 * (1 / from + 1 / to);
    const grids = [atA.map((): bigint[] => []), atA.map((): bigint[] => [])] as const;
    for (const b of atB) {
      const x = (fixed(scale) << bits) / (b - fixed(shift));
      const root = rootOf((x << bits) / half);
      const weight = fall.map((c, j) => expOfMinus(product(x, c)) >> (j ? 3n : 4n));
      const steep = weight.map((w, j) => w + product(w, fall[j]!));
      rise.forEach((cosh, i) => {
        grids[0][i]!.push(product(root, cosh.reduce((sum, c, j) => sum + product(c, weight[j]!), 0n))); // prettier-ignore
        grids[1][i]!.push(product(root, cosh.reduce((sum, c, j) => sum + product(c, steep[j]!), 0n))); // prettier-ignore
      });
    }
    const [values, slopes] = grids.map((grid) => {
      const inB = columns(grid.map((row) => inChebyshev(through(atB, row)))); // by power of b, then point of a
      return inB.map((row) => inChebyshev(through(atA, row)));
    }) as [bigint[][], bigint[][]];
    const [forK, forSlope] = [lengths(values), lengths(slopes)];
    const count = forK.map((n, j) => Math.max(n, forSlope[j]!));
    const powers = (series: bigint[][]): bigint[][] => {
      const cut = series.map((row, j) => row.map((c, i) => (i < count[j]! ? c : 0n)));
      const rows = columns(columns(cut.map(inPowers)).map(inPowers));
      return rows;
    };
    const [k, slope] = [powers(values), powers(slopes)];
    const last = count.reduce((most, n, j) => (n ? j : most), 0);
    // a power of b draws on all later Chebyshev polynomials: rows never grow towards the end
    const length = count.map((_, j) => Math.max(...count.slice(j)));
    return {
      scale,
      shift,
      rows: Array.from({ length: last + 1 }, (_, j) => [k[j]!.slice(0, length[j]), slope[j]!.slice(0, length[j])]),
    };
  });
}

// ---- the header -------------------------------------------------------------------------------------------------

export function tablesHeader(): string {
  const debye = debyeLogPolynomials(debyeLogTerms).map(
    (d, k) => `    // d_${k + 1}\n    {${d.map(literal).join(',\n     ')}},`,
  );
  const cells = logCells();
  const k = kCells();
  const rows = Math.max(...k.map((cell) => cell.rows.length));
  const width = Math.max(...k.flatMap((cell) => cell.rows.map(([a]) => a.length)));
  const list = (values: bigint[]): string => `{${values.map((c) => literal([c, one])).join(', ')}}`;
  const blocks = k.map((cell) => {
    const side = (which: 0 | 1): string => cell.rows.map((row) => `      ${list(row[which])},`).join('\n');
    return `    {${cell.scale}, ${cell.shift}, ${cell.rows.length},
     {${cell.rows.map(([a]) => a.length).join(', ')}},
     {
${side(0)}
     },
     {
${side(1)}
     }},`;
  });
  return `// Generated by tools/special-tables.ts; not to be edited.
// clang-format off
#pragma once

namespace lapidary {

static constexpr int kDebyeLogTerms = ${debyeLogTerms};

// log(1 + Σ u_k(t) y^k) = Σ d_k(t) y^k, d_k(t) = t^k Σ_{j=0..k} kDebyeLog[k−1][j] t^(2j), for u_k of coefficients.h.
static constexpr double kDebyeLog[kDebyeLogTerms][kDebyeLogTerms + 1] = {
${debye.join('\n')}
};

// For the i-th eighth of [1, 2): a number near its middle's logarithm that is a multiple of 2^-20, and e to minus that,
// which is an f64 to 2^-63 of itself.
static constexpr double kLogOfCell[8] = {
    ${cells.map(({ log }) => literal(log)).join(',\n    ')}};
static constexpr double kInverseOfCell[8] = {
    ${cells.map(({ inverse }) => literal(inverse)).join(',\n    ')}};

// (log(1 + f) − f + f²/2) / f³ = Σ kLogTail[k] f^k on |f| ≤ 1/16.
static constexpr int kLogTailTerms = ${logTailDegree + 1};
static constexpr double kLogTail[kLogTailTerms] = {
    ${logTail(logTailDegree).map(literal).join(',\n    ')}};

// The same, to 2^-55 of the logarithm.
static constexpr int kShortTailTerms = ${shortTailDegree + 1};
static constexpr double kShortTail[kShortTailTerms] = {
    ${logTail(shortTailDegree).map(literal).join(',\n    ')}};

// For x in [kKBorders[c], kKBorders[c+1]] and |m| ≤ ½, with a = 8m² − 1 and b = scale/x + shift:
// √(2x/π) e^x K_m(x) = Σ_j b^j Σ_{i < terms[j]} value[j][i] a^i, and the same with slope for −K_m'(x).
struct KCell {
  double scale, shift;
  int rows;
  int terms[${rows}];
  double value[${rows}][${width}];
  double slope[${rows}][${width}];
};
static constexpr int kKCellCount = ${k.length};
static constexpr double kKBorders[kKCellCount + 1] = {${kBorders.join(', ')}};
static constexpr KCell kKCells[kKCellCount] = {
${blocks.join('\n')}
};

}  // namespace lapidary
`;
}

export const tablesPath = fileURLToPath(new URL('../native/special/tables.h', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(tablesPath, tablesHeader());
