/** Activation functions: what users name, and the codes that native/gemm/activation.h has for them. */
import { arrayTypeName, describe, type Where } from '../core/validate.js';
import type { NumericArray } from '../core/values.js';

const names = ['none', 'relu', 'gelu', 'geluTanh', 'silu', 'squaredRelu'] as const;
const polynomials = ['polyRelu', 'polyNorm'] as const;

/** Activation functions of `linear`; σ(z) = 1/(1 + e^−z), Φ is the distribution function of the standard normal. */
export type Activation =
  /** z · Φ(z), as `gelu` is in PyTorch */
  | 'gelu'
  /** its approximation z · σ(√(8/π) · (z + 0.044715·z³)), as in GPT-2 and BERT's first code */
  | 'geluTanh'
  | 'none'
  /** max(z, 0) */
  | 'relu'
  /** z · σ(z), also called swish */
  | 'silu'
  /** max(z, 0)² */
  | 'squaredRelu'
  | PolynomialActivation;

/** The two instances of Polynomial Composition Activations. */
export interface PolynomialActivation {
  /**
   * `polyRelu`: Σ_p a_p · max(z, 0)^p. `polyNorm`: a_0 + Σ_{p ≥ 1} a_p · z^p / √(mean z^{2p} + epsilon), the mean over the row
   */
  name: (typeof polynomials)[number];
  /** a_0, a_1, …, a_r; r from 1 to 8 (the paper trains r = 3 from 0, 1/3, 1/3, 1/3) */
  coefficients: ArrayLike<number>;
  /** of polyNorm; default 1e-6 */
  epsilon?: number;
}

/** The code of native/gemm/activation.h and what a polynomial needs. */
export function activationOf(at: Where, activation: unknown, type: typeof Float64Array | typeof Float32Array) {
  const argument = 'options.activation';
  if (typeof activation !== 'object' || activation === null) {
    const code = names.indexOf(activation as (typeof names)[number]);
    if (code < 0)
      at.fail(
        'ERR_OPTION',
        argument,
        `one of ${names.join(', ')} or { name: 'polyRelu' or 'polyNorm', coefficients }`,
        describe(activation),
      );
    return { code, coefficients: undefined, epsilon: 0 };
  }
  const given = activation as Partial<PolynomialActivation>;
  for (const key of Object.keys(given))
    if (!['name', 'coefficients', 'epsilon'].includes(key))
      at.fail('ERR_OPTION', `${argument}.${key}`, 'one of name, coefficients, epsilon', key);
  const code = names.length + at.oneOf(`${argument}.name`, given.name, polynomials);
  const { coefficients } = given;
  const viewName = arrayTypeName(coefficients);
  if (viewName !== undefined) at.attached(`${argument}.coefficients`, coefficients as NumericArray, viewName);
  else if (!Array.isArray(coefficients))
    at.fail('ERR_DTYPE', `${argument}.coefficients`, 'an array of numbers', describe(coefficients));
  const values = Array.from(coefficients as ArrayLike<number>);
  if (values.length < 2 || values.length > 9)
    at.fail('ERR_SHAPE', `${argument}.coefficients`, '2 to 9 numbers, a_0 to a_r', describe(coefficients));
  values.forEach((a, i) => at.number(`${argument}.coefficients[${i}]`, a));
  const epsilon = at.number(`${argument}.epsilon`, given.epsilon ?? 1e-6, { min: 0 });
  return { code, coefficients: type.from(values), epsilon };
}
