import type { Csr, Real } from 'lapidary';
import type { Semiring, SpgemmValues } from 'lapidary/sparse';
import { gridOf, type Grid } from './sparse.js';

export const accumulators = ['auto', 'hash', 'dense', 'heap', 'sort'] as const;

type Operator = (x: number, y: number) => number;
const truth = (x: boolean) => Number(x);
export const adders: Record<Semiring['add'], Operator> = {
  plus: (x, y) => x + y,
  times: (x, y) => x * y,
  min: Math.min,
  max: Math.max,
  or: (x, y) => truth(x !== 0 || y !== 0),
  and: (x, y) => truth(x !== 0 && y !== 0),
  any: (_, y) => y,
};
export const multipliers: Record<Semiring['multiply'], Operator> = {
  times: adders.times,
  plus: adders.plus,
  minus: (x, y) => x - y,
  min: Math.min,
  max: Math.max,
  or: adders.or,
  and: adders.and,
  first: (x) => x,
  second: (_, y) => y,
  pair: () => 1,
};

/** A product with other operators, rounded to the type. A single product of `or` or `and` becomes 0 or 1 too. */
export function oracleOf(a: Csr<SpgemmValues>, b: Csr<SpgemmValues>, { add, multiply }: Semiring): Grid {
  const [x, y] = [gridOf(a), gridOf(b)];
  const whole = a.values instanceof Int32Array;
  const round = (v: number) => (whole ? v | 0 : a.values instanceof Float32Array ? Math.fround(v) : v);
  const apply = (operator: Operator, v: number, w: number) =>
    whole && operator === adders.times ? Math.imul(v, w) : round(operator(v, w));
  const unit = (p: number) => (add === 'or' || add === 'and' ? truth(p !== 0) : p);
  return x.map((row) =>
    Array.from({ length: b.cols }, (_, j) =>
      row.reduce<number | undefined>((sum, value, k) => {
        const other = y[k]![j];
        if (value === undefined || other === undefined) return sum;
        const product = apply(multipliers[multiply], value, other);
        return sum === undefined ? unit(product) : apply(adders[add], sum, product);
      }, undefined),
    ),
  );
}

/** By the definition, entry by entry. An entry without a product is undefined. */
export function oracle(a: Csr<Real>, b: Csr<Real>): Grid {
  const [x, y] = [gridOf(a), gridOf(b)];
  return x.map((row) =>
    Array.from({ length: b.cols }, (_, j) =>
      row.reduce<number | undefined>((sum, value, k) => {
        const other = y[k]![j];
        return value === undefined || other === undefined
          ? sum
          : sum === undefined
            ? value * other
            : sum + value * other;
      }, undefined),
    ),
  );
}
