import type { Where } from '../core/validate.js';
import { arrayTypeName } from '../core/kind.js';

const adders = ['plus', 'times', 'min', 'max', 'or', 'and', 'any'] as const;
const multipliers = ['times', 'plus', 'minus', 'min', 'max', 'or', 'and', 'first', 'second', 'pair'] as const;

/**
 * The two operators of a product. `add` joins the products of an entry: `any` takes one of them, here that of the greatest
 * k. `multiply` makes a product of a[i,k] and b[k,j]: `minus` is a − b, `first` a, `second` b and `pair` 1. On numbers
 * `or` and `and` ask whether they are not zero and give 1 or 0; `min` and `max` give NaN if an operand is NaN. Int32
 * values wrap.
 */
export interface Semiring {
  add: (typeof adders)[number];
  multiply: (typeof multipliers)[number];
}

/**
 * The semirings that have names, for the option `semiring` of {@link spgemm}; any other pair of operators will do too.
 *
 * @source Kepner & Gilbert, Graph Algorithms in the Language of Linear Algebra (2011); the names are those of the
 * GraphBLAS
 * @example semirings['min-plus'] // ({ add: 'min', multiply: 'plus' })
 */
export const semirings = {
  'plus-times': { add: 'plus', multiply: 'times' },
  'min-plus': { add: 'min', multiply: 'plus' },
  'max-times': { add: 'max', multiply: 'times' },
  'max-min': { add: 'max', multiply: 'min' },
  'or-and': { add: 'or', multiply: 'and' },
  'plus-pair': { add: 'plus', multiply: 'pair' },
  'any-pair': { add: 'any', multiply: 'pair' },
  'plus-second': { add: 'plus', multiply: 'second' },
} as const satisfies Record<string, Semiring>;

/** Position of the two operators on the native side. */
export function semiringCodes(at: Where, value: keyof typeof semirings | Semiring): [add: number, multiply: number] {
  if (typeof value === 'string') {
    const names = Object.keys(semirings) as (keyof typeof semirings)[];
    value = semirings[names[at.oneOf('options.semiring', value, names)]!];
  }
  if (typeof value !== 'object' || value === null || arrayTypeName(value))
    at.fail('ERR_DTYPE', 'options.semiring', 'the name of a semiring or { add, multiply }');
  return [
    at.oneOf('options.semiring.add', value.add, adders),
    at.oneOf('options.semiring.multiply', value.multiply, multipliers),
  ];
}
