import { describe, expectTypeOf, test } from 'vitest';
import type { Csr, Dense, IterativeOptions, NumericArray, Real } from 'lapidary';
import type { Offloaded, OffloadPool } from 'lapidary/offload';

// Checked by `npm run typecheck`; nothing here runs.
declare const pool: OffloadPool;
declare const f64: Dense;
declare const f32: Dense<Float32Array>;
declare const real: Dense<Real>;
declare const a32: Csr<Float32Array>;
const signal = new AbortController().signal;

interface Options<A extends NumericArray> extends IterativeOptions {
  alpha?: number;
  out?: Dense<A>;
}
interface Functions {
  generic<A extends Real>(a: Dense<A>, b: Dense<A>, options?: Options<A>): Dense<A>;
  overloaded(a: Dense, options?: { x?: number }): Dense;
  overloaded(a: Dense<Float32Array>, options?: { x?: number }): Dense<Float32Array>;
  overloaded(a: number): string;
  real(x: Real): Real;
  positional(x: Float64Array, n?: number): string;
  required(w: Dense, options: { format: string; groupSize?: number }): Uint8Array;
  rest(...xs: number[]): number;
  later(x: string): Promise<number>;
}
declare const of: { [F in keyof Functions]: Offloaded<Functions[F]> };

// A function that is never called: only its types matter.
const never = (body: () => void) => () => void body;

describe('types of the mirror', () => {
  test(
    'a type parameter keeps its result for each array type',
    never(() => {
      expectTypeOf(of.generic(f64, f64)).resolves.toEqualTypeOf<Dense>();
      expectTypeOf(of.generic(f32, f32, { signal, alpha: 2 })).resolves.toEqualTypeOf<Dense<Float32Array>>();
      expectTypeOf(of.generic(f32, f32, { out: f32, move: true })).resolves.toEqualTypeOf<Dense<Float32Array>>();
      expectTypeOf(of.generic(real, real)).resolves.toEqualTypeOf<Dense<Real>>();
      expectTypeOf(of.generic(f64, f64, { onProgress: (p) => p.iteration < 3 })).resolves.toEqualTypeOf<Dense>();
      // @ts-expect-error a misspelt option
      void of.generic(f64, f64, { signal, alhpa: 2 });
      // @ts-expect-error not a signal
      void of.generic(f64, f64, { signal: 5 });
    }),
  );

  test(
    'but only where the function promises it',
    never(() => {
      expectTypeOf(of.real(new Float64Array(1))).resolves.toEqualTypeOf<Real>();
    }),
  );

  test(
    'overloads stay',
    never(() => {
      expectTypeOf(of.overloaded(f64, { x: 1, signal })).resolves.toEqualTypeOf<Dense>();
      expectTypeOf(of.overloaded(f32, { move: true })).resolves.toEqualTypeOf<Dense<Float32Array>>();
      expectTypeOf(of.overloaded(3)).resolves.toEqualTypeOf<string>();
      // @ts-expect-error none takes a string
      void of.overloaded('3');
    }),
  );

  test(
    'options go into the last object, or follow the data',
    never(() => {
      expectTypeOf(of.positional(new Float64Array(1), undefined, { signal })).resolves.toEqualTypeOf<string>();
      expectTypeOf(of.required(f64, { format: 'int8', signal })).resolves.toEqualTypeOf<Uint8Array>();
      expectTypeOf(of.required(f64, { format: 'int8' }, { signal })).resolves.toEqualTypeOf<Uint8Array>();
      expectTypeOf(of.rest(1, 2, 3)).resolves.toEqualTypeOf<number>();
      expectTypeOf(of.later('x')).resolves.toEqualTypeOf<number>();
    }),
  );

  test(
    'the pool has the domains',
    never(() => {
      expectTypeOf(pool).not.toHaveProperty('dense');
      expectTypeOf(pool).not.toHaveProperty('LapidaryError');
      expectTypeOf(pool.sparse.spmv(a32, new Float32Array(1), { signal })).resolves.toEqualTypeOf<Float32Array>();
      expectTypeOf(pool.sparse.toDense(a32, { move: true })).resolves.toEqualTypeOf<Dense<Float32Array>>();
      expectTypeOf(pool.io.writeNpy(f64)).resolves.toEqualTypeOf<Uint8Array<ArrayBuffer>>();
    }),
  );
});
