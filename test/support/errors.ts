/** How tests look at the errors that they expect. */
import { expect } from 'vitest';
import { LapidaryError } from 'lapidary';

/** For `toThrow` and `rejects`: an error of ours with this code. */
export const withCode = (code: string) =>
  expect.objectContaining({ name: 'LapidaryError', code }) as unknown as LapidaryError;

/** The code of the error of ours that `body` throws, `none` if it ends well; an error that is not ours goes on. */
export function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof LapidaryError) return error.code;
    throw error;
  }
  return 'none';
}
