/** The stable codes of {@link LapidaryError}. */
export type ErrorCode =
  /** lengths or dimensions do not fit */
  | 'ERR_SHAPE'
  /** a value of the wrong type, or a typed array of the wrong element type */
  | 'ERR_DTYPE'
  /** a number outside its range, or a size too large */
  | 'ERR_RANGE'
  /** an unknown option, or an unknown name for one */
  | 'ERR_OPTION'
  /** a typed array whose buffer was transferred away */
  | 'ERR_DETACHED'
  /** an output that shares memory with another argument */
  | 'ERR_ALIAS'
  /** an iteration that stopped where its result would be meaningless */
  | 'ERR_NOT_CONVERGED'
  /** the call was aborted through its signal */
  | 'ERR_ABORTED'
  /** memory for the result or for scratch space could not be had */
  | 'ERR_OUT_OF_MEMORY'
  /** a malformed file, or a malformed structure such as indices out of range */
  | 'ERR_FORMAT'
  /** a file that is not there or cannot be read */
  | 'ERR_IO'
  /** the native addon could not be loaded */
  | 'ERR_NATIVE_LOAD'
  /** a worker of an offload pool ended in the middle of a call, or its pool is closed */
  | 'ERR_WORKER'
  /** a fault of lapidary itself */
  | 'ERR_INTERNAL';

/** What a {@link LapidaryError} says: which function and argument, what was expected and what came. */
export interface ErrorDetails {
  function: string;
  argument?: string;
  expected: string;
  got?: string;
}

/**
 * Every error that lapidary throws. `code` is stable; the message reads
 * `function: argument: expected …, got …`.
 *
 * @example
 * let code;
 * try { dense(2, 2, new Float64Array(3)); } catch (error) { code = error.code; }
 * code // 'ERR_SHAPE'
 */
export class LapidaryError extends Error {
  readonly code: ErrorCode;
  readonly function: string;
  declare readonly argument?: string;
  readonly expected: string;
  declare readonly got?: string;

  constructor(code: ErrorCode, details: ErrorDetails, options?: { cause?: unknown }) {
    const { function: fn, argument, expected, got } = details;
    super(`${fn}: ${argument ? `${argument}: ` : ''}expected ${expected}${got ? `, got ${got}` : ''}`, options);
    this.name = 'LapidaryError';
    this.code = code;
    this.function = fn;
    if (argument !== undefined) this.argument = argument;
    this.expected = expected;
    if (got !== undefined) this.got = got;
  }
}
