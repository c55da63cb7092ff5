const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

/** `'Float64Array'` for such an array of any realm or subclass, undefined for anything else. */
export function arrayTypeName(value: unknown): string | undefined {
  return tagOf.call(value) as string | undefined;
}
