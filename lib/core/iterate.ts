/** What all iterative methods share: their options, their result, and the loop that honours both. */
import { cancelState } from './cancel.js';
import type { Where } from './validate.js';

/** What `onProgress` is told between iterations. */
export interface Progress {
  /** iterations done */
  iteration: number;
  /** the measure that `tolerance` bounds */
  residual: number;
}

/** Options of every iterative method. */
export interface IterativeOptions {
  /** stop after this many iterations */
  maxIterations?: number;
  /** stop once the residual is at most this */
  tolerance?: number;
  /** for methods that draw random numbers */
  seed?: number;
  /** called between iterations; returning `false` stops */
  onProgress?: (progress: Progress) => boolean | void;
  /** keep the residual of every iteration in `history` */
  record?: boolean;
}

/** What every iterative method returns beside its result. */
export interface Iterated {
  iterations: number;
  /** false if it stopped at `maxIterations` or because `onProgress` said so */
  converged: boolean;
  /** the measure that `tolerance` bounds, at the end */
  residual: number;
  history?: Float64Array;
}

export const iterativeKeys = ['maxIterations', 'tolerance', 'onProgress', 'record'] as const;

/**
 * Calls `step(iteration)` (from 1), which does one iteration and returns its residual, until that is at most the
 * tolerance, the limit is reached, `onProgress` returns false, or the call is aborted.
 */
export function iterate(
  at: Where,
  options: IterativeOptions,
  defaults: { maxIterations: number; tolerance: number },
  step: (iteration: number) => number,
): Iterated {
  const maxIterations = at.integer('options.maxIterations', options.maxIterations ?? defaults.maxIterations);
  const tolerance = at.number('options.tolerance', options.tolerance ?? defaults.tolerance, { min: 0 });
  if (options.onProgress !== undefined) at.function('options.onProgress', options.onProgress);
  const history: number[] = [];
  let residual = Infinity;
  let iterations = 0;
  let converged = false;
  while (iterations < maxIterations && !converged) {
    residual = step(++iterations);
    if (options.record) history.push(residual);
    converged = residual <= tolerance;
    if (options.onProgress?.({ iteration: iterations, residual }) === false) break;
    const state = cancelState();
    if (state === 'abort') at.fail('ERR_ABORTED', undefined, 'to run to its end, but the call was aborted');
    if (state === 'stop') break;
  }
  return { iterations, converged, residual, ...(options.record && { history: Float64Array.from(history) }) };
}
