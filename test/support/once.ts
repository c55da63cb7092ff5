/** What `make` makes, at the first call: for fixtures that are the same for every instruction set. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
