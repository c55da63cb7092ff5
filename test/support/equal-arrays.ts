import { expect } from 'vitest';

/**
 * Typed arrays of the same kind and bytes are equal: said at once, before `toEqual` compares their elements one by one,
 * twice, at a microsecond each. Of others it says nothing.
 */
expect.addEqualityTesters([
  (a: unknown, b: unknown): boolean | undefined => {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
    const [x, y] = [a, b].map((view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength));
    return x!.equals(y!) || undefined;
  },
]);
